package transport_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
	"github.com/namesake-go/namesake/transport"
)

// Which calls are repeated after which answer: the first endpoint gives it,
// the second is well.
func TestWhatIsRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		retryAfter string
		get, post  bool // repeated?
		outcome    balancer.Outcome
	}{
		"200":                       {200, "", false, false, balancer.Success},
		"404":                       {404, "", false, false, balancer.Success},
		"421, misdirected":          {421, "", true, true, balancer.Success},
		"425, too early":            {425, "", true, true, balancer.Success},
		"429":                       {429, "", true, false, balancer.Busy},
		"500":                       {500, "", false, false, balancer.Failure},
		"501":                       {501, "", false, false, balancer.Success},
		"502":                       {502, "", true, false, balancer.Failure},
		"503":                       {503, "", true, false, balancer.Failure},
		"503 with Retry-After":      {503, "1", true, false, balancer.Busy},
		"503 with a broken promise": {503, "soon", true, false, balancer.Failure},
		"504":                       {504, "", true, false, balancer.Failure},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+"/"+method, func(t *testing.T) {
				var outcomes []balancer.Outcome
				inEveryWay(t, func(t *testing.T, m *mesh) {
					outcomes = nil
					m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
						if c.retryAfter != "" {
							w.Header().Set("Retry-After", c.retryAfter)
						}
						w.WriteHeader(c.status)
					})
					m.serve("10.0.0.2:80", say("second"))
					m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
					start := time.Now()
					status, _, err := m.do(method, "http://orders/", nil)
					require.NoError(t, err)
					repeated := c.get
					if method == http.MethodPost {
						repeated = c.post
					}
					want := c.status
					if repeated {
						want = http.StatusOK
					}
					assert.Equal(t, want, status)
					assert.Equal(t, c.outcome, outcomes[0])
					assert.Zero(t, time.Since(start), "another endpoint is tried at once")
				}, transport.WithPolicy(inOrder), transport.WithHooks(transport.Hooks{
					Attempt: func(e transport.AttemptEvent) { outcomes = append(outcomes, e.Outcome) },
				}))
			})
		}
	}
}

// S51: a connection that breaks after the request was read leaves it open
// whether the request was processed.
func TestBrokenConnection(t *testing.T) {
	for name, c := range map[string]struct {
		method   string
		header   http.Header
		repeated bool
	}{
		"GET":                   {http.MethodGet, nil, true},
		"PUT":                   {http.MethodPut, nil, true},
		"DELETE":                {http.MethodDelete, nil, true},
		"POST":                  {http.MethodPost, nil, false},
		"PATCH":                 {http.MethodPatch, nil, false},
		"POST with a key":       {http.MethodPost, http.Header{"Idempotency-Key": {"k-1"}}, true},
		"POST with another key": {http.MethodPost, http.Header{"X-Idempotency-Key": {"k-1"}}, true},
		"POST with no values":   {http.MethodPost, http.Header{"Idempotency-Key": {}}, true}, // as net/http understands it
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					panic(http.ErrAbortHandler)
				})
				m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) {
					for _, key := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
						assert.Equal(t, c.header.Get(key), r.Header.Get(key))
						assert.Len(t, r.Header[key], len(c.header[key]))
					}
					_, _ = io.Copy(w, r.Body)
				})
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				req := m.request(c.method, "http://orders/", "the body")
				maps.Copy(req.Header, c.header)
				resp, err := m.client.Do(req)
				if !c.repeated {
					failed, ok := errors.AsType[*transport.Error](err)
					require.True(t, ok)
					assert.Equal(t, 1, failed.Attempts)
					assert.Equal(t, "10.0.0.1:80", failed.Addr)
					require.NoError(t, failed.Stopped, "it could not be repeated")
					return
				}
				require.NoError(t, err)
				data, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, "the body", string(data))
			}, transport.WithPolicy(inOrder))
		})
	}
}

