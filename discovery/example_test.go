package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

func ExampleWatcher() {
	registry := new(discovery.Memory)
	registry.Set("orders", discovery.Addrs("10.0.0.7:8080")...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	var last []discovery.Instance // what to use, whatever happens
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			fmt.Printf("%v; still %d copies\n", err, len(last))
			break
		}
		last = set
		fmt.Println(len(set), "copies")
		registry.Fail(errors.New("registry: connection refused")) // while we watch
	}
	// Output:
	// 1 copies
	// registry: connection refused; still 1 copies
}

// A registry that pushes, here a channel of all addresses of a service, needs
// no Poll. A real one opens its connection where the function begins, defers
// closing it, and after an error waits a while before it opens another.
func ExampleWatcherFunc() {
	pushed := make(chan []string, 2)
	pushed <- []string{"10.0.0.8:8080", "10.0.0.7:8080"}
	pushed <- []string{"10.0.0.7:8080", "10.0.0.8:http"}

	var watcher discovery.Watcher = discovery.WatcherFunc(
		func(ctx context.Context, _ string) iter.Seq2[[]discovery.Instance, error] {
			return func(yield func([]discovery.Instance, error) bool) {
				for {
					select {
					case addrs := <-pushed:
						set, err := discovery.CleanSet(discovery.Addrs(addrs...))
						if (err == nil || len(set) > 0) && !yield(set, nil) {
							return
						}
						if err != nil && !yield(nil, err) {
							return
						}
					case <-ctx.Done():
						return
					}
				}
			}
		})

	for set, err := range watcher.Watch(context.Background(), "orders") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(len(set), "copies, one at", set[0].Addr)
	}
	// Output:
	// 2 copies, one at 10.0.0.7:8080
	// 1 copies, one at 10.0.0.7:8080
	// discovery: instance "": address "10.0.0.8:http" has no port between 1 and 65535
}

func ExampleRegistrar() {
	var registrar discovery.Registrar = new(discovery.Memory)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	registration, err := registrar.Register(ctx, "orders", discovery.Instance{
		ID: "orders-1", Addr: "10.0.0.7:8080", Zone: "eu-1a",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Serve until it is time to stop; then withdraw before the last call ends.
	fmt.Println("closed:", registration.Close(ctx))

	_, err = registrar.Register(ctx, "orders", discovery.Instance{ID: "orders-1", Addr: "10.0.0.7"})
	fmt.Println(err)
	// Output:
	// closed: <nil>
	// discovery: instance "orders-1": address "10.0.0.7" is not host:port
}

func ExampleInstance_Key() {
	fmt.Println(discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:8080"}.Key())
	fmt.Println(discovery.Instance{Addr: "10.0.0.7:8080"}.Key())
	// Output:
	// orders-1
	// 10.0.0.7:8080
}

func ExampleInstance_Validate() {
	for _, in := range []discovery.Instance{
		{ID: "orders-1", Addr: "[2001:db8::7]:8080"},
		{ID: "orders-2", Addr: "10.0.0.7:0"},
		{ID: "orders-3", Addr: "10.0.0.7:21", Scheme: "ftp"},
	} {
		fmt.Println(in.Validate())
	}
	// Output:
	// <nil>
	// discovery: instance "orders-2": address "10.0.0.7:0" has no port between 1 and 65535
	// discovery: instance "orders-3": scheme "ftp" is neither http nor https
}
