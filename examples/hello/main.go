// Hello calls a service by its name: the smallest program there is.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

func main() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s says hello\n", r.Host) })
	one, two := httptest.NewServer(hello), httptest.NewServer(hello) // two copies of a service

	t := transport.New(discovery.Static{"greeter": discovery.Addrs(one.Listener.Addr().String(), two.Listener.Addr().String())})
	defer t.Close()
	client := &http.Client{Transport: t}

	resp, err := client.Get("http://greeter/") // whichever copy is there, fast and healthy
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	fmt.Print(string(text)) // greeter says hello
}
