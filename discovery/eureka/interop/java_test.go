package interop

import (
	"io/fs"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// classes returns the class path of our programs in Java.
func classes(t *testing.T) string {
	t.Helper()
	need(t, "java", "mvn")
	var sources []string
	require.NoError(t, filepath.WalkDir("java", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			sources = append(sources, path)
		}
		return err
	}))
	folder := cached(t, "java", sources, func(folder string) {
		run(t, "", nil, "mvn", "--batch-mode", "--quiet", "--file", "java/pom.xml", "-Dinterop.build="+folder,
			"compile", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(folder, "lib"))
	})
	return filepath.Join(folder, "classes") + ":" + filepath.Join(folder, "lib", "*")
}

// java starts one of our programs in Java, which reports that it has.
func java(t *testing.T, name, class string, args ...string) *process {
	t.Helper()
	p := start(t, name, nil, append([]string{
		"java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes(t), class}, args...)...)
	return p
}

// A springRegistry is Spring Cloud's server.
type springRegistry struct {
	*process
	host, port string
	url        string
}

// reserve returns a Spring server that is not running yet, at an address that
// is free. Servers that copy from each other must differ by host: they take
// themselves for the one on their own host.
func reserve(t *testing.T, host string) springRegistry {
	t.Helper()
	listener, err := net.Listen("tcp", host+":0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	return springRegistry{host: host, port: port, url: "http://" + addr + "/eureka"}
}

// start starts the server, with a peer or alone, as quick as it goes.
func (s *springRegistry) start(t *testing.T, peer string, settings ...string) {
	t.Helper()
	args := append([]string{
		"--spring.main.banner-mode=off",
		"--spring.application.name=registry",
		"--server.address=" + s.host,
		"--server.port=" + s.port,
		"--eureka.instance.hostname=" + s.host,
		"--eureka.server.enable-self-preservation=false",
		"--eureka.server.eviction-interval-timer-in-ms=2000",
		"--eureka.server.use-read-only-response-cache=false",
		"--eureka.server.retention-time-in-m-s-in-delta-queue=10000",
		"--eureka.server.delta-retention-timer-interval-in-ms=500",
		"--eureka.server.peer-node-connect-timeout-ms=2000",
		"--eureka.server.peer-node-read-timeout-ms=2000",
	}, settings...)
	if peer == "" {
		peer = s.url // which it knows as itself
		args = append(args, "--eureka.client.register-with-eureka=false", "--eureka.client.fetch-registry=false")
	}
	args = append(args, "--eureka.client.service-url.defaultZone="+peer+"/", "--eureka.client.registry-fetch-interval-seconds=1")
	s.process = java(t, "Spring's registry at "+s.host, "namesake.registry.Registry", args...)
}

func TestNetflixClient(t *testing.T) {
	t.Parallel()
	server := serve(t)
	announce(t, server.url, "orders-1", 8081)
	client := java(t, "Netflix's client", "namesake.netflix.Client", server.url+"/")
	client.expect("STARTED")
	const id = "127.0.0.1:netflix:8080"
	in := server.comesUp("NETFLIX-SERVICE", id)
	assert.Equal(t, "netflix.service", in.VIPAddress)
	assert.Equal(t, "odd", in.Metadata["1a_b c"])
	client.sees("ORDERS", "orders-1@8081")

	// It reads deltas, and sees changes one by one.
	announce(t, server.url, "orders-2", 8082)
	client.sees("ORDERS", "orders-1@8081 orders-2@8082")
	status, _ := ask(t, "PUT", server.url+"/apps/ORDERS/orders-1/status?value=OUT_OF_SERVICE", "")
	require.Equal(t, 200, status)
	client.sees("ORDERS", "orders-2@8082")
	withdraw(t, server.url, "orders-2")
	client.sees("ORDERS", "")
	assert.Positive(t, server.requests("GET /apps/delta 200"))
	assert.Equal(t, 1, server.requests("GET /apps/ 200"), "no hash was wrong")

	server.keeps("NETFLIX-SERVICE", id)
	client.tell("status DOWN")
	eventually(t, "down", func() bool {
		in, _ := instance(t, server.url, "NETFLIX-SERVICE", id)
		return in.Status == "DOWN"
	})

	client.stop()
	client.expect("STOPPED")
	_, ok := instance(t, server.url, "NETFLIX-SERVICE", id)
	assert.False(t, ok)
}

// Spring's client has two transports, which both read as strictly as can be.
func TestSpringClient(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]string{"RestTemplate": "false", "RestClient": "true"} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			port := hello(t)
			announce(t, server.url, "orders-1", port)
			client := java(t, "Spring's client", "namesake.service.Service",
				"--spring.main.banner-mode=off", "--spring.application.name=spring-service", "--server.address=127.0.0.1", "--server.port=0",
				"--eureka.client.service-url.defaultZone="+server.url+"/", "--eureka.client.jersey.enabled=false",
				"--eureka.client.restclient.enabled="+rest, "--eureka.client.registry-fetch-interval-seconds=1",
				"--eureka.instance.lease-renewal-interval-in-seconds=1", "--eureka.instance.hostname=127.0.0.1",
				"--eureka.instance.instance-id=spring-1", "--spring.cloud.loadbalancer.cache.ttl=100ms")
			client.expect("STARTED")
			in := server.comesUp("SPRING-SERVICE", "spring-1")
			assert.Equal(t, "spring-service", in.VIPAddress)
			status, answer := ask(t, "GET", "http://127.0.0.1:"+strconv.Itoa(in.Port.Number)+"/hello", "")
			assert.Equal(t, 200, status)
			assert.Equal(t, "hello from Spring", answer)

			client.tell("call orders")
			client.expect("GOT hello from Go")
			announce(t, server.url, "orders-2", 8082)
			client.sees("orders", "orders-1@"+strconv.Itoa(port)+" orders-2@8082")
			withdraw(t, server.url, "orders-1")
			client.sees("orders", "orders-2@8082")
			assert.Positive(t, server.requests("GET /apps/delta 200"))

			server.keeps("SPRING-SERVICE", "spring-1")
			client.stop()
			client.expect("STOPPED")
			_, ok := instance(t, server.url, "SPRING-SERVICE", "spring-1")
			assert.False(t, ok)
		})
	}
}

// sees waits until a client finds what it should. An answer may be that from
// before the last change.
func (p *process) sees(service, ids string) {
	p.t.Helper()
	eventually(p.t, service+" "+ids, func() bool {
		p.tell("find " + service)
		return p.next("FOUND ") == ids
	})
}
