// Registry is a service registry in a process of its own, for Eureka clients
// of any origin.
//
//	go run ./examples/registry
//
// listens at 127.0.0.1:8761, where everybody may do everything. Clients are
// given http://127.0.0.1:8761/eureka/ as the URL of the registry. In earnest
// it looks rather like this:
//
//	registry -addr :8761 -data /var/lib/registry -metrics 127.0.0.1:9090 \
//		-tls-cert cert.pem -tls-key key.pem -users users.txt -log-format json
//
// # Who may do what
//
// Without any of the following options everybody may do everything. With one
// or more, only those in their files get in. A line of a file is somebody:
//
//	# -users: name, password, grants, and the applications if not all
//	orders    correct-horse   write        ORDERS,STOCK
//	ops       battery-staple  read,operate
//
//	# -tokens: name, token, grants, applications
//	dashboard 7Fjfp0ZBr1KtDRb read
//
//	# -callers: name in a client's certificate, grants, applications
//	spiffe://example.org/orders write      ORDERS
//	registry-2.example.org      read,peer
//
// Grants are read, write (register, renew, cancel), operate (set a status),
// peer (speak as another server) and all. With -read-open everybody may read.
// Clients with a name and a password have them in the URL:
// https://orders:correct-horse@registry:8761/eureka/.
//
// # Certificates
//
// The files of -tls-cert, -tls-key and -client-ca may be replaced while the
// program runs. Clients need not show a certificate, but one that is shown is
// verified.
//
// # Restarts
//
// With -data the registry is kept in a folder and is complete at once after a
// restart. Without, it is empty until the instances have sent their next
// heartbeats. The program stops at SIGINT and SIGTERM: clients that wait for a
// change are answered, and requests that are under way too, for at most ten
// seconds.
//
// # Several of them
//
// Each is given the URLs of all others, or simply of all, and a restarted one
// copies from them what it has missed:
//
//	registry -addr 10.0.0.1:8761 -peers http://10.0.0.1:8761/eureka,http://10.0.0.2:8761/eureka
//	registry -addr 10.0.0.2:8761 -peers http://10.0.0.1:8761/eureka,http://10.0.0.2:8761/eureka
//
// Clients are given the same list. Servers that need a password of each other
// have it in these URLs. With -client-ca they show their own certificates, whose
// authorities have to be among those of -client-ca, and need the grant peer.
//
// # Watching it
//
// A browser shows at / what there is, as it changes; with -operate it has buttons
// that take copies out of service and back, for whoever may operate.
// The log says what happens: instances that come and go, what operators do,
// requests that are refused, leases that are protected. With -metrics an
// address of its own serves /metrics for Prometheus and /healthz.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx is done, and then answers the requests that are under
// way. It writes to stdout where it listens and what happens.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	cfg, err := parseFlags(args, stdout)
	if err != nil {
		return err
	}
	logger := cfg.logger(stdout)
	options, err := cfg.options(logger)
	if err != nil {
		return err
	}
	tlsConfig, err := cfg.tls(logger)
	if err != nil {
		return err
	}
	registry := eurekaserver.New(options...)
	defer registry.Close()

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.addr)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	defer func() { _ = listener.Close() }() // Serve does it too
	logger.Info("listening", "url", cfg.url(listener.Addr()), "page", cfg.page(listener.Addr()))
	if cfg.open() {
		logger.Warn("everybody who reaches this address may change the registry: see -users, -tokens, -callers")
	}

	ctx, fail := context.WithCancel(ctx)
	defer fail()
	servers := []*running{serve(listener, &http.Server{
		Handler:           registry,
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // does not cut off clients that wait for a change
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}, logger, fail)}
	if cfg.metrics != "" {
		aside, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.metrics)
		if err != nil {
			return errors.Join(fmt.Errorf("registry: -metrics: %w", err), stopAll(ctx, registry, servers))
		}
		logger.Info("metrics", "url", "http://"+aside.Addr().String()+"/metrics")
		servers = append(servers, serve(aside, &http.Server{Handler: watch(registry), ReadTimeout: 5 * time.Second}, logger, fail))
	}
	registry.Start()

	<-ctx.Done()
	if err := stopAll(ctx, registry, servers); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	logger.Info("stopped")
	return nil
}

// watch serves what is for operators only.
func watch(registry *eurekaserver.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", registry.Metrics())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux
}
