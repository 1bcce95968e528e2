package namesake.service;

import java.io.IOException;
import java.util.stream.Collectors;
import namesake.Commands;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestTemplate;

/**
 * A service as Spring users write it: it registers, finds others by name, and
 * calls them. Its settings come as arguments.
 */
@SpringBootApplication
@RestController
public class Service {
    @Bean
    @LoadBalanced
    RestTemplate balanced() {
        return new RestTemplate();
    }

    @GetMapping("/hello")
    String hello() {
        return "hello from Spring";
    }

    public static void main(String[] args) throws IOException {
        ConfigurableApplicationContext context = SpringApplication.run(Service.class, args);
        DiscoveryClient discovery = context.getBean(DiscoveryClient.class);
        RestTemplate rest = context.getBean(RestTemplate.class);
        Commands.serve(command -> switch (command[0]) {
            case "find" -> "FOUND " + discovery.getInstances(command[1]).stream()
                .map(in -> in.getInstanceId() + "@" + in.getPort()).sorted().collect(Collectors.joining(" "));
            case "call" -> "GOT " + rest.getForObject("http://" + command[1] + "/hello", String.class);
            default -> "UNKNOWN";
        });
        context.close();
        Commands.report("STOPPED");
        System.exit(0);
    }
}
