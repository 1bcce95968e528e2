package transport_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// A copy that is quick to send a header and then breaks off the body looks like
// the fastest of all to who believes headers. No body can be repeated, so the
// calls that find it out are lost.
func TestACopyThatBreaksOffBodiesIsAvoided(t *testing.T) {
	y := &tally{bad: "10.0.0.1:80"}
	inMesh(t, func(t *testing.T, m *mesh) {
		var sick atomic.Bool
		for _, addr := range addrs(3) {
			m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
				if addr == y.bad && sick.Load() {
					w.Header().Set("Content-Length", "1000")
					_, _ = io.WriteString(w, "ok")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(300 * time.Microsecond)
					panic(http.ErrAbortHandler)
				}
				time.Sleep(20 * time.Millisecond)
				_, _ = io.WriteString(w, "ok")
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		random := rand.New(rand.NewPCG(1, 2))
		var calls sync.WaitGroup
		y.start = time.Now()
		for time.Since(y.start) < 6*time.Second { // 300 a second, Poisson
			sick.Store(time.Since(y.start) > time.Second)
			time.Sleep(time.Duration(random.ExpFloat64() * float64(time.Second) / 300))
			y.calls.Add(1)
			calls.Go(func() {
				if err := y.one(m.client); err != nil {
					y.failed.Add(1)
					y.firstFailure.CompareAndSwap(nil, err.Error())
				}
			})
		}
		calls.Wait()
		t.Logf("%d calls, %d failed; the bad copy got %d of %d attempts", y.calls.Load(), y.failed.Load(), y.lateBad.Load(), y.late.Load())
		assert.Less(t, float64(y.lateBad.Load()), 0.02*float64(y.late.Load()), "of nearly all, if headers were believed")
		assert.LessOrEqual(t, y.failed.Load(), y.earlyBad.Load()+y.lateBad.Load())
	}, transport.WithHooks(y.hooks()))
}
