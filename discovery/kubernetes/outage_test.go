package kubernetes_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A watch that nobody ends is ended by us.
func TestWatchWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Get("watch") == "" {
				r.api.list(w, req, "shop", "orders")
				return
			}
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
		})
		s := r.follow(r.client(), "orders")
		wait(10*time.Minute + 31*time.Second)
		assert.Equal(t, []string{""}, s.news())
		assert.Empty(t, s.errors())
		assert.Len(t, r.api.seen(), 3)
		assert.Contains(t, r.log.String(), "no end within")
	})
}

// A server that ends every watch at once is not asked in a tight loop. That is
// an error, and the slices are listed again and again instead.
func TestWatchThatEndsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Get("watch") == "" {
				r.api.list(w, req, "shop", "orders")
			}
		})
		s := r.follow(r.client(), "orders")
		wait(10 * time.Minute)
		assert.Less(t, len(r.api.seen()), 120)
		errs := s.errors()
		require.NotEmpty(t, errs)
		assert.ErrorContains(t, errs[0], "http://api: the watch broke off: EOF")
		r.api.put(sliceOf("a", pod(1)))
		wait(time.Minute)
		assert.Equal(t, one, last(s.news()))

		r.api.instead(nil)
		wait(time.Minute)
		s.errors()
		r.api.put(sliceOf("a", pod(2)))
		assert.Equal(t, two, last(s.news()), "all is well again")
		wait(time.Hour)
		r.stop()
		r.serve()
		wait(time.Minute)
		assert.Empty(t, s.errors(), "once is none")
	})
}

// Delays that have grown in an outage begin anew after a watch that lasted.
func TestOutageForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.stop()
		s := r.follow(r.client(), "orders")
		wait(time.Hour)
		r.stop = r.serve()
		wait(time.Minute)
		for range 10 {
			r.stop()
			r.stop = r.serve()
			wait(time.Second)
			r.api.put(sliceOf("a", pod(1)))
			assert.Equal(t, one, last(s.news()))
			r.api.put(sliceOf("a"))
			wait(10 * time.Second)
		}
	})
}

// Nobody is there for a while.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := r.follow(r.client(), "orders")
		wait(time.Hour)
		errs := s.errors()
		assert.Greater(t, len(errs), 120)
		assert.Less(t, len(errs), 400)
		assert.ErrorContains(t, errs[0], "kubernetes: endpoint slices of shop/orders not read yet: http://api: dial tcp")
		r.api.put(sliceOf("a", pod(1)))
		r.serve()
		wait(30 * time.Second)
		assert.Equal(t, []string{one}, s.news())
	})
}
