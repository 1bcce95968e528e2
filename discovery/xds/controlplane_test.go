package xds_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
)

// eventually waits for something about the plane to be true.
func (p *plane) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return is()
	}, time.Minute, time.Millisecond, what)
}

// acknowledged returns how many responses have been, and what was wrong with
// the others.
func (p *plane) acknowledged() (good int, faults []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if r.GetErrorDetail() != nil {
			faults = append(faults, r.GetErrorDetail().GetMessage())
		} else if r.GetResponseNonce() != "" {
			good++
		}
	}
	for _, r := range p.deltas {
		if r.GetErrorDetail() != nil {
			faults = append(faults, r.GetErrorDetail().GetMessage())
		} else if r.GetResponseNonce() != "" {
			good++
		}
	}
	return good, faults
}

// Many services share one stream, which comes and goes with their watches.
func TestOneStream(t *testing.T) {
	for name, opts := range variants {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t)
			c := client(t, dial(t, p.addr), opts...)
			const services = 20
			readers := make([]*reader, services)
			for i := range readers {
				service := fmt.Sprint("service-", i)
				p.set(t, service, discovery.Instance{Addr: fmt.Sprint("10.0.0.1:", 1000+i)})
				readers[i] = read(t, c, service)
			}
			for i, r := range readers {
				assert.Equal(t, []string{fmt.Sprint("10.0.0.1:", 1000+i)}, r.addrs())
			}
			p.eventually(t, "one stream", func() bool { return p.streams == 1 })
			for _, r := range readers[1:] {
				r.stop()
			}
			p.set(t, "service-5", discovery.Instance{Addr: "10.0.0.2:80"})
			back := read(t, c, "service-5")
			for back.addrs()[0] != "10.0.0.2:80" { // it may have come back before it had left
			}
			back.stop()
			readers[0].stop()
			p.eventually(t, "no stream", func() bool { return p.streams == 0 })
			_, faults := p.acknowledged()
			assert.Empty(t, faults)
		})
	}
}

// With go-control-plane, too, what makes no sense is rejected, and its repair
// accepted.
func TestRejectionByPlane(t *testing.T) {
	for name, opts := range variants {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t)
			c := client(t, dial(t, p.addr), opts...)
			p.set(t, "orders", discovery.Instance{Addr: "10.0.0.1:80"})
			r := read(t, c, "orders")
			r.set()
			bad := assignment("orders", discovery.Instance{Addr: "10.0.0.2:80", Priority: 200})
			require.NoError(t, p.cache.UpdateResource("orders", bad))
			assert.ErrorContains(t, r.failure(), "the priority 200 is above 128")
			p.eventually(t, "a rejection", func() bool {
				for _, q := range p.requests {
					if q.GetErrorDetail() != nil {
						return true
					}
				}
				for _, q := range p.deltas {
					if q.GetErrorDetail() != nil {
						return true
					}
				}
				return false
			})
			p.set(t, "orders", discovery.Instance{Addr: "10.0.0.3:80"})
			assert.Equal(t, []string{"10.0.0.3:80"}, r.addrs())
			good, faults := p.acknowledged()
			assert.Positive(t, good)
			assert.Contains(t, faults[0], `resource "orders": locality "//": the priority 200 is above 128`)
			assert.Less(t, len(faults), 20, "the plane is not kept busy")
		})
	}
}

// What the plane removes is unknown, with delta; the state of the world does
// not say so.
func TestRemoval(t *testing.T) {
	p := newPlane(t)
	conn := dial(t, p.addr)
	delta, sotw := client(t, conn, xds.WithDelta()), client(t, conn)
	p.set(t, "orders", discovery.Instance{Addr: "10.0.0.1:80"})
	p.set(t, "users", discovery.Instance{Addr: "10.0.0.1:80"})
	orders, same, users := read(t, delta, "orders"), read(t, sotw, "orders"), read(t, sotw, "users")
	orders.set()
	same.set()
	users.set()
	require.NoError(t, p.cache.DeleteResource("orders"))
	assert.ErrorIs(t, orders.failure(), discovery.ErrUnknownService)
	p.set(t, "users", discovery.Instance{Addr: "10.0.0.2:80"})
	users.set() // which was sent after the removal
	assert.Empty(t, same.pairs)
	p.set(t, "orders", discovery.Instance{Addr: "10.0.0.1:80"})
	assert.Len(t, orders.set(), 1)
}

// A plane that stops and comes back has its say again, even if nothing in it
// has changed.
func TestPlaneRestarts(t *testing.T) {
	for name, opts := range variants {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t)
			c := client(t, dial(t, p.addr), opts...)
			p.set(t, "orders", discovery.Instance{Addr: "10.0.0.1:80"})
			r := read(t, c, "orders")
			r.set()
			p.stop()
			assert.ErrorContains(t, r.failure(), `xds: service "orders": rpc error: code = Unavailable`)
			p.start(t)
			for {
				if got := r.next(); got.err == nil {
					assert.Len(t, got.set, 1)
					return
				}
			}
		})
	}
}

// A response that is too large costs nothing but an error.
func TestTooLarge(t *testing.T) {
	p := newPlane(t)
	c := client(t, dial(t, p.addr, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30))))
	p.set(t, "orders", discovery.Instance{Addr: "10.0.0.1:80"})
	r := read(t, c, "orders")
	r.set()
	p.set(t, "orders", discovery.Instance{Addr: "10.0.0.1:80", Metadata: map[string]string{"a": string(make([]byte, 17<<20))}})
	assert.ErrorContains(t, r.failure(), "larger than max")
}
