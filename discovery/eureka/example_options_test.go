package eureka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Servers in several zones, of which those of the own one are used while they
// work.
func ExampleWithZone() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()

	registry := eureka.New("", eureka.WithZone("eu-1a", map[string]string{
		"eu-1a": web.URL + "/eureka", // one or several, comma-separated
		"eu-1b": "http://eureka-3.example:8761/eureka,http://eureka-4.example:8761/eureka",
	}))
	defer registry.Close()

	for set, err := range registry.Watch(context.Background(), "orders") {
		fmt.Println(len(set), err)
		fmt.Println(registry.Stats().Server == web.URL+"/eureka")
		break
	}
	// Output:
	// 0 <nil>
	// true
}

// Servers that are listed in DNS. Here the DNS is a function; leave it out to
// ask the machine's.
func ExampleWithServers() {
	servers := eureka.DNS{
		Domain: "eureka.example",
		Region: "eu-west-1",
		URL:    "http://host:8761/eureka",
		LookupTXT: func(_ context.Context, name string) ([]string, error) {
			return map[string][]string{
				"txt.eu-west-1.eureka.example": {"eu-1a.eureka.example eu-1b.eureka.example"},
				"txt.eu-1a.eureka.example":     {"a1.eureka.example a2.eureka.example"},
				"txt.eu-1b.eureka.example":     {"b1.eureka.example"},
			}[name], nil
		},
	}
	registry := eureka.New("", eureka.WithZone("eu-1a", nil), eureka.WithServers(servers.Servers))
	defer registry.Close()

	fmt.Println(servers.Servers(context.Background()))
	// Output:
	// map[eu-1a:http://a1.eureka.example:8761/eureka,http://a2.eureka.example:8761/eureka eu-1b:http://b1.eureka.example:8761/eureka] <nil>
}

// A registry that wants to see a certificate of the client and a token.
func ExampleWithHTTPClient() {
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Authorization"), len(r.TLS.PeerCertificates))
	}))
	web.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	web.StartTLS()
	defer web.Close()

	roots := x509.NewCertPool() // yours are read with AppendCertsFromPEM,
	roots.AddCert(web.Certificate())
	certificates := web.TLS.Certificates // and with tls.LoadX509KeyPair
	base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
	defer base.CloseIdleConnections()

	registry := eureka.New(web.URL+"/eureka", eureka.WithHTTPClient(&http.Client{
		Transport: bearer{base: base, token: func(context.Context) (string, error) { return "t0ken", nil }},
	}))
	defer registry.Close()
	registration, err := registry.Register(context.Background(), "orders", discovery.Instance{Addr: "192.0.2.1:8080"})
	if err != nil {
		log.Fatal(err)
	}
	withdraw(registration)
	// Output:
	// Bearer t0ken 1
	// Bearer t0ken 1
}

// A bearer adds a token to each request, as the Transport of package
// golang.org/x/oauth2 does.
type bearer struct {
	base  http.RoundTripper
	token func(context.Context) (string, error)
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.token(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.base.RoundTrip(r)
}

// A copy that is known before it can take calls, and only gets them while it is
// well.
func ExampleWithHealthCheck() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()

	var connected atomic.Bool
	registry := eureka.New(web.URL+"/eureka",
		eureka.WithInitialStatus(eureka.Starting),
		eureka.WithHealthCheck(func(context.Context) error {
			if !connected.Load() {
				return errors.New("no database")
			}
			return nil
		}),
		eureka.WithPages(eureka.Pages{Status: "/info", Health: "/healthz"}), // for dashboards
	)
	defer registry.Close()

	ctx := context.Background()
	announced, err := registry.Register(ctx, "orders", discovery.Instance{Addr: "192.0.2.1:8080"})
	if err != nil {
		log.Fatal(err)
	}
	registration := announced.(*eureka.Registration)
	defer withdraw(registration)
	show := func() { fmt.Println(registration.RemoteStatus(ctx)) }
	show()
	for _, well := range []bool{false, true} {
		connected.Store(well)
		if err := registration.SetStatus(ctx, eureka.Up); err != nil { // heartbeats ask as well
			log.Fatal(err)
		}
		show()
	}
	// Output:
	// STARTING <nil>
	// DOWN <nil>
	// UP <nil>
}

// A copy that takes more calls when its caches are warm.
func ExampleRegistration_Update() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()
	registry := eureka.New(web.URL + "/eureka")
	defer registry.Close()

	ctx := context.Background()
	in := discovery.Instance{Addr: "192.0.2.1:8080", Weight: 1}
	announced, err := registry.Register(ctx, "orders", in)
	if err != nil {
		log.Fatal(err)
	}
	registration := announced.(*eureka.Registration)
	defer withdraw(registration)

	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("weight", set[0].Weight)
		if set[0].Weight == 10 {
			break
		}
		in.Weight = 10
		if err := registration.Update(ctx, in); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// weight 1
	// weight 10
}

// What to measure of a client, and when to be alarmed.
func ExampleClient_Stats() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()
	registry := eureka.New(web.URL+"/eureka", eureka.WithIdentity(eureka.Identity{Name: "orders"}))
	defer registry.Close()

	for _, err := range registry.Watch(context.Background(), "stock") {
		if err != nil {
			log.Fatal(err)
		}
		stats := registry.Stats()
		fmt.Println(stats.Instances, stats.Err, stats.Age() < time.Minute)
		break
	}
	// Output:
	// 0 <nil> true
}

// A few services out of a large registry.
func ExampleWithFetchByService() {
	server := eurekaserver.New()
	defer server.Close()
	web := httptest.NewServer(server)
	defer web.Close()
	registry := eureka.New(web.URL+"/eureka", eureka.WithFetchByService(), eureka.WithRegions("us-west-2"))
	defer registry.Close()

	for set, err := range registry.Watch(context.Background(), "orders") {
		fmt.Println(len(set), err)
		break
	}
	// Output: 0 <nil>
}
