package serve_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/internal/orca"
	"github.com/namesake-go/namesake/transport/serve"
)

// probe asks for the report.
func probe(t *testing.T, load *serve.Load) orca.Report {
	t.Helper()
	w := httptest.NewRecorder()
	load.Probe().ServeHTTP(w, httptest.NewRequest(http.MethodGet, serve.ProbePath, nil))
	assert.Equal(t, http.StatusNoContent, w.Code)
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	r, err := orca.Parse(w.Header().Get(serve.LoadHeader))
	require.NoError(t, err)
	return r
}

// call makes one and returns the response.
func call(handler http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// together makes calls at the same time and waits for them.
func together(handler http.Handler, paths ...string) {
	var wg sync.WaitGroup
	for _, path := range paths {
		wg.Go(func() { call(handler, path) })
	}
	wg.Wait()
}

func TestLoadIsReportedWithEachResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{ServiceTime: func() time.Duration { return 3 * time.Millisecond }})
		handler := load.Measure(slowly)
		assert.Equal(t, "TEXT named_metrics.rif=0,named_metrics.service_time_ms=3",
			call(handler, "/50ms").Header().Get(serve.LoadHeader), "what is not known is left out, and nobody else is there")
		time.Sleep(950 * time.Millisecond)
		assert.Equal(t, "TEXT rps_fractional=1,named_metrics.rif=0,named_metrics.latency_ms=50,named_metrics.service_time_ms=3",
			call(handler, "/0s").Header().Get(serve.LoadHeader))
	})
}

func TestLoadInJSON(t *testing.T) {
	load := serve.NewLoad(serve.LoadConfig{JSON: true})
	assert.JSONEq(t, `{"named_metrics":{"rif":0}}`, call(load.Measure(hello), "/").Header().Get(serve.LoadHeader)[len("JSON "):])
}

// Calls arrive at ten per second, and each takes two seconds. What counts is
// when they are completed.
func TestRateIsThatOfCompletions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{})
		handler := load.Measure(slowly)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { call(handler, "/2s") })
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		r := probe(t, load) // 2 s: the first is over
		assert.Zero(t, r.Rate, "twenty have arrived")
		assert.Equal(t, 19., r.InFlight)
		time.Sleep(1050 * time.Millisecond)
		r = probe(t, load)
		assert.InDelta(t, 10, r.Rate, 1e-9)
		assert.Equal(t, 9., r.InFlight)
		assert.Equal(t, 2*time.Second, r.Latency)
		wg.Wait()
		time.Sleep(2 * time.Second)
		assert.Equal(t, 0., probe(t, load).Rate, "all is over")
	})
}

func TestErrorsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{})
		answer := func(status int) http.Handler {
			return load.Measure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(time.Millisecond)
				w.WriteHeader(status)
			}))
		}
		for _, status := range []int{200, 204, 301, 404, 429, 500, 503, 599} {
			call(answer(status), "/")
		}
		assert.Panics(t, func() {
			call(load.Measure(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bug") })), "/")
		})
		gone, leave := context.WithCancel(t.Context())
		leave()
		answer(200).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil))

		time.Sleep(time.Second)
		r := probe(t, load)
		assert.InDelta(t, 9, r.Rate, 1e-9, "failures are completed, what nobody waits for is not")
		assert.InDelta(t, 4, r.Errors, 1e-9)
		assert.Equal(t, 0., r.InFlight)
		assert.Equal(t, time.Millisecond, r.Latency)
	})
}

// An answer that fails at once is no proof that calls are answered fast.
func TestFailuresAreNoLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{})
		for range 20 {
			call(load.Measure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })), "/")
		}
		assert.Zero(t, probe(t, load).Latency)
		call(load.Measure(slowly), "/7ms")
		assert.Equal(t, 7*time.Millisecond, probe(t, load).Latency)
	})
}

// The latency is that of calls that found as many others as there are now.
func TestLatencyAtThePresentLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{})
		handler := load.Measure(slowly)
		for range 5 { // found none in flight
			call(handler, "/10ms")
		}
		for range 5 { // found 0 to 3; nearly all the others of the levels
			together(handler, "/40ms", "/40ms", "/40ms", "/40ms")
		}
		for range 8 {
			call(handler, "/12ms")
		}
		assert.Equal(t, 12*time.Millisecond, probe(t, load).Latency, "the latest at level 0")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { call(handler, "/1s") })
		}
		synctest.Wait()
		r := probe(t, load)
		assert.Equal(t, 3., r.InFlight)
		assert.Equal(t, 40*time.Millisecond, r.Latency)
		for range 100 {
			wg.Go(func() { call(handler, "/1s") })
		}
		synctest.Wait()
		assert.Equal(t, 40*time.Millisecond, probe(t, load).Latency, "the nearest that is known")
		wg.Wait()
		time.Sleep(10 * time.Second)
		assert.Equal(t, time.Second, probe(t, load).Latency, "of some second ago, and none at hand")
		time.Sleep(time.Second)
		assert.Zero(t, probe(t, load).Latency, "too old")
	})
}

func TestUtilizationOfALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{Limit: 10})
		handler := load.Measure(slowly)
		time.Sleep(time.Second)
		together(handler, "/500ms", "/500ms", "/1s")
		assert.InDelta(t, 0.2, probe(t, load).Application, 1e-9, "2 in the mean of the last second")
		time.Sleep(500 * time.Millisecond)
		assert.InDelta(t, 0.05, probe(t, load).Application, 1e-9, "0.5")
		time.Sleep(time.Hour)
		assert.Zero(t, probe(t, load).Application)
		together(handler, "/2s", "/2s", "/2s")
		assert.InDelta(t, 0.3, probe(t, load).Application, 1e-9)
	})
}

func TestUtilizationIsAskedForTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		load := serve.NewLoad(serve.LoadConfig{Limit: 1, Utilization: func() float64 {
			asked++
			return 0.5 + float64(asked)
		}})
		for range 1000 {
			probe(t, load)
			time.Sleep(time.Millisecond)
		}
		assert.Equal(t, 10, asked)
		assert.Equal(t, 11.5, probe(t, load).Application, "more than 1 says how much too much")
	})
}

// A probe is answered while all the work waits, and is none itself.
func TestProbesDoNotQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{})
		one := make(chan struct{}, 1)
		mux := http.NewServeMux()
		mux.Handle("GET "+serve.ProbePath, load.Probe())
		mux.Handle("/", load.Measure(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			one <- struct{}{}
			time.Sleep(time.Second)
			<-one
		})))
		for range 5 {
			go call(mux, "/")
		}
		synctest.Wait()
		for range 3 {
			w := call(mux, serve.ProbePath)
			assert.Equal(t, "TEXT named_metrics.rif=5", w.Header().Get(serve.LoadHeader))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
	})
}

func TestLoadOfNothing(t *testing.T) {
	assert.PanicsWithValue(t, "serve: the load of a nil handler", func() { serve.NewLoad(serve.LoadConfig{}).Measure(nil) })
}

// What is measured from many goroutines adds up.
func TestLoadUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := serve.NewLoad(serve.LoadConfig{Limit: 100})
		handler := load.Measure(slowly)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 40 {
					call(handler, "/50ms")
				}
			})
		}
		wg.Wait()
		r := probe(t, load)
		assert.InDelta(t, 1000, r.Rate, 1e-9)
		assert.InDelta(t, 0.5, r.Application, 1e-9)
		assert.Equal(t, 50*time.Millisecond, r.Latency)
	})
}
