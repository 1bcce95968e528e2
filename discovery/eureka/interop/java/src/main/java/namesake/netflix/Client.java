package namesake.netflix;

import com.netflix.appinfo.ApplicationInfoManager;
import com.netflix.appinfo.InstanceInfo;
import com.netflix.appinfo.InstanceInfo.InstanceStatus;
import com.netflix.appinfo.MyDataCenterInfo;
import com.netflix.appinfo.DataCenterInfo;
import com.netflix.appinfo.LeaseInfo;
import com.netflix.discovery.DiscoveryClient;
import com.netflix.discovery.shared.Application;
import com.netflix.discovery.shared.transport.jersey3.Jersey3TransportClientFactories;
import java.io.IOException;
import java.util.Map;
import java.util.stream.Collectors;
import namesake.Commands;
import org.springframework.cloud.netflix.eureka.EurekaClientConfigBean;
import org.springframework.cloud.netflix.eureka.EurekaInstanceConfigBean;
import org.springframework.cloud.commons.util.InetUtils;
import org.springframework.cloud.commons.util.InetUtilsProperties;

/** Netflix's own client, over its own transport. Argument: the URL of the registry. */
public final class Client {
    private Client() {}

    public static void main(String[] args) throws IOException {
        EurekaClientConfigBean config = new EurekaClientConfigBean();
        config.setServiceUrl(Map.of("defaultZone", args[0]));
        config.setRegistryFetchIntervalSeconds(1);
        config.setInstanceInfoReplicationIntervalSeconds(1);
        config.setInitialInstanceInfoReplicationIntervalSeconds(0);
        EurekaInstanceConfigBean settings = new EurekaInstanceConfigBean(new InetUtils(new InetUtilsProperties()));
        settings.setLeaseRenewalIntervalInSeconds(1);

        InstanceInfo own = InstanceInfo.Builder.newBuilder()
            .setInstanceId("127.0.0.1:netflix:8080").setAppName("netflix-service").setHostName("127.0.0.1").setIPAddr("127.0.0.1")
            .setPort(8080).setVIPAddress("netflix.service").setStatus(InstanceStatus.STARTING)
            .setDataCenterInfo(new MyDataCenterInfo(DataCenterInfo.Name.MyOwn))
            .setLeaseInfo(LeaseInfo.Builder.newBuilder().setRenewalIntervalInSecs(1).setDurationInSecs(30).build())
            .add("1a_b c", "odd")
            .build();
        ApplicationInfoManager manager = new ApplicationInfoManager(settings, own, null);
        DiscoveryClient client = new DiscoveryClient(manager, config, Jersey3TransportClientFactories.getInstance());
        manager.setInstanceStatus(InstanceStatus.UP);
        Commands.serve(command -> switch (command[0]) {
            case "find" -> {
                Application app = client.getApplication(command[1].toUpperCase());
                yield ("FOUND " + (app == null ? "" : app.getInstances().stream()
                    .map(in -> in.getInstanceId() + "@" + in.getPort()).sorted().collect(Collectors.joining(" "))));
            }
            case "status" -> {
                manager.setInstanceStatus(InstanceStatus.valueOf(command[1]));
                yield "DONE";
            }
            default -> "UNKNOWN";
        });
        client.shutdown();
        Commands.report("STOPPED");
        System.exit(0);
    }
}
