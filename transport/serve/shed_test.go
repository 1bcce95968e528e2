package serve_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/internal/memnet"
	"github.com/namesake-go/namesake/internal/race"
	"github.com/namesake-go/namesake/transport/serve"
)

// An answered is what became of a request: when, with what.
type answered struct {
	path       string
	status     int
	retryAfter string
	text       string
	at         time.Duration
}

// A crowd is a copy behind a shedder and its callers.
type crowd struct {
	t       *testing.T
	client  *http.Client
	start   time.Time
	callers sync.WaitGroup
	mu      sync.Mutex
	answers []answered // in order
}

func newCrowd(t *testing.T, handler http.Handler) *crowd {
	t.Helper()
	network := new(memnet.Network)
	listen(t, network, addr, handler, nil)
	return &crowd{t: t, client: clientOf(t, network, nil), start: time.Now()}
}

// send sends a request and lets it get as far as it gets without time.
func (c *crowd) send(ctx context.Context, path string, header ...string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	require.NoError(c.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	c.callers.Go(func() {
		a := answered{path: path}
		if resp, err := c.client.Do(req); err == nil {
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			a.status, a.text, a.retryAfter = resp.StatusCode, string(text), resp.Header.Get("Retry-After")
		}
		a.at = time.Since(c.start)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.answers = append(c.answers, a)
	})
	synctest.Wait()
}

// all returns the answers when there are all.
func (c *crowd) all() []answered {
	c.callers.Wait()
	return c.answers
}

const millisecond = time.Millisecond

// refused is the answer to one who was refused.
func refused(path string, at time.Duration) answered {
	return answered{path, http.StatusServiceUnavailable, "1", "too busy\n", at}
}

func done(path string, at time.Duration) answered {
	return answered{path, http.StatusOK, "", "done\n", at}
}

// Who finds no slot is refused at once, and who comes when there is one again
// is not.
func TestShedding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 2, RetryJitter: -1})
		c := newCrowd(t, shed.Handler(slowly))
		ctx := t.Context()
		c.send(ctx, "/40ms")
		c.send(ctx, "/60ms")
		c.send(ctx, "/1ms")
		assert.Equal(t, serve.ShedderStats{InFlight: 2, Admitted: 2, Shed: 1}, shed.Stats())
		time.Sleep(50 * millisecond)
		c.send(ctx, "/20ms")
		c.send(ctx, "/2ms")
		assert.Equal(t, []answered{
			refused("/1ms", 0), done("/40ms", 40*millisecond), refused("/2ms", 50*millisecond),
			done("/60ms", 60*millisecond), done("/20ms", 70*millisecond),
		}, c.all())
		assert.Equal(t, serve.ShedderStats{Admitted: 3, Shed: 2}, shed.Stats())
	})
}

// In a queue, turns come in order, the wait has a bound, and so has the queue.
func TestSheddingQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, MaxQueue: 3, RetryJitter: -1})
		c := newCrowd(t, shed.Handler(slowly))
		ctx := t.Context()
		c.send(ctx, "/60ms")
		c.send(ctx, "/30ms")
		c.send(ctx, "/50ms")
		c.send(ctx, "/10ms")
		c.send(ctx, "/1ms")
		assert.Equal(t, serve.ShedderStats{InFlight: 1, Waiting: 3, Admitted: 1, Shed: 1}, shed.Stats())
		assert.Equal(t, []answered{
			refused("/1ms", 0),
			done("/60ms", 60*millisecond),
			done("/30ms", 90*millisecond),
			refused("/10ms", serve.DefaultMaxWait),
			done("/50ms", 140*millisecond),
		}, c.all())
		assert.Equal(t, serve.ShedderStats{Admitted: 3, Shed: 2}, shed.Stats())
	})
}

// A queue is for bursts. When it has stood for as long as one may wait, nobody
// waits for longer than a twentieth of that, until there is nobody who waits.
func TestSheddingStandingQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, MaxQueue: 2, RetryJitter: -1})
		c := newCrowd(t, shed.Handler(slowly))
		ctx := t.Context()
		c.send(ctx, "/90ms")
		c.send(ctx, "/50ms") // until 140 ms
		time.Sleep(60 * millisecond)
		c.send(ctx, "/20ms") // until 160 ms
		time.Sleep(50 * millisecond)
		c.send(ctx, "/1ms") // at 110 ms: the queue has stood for all that time
		time.Sleep(40 * millisecond)
		assert.Equal(t, serve.ShedderStats{InFlight: 1, Admitted: 3, Shed: 1}, shed.Stats())
		c.send(ctx, "/2ms") // at 150 ms: nobody waits
		assert.Equal(t, []answered{
			done("/90ms", 90*millisecond), refused("/1ms", 115*millisecond),
			done("/50ms", 140*millisecond), done("/20ms", 160*millisecond), done("/2ms", 162*millisecond),
		}, c.all())
	})
}

// Who has left, or whose time is over, leaves the queue, and makes room in it.
func TestSheddingQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, MaxQueue: 1, MaxWait: time.Second, RetryJitter: -1})
		c := newCrowd(t, serve.Deadline(shed.Handler(slowly)))
		c.send(t.Context(), "/300ms")
		gone, leave := context.WithTimeout(t.Context(), 20*millisecond)
		defer leave()
		c.send(gone, "/1ms")
		time.Sleep(20 * millisecond)
		synctest.Wait()
		assert.Equal(t, serve.ShedderStats{InFlight: 1, Admitted: 1, Abandoned: 1}, shed.Stats())

		c.send(t.Context(), "/2ms", serve.DeadlineHeader, "30")
		time.Sleep(30 * millisecond)
		synctest.Wait()
		assert.Equal(t, serve.ShedderStats{InFlight: 1, Admitted: 1, Abandoned: 1, Shed: 1}, shed.Stats())

		c.send(t.Context(), "/3ms")
		assert.Equal(t, []answered{
			{path: "/1ms", at: 20 * millisecond},
			refused("/2ms", 50*millisecond),
			done("/300ms", 300*millisecond),
			done("/3ms", 303*millisecond),
		}, c.all())
	})
}

