package eurekaserver

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// written returns the page that shows facts.
func written(t *testing.T, f *facts, q pageQuery) string {
	t.Helper()
	s := New(WithPage(PageConfig{Operate: true}))
	defer s.Close()
	w := httptest.NewRecorder()
	s.page.render(w, httptest.NewRequest(http.MethodGet, "/", nil), s.page.view(f, q, func(string) bool { return true }))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

// What is not known has no section; what is known has one.
func TestFactsOfPeersAndProtection(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	f := &facts{Title: "Test", Now: now, Registry: new(registry).listing()}
	text := written(t, f, pageQuery{Page: 1})
	for _, unwanted := range []string{"Peers", "Self-preservation", "Heartbeats"} {
		assert.NotContains(t, text, unwanted)
	}

	f.Renewals = &renewalFacts{LastMinute: 198.4, Expected: 200, Threshold: 170}
	f.Peers = []peerFacts{
		{URL: "http://eureka-2:8761/eureka/", Kind: "push", OK: true, LastSync: now.Add(-3 * time.Second)},
		{URL: "http://user:secret@eureka-3:8761/eureka/", Queue: 12, Lag: 95 * time.Second, LastError: "<b>refused</b>"},
	}
	text = written(t, f, pageQuery{Page: 1})
	assert.Contains(t, text, "198 <small>of 200 expected; protection below 170</small>")
	assert.NotContains(t, text, "Self-preservation is on")
	assert.Contains(t, text, "push, nothing to send, compared 3 s ago")
	assert.Contains(t, text, "12 instances to send, lag 1 min 35 s, not compared yet")
	assert.Contains(t, text, "http://eureka-3:8761/eureka/")
	assert.NotContains(t, text, "secret")
	assert.Contains(t, text, "&lt;b&gt;refused&lt;/b&gt;")

	f.Renewals = &renewalFacts{LastMinute: 60, Expected: 200, Threshold: 170, Protected: true,
		Since: now.Add(-61 * time.Minute), Why: "fewer heartbeats than expected"}
	text = written(t, f, pageQuery{Page: 1})
	assert.Contains(t, text, "Self-preservation is on")
	assert.Contains(t, text, "fewer heartbeats than expected.")
	assert.Contains(t, text, `Since 1 h 1 min, <time datetime="2026-01-02T14:03:05Z">14:03:05 UTC</time>`)
}

// filled returns a registry of so many applications with so many instances.
func filled(apps, each int) *registry {
	r := newRegistry(new(newSettings(nil)), hooks{evicted: func([]wire.Instance) {}, protected: func(Preservation) {}})
	for a := range apps {
		for i := range each {
			r.register(wire.Instance{
				InstanceID: "i" + strconv.Itoa(i), HostName: "host", IPAddr: "10.0.0.7", App: "APP" + strconv.Itoa(a), Status: wire.Up,
				Port: wire.Port{Number: 8080, Enabled: true}, Lease: wire.Lease{Duration: 90, RenewalInterval: 30},
				Metadata: map[string]string{"zone": "eu-1a", "version": "1.2.3", "build": strconv.Itoa(i)},
			}, false)
		}
	}
	return r
}

// However large the registry is, the page is not.
func TestPageOfALargeRegistry(t *testing.T) {
	const limit = 2 << 20
	for _, c := range []struct {
		apps, each int
		query      pageQuery
		rows, of   int
	}{
		{1, 10_000, pageQuery{Page: 1}, shownPerApp, 1},
		{100, 100, pageQuery{Page: 1}, shownInstances, 100},
		{10_000, 1, pageQuery{Page: 1}, shownApps, shownApps},
		{1, 10_000, pageQuery{App: "APP0", Page: 50}, shownAlone, 1},
		{1, 10_000, pageQuery{App: "APP0", Page: 9999}, shownAlone, 1},
		{100, 100, pageQuery{Text: "build=7", Page: 1}, shownInstances, 100},
		{100, 100, pageQuery{Text: "app7 build=99", Page: 1}, 11, 11},
	} {
		r := filled(c.apps, c.each)
		text := written(t, &facts{Registry: r.listing(), Now: time.Now(), Changes: r.recentEvents(shownChanges)}, c.query)
		r.close()
		assert.Equal(t, c.rows, strings.Count(text, `<tr role="row" id=`), "%+v", c)
		assert.Equal(t, c.of, strings.Count(text, `<details class="application"`), "%+v", c)
		assert.Less(t, len(text), limit, "%+v", c)
	}
}

func TestListingOrder(t *testing.T) {
	r := filled(2, 5)
	defer r.close()
	r.setOverride(key{"APP1", "i3"}, wire.OutOfService, 0)
	r.setOverride(key{"APP1", "i4"}, wire.OutOfService, 0)
	s := r.listing()
	assert.Equal(t, 10, s.size)
	require.Len(t, s.Apps, 2)
	for n, want := range []string{"", "i3", "i3 i4", "i0 i3 i4", "i0 i1 i3 i4", "i0 i1 i2 i3 i4", "i0 i1 i2 i3 i4"} {
		var ids []string
		for _, in := range best(s.Apps[1].instances, n) {
			ids = append(ids, in.ID())
		}
		assert.Equal(t, want, strings.Join(ids, " "), "those that are not up are not left out")
	}
}

// A registry that takes long to copy is not copied for everyone who looks, but
// for those who have changed it.
func TestListingsAreShared(t *testing.T) {
	r := filled(1, 1)
	defer r.close()
	s := listings{registry: r}
	first := s.latest()
	s.took = time.Hour
	assert.Same(t, first, s.latest())
	s.forget()
	assert.NotSame(t, first, s.latest())
	s.took, s.at = time.Second, time.Now().Add(-10*time.Second)
	assert.NotSame(t, first, s.latest())
}

// The history is a ring: it forgets the oldest, and says so.
func TestHistory(t *testing.T) {
	r := filled(1, maxEvents+10)
	defer r.close()
	events, now, missing, _ := r.eventsAfter(0, 5)
	assert.Empty(t, events)
	assert.True(t, missing)
	assert.Equal(t, uint64(maxEvents+10), now)

	events, _, missing, _ = r.eventsAfter(10, 5)
	require.Len(t, events, 5)
	assert.False(t, missing)
	assert.Equal(t, r.tag(11), events[0].Revision)
	assert.Equal(t, "i10", events[0].ID)
	assert.Equal(t, "i14", events[4].ID)

	_, _, missing, _ = r.eventsAfter(now+1, 5)
	assert.True(t, missing, "a revision that has not been yet")
	events, _, missing, _ = r.eventsAfter(now, 5)
	assert.Empty(t, events)
	assert.False(t, missing)

	recent := r.recentEvents(3)
	require.Len(t, recent, 3)
	assert.Equal(t, []string{"i1009", "i1008", "i1007"}, []string{recent[0].ID, recent[1].ID, recent[2].ID})

	r.register(wire.Instance{InstanceID: strings.Repeat("é", 4000), App: "APP0", Lease: wire.Lease{Duration: 90}}, false)
	assert.Equal(t, strings.Repeat("é", maxEventName/2)+"…", r.recentEvents(1)[0].ID)
}

func TestLinks(t *testing.T) {
	hostile := wire.Instance{
		HomePageURL: "javascript:alert(1)", StatusPageURL: "data:text/html,x",
		HealthCheckURL: "//elsewhere/", SecureHealthCheckURL: "https://user:secret@h/",
	}
	assert.Empty(t, links(&hostile))
	hostile.HomePageURL = "JavaScript://h/%0aalert(1)"
	assert.Empty(t, links(&hostile))
	assert.Equal(t, []linkView{{"home", "http://h:8080/"}}, links(&wire.Instance{HomePageURL: "http://h:8080/"}))
}

func TestDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0 s": -time.Second, "59 s": 59_999 * time.Millisecond, "1 min 30 s": 90 * time.Second, "59 min": time.Hour - 1,
		"1 h 0 min": time.Hour, "23 h 59 min": 24*time.Hour - 1, "2 d 3 h": 51 * time.Hour,
	} {
		assert.Equal(t, want, duration(d))
	}
}

