package eurekaserver_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

const prefer25 = "Prefer: wait=25"

// tag returns the registry's present entity tag as a request header.
func (c caller) tag() string {
	c.t.Helper()
	got := c.do("GET", "/apps", "")
	require.Equal(c.t, 200, got.status)
	tag := got.header.Get("ETag")
	require.Equal(c.t, `"`+got.header.Get("X-Namesake-Revision")+`"`, tag)
	return "If-None-Match: " + tag
}

func parse(t *testing.T, a answer) wire.Applications {
	t.Helper()
	apps, err := wire.UnmarshalApplications([]byte(a.body), wire.JSON)
	require.NoError(t, err)
	return apps
}

func TestWaitEndsWithAChange(t *testing.T) {
	changes := map[string]func(c caller){
		"registration": func(c caller) { c.register("NEW") },
		"cancel":       func(c caller) { c.status("DELETE", "/apps/APP/i1") },
		"status set":   func(c caller) { c.status("PUT", "/apps/APP/i1/status?value=DOWN") },
		"metadata":     func(c caller) { c.status("PUT", "/apps/APP/i1/metadata?a=1") },
		"override removed": func(c caller) {
			c.status("DELETE", "/apps/APP/i2/status?value=UP")
		},
		"eviction": func(caller) { /* i3's lease ends */ },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
				c.register("APP")
				c.register("APP", edit{"instanceId": "i2"})
				c.status("PUT", "/apps/APP/i2/status?value=OUT_OF_SERVICE")
				c.register("APP", edit{"instanceId": "i3"}, lease(7))
				tag := c.tag()
				start := time.Now()
				done := later(7*time.Second, func() { change(c) })
				got := c.do("GET", "/apps/delta", "", tag, prefer25)
				assert.Equal(t, 7*time.Second, time.Since(start))
				<-done
				require.Equal(t, 200, got.status)
				assert.Equal(t, "wait=25", got.header.Get("Preference-Applied"))
				assert.Empty(t, got.header.Get("X-Namesake-Full"))
				assert.NotEqual(t, tag, "If-None-Match: "+got.header.Get("ETag"))
				assert.NotEmpty(t, parse(t, got).Applications)
			})
		})
	}
}

func TestWaitEndsWithItsTime(t *testing.T) {
	for _, tt := range []struct {
		prefer  string
		want    time.Duration
		applied string
	}{
		{"wait=25", 25 * time.Second, "wait=25"},
		{`respond-async, Wait = "3"; x=y`, 3 * time.Second, "wait=3"},
		{"wait=9999", time.Minute, "wait=60"},
		{"wait=0", 0, "wait=0"},
		{"wait=-1", 0, ""},
		{"wait=soon", 0, ""},
		{"respond-async", 0, ""},
	} {
		t.Run(tt.prefer, func(t *testing.T) {
			bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
				c.register("APP", lease(3600))
				tag := c.tag()
				start := time.Now()
				got := c.do("GET", "/apps/delta", "", tag, "Prefer: "+tt.prefer)
				assert.Equal(t, tt.want, time.Since(start))
				assert.Equal(t, 304, got.status)
				assert.Empty(t, got.body)
				assert.Equal(t, tag, "If-None-Match: "+got.header.Get("ETag"))
				assert.Equal(t, tt.applied, got.header.Get("Preference-Applied"))
				assert.Empty(t, got.header.Get("Retry-After"))
			})
		})
	}
}

func TestWaitIsAnsweredAtOnceIfSomethingChangedBefore(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		tag := c.tag()
		c.register("APP", edit{"instanceId": "i2"})
		c.register("OTHER", edit{"instanceId": "i3"})
		c.status("DELETE", "/apps/OTHER/i3")
		start := time.Now()
		for _, prefer := range []string{prefer25, "Prefer:"} {
			got := c.do("GET", "/apps/delta", "", tag, prefer)
			assert.Zero(t, time.Since(start))
			require.Equal(t, 200, got.status)
			delta := parse(t, got)
			assert.Equal(t, []string{"i2", "i3"}, ids(delta))
			assert.Equal(t, wire.Deleted, delta.Applications[1].Instances[0].Action)
			assert.Equal(t, "UP_2_", delta.Hash)
		}
	})
}

// A watcher that applies each difference once knows the registry.
func TestDifferencesAddUp(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		tag, seen := c.tag(), map[string]wire.Status{}
		steps := []func(){
			func() { c.register("APP") },
			func() { c.register("APP", edit{"instanceId": "i2"}) },
			func() { c.status("PUT", "/apps/APP/i1/status?value=DOWN") },
			func() { c.status("DELETE", "/apps/APP/i2") },
			func() { c.register("APP", edit{"instanceId": "i3"}) },
		}
		for i, step := range steps {
			done := later(time.Second, step)
			got := c.do("GET", "/apps/delta", "", tag, prefer25)
			<-done
			require.Equal(t, 200, got.status)
			changed := ids(parse(t, got))
			require.Len(t, changed, 1, "step %d", i)
			for _, in := range parse(t, got).Applications[0].Instances {
				seen[in.ID()] = in.Status
				if in.Action == wire.Deleted {
					delete(seen, in.ID())
				}
			}
			tag = "If-None-Match: " + got.header.Get("ETag")
		}
		assert.Equal(t, map[string]wire.Status{"i1": wire.Down, "i3": wire.Up}, seen)
	})
}

