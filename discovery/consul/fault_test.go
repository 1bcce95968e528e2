package consul_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
)

// filtered answers as an agent does that hides copies from a token: with 200.
func filtered(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		answer(w, r)
	}
}

// A token that has lost its rights does not empty a set: Consul answers with a
// list of what it may see.
func TestFilteredByACL(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(list("7", entry("a", "passing", ""), entry("b", "passing", "")))
		w := read(t, r.client("http://agent:8500"), "orders")
		assert.Len(t, w.set(), 2)
		f.answer(filtered(list("8")))
		assert.ErrorContains(t, w.failure(), `consul: service "orders": http://agent:8500: the token may see none of its copies`)
		f.answer(filtered(list("9", entry("a", "passing", ""))))
		for {
			p := w.next()
			if p.err == nil {
				assert.Equal(t, []string{"n1/a"}, ids(p.set))
				break
			}
		}
		assert.ErrorContains(t, w.failure(), "the token may not see all of its copies")
		time.Sleep(time.Minute)
		w.nothing()
	})
}

// An empty answer of a server that knows no leader is not believed, not even
// as the first.
func TestNoLeaderAtFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Consul-KnownLeader", "false")
			list("1")(w, r)
		})
		w := read(t, r.client("http://agent:8500", consul.WithStale()), "orders")
		assert.ErrorContains(t, w.failure(), "knows no leader")
	})
}

// An agent that answers at once and refuses to wait is asked ever less.
func TestOnlyWaitingFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Has("index") {
				http.Error(w, "slow down", http.StatusTooManyRequests)
				return
			}
			list("7", entry("a", "passing", ""))(w, req)
		})
		w := read(t, r.client("http://agent:8500"), "orders")
		w.set()
		time.Sleep(3 * time.Minute)
		assert.Less(t, f.asked.Load(), int64(60), "requests in three minutes")
		assert.Greater(t, f.asked.Load(), int64(10))
	})
}

// An index is the agent's own: the next one is asked for everything, and then
// goes on with its own index.
func TestIndexOfAnotherAgent(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		second := newFake()
		r.serve("second:8500", second)
		second.answer(list("3", entry("a", "passing", "")))
		f.answer(list("100", entry("a", "passing", "")))
		c := r.client("http://agent:8500,http://second:8500")
		w := read(t, c, "orders")
		w.set()
		f.answer(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/users") {
				w.WriteHeader(http.StatusInternalServerError) // which has all others leave this agent, too
				return
			}
			list("100", entry("a", "passing", ""))(w, req)
		})
		assert.ErrorContains(t, read(t, c, "users").failure(), "answered 500")
		time.Sleep(time.Minute)
		second.mu.Lock()
		defer second.mu.Unlock()
		var orders []string
		for _, line := range second.requests {
			if strings.Contains(line, "/orders") {
				orders = append(orders, line)
			}
		}
		assert.Equal(t, "GET /v1/health/service/orders", orders[0])
		assert.Contains(t, orders[1], "index=3")
	})
}

// A copy that another could not replace is announced again as it was.
func TestReplacedInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500")
		first, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		require.NoError(t, err)
		f.answer(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/register") { // accepted, and nobody is told so
				f.answer(nil)
				f.ServeHTTP(w, req)
				f.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
				panic(http.ErrAbortHandler)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = c.Register(ctx, "orders", discovery.Instance{ID: "a", Addr: "10.0.0.2:80"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		f.answer(nil)
		time.Sleep(6 * time.Second)
		w := read(t, c, "orders")
		assert.Equal(t, "10.0.0.1:80", w.set()[0].Addr)
		require.NoError(t, first.Close(t.Context()))
		assert.Empty(t, w.set())
	})
}

