package kubernetes_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/kubernetes"
)

// The server ends watches as agreed. The next one goes on without a gap, and
// without a list.
func TestAgreedEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.client(), "orders")
		assert.Equal(t, []string{one}, s.news())
		wait(59 * time.Minute)
		seen := r.api.seen()
		assert.Equal(t, "list", seen[0])
		assert.NotContains(t, seen[1:], "list")
		assert.GreaterOrEqual(t, len(seen), 6)
		assert.LessOrEqual(t, len(seen), 13)
		wait(12 * time.Minute)
		assert.Contains(t, r.api.seen(), "list", "once an hour, at the end of a watch")
		assert.Empty(t, s.news())
		assert.Empty(t, s.errors())
		assert.NotContains(t, r.log.String(), "broke off")
	})
}

// No two clients are in step.
func TestLengthOfWatches(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.follow(r.client(), "orders")
		wait(10 * time.Hour)
		lengths := r.api.asks()
		assert.GreaterOrEqual(t, slices.Min(lengths), 300)
		assert.LessOrEqual(t, slices.Max(lengths), 600)
		assert.Greater(t, slices.Max(lengths)-slices.Min(lengths), 150, "of %d", len(lengths))
	})
}

// A watch that breaks off goes on where it was, also after changes.
func TestLostWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.client(), "orders")
		assert.Equal(t, []string{one}, s.news())
		wait(30 * time.Second)
		r.stop()
		r.api.put(sliceOf("a", pod(2)))
		r.api.put(sliceOf("b", pod(3)))
		r.serve()
		wait(time.Second)
		assert.Equal(t, two+", "+three, last(s.news()))
		assert.Empty(t, s.errors())
		assert.Equal(t, []string{"list", "watch 101", "watch 101"}, r.api.seen())
	})
}

func last(sets []string) string { return sets[len(sets)-1] }

// The server has forgotten the version: all is read again, deletions that
// nobody has seen are noticed, and nothing is said about it.
func TestExpired(t *testing.T) {
	for name, gone := range map[string]bool{"event": false, "status": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.api.gone = gone
				r.api.put(sliceOf("a", pod(1)))
				r.api.put(sliceOf("b", pod(2)))
				s := r.follow(r.client(), "orders")
				assert.Equal(t, []string{one + ", " + two}, s.news())
				wait(30 * time.Second)
				r.stop()
				r.api.remove("shop", "a")
				r.api.compact()
				r.serve()
				wait(time.Second)
				assert.Equal(t, []string{two}, s.news())
				assert.Empty(t, s.errors())
				assert.Equal(t, []string{"list", "watch 102", "watch 102", "list", "watch 104"}, r.api.seen())
				r.api.put(sliceOf("a", pod(1)))
				assert.Equal(t, []string{one + ", " + two}, s.news())
			})
		})
	}
}

// A server that always says that the version is too old is not asked in a
// tight loop.
func TestAlwaysExpired(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		r.api.oldest = 1000
		s := r.follow(r.client(), "orders")
		wait(10 * time.Minute)
		assert.Less(t, len(r.api.seen()), 120)
		assert.Equal(t, []string{one}, s.news())
	})
}

// Bookmarks move the version on where nothing changes, so that it is not too
// old when it is needed.
func TestBookmarks(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.client(), "orders")
		assert.Equal(t, []string{one}, s.news())
		elsewhere := sliceOf("x", pod(9))
		elsewhere["metadata"].(object)["namespace"] = "attic"
		for range 50 {
			r.api.put(elsewhere)
		}
		wait(2 * time.Minute)
		r.api.mu.Lock()
		r.api.oldest = 140
		r.api.mu.Unlock()
		r.stop()
		r.serve()
		wait(time.Second)
		assert.Equal(t, []string{"list", "watch 101", "watch 151"}, r.api.seen())
		assert.Empty(t, s.news())
	})
}