func TestWholeRegistryForUnknownRevisions(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		tag := c.tag()
		c.register("APP", lease(3600))
		time.Sleep(time.Minute)
		c.register("APP", lease(3600), edit{"instanceId": "i2"})
		epoch, _, _ := strings.Cut(strings.TrimPrefix(tag, `If-None-Match: "`), ".")

		start := time.Now()
		for _, held := range []string{`If-None-Match: "elsewhere.1"`, `If-None-Match: "junk"`, `If-None-Match: "` + epoch + `.99"`} {
			got := c.do("GET", "/apps/delta", "", held, prefer25)
			require.Equal(t, 200, got.status, held)
			assert.Equal(t, "true", got.header.Get("X-Namesake-Full"), held)
			assert.Equal(t, c.do("GET", "/apps", "").body, got.body, held)
		}
		assert.Zero(t, time.Since(start))

		// The change after the revision is still known until it is too old.
		time.Sleep(2*time.Minute - 1)
		got := c.do("GET", "/apps/delta", "", tag)
		assert.Empty(t, got.header.Get("X-Namesake-Full"))
		assert.Equal(t, []string{"i1", "i2"}, ids(parse(t, got)))
		time.Sleep(time.Nanosecond)
		got = c.do("GET", "/apps/delta", "", tag)
		assert.Equal(t, "true", got.header.Get("X-Namesake-Full"))
		assert.Equal(t, []string{"i1", "i2"}, ids(parse(t, got)))
	})
}

func TestConditionalGetOfTheWholeRegistry(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		tag := c.tag()
		for _, held := range []string{tag, strings.Replace(tag, `"`, `W/"`, 1), strings.Replace(tag, `"`, `"other", "`, 1)} {
			got := c.do("GET", "/apps", "", held)
			assert.Equal(t, 304, got.status, held)
			assert.Empty(t, got.body)
		}
		c.status("PUT", "/apps/APP/i1")
		assert.Equal(t, 304, c.do("GET", "/apps", "", tag).status)
		c.status("PUT", "/apps/APP/i1/metadata?a=1")
		assert.Equal(t, 200, c.do("GET", "/apps", "", tag).status)
	})
}

func TestTooManyWaiters(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		tag := c.tag()
		start := time.Now()
		done := later(0, func() {
			assert.Equal(t, 304, c.do("GET", "/apps/delta", "", tag, prefer25).status)
			assert.Equal(t, 25*time.Second, time.Since(start))
		})
		time.Sleep(time.Second)
		got := c.do("GET", "/apps/delta", "", tag, prefer25)
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, 304, got.status)
		assert.Equal(t, "5", got.header.Get("Retry-After"))
		assert.Empty(t, got.header.Get("Preference-Applied"))
		<-done
		// The place is free again.
		assert.Equal(t, "wait=25", c.do("GET", "/apps/delta", "", tag, prefer25).header.Get("Preference-Applied"))
	}, eurekaserver.WithWait(eurekaserver.WaitConfig{Waiters: 1}))
}

func TestWaitingCanBeOff(t *testing.T) {
	for _, off := range []eurekaserver.WaitConfig{{Max: -1}, {Waiters: -1}} {
		bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
			start := time.Now()
			assert.Equal(t, 304, c.do("GET", "/apps/delta", "", c.tag(), prefer25).status)
			assert.Zero(t, time.Since(start))
		}, eurekaserver.WithWait(off))
	}
}

func TestWaitEndsWithTheClient(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		_, tag, _ := strings.Cut(c.tag(), ": ")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/apps/delta", nil)
		require.NoError(t, err)
		req.Header.Set("If-None-Match", tag)
		req.Header.Set("Prefer", "wait=25")
		_, err = c.client.Do(req) //nolint:bodyclose // there is no response
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		assert.Contains(t, c.do("GET", "/status", "").body, `"waiting-requests":"0"`)
	})
}

func TestWaitEndsWithTheServer(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		start := time.Now()
		done := later(3*time.Second, s.Close)
		got := c.do("GET", "/apps/delta", "", c.tag(), prefer25)
		assert.Equal(t, 3*time.Second, time.Since(start))
		assert.Equal(t, 503, got.status)
		assert.Empty(t, got.body)
		<-done
	})
}

func TestAllWaitersAreToldAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		tag := c.tag()
		start := time.Now()
		var waiters []<-chan struct{}
		for range 100 {
			waiters = append(waiters, later(0, func() {
				got := c.do("GET", "/apps/delta", "", tag, prefer25)
				assert.Equal(t, 200, got.status)
				assert.Equal(t, time.Second, time.Since(start))
			}))
		}
		time.Sleep(time.Second)
		c.register("APP")
		for _, done := range waiters {
			<-done
		}
	})
}

func TestWaitOutlivesTimeoutsOfTheHTTPServer(t *testing.T) {
	server := &http.Server{ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second}
	bubbleWith(t, server, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		tag := c.tag()
		start := time.Now()
		assert.Equal(t, 304, c.do("GET", "/apps/delta", "", tag, prefer25).status)
		assert.Equal(t, 25*time.Second, time.Since(start))
		// What was changed for one request does not hold for the next.
		time.Sleep(time.Second)
		assert.Equal(t, 304, c.do("GET", "/apps", "", tag).status)
	})
}

func TestConnectionGoesOnAfterAWait(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		tag := c.tag()
		for range 3 {
			assert.Equal(t, 304, c.do("GET", "/apps/delta", "", tag, prefer25).status)
			time.Sleep(40 * time.Second)
		}
	})
}