// S45, S56: whoever refuses the connection has not processed anything, so that
// every method goes to another endpoint, with its body whole.
func TestRefusedConnection(t *testing.T) {
	for name, body := range map[string]func() io.Reader{
		"no body":           func() io.Reader { return nil },
		"with GetBody":      func() io.Reader { return strings.NewReader("the body") },
		"a plain io.Reader": func() io.Reader { return io.MultiReader(strings.NewReader("the "), strings.NewReader("body")) },
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.3:80", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
				m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
				status, got, err := m.do(http.MethodPost, "http://orders/", body())
				require.NoError(t, err)
				assert.Equal(t, http.StatusOK, status)
				want := "the body"
				if body() == nil {
					want = ""
				}
				assert.Equal(t, want, got)
			}, transport.WithPolicy(inOrder))
		})
	}
}

// S70: what the errors of a call tell.
func TestErrorOfACallThatFailedEverywhere(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("orders", discovery.Addrs(addrs(4)...)...)
		_, _, err := m.get("http://orders/v1?token=secret")
		failed, ok := errors.AsType[*transport.Error](err)
		require.True(t, ok)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, "orders", failed.Service)
		assert.Equal(t, "10.0.0.3:80", failed.Addr)
		assert.Equal(t, 3, failed.Attempts)
		assert.Len(t, failed.Earlier, 2)
		require.ErrorIs(t, failed.Stopped, resilience.ErrAttemptsExhausted)
		assert.Equal(t, "transport: orders: 3 attempts (attempts exhausted): 10.0.0.3:80: dial tcp 10.0.0.3:80: connect: connection refused", failed.Error())
	}, transport.WithPolicy(inOrder))
}

// S5: a response is never turned into an error.
func TestTheLastResponseIsReturned(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(3) {
			m.serve(addr, answer(http.StatusServiceUnavailable, addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		status, body, err := m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Equal(t, "10.0.0.3:80", body, "that of the last attempt, whole")
		for _, addr := range addrs(3) {
			assert.Equal(t, 1, m.net.Dials(addr))
		}
	}, transport.WithPolicy(inOrder))
}

// S53: a total outage does not multiply the load.
func TestBudget(t *testing.T) {
	sends := 0
	refuse := roundTripFunc(func(*http.Request) (*http.Response, error) {
		sends++
		return nil, syscall.ECONNRESET
	})
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		stopped := 0
		for range 1000 {
			_, _, err := m.get("http://orders/")
			failed, ok := errors.AsType[*transport.Error](err)
			require.True(t, ok)
			if errors.Is(failed.Stopped, resilience.ErrBudgetExhausted) {
				stopped++
			}
		}
		assert.LessOrEqual(t, sends, 1250)
		assert.Greater(t, sends, 1150)
		assert.Greater(t, stopped, 800)
	}, transport.WithBase(refuse))
}

// S55: the server's word is honored, within the deadline. Another endpoint is
// not bound by what one says, but everybody by a 429.
func TestRetryAfter(t *testing.T) {
	busy := func(status int, date bool) http.HandlerFunc {
		first := true
		return func(w http.ResponseWriter, _ *http.Request) {
			if first {
				first = false
				value := "2"
				if date {
					value = time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)
				}
				w.Header().Set("Retry-After", value)
				w.WriteHeader(status)
				return
			}
			_, _ = io.WriteString(w, "done")
		}
	}
	for name, c := range map[string]struct {
		status   int
		date     bool
		others   int
		deadline time.Duration
		want     int
		waits    bool
	}{
		"503, alone":           {503, false, 0, forever, 200, true},
		"503, a date":          {503, true, 0, forever, 200, true},
		"503, another is left": {503, false, 1, forever, 200, false},
		"429":                  {429, false, 1, forever, 200, true},
		"too little time left": {503, false, 0, time.Second, 503, false},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				list := addrs(1 + c.others)
				m.serve(list[0], busy(c.status, c.date))
				for _, addr := range list[1:] {
					m.serve(addr, say("done"))
				}
				m.registry.Set("orders", discovery.Addrs(list...)...)
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				start := time.Now()
				resp, err := m.client.Do(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, c.want, resp.StatusCode)
				if c.waits {
					assert.GreaterOrEqual(t, time.Since(start), 2*time.Second)
					assert.LessOrEqual(t, time.Since(start), 2400*time.Millisecond)
				} else {
					assert.Zero(t, time.Since(start))
				}
			}, transport.WithPolicy(inOrder))
		})
	}
}

