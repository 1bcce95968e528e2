package eureka_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"iter"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestAllServersDown(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		lists := listing([]wire.Instance{up("ORDERS", 1)})
		stopA, stopB := r.serve("a:80", lists), r.serve("b:80", lists)
		c := r.client("http://a,http://b")
		s := r.follow(c, "orders")
		assert.Equal(t, []string{one}, s.news())
		stopA()
		stopB()
		wait(time.Hour)
		errs := s.errors()
		assert.Greater(t, len(errs), 60, "each failure is news")
		assert.Less(t, len(errs), 600, "with growing delays")
		assert.Regexp(t, `^eureka: registry not read for (59|1h0)m.*: http://a: .*refused; http://b: .*refused$`, errs[len(errs)-1].Error())
		assert.Empty(t, s.news(), "the last set stands")

		late := r.follow(c, "orders")
		assert.Equal(t, []string{one}, late.news(), "also for who comes later")
		assert.NotEmpty(t, late.errors(), "who learns that it is old")

		r.serve("b:80", listing([]wire.Instance{up("ORDERS", 2)}))
		wait(30 * time.Second)
		assert.Equal(t, []string{two}, s.news())
		assert.Equal(t, []string{two}, late.news())
		assert.Equal(t, 1, strings.Count(r.log.String(), "registry cannot be read"))
		assert.Equal(t, 1, strings.Count(r.log.String(), "registry can be read again"))
	})
}

// A set after an error says that the failure is over, and only that.
func TestRecovery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		lists := listing([]wire.Instance{up("ORDERS", 1)})
		f := r.fake("a:80")
		f.answer(lists)
		c := r.client("http://a")
		s := r.follow(c, "orders")
		next, stop := iter.Pull2(c.Watch(t.Context(), "orders"))
		defer stop()
		_, err, _ := next()
		require.NoError(t, err)
		assert.Equal(t, []string{one}, s.news())
		for range 3 {
			f.answer(status(http.StatusServiceUnavailable))
			wait(time.Minute)
			assert.NotEmpty(t, s.errors())
			assert.Empty(t, s.news())
			f.answer(lists)
			wait(10 * time.Minute)
			assert.Empty(t, s.errors())
			assert.Equal(t, []string{one}, s.news(), "once")
		}
		f.answer(status(http.StatusServiceUnavailable))
		wait(time.Minute)
		_, err, _ = next()
		assert.ErrorContains(t, err, "503", "a slow reader has not seen the outages that are over")
	})
}

// A program that starts while no server answers has others to fall back on.
func TestStartWithoutServers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		c := r.client("http://a")
		watcher := discovery.Fallback(c, discovery.Static{"orders": discovery.Addrs("192.0.2.2:8080")})
		s := r.follow(watcher, "orders")
		assert.Equal(t, []string{" 192.0.2.2:8080"}, s.news())
		assert.NotEmpty(t, s.errors())
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		wait(time.Second)
		assert.Equal(t, []string{one}, s.news())
	})
}

func TestRetriesBeginQuickly(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		s := r.follow(r.client("http://a"), "orders")
		assert.EqualError(t, s.errors()[0], "eureka: no registry yet: http://a: answered 503 Service Unavailable")
		wait(time.Second)
		assert.GreaterOrEqual(t, len(f.lines()), 2)
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		wait(30 * time.Second)
		assert.Equal(t, []string{one}, s.news())
	})
}

func TestMalformedAnswers(t *testing.T) {
	var mebibyte bytes.Buffer
	z := gzip.NewWriter(&mebibyte)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	tooLong := bytes.Repeat(mebibyte.Bytes(), 65)
	bombs := 1 // one is enough, and slow under the race detector
	for name, answer := range map[string]http.HandlerFunc{
		"html":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>502</html>") },
		"truncated": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"applications":{"appl`) },
		"too long": func(w http.ResponseWriter, r *http.Request) {
			if bombs--; bombs < 0 {
				hang(w, r)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(tooLong)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://b/", http.StatusFound) },
		"hanging":  hang,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				f, elsewhere := r.fake("a:80"), r.fake("b:80")
				f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
				s := r.follow(r.client("http://user:secret@a/eureka"), "orders")
				assert.Equal(t, []string{one}, s.news())
				f.answer(answer)
				wait(60 * time.Second)
				errs := s.errors()
				require.NotEmpty(t, errs)
				assert.Contains(t, errs[0].Error(), "http://a/eureka: ")
				assert.NotContains(t, errs[0].Error(), "secret")
				assert.Empty(t, s.news())
				assert.Empty(t, elsewhere.lines())
				f.answer(listing([]wire.Instance{up("ORDERS", 1), up("ORDERS", 2)}))
				wait(time.Minute)
				assert.Equal(t, []string{one + ", " + two}, s.news())
			})
		})
	}
}