// Whoever registers the same copy at the same time, one is announced and the
// others are not.
func TestSameCopyAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, _ *fake) {
		c := r.client("http://agent:8500")
		all := make(chan discovery.Registration, 8)
		for i := range cap(all) {
			go func() { // ended by its answer
				registration, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:" + strconv.Itoa(80+i)})
				assert.NoError(t, err)
				all <- registration
			}()
		}
		for range cap(all) {
			require.NoError(t, (<-all).Close(t.Context()))
		}
		assert.Empty(t, read(t, c, "orders").set())
	})
}

// A rejection by one agent would be one by all: none is avoided for it.
func TestRejectionAvoidsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		second := newFake()
		r.serve("second:8500", second)
		f.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		w := read(t, r.client("http://agent:8500,http://second:8500"), "orders")
		for range 3 {
			assert.ErrorContains(t, w.failure(), "http://agent:8500: answered 403")
		}
		assert.Zero(t, second.asked.Load())
	})
}

// A service's own address is not replaced by its node's tagged one.
func TestOwnAddressBeforeTheNodes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(list("7", `{"Node":{"Node":"n1","Address":"10.0.0.1","TaggedAddresses":{"wan":"192.0.2.3"}},"Service":{"ID":"c","Address":"10.0.0.9","Port":80}}`))
		assert.Equal(t, "10.0.0.9:80", read(t, r.client("http://agent:8500", consul.WithTaggedAddress("wan")), "orders").set()[0].Addr)
	})
}

// Metadata with the name that tags would have stays, and a critical check
// outweighs a later one.
func TestTagsAndChecks(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(list("7", entry("a", "passing", `,"Meta":{"tags":"mine"},"Tags":["v2"]`),
			`{"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"b","Port":80},"Checks":[{"Status":"critical"},{"Status":"warning"}]}`))
		set := read(t, r.client("http://agent:8500"), "orders").set()
		assert.Equal(t, []string{"n1/a"}, ids(set))
		assert.Equal(t, "mine", set[0].Metadata["tags"])
	})
}

// A copy that is to be announced again as it was is, even if the first attempt
// fails.
func TestReplacedInVainTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500")
		first, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		require.NoError(t, err)
		f.answer(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/register") {
				f.answer(nil)
				f.ServeHTTP(w, req)
				f.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
				panic(http.ErrAbortHandler)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = c.Register(ctx, "orders", discovery.Instance{ID: "a", Addr: "10.0.0.2:80"})
		require.Error(t, err)
		time.Sleep(6 * time.Second) // a sign of life that fails
		f.answer(nil)
		time.Sleep(6 * time.Second)
		assert.Equal(t, "10.0.0.1:80", read(t, c, "orders").set()[0].Addr)
		require.NoError(t, first.Close(t.Context()))
	})
}

// A copy that the agent has forgotten is withdrawn, and one that was withdrawn
// is not announced again for a replacement that fails.
func TestWithdrawn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500")
		first, err := c.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "10.0.0.1:80"})
		require.NoError(t, err)
		f.forget()
		require.NoError(t, first.Close(t.Context()))
	})
}

// The bounds are ours, not those of a user's client; and errors have no query.
func TestUsersClient(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, _ *fake) {
		tr := &http.Transport{DialContext: r.net.DialContext}
		defer tr.CloseIdleConnections()
		c := consul.New("http://agent:8500", consul.WithHTTPClient(&http.Client{Transport: tr, Timeout: time.Second}))
		defer c.Close()
		w := read(t, c, "orders")
		w.set()
		time.Sleep(20 * time.Second)
		w.nothing()
		down := read(t, r.client("http://nobody:8500", consul.WithFilter("Service.Meta.key == hidden")), "orders")
		assert.NotContains(t, down.failure().Error(), "hidden")
	})
}

func TestLongTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 5000)), 0o600))
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		assert.ErrorContains(t, read(t, r.client("http://agent:8500", consul.WithTokenFile(path)), "orders").failure(), "is longer than 4096 bytes")
		assert.Zero(t, f.asked.Load())
	})
}