// S58
func TestCanceledDuringBackoff(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		start := time.Now()
		_, err := m.rt.RoundTrip(m.request(http.MethodGet, "http://orders/", "").WithContext(ctx)) //nolint:bodyclose // fails
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// S30: an answer that is not passed on is drained within bounds, and without
// delaying the next attempt.
func TestDiscardedResponses(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", answer(http.StatusServiceUnavailable, strings.Repeat("x", 1000)))
		m.serve("10.0.0.2:80", func(w http.ResponseWriter, r *http.Request) { // never ends
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		})
		m.serve("10.0.0.3:80", say("ok"))
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		for range 20 {
			start := time.Now()
			status, _, err := m.get("http://orders/")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			require.LessOrEqual(t, time.Since(start), 25*time.Millisecond, "one backoff, no waiting for bodies")
			time.Sleep(2 * time.Second)
		}
		assert.Equal(t, 1, m.net.Dials("10.0.0.1:80"), "its connection is used again")
		assert.Equal(t, 20, m.net.Dials("10.0.0.2:80"))
	}, transport.WithPolicy(inOrder), transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: -1, FailureRatio: -1}))
}

// S3, S43, S46: bodies are closed once each, and framed as without retries.
func TestRequestBodies(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		type seen struct {
			length  int64
			chunked bool
			body    string
		}
		var got []seen
		record := func(w http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			got = append(got, seen{r.ContentLength, len(r.TransferEncoding) > 0, string(data)})
		}
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			record(w, r)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		m.serve("10.0.0.2:80", record)
		m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)

		for _, method := range []string{http.MethodPut, http.MethodPost} {
			got = nil
			original := &trackBody{Reader: strings.NewReader("hello")}
			var copies []*trackBody
			req := newRequest(t, method, "http://orders/", "")
			req.Body, req.ContentLength = original, 5
			req.GetBody = func() (io.ReadCloser, error) {
				b := &trackBody{Reader: strings.NewReader("hello")}
				copies = append(copies, b)
				return b, nil
			}
			resp, err := m.client.Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 1, original.closed())
			if method == http.MethodPost {
				assert.Empty(t, copies)
				assert.Len(t, got, 1)
				continue
			}
			require.Len(t, copies, 1)
			assert.Equal(t, 1, copies[0].closed())
			assert.Equal(t, []seen{{5, false, "hello"}, {5, false, "hello"}}, got)
		}

		for name, body := range map[string]io.Reader{"nil": nil, "NoBody": http.NoBody, "empty": strings.NewReader("")} {
			got = nil
			status, _, err := m.do(http.MethodPut, "http://orders/", body)
			require.NoError(t, err)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, []seen{{0, false, ""}, {0, false, ""}}, got, name)
		}
	}, transport.WithPolicy(inOrder))
}

// S44, S47, S48: a body without GetBody is kept up to the limit, and never
// kept from being sent.
func TestReplayLimit(t *testing.T) {
	for name, c := range map[string]struct {
		size     int
		repeated bool
	}{
		"at the limit":   {100, true},
		"one byte over":  {101, false},
		"far beyond":     {1 << 20, false},
		"empty, unknown": {0, true},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryWay(t, func(t *testing.T, m *mesh) {
				var sizes []int64
				count := func(status int) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						n, err := io.Copy(io.Discard, r.Body)
						assert.NoError(t, err)
						sizes = append(sizes, n)
						w.WriteHeader(status)
					}
				}
				m.serve("10.0.0.1:80", count(http.StatusServiceUnavailable))
				m.serve("10.0.0.2:80", count(http.StatusOK))
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				body := &trackBody{Reader: strings.NewReader(strings.Repeat("x", c.size))}
				status, _, err := m.do(http.MethodPut, "http://orders/", body)
				require.NoError(t, err)
				if c.repeated {
					assert.Equal(t, http.StatusOK, status)
					assert.Equal(t, []int64{int64(c.size), int64(c.size)}, sizes)
				} else {
					assert.Equal(t, http.StatusServiceUnavailable, status)
					assert.Equal(t, []int64{int64(c.size)}, sizes)
				}
				synctest.Wait()
				assert.Equal(t, 1, body.closed())
			}, transport.WithPolicy(inOrder), transport.WithReplayLimit(100))
		})
	}
}

