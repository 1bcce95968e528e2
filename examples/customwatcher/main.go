// Customwatcher calls services that are listed in a file: a registry of one's
// own, in some fifteen lines. See watcher.go.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

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
	blue, green := serve("blue"), serve("green")
	defer blue.Close()
	defer green.Close()

	folder, err := os.MkdirTemp("", "customwatcher")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := hostsFile(filepath.Join(folder, "hosts"))
	if err := file.write("orders " + blue.Listener.Addr().String()); err != nil {
		return err
	}

	watcher := discovery.Poll(file.lookup, discovery.PollConfig{Interval: 10 * time.Millisecond})
	replaced := make(chan struct{}, 1)
	t := transport.New(watcher, transport.WithPolicy(balancer.RoundRobin), transport.WithHooks(transport.Hooks{
		EndpointRemoved: func(transport.EndpointEvent) { replaced <- struct{}{} },
	}))
	defer t.Close()
	client := &http.Client{Transport: t}

	if err := call(client, stdout); err != nil {
		return err
	}
	if err := file.write("orders " + green.Listener.Addr().String()); err != nil {
		return err
	}
	<-replaced // within the poll interval
	return call(client, stdout)
}

// write replaces the file at once, so that nobody reads half of it.
func (f hostsFile) write(text string) error {
	half := string(f) + ".new"
	if err := os.WriteFile(half, []byte(text+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(half, string(f))
}

func serve(name string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "orders from", name)
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
