package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/identity"
)

// Two services that know each other by SPIFFE IDs in certificates from files.
func Example() {
	folder, done := issued("spiffe://example.org/orders", "spiffe://example.org/billing")
	defer done()

	// The orders service serves billing, and nobody else.
	source := identity.NewFiles(identity.FilesConfig{
		Cert: folder + "/orders.crt", Key: folder + "/orders.key", Roots: folder + "/ca.crt",
	})
	serverTLS, err := identity.Server(source, identity.SPIFFE("spiffe://example.org/billing"))
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{TLSConfig: serverTLS, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := identity.From(r); ok {
			_, _ = fmt.Fprintf(w, "hello, %s", caller.ID.Path())
		}
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	go func() { _ = server.ServeTLS(listener, "", "") }()

	// Billing takes an answer from orders, and nobody else.
	source = identity.NewFiles(identity.FilesConfig{
		Cert: folder + "/billing.crt", Key: folder + "/billing.key", Roots: folder + "/ca.crt",
	})
	clientTLS, err := identity.Client(source, identity.SPIFFE("spiffe://example.org/orders"))
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := discovery.Static{"orders": discovery.Addrs(listener.Addr().String())}
	t := transport.New(registry, transport.ForService("orders", transport.WithTLS(clientTLS)))
	defer t.Close()

	client := &http.Client{Transport: t}
	resp, err := client.Get("https://orders/v1/orders/42")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	fmt.Println(string(text))
	// Output: hello, /billing
}

// A program that should not come up without a certificate asks for it first.
func ExampleFiles_Certificate() {
	source := identity.NewFiles(identity.FilesConfig{Cert: "nowhere.crt", Key: "nowhere.key", Roots: "nowhere.crt"})
	_, err := source.Certificate()
	fmt.Println(err)
	_, err = source.Roots("")
	fmt.Println(err)
	// Output:
	// identity: stat nowhere.crt: no such file or directory
	// identity: stat nowhere.crt: no such file or directory
}

// What a client says when somebody else answers.
func ExampleError() {
	folder, done := issued("spiffe://example.org/orders", "spiffe://example.org/billing")
	defer done()
	files := func(name string) *identity.Files {
		return identity.NewFiles(identity.FilesConfig{
			Cert: filepath.Join(folder, name+".crt"), Key: filepath.Join(folder, name+".key"), Roots: filepath.Join(folder, "ca.crt"),
		})
	}
	serverTLS, _ := identity.Server(files("orders"), identity.TrustDomain("example.org"))
	clientTLS, _ := identity.Client(files("billing"), identity.SPIFFE("spiffe://example.org/payments"))

	listener, err := tls.Listen("tcp", "127.0.0.1:0", serverTLS)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()

	_, err = tls.Dial("tcp", listener.Addr().String(), clientTLS)
	if refusal, ok := errors.AsType[*identity.Error](err); ok {
		fmt.Println("want:", refusal.Want)
		fmt.Println("got:", refusal.Got)
		fmt.Println("sound, but not allowed:", errors.Is(err, identity.ErrNotAllowed))
	}
	// Output:
	// want: spiffe://example.org/payments
	// got: spiffe://example.org/orders
	// sound, but not allowed: true
}

// A rule of one's own: the service that is called must be the one that
// answers, in whichever trust domain of ours.
func ExampleFunc() {
	allow := identity.Func(func(p identity.Peer) error {
		want := "/ns/prod/sa/" + p.ServerName
		if !strings.HasSuffix(p.ID.TrustDomain(), ".example.org") || p.ID.Path() != want {
			return fmt.Errorf("want %s in a domain below example.org", want)
		}
		return nil
	})
	cfg, err := identity.Client(workload{}, allow)
	fmt.Println(cfg != nil, err)
	// Output: true <nil>
}

// A source of one's own: here the adapter for a client of the SPIFFE Workload
// API, whose X509Source type has methods that are much like these.
func ExampleSource() {
	var source identity.Source = workload{}
	cfg, err := identity.Server(source, identity.TrustDomain("example.org", "example.com"))
	fmt.Println(cfg != nil, err)
	_, err = source.Roots("example.net")
	fmt.Println(err)
	// Output:
	// true <nil>
	// no bundle for example.net
}

type workload struct {
	certificate *tls.Certificate
	bundles     map[string][]*x509.Certificate // by trust domain
}

func (w workload) Certificate() (*tls.Certificate, error) {
	if w.certificate == nil {
		return nil, errors.New("no SVID yet")
	}
	return w.certificate, nil
}

func (w workload) Roots(trustDomain string) (*x509.CertPool, error) {
	bundle, ok := w.bundles[trustDomain]
	if !ok {
		return nil, fmt.Errorf("no bundle for %s", trustDomain)
	}
	pool := x509.NewCertPool()
	for _, authority := range bundle {
		pool.AddCert(authority)
	}
	return pool, nil
}

// issued returns a folder with certificates for SPIFFE IDs, named for their
// last segments.
func issued(ids ...string) (folder string, done func()) {
	t := new(testing.B) // there is no test to fail
	folder, err := os.MkdirTemp("", "identity")
	if err != nil {
		panic(err)
	}
	ca := newAuthority(t, nil)
	for _, id := range ids {
		name := filepath.Join(folder, filepath.Base(id))
		writePair(t, identity.FilesConfig{Cert: name + ".crt", Key: name + ".key"}, ca.issue(t, uris(id)))
	}
	write(t, filepath.Join(folder, "ca.crt"), rootsPEM(ca))
	return folder, func() { _ = os.RemoveAll(folder) }
}
