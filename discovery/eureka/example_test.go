package eureka_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Follow a service. Here the registry is a server in the same program; yours
// has a URL such as "http://10.0.0.1:8761/eureka,http://10.0.0.2:8761/eureka".
func Example() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()

	registry := eureka.New(web.URL + "/eureka")
	defer registry.Close()

	ctx := context.Background()
	copies := discovery.Addrs("192.0.2.1:8080", "192.0.2.2:8080")
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			log.Print(err) // the last set stands, and the watch goes on
			continue
		}
		fmt.Println(len(set), "copies")
		if len(copies) == 0 {
			break
		}
		registration, err := registry.Register(ctx, "orders", copies[0])
		if err != nil {
			log.Fatal(err)
		}
		defer withdraw(registration)
		copies = copies[1:]
	}
	// Output:
	// 0 copies
	// 1 copies
	// 2 copies
}

// withdraw ends a registration within a bounded time, as a program that is
// about to stop should.
func withdraw(registration discovery.Registration) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := registration.Close(ctx); err != nil {
		log.Print(err) // the lease will run out
	}
}

// A service announces itself when it can take calls, and withdraws before it
// stops to take them.
func ExampleClient_Register() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()
	registry := eureka.New(web.URL + "/eureka")
	defer registry.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	registration, err := registry.Register(ctx, "orders", discovery.Instance{
		Addr: "192.0.2.1:8080",
		Zone: "eu-1a",
	})
	if err != nil {
		log.Fatal(err)
	}
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(set[0].ID, set[0].Addr, set[0].Zone)
		break
	}
	fmt.Println(registration.Close(ctx))
	// Output:
	// 192.0.2.1:orders:8080 192.0.2.1:8080 eu-1a
	// <nil>
}

// A copy that wants no calls for a while need not withdraw.
func ExampleRegistration_SetStatus() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()
	registry := eureka.New(web.URL + "/eureka")
	defer registry.Close()

	ctx := context.Background()
	announced, err := registry.Register(ctx, "orders", discovery.Instance{Addr: "192.0.2.1:8080"})
	if err != nil {
		log.Fatal(err)
	}
	registration := announced.(*eureka.Registration)
	defer withdraw(registration)

	next := []eureka.Status{eureka.OutOfService, eureka.Up}
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(set))
		if len(next) == 0 {
			break
		}
		if err := registration.SetStatus(ctx, next[0]); err != nil {
			log.Fatal(err)
		}
		next = next[1:]
	}
	// Output:
	// 1
	// 0
	// 1
}

// A primary with a standby, and other settings. New does no I/O, so this runs
// without any server.
func ExampleNew() {
	registry := eureka.New("https://user:pass%2Fword@eureka-1.example/eureka, https://user:pass%2Fword@eureka-2.example/eureka",
		eureka.WithServersInOrder(),
		eureka.WithPollInterval(10*time.Second),
		eureka.WithLease(10*time.Second, 30*time.Second),
		eureka.WithHostNames(),
		eureka.WithLogger(slog.Default()),
	)
	defer registry.Close()

	// A URL that cannot be used is reported by whatever is done first.
	registry = eureka.New("eureka-1.example:8761")
	defer registry.Close()
	_, err := registry.Register(context.Background(), "orders", discovery.Instance{Addr: "192.0.2.1:8080"})
	fmt.Println(err)
	// Output:
	// eureka: server URL "eureka-1.example:8761" begins with neither http:// nor https://
}
