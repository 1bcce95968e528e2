package serve_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/namesake-go/namesake/transport/serve"
)

// A copy that handles one request at a time, says so to everybody else, and
// still answers its supervisor.
func ExampleShedder() {
	shed := serve.NewShedder(serve.ShedderConfig{
		MaxInFlight: 1, // yours is more
		RetryAfter:  2 * time.Second,
		RetryJitter: -1, // so that the output is always the same
		Exempt:      serve.Paths("/readyz"),
	})
	working, finish := make(chan bool), make(chan bool)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /report", func(http.ResponseWriter, *http.Request) {
		working <- true
		<-finish
	})
	handler := shed.Handler(mux) // for serve.Run
	get := func(path string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Printf("%s %d %q\n", path, w.Code, w.Header()["Retry-After"])
	}

	done := make(chan bool)
	go func() { get("/report"); close(done) }()
	<-working
	get("/report")
	get("/readyz")
	finish <- true
	<-done
	fmt.Printf("%+v\n", shed.Stats())
	// Output:
	// /report 503 ["2"]
	// /readyz 200 []
	// /report 200 []
	// {InFlight:0 Waiting:0 Admitted:1 Shed:1 Abandoned:0}
}
