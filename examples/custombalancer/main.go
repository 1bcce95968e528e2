// Custombalancer calls a service with a policy of one's own, in some fifteen
// lines: copies in the caller's zone first. See policy.go.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(stdout io.Writer) error {
	near, far := serve("eu-1a"), serve("eu-1b")
	defer near.Close()
	defer far.Close()
	registry := discovery.Static{"orders": {
		{Addr: near.Listener.Addr().String(), Zone: "eu-1a"},
		{Addr: far.Listener.Addr().String(), Zone: "eu-1b"},
	}}
	t := transport.New(registry, transport.WithPolicy(inZone("eu-1a", balancer.RoundRobin)), transport.WithLogger(nil))
	defer t.Close()
	client := &http.Client{Transport: t}

	for range 3 {
		if err := call(client, stdout); err != nil {
			return err
		}
	}
	near.Close() // the zone goes down: the next calls leave it without an error
	for range 3 {
		if err := call(client, stdout); err != nil {
			return err
		}
	}
	return nil
}

func serve(zone string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "orders from", zone)
	}))
}

func call(client *http.Client, stdout io.Writer) error {
	resp, err := client.Get("http://orders/v1/orders/42")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(stdout, resp.Body)
	return err
}
