package fault_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/fault"
)

// A server is a base that answers at once, and counts.
type server struct {
	served atomic.Int64
	idle   int
	body   string
	length int64 // of the body, as the header has it
	status int
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	s.served.Add(1)
	resp := &http.Response{StatusCode: cmp.Or(s.status, http.StatusOK), Body: http.NoBody, ContentLength: s.length, Request: req}
	if s.body != "" {
		resp.Body = io.NopCloser(strings.NewReader(s.body))
	}
	return resp, nil
}

func (s *server) CloseIdleConnections() { s.idle++ }

// A closeCounter is a request's body.
type closeCounter struct {
	io.Reader
	closes int
}

func (c *closeCounter) Close() error { c.closes++; return nil }

func request(t testing.TB, ctx context.Context, method string) (*http.Request, *closeCounter) {
	t.Helper()
	body := &closeCounter{Reader: strings.NewReader("an order")}
	req, err := http.NewRequestWithContext(ctx, method, "http://orders/v1/orders", body)
	require.NoError(t, err)
	return req, body
}

// Whatever is done to a request, its body is closed, it is not changed, and
// there is either a response or an error.
func TestContract(t *testing.T) {
	own := errors.New("own")
	for name, test := range map[string]struct {
		fault  fault.Fault
		served int64
		fails  bool
	}{
		"none":     {nil, 1, false},
		"delay":    {fault.Delay(time.Second, 0), 1, false},
		"hang":     {fault.Hang(), 0, true},
		"status":   {fault.Status(http.StatusTeapot, nil, ""), 0, false},
		"error":    {fault.Error(own), 0, true},
		"refuse":   {fault.Refuse(), 0, true},
		"reset":    {fault.Reset(), 1, true},
		"truncate": {fault.TruncateBody(1), 1, false},
		"slow":     {fault.SlowBody(1, 0), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := new(server)
				rt := fault.New(1, fault.Rule{Fault: test.fault}).Around(base)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				req, body := request(t, ctx, http.MethodPost)
				before := *req.URL
				resp, err := rt.RoundTrip(req)
				assert.Equal(t, test.fails, err != nil)
				assert.Equal(t, test.fails, resp == nil)
				if resp != nil {
					assert.Same(t, req, resp.Request)
					require.NoError(t, resp.Body.Close())
				}
				assert.Equal(t, test.served, base.served.Load())
				assert.Equal(t, 1, body.closes)
				assert.Equal(t, before, *req.URL)
				assert.Same(t, body, req.Body)
				assert.Empty(t, req.Header)
			})
		})
	}
}

// Waiting ends with the request, with its reason, and nothing is sent.
func TestWaitingEndsWithTheRequest(t *testing.T) {
	reason := errors.New("a reason")
	for name, f := range map[string]fault.Fault{"delay": fault.Delay(time.Hour, 0), "hang": fault.Hang()} {
		synctest.Test(t, func(t *testing.T) {
			base := new(server)
			rt := fault.New(1, fault.Rule{Fault: f}).Around(base)
			start := time.Now()

			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, reason)
			defer cancel()
			req, body := request(t, ctx, http.MethodPost)
			_, err := rt.RoundTrip(req) //nolint:bodyclose // fails
			assert.Equal(t, reason, err, name)
			assert.Equal(t, time.Minute, time.Since(start))
			assert.Equal(t, 1, body.closes)

			gaveUp := make(chan struct{})
			time.AfterFunc(time.Second, func() { close(gaveUp) })
			req, body = request(t, t.Context(), http.MethodPost)
			req.Cancel = gaveUp
			_, err = rt.RoundTrip(req) //nolint:bodyclose // fails
			require.ErrorIs(t, err, context.Canceled, name)
			assert.Equal(t, time.Minute+time.Second, time.Since(start))
			assert.Equal(t, 1, body.closes)
			assert.Zero(t, base.served.Load())
		})
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := fault.New(1, fault.Rule{Fault: fault.Delay(300*time.Millisecond, 0)})
		rt := faults.Around(new(server))
		took := func() time.Duration {
			start := time.Now()
			req, _ := request(t, t.Context(), http.MethodGet)
			_, err := rt.RoundTrip(req) //nolint:bodyclose // has none
			require.NoError(t, err)
			return time.Since(start)
		}
		assert.Equal(t, 300*time.Millisecond, took())

		// The mean of 1000 draws from a range of 200 ms has a standard deviation
		// of 200/sqrt(12*1000) = 1.8 ms; the seed is fixed besides.
		faults.Set(fault.Rule{Fault: fault.Delay(300*time.Millisecond, 100*time.Millisecond)})
		var sum, least, most time.Duration = 0, time.Hour, 0
		for range 1000 {
			d := took()
			sum, least, most = sum+d, min(least, d), max(most, d)
		}
		assert.InDelta(t, 300, (sum / 1000).Milliseconds(), 9)
		assert.GreaterOrEqual(t, least, 200*time.Millisecond)
		assert.Less(t, least, 205*time.Millisecond)
		assert.LessOrEqual(t, most, 400*time.Millisecond)
		assert.Greater(t, most, 395*time.Millisecond)

		faults.Set(fault.Rule{Fault: fault.Delay(-time.Second, 0)})
		assert.Zero(t, took())
	})
}

