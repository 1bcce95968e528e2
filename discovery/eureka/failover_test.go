package eureka_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

var copyOne = discovery.Instance{ID: "orders-1", Addr: "192.0.2.1:8080"}

func TestFailoverWithinOneCall(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		b := r.fake("b:80") // nobody listens at a
		b.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		c := r.client("http://a,http://b")
		reg, err := c.Register(t.Context(), "orders", copyOne)
		require.NoError(t, err)
		s := r.follow(c, "orders")
		assert.Equal(t, []string{one}, s.news())
		assert.Empty(t, s.errors())
		assert.Zero(t, r.since())
		assert.Equal(t, 2, r.net.Dials("a:80"), "once to read, once to write")

		wait(10 * time.Minute)
		assert.Equal(t, 2, r.net.Dials("a:80"), "the server that was good is used again")
		require.NoError(t, reg.Close(t.Context()))
		assert.Equal(t, 2, r.net.Dials("a:80"))
	})
}

func TestThreeAttempts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		hanging, broken, good, spare := r.fake("a:80"), r.fake("b:80"), r.fake("c:80"), r.fake("d:80")
		hanging.answer(hang)
		broken.answer(status(http.StatusInternalServerError))
		good.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		c := r.client("http://a,http://b,http://c,http://d")
		s := r.follow(c, "orders")
		wait(10 * time.Second)
		assert.Equal(t, []string{one}, s.news())
		assert.Equal(t, 10*time.Second, s.when(), "the time-out of the first")
		assert.Empty(t, s.errors())
		wait(33 * time.Second)
		assert.Equal(t, []string{"GET /apps/", "GET /apps/delta"}, good.lines())
		assert.Len(t, hanging.lines(), 1)
		assert.Len(t, broken.lines(), 1)

		// The first two are avoided while there are others.
		good.answer(status(http.StatusTooManyRequests))
		spare.answer(listing([]wire.Instance{up("ORDERS", 2)}))
		wait(33 * time.Second)
		assert.Equal(t, []string{two}, s.news())
		assert.Empty(t, hanging.lines())
		assert.Empty(t, broken.lines())
	})
}

func TestQuarantineEndsWhenAllAreBad(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var fakes []*fake
		for _, addr := range []string{"a:80", "b:80", "c:80"} {
			fakes = append(fakes, r.fake(addr)) // which answers 503
		}
		s := r.follow(r.client("http://a,http://b,http://c"), "orders")
		for _, f := range fakes {
			assert.Len(t, f.lines(), 1)
		}
		assert.EqualError(t, s.errors()[0], "eureka: no registry yet: http://a: answered 503 Service Unavailable; "+
			"http://b: answered 503 Service Unavailable; http://c: answered 503 Service Unavailable")
		fakes[0].answer(listing([]wire.Instance{up("ORDERS", 1)}))
		wait(time.Second)
		assert.Equal(t, []string{one}, s.news())
		assert.NotEmpty(t, fakes[0].lines())
		assert.Empty(t, fakes[1].lines(), "the first of all is tried first again")
	})
}

func TestRejectionIsNotFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.fake("a:80"), r.fake("b:80")
		a.answer(status(http.StatusForbidden))
		b.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		c := r.client("http://a,http://b,http://c")

		_, err := c.Register(t.Context(), "orders", copyOne)
		assert.EqualError(t, err, `eureka: register "orders": http://a: answered 403 Forbidden`)
		var answered *eureka.StatusError
		require.ErrorAs(t, err, &answered)
		assert.Equal(t, eureka.StatusError{Server: "http://a", Code: 403}, *answered)
		assert.Equal(t, []string{"POST /apps/ORDERS"}, a.lines())
		assert.Empty(t, b.lines(), "a rejection is final for a registration")

		s := r.follow(c, "orders")
		assert.Equal(t, []string{one}, s.news(), "but not for reading: the server may just have been started")
		assert.Empty(t, s.errors())
		assert.Len(t, a.lines(), 1)
		wait(time.Minute)
		assert.Empty(t, a.lines(), "there is no need to ask it again")

		a.answer(listing([]wire.Instance{up("ORDERS", 2)}))
		b.answer(status(http.StatusBadGateway))
		wait(33 * time.Second)
		assert.Equal(t, []string{two}, s.news())
		assert.Zero(t, r.net.Dials("c:80"), "it was not held to be bad")
	})
}

func TestAllServersGetTheirTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.follow(r.client("http://a,http://b,http://c,http://d,http://e"), "orders")
		wait(10 * time.Minute)
		assert.Empty(t, s.news())
		r.fake("e:80").answer(listing([]wire.Instance{up("ORDERS", 1)}))
		wait(time.Minute)
		assert.Equal(t, []string{one}, s.news(), "within two requests of three attempts each")
	})
}

func TestDeadlineIsShared(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.fake("a:80"), r.fake("b:80")
		a.answer(hang)
		b.answer(listing(nil))
		reg, err := r.client("http://a,http://b").Register(within(t, 3*time.Second), "orders", copyOne)
		require.NoError(t, err)
		assert.Equal(t, 1500*time.Millisecond, r.since())
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestCredentials(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.fake("a:80"), r.fake("b:80")
		a.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		c := r.client("http://user:se%2Fcret@a/eureka,http://b")
		s := r.follow(c, "orders")
		reg, err := c.Register(t.Context(), "orders", copyOne)
		require.NoError(t, err)
		require.NoError(t, reg.(*eureka.Registration).SetStatus(t.Context(), eureka.OutOfService))
		wait(time.Minute)
		require.NoError(t, reg.Close(t.Context()))
		requests := a.all()
		assert.Greater(t, len(requests), 6)
		for _, q := range requests {
			assert.Equal(t, "Basic dXNlcjpzZS9jcmV0", q.header.Get("Authorization"), q.line)
			assert.NotContains(t, q.line, "cret")
		}

		reg, err = c.Register(t.Context(), "orders", copyOne)
		require.NoError(t, err)
		for _, answer := range []http.HandlerFunc{
			status(http.StatusInternalServerError),
			status(http.StatusUnauthorized),
			func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://b/eureka/apps/", http.StatusFound)
			},
			hang,
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("nonsense")) },
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			a.answer(answer)
			wait(2 * time.Minute)
			_, err = c.Register(within(t, 30*time.Second), "cart", copyOne)
			if err != nil {
				assert.Contains(t, err.Error(), "http://a/eureka")
				assert.NotContains(t, err.Error(), "cret")
			}
		}
		err = reg.Close(within(t, time.Minute))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "cret")
		for _, err := range s.errors() {
			assert.NotContains(t, err.Error(), "cret")
			assert.NotContains(t, err.Error(), "lastDirty")
		}
		assert.Contains(t, r.log.String(), "http://a/eureka")
		assert.NotContains(t, r.log.String(), "cret")
		assert.NotContains(t, r.log.String(), "user")
		assert.NotContains(t, strings.ToLower(r.log.String()), "basic")
		for _, q := range b.all() {
			assert.Empty(t, q.header.Get("Authorization"))
			assert.NotEqual(t, "GET /eureka/apps/", q.line, "redirects are not followed")
		}
	})
}
