package registrytest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// A Harness says how to test what follows a registry. Only New is required.
type Harness struct {
	// New starts a registry and makes what follows it. It is called once for
	// every fault, and cleans up with t.Cleanup.
	New func(t testing.TB) Subject

	// Patience is how long a change may take to be seen while all is well
	// again. Zero means 30 s.
	Patience time.Duration
}

// A Subject is what is tested, and the means to break it. Faults for which the
// means are nil are left out.
type Subject struct {
	// Watcher is what is tested. It reads through Proxy, if there is one.
	Watcher discovery.Watcher

	// Set makes the registry list these copies of a service and no others,
	// past the proxy. Nil means to register them with Registrar.
	Set func(t testing.TB, service string, instances ...discovery.Instance)

	// Registrar is the write side, if it has one. It writes through Proxy.
	Registrar discovery.Registrar

	// Server is the registry.
	Server *Server

	// Forgets says that the registry has lost everything after a restart, so
	// that the suite sets it again. What has been registered with Registrar
	// has to come back by itself.
	Forgets bool

	Proxy *Proxy

	// Revoke takes the watcher's rights away, or gives them back.
	Revoke func(t testing.TB, revoked bool)

	// Listed returns the address under which a copy that really listens at
	// addr, on 127.0.0.1, is to be listed, for registries that refuse that;
	// Dial connects to listed addresses. Nil means that there is no difference.
	Listed func(addr string) string
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)

	// Thousand is how many instances a large service has; 0 means 1000.
	Thousand int

	// Strip returns an instance without the facts that the registry cannot
	// carry or adds of its own. Nil means that it carries all.
	Strip func(in discovery.Instance) discovery.Instance
}

const defaultPatience = 30 * time.Second

func (h Harness) patience() time.Duration { return cmp.Or(h.Patience, defaultPatience) }

// newService returns a name that no other test uses.
func newService() string { return fmt.Sprintf("orders-%08x", rand.Uint32()) }

// A replica is a server of the service that is looked for.
type replica struct {
	instance discovery.Instance
	server   *http.Server
}

// replicas starts copies of a service, which tell who they are.
func (s *Subject) replicas(t testing.TB, service string, n int) []*replica {
	t.Helper()
	all := make([]*replica, n)
	for i := range all {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("%s-%d", service, i)
		server := &http.Server{
			ReadHeaderTimeout: 5 * time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Copy", id)
				w.WriteHeader(http.StatusNoContent)
			}),
		}
		go func() { _ = server.Serve(listener) }() // ends with the test
		t.Cleanup(func() { _ = server.Close() })
		addr := listener.Addr().String()
		if s.Listed != nil {
			addr = s.Listed(addr)
		}
		all[i] = &replica{discovery.Instance{ID: id, Addr: addr}, server}
	}
	return all
}

func instances(replicas []*replica) []discovery.Instance {
	set := make([]discovery.Instance, len(replicas))
	for i, r := range replicas {
		set[i] = r.instance
	}
	return set
}

// registered is a copy that is announced by the Registrar.
type registered struct {
	discovery.Registration
	instance discovery.Instance
}

// set lists copies in the registry, by whatever means there are. What is
// announced already, and unchanged, is left alone.
func (s *Subject) set(t testing.TB, held map[string]registered, service string, set ...discovery.Instance) {
	t.Helper()
	if s.Set != nil {
		s.Set(t, service, set...)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	listed := make(map[string]bool)
	for _, in := range set {
		listed[in.ID] = true
	}
	for id, r := range held {
		if !listed[id] {
			if err := r.Close(ctx); err != nil {
				t.Fatalf("withdraw %s: %v", id, err)
			}
			delete(held, id)
		}
	}
	for _, in := range set {
		if before, ok := held[in.ID]; ok && before.instance.Equal(in) {
			continue
		}
		r, err := s.Registrar.Register(ctx, service, in)
		if err != nil {
			t.Fatalf("register %s: %v", in.ID, err)
		}
		held[in.ID] = registered{r, in}
	}
}