func TestShrunkRegistryIsConfirmed(t *testing.T) {
	t.Run("and was only restarted", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
			s := r.follow(r.client("http://a"), "orders")
			s.news()
			f.answer(listing(nil))
			wait(33 * time.Second)
			require.Len(t, s.errors(), 1)
			f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
			wait(time.Hour)
			assert.Equal(t, []string{one}, s.news(), "which says that the failure is over")
			assert.Empty(t, s.errors())
		})
	})
	t.Run("and is empty", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
			s := r.follow(r.client("http://a,http://b"), "orders") // b is down
			s.news()
			f.answer(listing(nil))
			wait(33 * time.Second)
			assert.Empty(t, s.news())
			require.Len(t, s.errors(), 1)
			wait(33 * time.Second)
			assert.Equal(t, []string{""}, s.news())
		})
	})
	t.Run("and fills up again", func(t *testing.T) {
		every := func(seconds int, numbers ...int) (list []wire.Instance) {
			for _, n := range numbers {
				list = append(list, with(up("ORDERS", n), func(in *wire.Instance) { in.Lease.RenewalInterval = seconds }))
			}
			return list
		}
		for name, test := range map[string]struct {
			renewal  int // seconds
			min, max time.Duration
		}{
			"after a renewal":       {5, 5 * time.Second, 6600 * time.Millisecond},
			"after a poll interval": {math.MaxInt32, 27 * time.Second, 33 * time.Second},
		} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, r *rig) {
					f := r.fake("a:80")
					changes := make(chan http.HandlerFunc)
					f.answer(waiting("e.1", every(test.renewal, 1, 2, 3, 4, 5), changes))
					s := r.follow(r.client("http://a"), "orders")
					s.news()
					// A restarted server knows the copies that have renewed since.
					f.answer(waiting("f.2", every(test.renewal, 1, 2), nil))
					restarted := r.since()
					changes <- status(http.StatusServiceUnavailable)
					wait(time.Second) // the longest delay of a first retry
					assert.Empty(t, s.news(), "calls must not all go to two")
					errs := s.errors()
					require.Len(t, errs, 2)
					assert.ErrorContains(t, errs[1], "less than half")
					f.answer(waiting("f.3", every(test.renewal, 1, 2, 3, 5), nil))
					wait(40 * time.Second)
					assert.Equal(t, []string{one + ", " + two + ", orders-3 192.0.2.3:8080, orders-5 192.0.2.5:8080"}, s.news())
					assert.GreaterOrEqual(t, s.when()-restarted, test.min)
					assert.LessOrEqual(t, s.when()-restarted, test.max+time.Second)
				})
			})
		}
	})
	t.Run("by half, which is believed", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(listing([]wire.Instance{up("ORDERS", 1), up("ORDERS", 2)}))
			s := r.follow(r.client("http://a"), "orders")
			s.news()
			f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
			wait(33 * time.Second)
			assert.Equal(t, []string{one}, s.news())
			assert.Empty(t, s.errors())
		})
	})
	t.Run("and another server knows better", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			a, b := r.fake("a:80"), r.fake("b:80")
			a.answer(listing([]wire.Instance{up("ORDERS", 1)}))
			b.answer(listing([]wire.Instance{up("ORDERS", 2)}))
			s := r.follow(r.client("http://a,http://b"), "orders")
			s.news()
			a.answer(listing(nil))
			wait(33 * time.Second)
			assert.Equal(t, []string{two}, s.news())
			assert.Empty(t, s.errors())
		})
	})
}
