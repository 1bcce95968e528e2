package eureka_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// waiting answers as a server that holds requests until something changes.
// What is sent to changes answers the delta that waits.
func waiting(revision string, instances []wire.Instance, changes <-chan http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Namesake-Revision", revision)
		if !strings.HasSuffix(r.URL.Path, "/delta") {
			writeApps(w, instances, wire.HashOf(grouped(instances)))
			return
		}
		select {
		case change := <-changes:
			change(w, r)
		case <-r.Context().Done():
		case <-time.After(25 * time.Second):
			w.WriteHeader(http.StatusNotModified)
		}
	}
}

func delta(revision string, hash string, changes ...wire.Instance) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Namesake-Revision", revision)
		writeApps(w, changes, hash)
	}
}

func TestChangesArriveAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		changes := make(chan http.HandlerFunc)
		f := r.fake("a:80")
		f.answer(waiting("e.1", []wire.Instance{up("ORDERS", 1)}, changes))
		s := r.follow(r.client("http://a"), "orders")
		assert.Equal(t, []string{one}, s.news())
		requests := f.all()
		require.Len(t, requests, 2, "it waits for changes already")
		assert.Empty(t, requests[0].header.Get("Prefer"))
		assert.Equal(t, "GET /apps/delta", requests[1].line)
		assert.Equal(t, `"e.1"`, requests[1].header.Get("If-None-Match"))
		assert.Equal(t, "wait=25", requests[1].header.Get("Prefer"))
		assert.Zero(t, r.since())

		wait(time.Minute)
		assert.Equal(t, []string{"GET /apps/delta", "GET /apps/delta"}, f.lines(), "at 25 s and at 50 s")
		changes <- delta("e.2", "UP_2_", up("ORDERS", 2))
		assert.Equal(t, []string{one + ", " + two}, s.news())
		assert.Equal(t, time.Minute, s.when(), "no time has passed")
		assert.Equal(t, `"e.2"`, f.all()[0].header.Get("If-None-Match"))

		// A change right after a change is fetched with a short delay.
		changes <- delta("e.3", "UP_1_", with(up("ORDERS", 1), func(in *wire.Instance) { in.Action = wire.Deleted }))
		assert.Equal(t, []string{two}, s.news())
		at := r.since()
		changes <- delta("e.4", "", with(up("ORDERS", 2), func(in *wire.Instance) { in.Action = wire.Deleted }))
		assert.Equal(t, []string{""}, s.news(), "a delta may say that nothing is left")
		assert.Equal(t, 10*time.Millisecond, r.since()-at)
		assert.Empty(t, s.errors())
	})
}

func TestFullAnswerToDelta(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		changes := make(chan http.HandlerFunc)
		f := r.fake("a:80")
		f.answer(waiting("e.1", []wire.Instance{up("ORDERS", 1)}, changes))
		s := r.follow(r.client("http://a"), "orders")
		s.news()
		f.all()
		changes <- func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Namesake-Revision", "f.7")
			w.Header().Set("X-Namesake-Full", "true")
			writeApps(w, []wire.Instance{up("ORDERS", 2)}, "not looked at")
		}
		assert.Equal(t, []string{two}, s.news())
		wait(10 * time.Millisecond)
		requests := f.all()
		require.Len(t, requests, 1)
		assert.Equal(t, `"f.7"`, requests[0].header.Get("If-None-Match"))
	})
}

func TestBrokenWait(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := &fake{rig: r}
		f.answer(waiting("e.1", []wire.Instance{up("ORDERS", 1)}, nil))
		stop := r.serve("a:80", f)
		s := r.follow(r.client("http://a"), "orders")
		s.news()
		wait(10 * time.Second)
		f.all()
		stop()
		require.Len(t, s.errors(), 1)
		f.answer(waiting("f.1", []wire.Instance{up("ORDERS", 2)}, nil))
		r.serve("a:80", f)
		wait(time.Second)
		requests := f.all()
		require.Len(t, requests, 2, "after a delay below 1 s")
		assert.Equal(t, "GET /apps/", requests[0].line)
		assert.Equal(t, `"f.1"`, requests[1].header.Get("If-None-Match"))
		assert.Equal(t, []string{two}, s.news())

		// Each outage is a new one, as waits have worked in between.
		for range 10 {
			wait(time.Minute)
			changes := make(chan http.HandlerFunc)
			f.answer(waiting("f.1", []wire.Instance{up("ORDERS", 2)}, changes))
			wait(time.Minute)
			s.errors()
			changes <- status(http.StatusInternalServerError)
			require.Len(t, s.errors(), 1)
			f.all()
			wait(time.Second)
			assert.Equal(t, []string{"GET /apps/", "GET /apps/delta"}, f.lines())
		}
	})
}

func TestWaitThatIsNeverAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/delta") {
				hang(w, r)
				return
			}
			w.Header().Set("X-Namesake-Revision", "e.1")
			writeApps(w, []wire.Instance{up("ORDERS", 1)}, "UP_1_")
		})
		s := r.follow(r.client("http://a"), "orders")
		wait(35*time.Second - 1)
		assert.Empty(t, s.errors())
		wait(1)
		assert.EqualError(t, s.errors()[0], "eureka: registry not read for 35s: http://a: no answer within 35s")
		wait(time.Hour)
		assert.Less(t, len(f.lines()), 200, "delays grow as long as no wait works")
	})
}

func TestServersThatDoNotWait(t *testing.T) {
	list := []wire.Instance{up("ORDERS", 1)}
	n := 0
	for name, answer := range map[string]http.HandlerFunc{
		"not modified": status(http.StatusNotModified),
		"empty delta":  delta("e.1", "UP_1_"),
		"always all": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Namesake-Full", "true")
			n++
			w.Header().Set("X-Namesake-Revision", fmt.Sprintf("e.%d", n))
			writeApps(w, list, "UP_1_")
		},
		"wrong hash": delta("e.1", "UP_7_"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				changes := make(chan http.HandlerFunc, 10000)
				for range cap(changes) {
					changes <- answer
				}
				f := r.fake("a:80")
				f.answer(waiting("e.1", list, changes))
				s := r.follow(r.client("http://a"), "orders")
				wait(30 * time.Second)
				assert.Less(t, len(f.lines()), 30, "pauses double from 10 ms")
				wait(time.Hour)
				assert.Less(t, len(f.lines()), 300, "up to the poll interval")
				assert.Equal(t, []string{one}, s.news())
			})
		})
	}
	t.Run("always changes", func(t *testing.T) {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			changes := make(chan http.HandlerFunc, 10000)
			for n := range cap(changes) {
				changes <- delta("e.2", "UP_1_", with(up("ORDERS", 1), func(in *wire.Instance) { in.Port.Number = 1 + n }))
			}
			f.answer(waiting("e.1", list, changes))
			s := r.follow(r.client("http://a"), "orders")
			wait(time.Minute)
			assert.InDelta(t, 600, len(f.lines()), 5, "ten times a second")
			assert.InDelta(t, 600, len(s.news()), 5)
		})
	})
}

func TestMarkedServerTurnsPlain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		changes := make(chan http.HandlerFunc, 1)
		f := r.fake("a:80")
		f.answer(waiting("e.1", []wire.Instance{up("ORDERS", 1)}, changes))
		s := r.follow(r.client("http://a"), "orders")
		f.all()
		changes <- func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Del("X-Namesake-Revision")
			writeApps(w, nil, "UP_1_")
		}
		wait(26 * time.Second)
		assert.Empty(t, f.lines(), "it is polled from now on")
		wait(7 * time.Second)
		assert.Empty(t, f.all()[0].header.Get("Prefer"))
		assert.Equal(t, []string{one}, s.news())
	})
}

func TestUnusableRevision(t *testing.T) {
	for _, revision := range []string{`e".1`, strings.Repeat("9", 101)} {
		inBubble(t, func(t *testing.T, r *rig) {
			f := r.fake("a:80")
			f.answer(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Namesake-Revision", revision)
				_, _ = io.WriteString(w, `{"applications":{}}`)
			})
			s := r.follow(r.client("http://a"), "orders")
			assert.Equal(t, []string{""}, s.news())
			wait(33 * time.Second)
			assert.Equal(t, []string{"GET /apps/", "GET /apps/delta"}, f.lines())
		})
	}
}