// S47: what is kept for a replay does not hold up what is sent.
func TestStreamingUpload(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		first := make(chan struct{})
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			p := make([]byte, 3)
			_, err := io.ReadFull(r.Body, p)
			assert.NoError(t, err)
			assert.Equal(t, "one", string(p))
			close(first)
			_, _ = io.Copy(w, r.Body)
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		r, w := io.Pipe()
		go func() {
			_, _ = io.WriteString(w, "one")
			<-first // the endpoint has it before there is more
			_, _ = io.WriteString(w, "two")
			_ = w.Close()
		}()
		_, got, err := m.do(http.MethodPost, "http://orders/", r)
		require.NoError(t, err)
		assert.Equal(t, "two", got)
	})
}

// The caller's own fault is nobody else's: it is neither repeated nor held
// against an endpoint.
func TestTheCallersFault(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, prepare := range map[string]func(*http.Request){
		"a body that fails": func(req *http.Request) {
			req.Body = io.NopCloser(io.MultiReader(strings.NewReader("begin"), readerFunc(func([]byte) (int, error) { return 0, broken })))
			req.ContentLength = 100
		},
		"an invalid header value": func(req *http.Request) { req.Header.Set("X", "a\nb") },
		"an invalid header name":  func(req *http.Request) { req.Header["a b"] = []string{"x"} },
		"an invalid method":       func(req *http.Request) { req.Method = "GE T" },
		"no header map":           func(req *http.Request) { req.Header = nil },
	} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				m.serve("10.0.0.1:80", say("one"))
				m.registry.Set("orders", discovery.Addrs(addrs(2)...)...)
				req := newRequest(t, http.MethodPut, "http://orders/", "")
				prepare(req)
				_, err := m.rt.RoundTrip(req) //nolint:bodyclose // fails
				failed, ok := errors.AsType[*transport.Error](err)
				require.True(t, ok)
				assert.Equal(t, 1, failed.Attempts)
				if name == "a body that fails" {
					require.ErrorIs(t, err, broken)
				}
			}, transport.WithPolicy(inOrder), transport.WithBreaker(resilience.BreakerConfig{ConsecutiveFailures: 1}),
				transport.WithHooks(transport.Hooks{
					EndpointEjected: func(transport.EndpointEvent) { t.Error("ejected for the caller's fault") },
					BreakerChanged:  func(transport.BreakerEvent) { t.Error("blamed for the caller's fault") },
				}))
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// S6: a base that breaks the contract does not make the transport break it.
func TestUnrulyBase(t *testing.T) {
	for name, base := range map[string]roundTripFunc{
		"neither response nor error": func(*http.Request) (*http.Response, error) { return nil, nil },
		"both": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: http.NoBody}, errors.New("broken")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
				resp, err := m.rt.RoundTrip(newRequest(t, http.MethodPost, "http://orders/", "")) //nolint:bodyclose // fails
				require.Error(t, err)
				assert.Nil(t, resp)
			}, transport.WithBase(base))
		})
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		resp, err := m.rt.RoundTrip(newRequest(t, http.MethodGet, "http://orders/", "")) //nolint:bodyclose // there is none
		require.NoError(t, err)
		assert.Equal(t, http.NoBody, resp.Body)
	}, transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200}, nil
	})))
}

// An instance that says it speaks TLS is called over TLS, and plain HTTP never
// stands in for it.
func TestSchemes(t *testing.T) {
	var seen []string
	base := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		seen = append(seen, req.URL.Scheme+"://"+req.URL.Host+" "+req.Host)
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})
	inMesh(t, func(t *testing.T, m *mesh) {
		m.registry.Set("secure", discovery.Instance{Addr: "10.0.0.1:443", Scheme: "https"})
		m.registry.Set("plain", discovery.Instance{Addr: "10.0.0.2:80", Scheme: "http"})
		for _, url := range []string{"http://secure/", "https://secure/", "http://plain/"} {
			status, _, err := m.get(url)
			require.NoError(t, err, url)
			assert.Equal(t, 200, status)
		}
		_, _, err := m.get("https://plain/")
		require.ErrorIs(t, err, transport.ErrPlaintext)
		assert.Equal(t, []string{"https://10.0.0.1:443 secure", "https://10.0.0.1:443 secure", "http://10.0.0.2:80 plain"}, seen)
	}, transport.WithBase(base))
}