// However a handler ends, and not before it does, its slot is free.
func TestSheddingSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, RetryJitter: -1})
		c := newCrowd(t, shed.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/panics":
				panic(http.ErrAbortHandler)
			case "/streams":
				for range 3 {
					_, _ = io.WriteString(w, ".")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(time.Second)
				}
			case "/hijacks":
				conn, _, err := http.NewResponseController(w).Hijack()
				if !assert.NoError(t, err) {
					return
				}
				go func() { // goes on without the slot
					time.Sleep(time.Second)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhijacked")
					_ = conn.Close()
				}()
			}
		})))
		ctx := t.Context()
		c.send(ctx, "/panics")
		assert.Zero(t, shed.Stats().InFlight)
		c.send(ctx, "/hijacks")
		assert.Zero(t, shed.Stats().InFlight)
		c.send(ctx, "/streams")
		time.Sleep(2500 * millisecond)
		c.send(ctx, "/refused")
		assert.Equal(t, []answered{
			{path: "/panics"},
			{"/hijacks", http.StatusOK, "", "hijacked", time.Second},
			refused("/refused", 2500*millisecond),
			{"/streams", http.StatusOK, "", "...", 3 * time.Second},
		}, c.all())
		assert.Equal(t, serve.ShedderStats{Admitted: 3, Shed: 1}, shed.Stats())
	})
}

func TestSheddingExempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, RetryJitter: -1, Exempt: serve.Paths("/2ms", "/3ms")})
		c := newCrowd(t, shed.Handler(slowly))
		for _, path := range []string{"/10ms", "/2ms", "/1ms", "/3ms"} {
			c.send(t.Context(), path)
		}
		assert.Equal(t, []answered{
			refused("/1ms", 0), done("/2ms", 2*millisecond), done("/3ms", 3*millisecond), done("/10ms", 10*millisecond),
		}, c.all())
		assert.Equal(t, serve.ShedderStats{Admitted: 1, Shed: 1}, shed.Stats(), "the others are not counted")
	})
}

// Each of k values that are equally likely misses all of 600 draws with a
// probability of (1-1/k)^600: for k = 3 that is below 1e-105.
func TestSheddingRetryAfter(t *testing.T) {
	for _, test := range []struct {
		after, jitter time.Duration
		want          []string
	}{
		{0, 0, []string{"1", "2"}},
		{-1, 0, []string{"0"}},
		{-1, 2 * time.Second, []string{"0", "1", "2"}},
		{time.Millisecond, -1, []string{"1"}},
		{1500 * millisecond, 2500 * millisecond, []string{"2", "3", "4"}},
		{1500 * millisecond, time.Millisecond, []string{"2"}},
		{1 << 62, -1, []string{"86400"}},
		{-1, 1<<63 - 1, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: 1, RetryAfter: test.after, RetryJitter: test.jitter})
			handler := shed.Handler(slowly)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			go handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/1h", nil))
			synctest.Wait()
			said := make(map[string]bool)
			for range 600 {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/1s", nil))
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				said[w.Header().Get("Retry-After")] = true
			}
			if test.want == nil {
				assert.Greater(t, len(said), 100)
				return
			}
			var got []string
			for value := range said {
				got = append(got, value)
			}
			assert.ElementsMatch(t, test.want, got, "%v, %v", test.after, test.jitter)
		})
	}
}

// Many at once, with and without a queue: nobody is lost, and never are there
// more than may be.
func TestSheddingUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, callers, each = 4, 32, 50
		shed := serve.NewShedder(serve.ShedderConfig{MaxInFlight: limit, MaxQueue: 8, MaxWait: 3 * millisecond})
		var mu sync.Mutex
		inside, most := 0, 0
		handler := shed.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			time.Sleep(millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
		}))
		statuses := make(map[int]uint64)
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range each {
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
					mu.Lock()
					statuses[w.Code]++
					mu.Unlock()
					if w.Code != http.StatusOK {
						time.Sleep(millisecond)
					}
				}
			})
		}
		all.Wait()
		assert.Equal(t, limit, most)
		assert.Equal(t, serve.ShedderStats{Admitted: statuses[200], Shed: statuses[503]}, shed.Stats())
		assert.Equal(t, uint64(callers*each), statuses[200]+statuses[503])
		assert.NotZero(t, statuses[503])
	})
}

func TestSheddingAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	shed := serve.NewShedder(serve.ShedderConfig{})
	handler := shed.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }))
	assert.NotZero(t, shed.Stats().Admitted)
}

// What a handler can do with its writer, it can do behind a shedder.
func TestSheddingLeavesTheWriterAlone(t *testing.T) {
	var got http.ResponseWriter
	w := struct {
		*httptest.ResponseRecorder
		http.Hijacker
	}{ResponseRecorder: httptest.NewRecorder(), Hijacker: noHijacker{}}
	serve.NewShedder(serve.ShedderConfig{}).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = w })).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.ResponseWriter(w), got)
}

type noHijacker struct{}

func (noHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

func TestSheddingForNobody(t *testing.T) {
	assert.Panics(t, func() { serve.NewShedder(serve.ShedderConfig{}).Handler(nil) })
}