func TestAddress(t *testing.T) {
	in := wire.Instance{IPAddr: "10.0.0.7", Port: wire.Port{Number: 80, Enabled: true}}
	assert.Equal(t, "10.0.0.7:80", address(&in))
	in.SecurePort = wire.Port{Number: 443, Enabled: true}
	assert.Equal(t, "10.0.0.7:80, 443 (TLS)", address(&in))
	in.IPAddr = "fe80::1"
	assert.Equal(t, "[fe80::1]:80, 443 (TLS)", address(&in))
	assert.Equal(t, "h", address(&wire.Instance{HostName: "h"}))
}

func BenchmarkPage(b *testing.B) {
	r := filled(100, 100)
	defer r.close()
	s := New(WithPage(PageConfig{Operate: true}))
	defer s.Close()
	b.Run("listing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.listing()
		}
	})
	f := &facts{Registry: r.listing(), Now: time.Now(), Changes: r.recentEvents(shownChanges)}
	for name, text := range map[string]string{"overview": "", "search": "app7 build=9"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.page.render(w, httptest.NewRequest(http.MethodGet, "/", nil), s.page.view(f, pageQuery{Text: text, Page: 1}, func(string) bool { return true }))
				b.ReportMetric(float64(w.Body.Len()), "bytes")
			}
		})
	}
}
