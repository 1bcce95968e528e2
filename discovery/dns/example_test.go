package dns_test

import (
	"context"
	"fmt"
	"log"
	"testing"

	"github.com/namesake-go/namesake/discovery/dns"
)

// Follow a service whose copies are SRV records. Here the server is a part of
// the program; yours are in /etc/resolv.conf, or have addresses such as
// "10.0.0.2".
func ExampleNewSRV() {
	server, stop := startServer()
	defer stop()

	registry := dns.NewSRV("_%s._tcp.example.internal", dns.WithServers(server))
	for set, err := range registry.Watch(context.Background(), "orders") {
		if err != nil {
			log.Print(err) // the last set stands, and the watch goes on
			continue
		}
		for _, in := range set {
			fmt.Println(in.Addr, "priority", in.Priority, "weight", in.Weight, in.Metadata["target"])
		}
		break
	}
	// Output:
	// 192.0.2.1:8080 priority 1 weight 70 a.example.internal
	// 192.0.2.2:8081 priority 1 weight 30 b.example.internal
}

// Follow a service whose copies are the addresses of a name, as those of a
// headless service in Kubernetes.
func ExampleNewHost() {
	server, stop := startServer()
	defer stop()

	registry := dns.NewHost("%s.default.svc.cluster.local", 8080, dns.WithServers(server))
	for set, err := range registry.Watch(context.Background(), "orders") {
		if err != nil {
			log.Print(err)
			continue
		}
		for _, in := range set {
			fmt.Println(in.Addr)
		}
		break
	}
	// Output:
	// 192.0.2.1:8080
	// 192.0.2.2:8080
}

func startServer() (addr string, stop func()) {
	t := new(cleanups)
	s := newServer(t)
	s.set("_orders._tcp.example.internal.", srv(1, 70, 8080, "a.example.internal.", 60), srv(1, 30, 8081, "b.example.internal.", 60))
	s.set("a.example.internal.", a("192.0.2.1", 60))
	s.set("b.example.internal.", a("192.0.2.2", 60))
	s.set("orders.default.svc.cluster.local.", a("192.0.2.1", 5), a("192.0.2.2", 5))
	return s.listen(t), t.run
}

// cleanups is what a server needs of a test, in an example.
type cleanups struct {
	testing.TB
	all []func()
}

func (c *cleanups) Helper()                   {}
func (c *cleanups) Cleanup(f func())          { c.all = append(c.all, f) }
func (c *cleanups) FailNow()                  { panic("see the log") }
func (c *cleanups) Errorf(f string, a ...any) { log.Printf(f, a...) }

func (c *cleanups) run() {
	for _, f := range c.all {
		f()
	}
}
