package serve_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// A program that is one copy of a service, until it gets a signal. Here it
// sends that itself, after one call.
func Example() {
	var registry discovery.Memory // yours is eureka.New("http://registry:8761/eureka")

	var health serve.Health
	mux := http.NewServeMux()
	mux.Handle("GET /livez", health.Live())
	mux.Handle("GET /readyz", health.Ready())
	mux.HandleFunc("GET /v1/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "order", r.PathValue("id"))
	})

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	go callOnce(&registry, stop)
	err := serve.Run(ctx, &registry, "orders", serve.Deadline(mux), serve.Config{
		Addr:     "127.0.0.1:0",
		Instance: discovery.Instance{Zone: "eu-1a"},
		Health:   &health,
		LameDuck: 50 * time.Millisecond, // callers are told within microseconds
		Drain:    50 * time.Millisecond,
	})
	fmt.Println("stopped:", err)
	// Output:
	// order 42
	// stopped: <nil>
}

// callOnce calls the service, and then stops it.
func callOnce(registry *discovery.Memory, stop func()) {
	defer stop()
	for set, err := range registry.Watch(context.Background(), "orders") {
		if err != nil {
			log.Print(err)
			return
		}
		if len(set) > 0 {
			break
		}
	}
	t := transport.New(registry)
	defer t.Close()
	resp, err := (&http.Client{Transport: t}).Get("http://orders/v1/orders/42")
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	fmt.Print(string(text))
}

// Everything that can be set, for a copy behind address translation whose
// callers poll their registry.
func ExampleConfig() {
	var registry discovery.Memory
	ctx, stop := context.WithCancel(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	err = serve.Run(ctx, &registry, "orders", http.NotFoundHandler(), serve.Config{
		Listener:        listener, // instead of an Addr
		Instance:        discovery.Instance{ID: "orders-7", Addr: "198.51.100.7:80", Zone: "eu-1a", Weight: 2},
		Server:          &http.Server{ReadHeaderTimeout: 40 * time.Second, WriteTimeout: time.Minute},
		Health:          new(serve.Health),
		Ready:           func(context.Context) error { stop(); return nil }, // stopped while it starts
		StartTimeout:    10 * time.Second,
		WithdrawTimeout: time.Second,
		LameDuck:        60 * time.Second,
		Drain:           10 * time.Second,
		ShutdownTimeout: 20 * time.Second,
		Logger:          nil, // silence
	})
	fmt.Println(err)
	// Output: <nil>
}

// The probes of a supervisor, on a server of their own.
func ExampleHealth() {
	var health serve.Health // for serve.Config.Health, too
	probes := http.NewServeMux()
	probes.Handle("GET /livez", health.Live())
	probes.Handle("GET /readyz", health.Ready())

	for _, path := range []string{"/livez", "/readyz"} {
		w := httptest.NewRecorder()
		probes.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, w.Code, w.Body)
	}
	// Output:
	// /livez 200 alive
	//
	// /readyz 503 not ready
}

// A handler that stops to work when its caller has stopped to wait.
func ExampleDeadline() {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Minute):
			fmt.Println("done")
		case <-r.Context().Done():
			fmt.Println(r.Context().Err())
			w.WriteHeader(http.StatusGatewayTimeout)
		}
	})
	req := httptest.NewRequest(http.MethodGet, "/report", nil)
	req.Header.Set(serve.DeadlineHeader, "20") // milliseconds
	w := httptest.NewRecorder()
	serve.Deadline(slow).ServeHTTP(w, req)
	fmt.Println(w.Code)
	// Output:
	// context deadline exceeded
	// 504
}

// Another header, such as one that a gateway of yours sets.
func ExampleDeadlineFrom() {
	handler := serve.DeadlineFrom("X-Time-Left", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, ok := r.Context().Deadline()
		fmt.Println("has a deadline:", ok)
	}))
	for _, value := range []string{"1500", "1.5s"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Header.Set("X-Time-Left", value)
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}
	// Output:
	// has a deadline: true
	// has a deadline: false
}

// A copy that says how loaded it is: with each response, and to who asks.
func ExampleLoad() {
	load := serve.NewLoad(serve.LoadConfig{
		ServiceTime: func() time.Duration { return 3 * time.Millisecond }, // from a profile, say
	})
	mux := http.NewServeMux()
	mux.Handle("GET "+serve.ProbePath, load.Probe())
	mux.Handle("/v1/", load.Measure(http.NotFoundHandler()))

	for _, path := range []string{"/v1/orders/42", serve.ProbePath} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(w.Code)
		if path == serve.ProbePath {
			continue // with the latency of the call before
		}
		fmt.Println(w.Header().Get(serve.LoadHeader))
	}
	// Output:
	// 404
	// TEXT named_metrics.rif=0,named_metrics.service_time_ms=3
	// 204
}
