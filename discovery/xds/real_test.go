package xds_test

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// harness is for the faults that every registry has to bear. The plane is a part
// of the test, so that it cannot be killed, but its connections can be cut.
func harness(opts ...xds.Option) registrytest.Harness {
	return registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
		p := newPlane(t)
		proxy := registrytest.NewProxy(t, p.addr)
		impatient := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second})
		return registrytest.Subject{
			Watcher: client(t, dial(t, proxy.Addr(), impatient), opts...),
			Proxy:   proxy,
			Set:     func(t testing.TB, service string, instances ...discovery.Instance) { p.set(t, service, instances...) },
		}
	}}
}

func TestRealFaults(t *testing.T) {
	for name, opts := range variants {
		t.Run(name, func(t *testing.T) { registrytest.TestFaults(t, harness(opts...)) })
	}
}

func BenchmarkReal(b *testing.B) {
	for name, opts := range variants {
		b.Run(name, func(b *testing.B) { registrytest.BenchmarkChange(b, harness(opts...)) })
	}
}