func TestPages(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i := range 250 {
			r.api.put(sliceOf(fmt.Sprintf("a-%03d", i), pod(i)))
		}
		expire := true
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.URL.Query().Get("watch") != "":
				r.api.watch(w, req, "shop", "orders")
			case expire && req.URL.Query().Get("continue") != "":
				expire = false
				refuse(w, http.StatusGone, "Expired", "The provided continue parameter is too old")
			default:
				r.api.list(w, req, "shop", "orders")
			}
		})
		s := r.follow(r.client(), "orders")
		errs := s.errors()
		require.Len(t, errs, 1)
		require.ErrorContains(t, errs[0], "answered 410 Gone")
		wait(time.Second)
		assert.Len(t, s.set(), 250)
		assert.Equal(t, []string{"list", "list", "list", "list", "list", "watch 350"}, r.api.seen())
	})
}

func TestRefused(t *testing.T) {
	for code, want := range map[int]string{
		401: "answered 401 Unauthorized, the credentials are not accepted",
		403: "answered 403 Forbidden, a Role and a RoleBinding must allow it",
		404: "answered 404 Not Found, the server has no discovery.k8s.io/v1 (Kubernetes 1.21)",
		500: "answered 500 Internal Server Error",
	} {
		t.Run(want, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.api.put(sliceOf("a", pod(1)))
				s := r.follow(r.client(), "orders")
				assert.Equal(t, []string{one}, s.news())
				r.api.instead(refusing(code))
				wait(time.Minute)
				r.stop()
				r.serve()
				wait(time.Second)
				errs := s.errors()
				require.NotEmpty(t, errs)
				want := fmt.Sprintf("http://api: watch endpointslices.discovery.k8s.io in namespace \"shop\": %s: \"no: %s\"", want, http.StatusText(code))
				require.ErrorContains(t, errs[0], "kubernetes: endpoint slices of shop/orders not read for ")
				require.ErrorContains(t, errs[0], want)
				refused, ok := errors.AsType[*kubernetes.StatusError](errs[0])
				require.True(t, ok)
				assert.Equal(t, kubernetes.StatusError{
					Server: "http://api", Verb: "watch", Namespace: "shop", Code: code, Message: "no: " + http.StatusText(code),
				}, *refused)

				late := r.follow(r.client(), "orders")
				errs = late.errors()
				require.Len(t, errs, 1)
				require.ErrorContains(t, errs[0], "kubernetes: endpoint slices of shop/orders not read yet: http://api: list endpointslices")

				wait(10 * time.Minute)
				n := len(s.errors())
				assert.Greater(t, n, 20, "it is tried again and again")
				assert.Less(t, n, 100)
				assert.Empty(t, s.news())
				r.api.instead(nil)
				wait(30 * time.Second)
				assert.Equal(t, []string{one}, s.news())
				assert.Equal(t, []string{one}, late.news())
				assert.Equal(t, 2, strings.Count(r.log.String(), "endpoint slices cannot be read"))
				assert.Equal(t, 2, strings.Count(r.log.String(), "endpoint slices can be read again"))
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.instead(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "45")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		s := r.follow(r.client(), "orders")
		require.Len(t, s.errors(), 1)
		wait(44 * time.Second)
		assert.Empty(t, s.errors())
		wait(time.Second)
		assert.Len(t, s.errors(), 1)
		r.api.instead(nil)
		wait(45 * time.Second)
		assert.Equal(t, []string{""}, s.news())
	})
}

func TestNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.instead(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		s := r.follow(r.client(), "orders")
		wait(15*time.Second - 1)
		assert.Empty(t, s.errors())
		wait(1)
		errs := s.errors()
		require.Len(t, errs, 1)
		require.EqualError(t, errs[0], "kubernetes: endpoint slices of shop/orders not read yet: http://api: no answer within 15s")

		r.api.instead(func(w http.ResponseWriter, req *http.Request) { // a list that does not end
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
		})
		wait(46 * time.Second) // at the latest: the old answer, a delay, and the new one
		errs = s.errors()
		require.NotEmpty(t, errs)
		assert.ErrorContains(t, errs[len(errs)-1], "no whole answer within 30s")
	})
}
