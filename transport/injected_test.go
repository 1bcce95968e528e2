package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/fault"
)

// A drill is a mesh of two copies whose first meets faults, and what becomes
// of calls.
type drill struct {
	*mesh
	faults   *fault.Injector
	served   [2]atomic.Int64
	outcomes []balancer.Outcome // of attempts on the first copy
}

// inDrill runs f for each way in which faults can be put into a transport.
func inDrill(t *testing.T, f func(t *testing.T, d *drill), opts ...transport.Option) {
	t.Helper()
	for _, mode := range modes() {
		for name, base := range map[string]func(*drill) transport.Option{
			"": func(d *drill) transport.Option { return transport.WithEndpointBase(d.faults.EndpointBase) },
			" over a base": func(d *drill) transport.Option {
				return transport.WithBase(d.faults.Around(roundTripFunc(func(req *http.Request) (*http.Response, error) {
					return d.bare().RoundTrip(req)
				})))
			},
		} {
			t.Run(mode.name+name, func(t *testing.T) {
				d := &drill{faults: new(fault.Injector)}
				hooks := transport.Hooks{Attempt: func(e transport.AttemptEvent) {
					if e.Endpoint.Addr() == "10.0.0.1:80" {
						d.outcomes = append(d.outcomes, e.Outcome)
					}
				}}
				mode.run(t, func(t *testing.T, m *mesh) {
					d.mesh = m
					for i, addr := range addrs(2) {
						m.serve(addr, func(w http.ResponseWriter, r *http.Request) {
							d.served[i].Add(1)
							_, _ = io.Copy(io.Discard, r.Body)
							_, _ = io.WriteString(w, addr)
						})
					}
					m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
					f(t, d)
				}, append([]transport.Option{transport.WithPolicy(steady), transport.WithHooks(hooks), base(d)}, opts...))
			})
		}
	}
}

// bare returns a base of the user's that keeps no connections.
func (d *drill) bare() *http.Transport {
	return &http.Transport{
		DialContext: d.net.DialContext, TLSClientConfig: d.clientTLS.Clone(), Protocols: &d.mode.protocols,
		DisableKeepAlives: true,
	}
}

// hit has a fault done to what goes to the first copy, which steady picks
// first.
func (d *drill) hit(f fault.Fault) {
	d.faults.Set(fault.Rule{Addr: "10.0.0.1:80", Fault: f})
}

// What is injected is taken for what it looks like: it counts against its
// endpoint, or not, and calls are repeated elsewhere, or not.
func TestInjectedFaults(t *testing.T) {
	retryAfter := http.Header{"Retry-After": {"1"}}
	const elsewhere = "10.0.0.2:80"
	for name, test := range map[string]struct {
		fault     fault.Fault
		outcome   balancer.Outcome
		served    int64  // by the first copy, of one GET and one POST
		get, post string // the bodies of responses, or "" for an error
	}{
		"refused":              {fault.Refuse(), balancer.Failure, 0, elsewhere, elsewhere},
		"reset":                {fault.Reset(), balancer.Failure, 2, elsewhere, ""},
		"hangs":                {fault.Hang(), balancer.Failure, 0, elsewhere, ""},
		"an error":             {fault.Error(io.ErrUnexpectedEOF), balancer.Failure, 0, elsewhere, ""},
		"421":                  {fault.Status(421, nil, "421"), balancer.Success, 0, elsewhere, elsewhere},
		"429":                  {fault.Status(429, retryAfter, "429"), balancer.Busy, 0, elsewhere, "429"},
		"500":                  {fault.Status(500, nil, "500"), balancer.Failure, 0, "500", "500"},
		"503":                  {fault.Status(503, nil, "503"), balancer.Failure, 0, elsewhere, "503"},
		"503 with Retry-After": {fault.Status(503, retryAfter, "503"), balancer.Busy, 0, elsewhere, "503"},
		"delayed":              {fault.Delay(300*time.Millisecond, 0), balancer.Success, 2, "10.0.0.1:80", "10.0.0.1:80"},
		"delayed too long":     {fault.Delay(time.Hour, 0), balancer.Failure, 0, elsewhere, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inDrill(t, func(t *testing.T, d *drill) {
				d.hit(test.fault)
				start := time.Now()
				for method, want := range map[string]string{http.MethodGet: test.get, http.MethodPost: test.post} {
					n := len(d.outcomes)
					for len(d.outcomes) == n { // or the second copy's turn
						_, text, err := d.do(method, "http://orders/", nil)
						if len(d.outcomes) > n {
							assert.Equal(t, want, text, "%s: %v", method, err)
							assert.Equal(t, want == "", err != nil, method)
						}
					}
				}
				assert.Equal(t, []balancer.Outcome{test.outcome, test.outcome}, d.outcomes)
				assert.Equal(t, test.served, d.served[0].Load())
				if name == "delayed" {
					assert.GreaterOrEqual(t, time.Since(start), 600*time.Millisecond)
					assert.Less(t, time.Since(start), 700*time.Millisecond)
				}
			}, transport.WithAttemptTimeout(time.Second))
		})
	}
}

// The texts of errors are those of the network, too.
func TestInjectedRefusalLooksReal(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("gone", discovery.Addrs("10.0.0.1:80")...)
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		texts := make(map[string]string)
		for _, name := range []string{"gone", "orders"} {
			_, _, err := m.get("http://" + name + "/")
			e, ok := errors.AsType[*transport.Error](err)
			require.True(t, ok)
			texts[name] = e.Err.Error()
		}
		assert.Equal(t, texts["gone"], texts["orders"])
		assert.Equal(t, 1, m.net.Dials("10.0.0.1:80"))
	}, transport.WithRetry(resilience.RetryConfig{Attempts: 1}), transport.WithEndpointBase(
		fault.New(1, fault.Rule{Host: "orders", Fault: fault.Refuse()}).EndpointBase))
}

// When the caller gives up, a hanging copy is not to blame.
func TestInjectedHangAndTheCaller(t *testing.T) {
	inDrill(t, func(t *testing.T, d *drill) {
		d.hit(fault.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := d.rt.RoundTrip(d.request(http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, []balancer.Outcome{balancer.Ignored}, d.outcomes)
	})
}

// Bodies that break off count against the endpoint, slow ones do not.
func TestInjectedBodies(t *testing.T) {
	var rec record
	inDrill(t, func(t *testing.T, d *drill) {
		rec.take()
		d.hit(fault.SlowBody(1, 100*time.Millisecond))
		start := time.Now()
		_, text, err := d.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, "10.0.0.1:80", text)
		assert.GreaterOrEqual(t, time.Since(start), 1100*time.Millisecond)
		d.hit(fault.TruncateBody(4))
		broken := 0
		for range 20 {
			_, text, err := d.get("http://orders/")
			if err != nil {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				assert.Equal(t, "10.0", text)
				broken++
			}
		}
		assert.Equal(t, 5, broken)
		assert.Equal(t, []string{
			"added 10.0.0.1:80", "added 10.0.0.2:80", "closed to open 10.0.0.1:80", "ejected 10.0.0.1:80",
		}, rec.take())
	}, transport.WithHooks(rec.hooks()))
}
