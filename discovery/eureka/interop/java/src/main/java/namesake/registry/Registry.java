package namesake.registry;

import java.io.IOException;
import namesake.Commands;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.ConfigurableApplicationContext;

/** Spring Cloud's registry. Its settings come as arguments. */
@SpringBootApplication
@EnableEurekaServer
public class Registry {
    public static void main(String[] args) throws IOException {
        ConfigurableApplicationContext context = SpringApplication.run(Registry.class, args);
        Commands.serve(command -> "UNKNOWN");
        context.close();
        System.exit(0);
    }
}
