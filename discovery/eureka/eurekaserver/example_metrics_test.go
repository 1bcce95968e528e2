package eurekaserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Metrics and health on a listener of their own.
func ExampleServer_Metrics() {
	registry := eurekaserver.New()
	defer registry.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", registry.Metrics())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "eurekaserver_protection_active") {
			fmt.Print(line)
		}
	}
	// Output:
	// eurekaserver_protection_active 0
}

// What an operator wants to know.
func ExampleServer_Stats() {
	registry := eurekaserver.New(eurekaserver.WithSelfPreservation(eurekaserver.PreservationConfig{MaxHold: 5 * time.Minute}))
	defer registry.Close()
	stats := registry.Stats()
	fmt.Println(stats.Leases, "instances, protected:", stats.Preservation.Active)
	// Output:
	// 0 instances, protected: false
}