func TestStatus(t *testing.T) {
	header := http.Header{"Retry-After": {"7"}}
	f := fault.Status(http.StatusServiceUnavailable, header, "drill\n")
	header.Set("Retry-After", "8") // too late
	base := new(server)
	faults := fault.New(1, fault.Rule{Fault: f})
	rt := faults.Around(base)
	for method, want := range map[string]string{http.MethodGet: "drill\n", http.MethodHead: ""} {
		req, _ := request(t, t.Context(), method)
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want, string(text), method)
		assert.Equal(t, "503 Service Unavailable", resp.Status)
		assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		assert.Equal(t, int64(6), resp.ContentLength)
		assert.Equal(t, http.Header{"Retry-After": {"7"}}, resp.Header)
		assert.True(t, resp.ProtoAtLeast(1, 1))
		resp.Header.Set("Retry-After", "9") // the caller's own
	}
	faults.Set(fault.Rule{Fault: fault.Status(http.StatusNoContent, nil, "not sent")})
	req, _ := request(t, t.Context(), http.MethodGet)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, http.NoBody, resp.Body)
	assert.Zero(t, resp.ContentLength)
	assert.NotNil(t, resp.Header)
	require.NoError(t, resp.Body.Close())
	assert.Zero(t, base.served.Load())
}

// While callers go on, rules come and go.
func TestSetWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var faults fault.Injector
		base := new(server)
		rt := faults.Around(base)
		counts := make(map[int]int)
		var mu sync.Mutex
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 300 {
					req, _ := request(t, t.Context(), http.MethodGet)
					resp, err := rt.RoundTrip(req)
					if !assert.NoError(t, err) {
						return
					}
					_ = resp.Body.Close()
					mu.Lock()
					counts[resp.StatusCode]++
					mu.Unlock()
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		time.Sleep(995 * time.Millisecond)
		assert.Empty(t, faults.Stats())
		faults.Set(fault.Rule{Name: "teapot", Fault: fault.Status(http.StatusTeapot, nil, "")})
		time.Sleep(time.Second)
		assert.Equal(t, []fault.Stats{{Name: "teapot", Matched: 800, Injected: 800}}, faults.Stats())
		faults.Set()
		assert.Empty(t, faults.Stats())
		callers.Wait()
		assert.Equal(t, map[int]int{http.StatusOK: 1600, http.StatusTeapot: 800}, counts)
		assert.Equal(t, int64(1600), base.served.Load())
	})
}

func TestAround(t *testing.T) {
	base := new(server)
	client := &http.Client{Transport: fault.New(1).Around(base)}
	client.CloseIdleConnections()
	assert.Equal(t, 1, base.idle)
	assert.Panics(t, func() { fault.New(1).Around(nil) })
	resp, err := fault.New(1).Around(base).RoundTrip(&http.Request{}) // the base's business
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}
