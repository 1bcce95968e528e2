package kubernetes_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/namesake-go/namesake/discovery/kubernetes"
)

// Follow a service. In a pod, kubernetes.New() is enough; here the API server
// is a fake in the same program.
func Example() {
	api := newAPIServer()
	api.put(sliceOf("orders-x7k2p", pod(1), pod(2)))
	web := httptest.NewServer(api)
	defer web.Close()

	registry := kubernetes.New(kubernetes.WithCluster(kubernetes.Cluster{Server: web.URL}))
	defer registry.Close()

	for set, err := range registry.Watch(context.Background(), "orders.shop") {
		if err != nil {
			log.Print(err) // the last set stands, and the watch goes on
			continue
		}
		for _, in := range set {
			fmt.Println(in.Metadata["pod"], in.Addr, in.Zone)
		}
		if len(set) == 1 {
			break
		}
		api.put(sliceOf("orders-x7k2p", pod(2)))
	}
	// Output:
	// orders-1 10.0.0.1:8080 eu-1a
	// orders-2 10.0.0.2:8080 eu-1a
	// orders-2 10.0.0.2:8080 eu-1a
}

// All options. New does no I/O, so this runs without a cluster.
func ExampleNew() {
	registry := kubernetes.New(
		kubernetes.WithCluster(kubernetes.Cluster{Server: "http://127.0.0.1:8001"}), // kubectl proxy
		kubernetes.WithNamespace("shop"),
		kubernetes.WithPort("grpc"),
		kubernetes.WithIPv6(),
		kubernetes.WithHTTPClient(&http.Client{}),
		kubernetes.WithLogger(slog.Default()),
	)
	defer registry.Close()

	// Settings that cannot be used are yielded by each watch.
	registry = kubernetes.New(kubernetes.WithCluster(kubernetes.Cluster{Server: "ftp://api.example"}))
	defer registry.Close()
	for _, err := range registry.Watch(context.Background(), "orders") {
		fmt.Println(err)
		break
	}
	// Output:
	// kubernetes: server URL "ftp://api.example" begins with neither http:// nor https://
}

// Outside of a cluster, with what this has written:
//
//	kubectl config view --raw --minify -o json > config.json
func ExampleLoadKubeconfig() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system tidies up
	file := filepath.Join(folder, "config.json")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		log.Fatal(err)
	}

	cluster, err := kubernetes.LoadKubeconfig(file, "prod")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cluster.Server, cluster.Namespace)

	registry := kubernetes.New(kubernetes.WithCluster(cluster))
	defer registry.Close()
	// Output:
	// https://prod:6443 shop
}
