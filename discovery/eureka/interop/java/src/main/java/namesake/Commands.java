package namesake;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.function.Function;

/**
 * Reads commands, one a line, and reports what comes of each. It returns at
 * the end of the input, so that no program outlives the test that runs it.
 */
public final class Commands {
    private Commands() {}

    public static void serve(Function<String[], String> command) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        report("STARTED");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String report;
            try {
                report = command.apply(line.split(" "));
            } catch (RuntimeException e) {
                e.printStackTrace();
                report = "FAILED " + e;
            }
            report(report);
        }
        Thread watchdog = new Thread(Commands::leave);
        watchdog.setDaemon(true);
        watchdog.start();
    }

    /** Without a registry, clients take long to end. */
    private static void leave() {
        try {
            Thread.sleep(30_000);
        } catch (InterruptedException e) {
            return;
        }
        Runtime.getRuntime().halt(1);
    }

    public static void report(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
