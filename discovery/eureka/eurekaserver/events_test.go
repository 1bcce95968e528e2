package eurekaserver_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A stream is what a browser receives, block by block.
type stream struct {
	t      *testing.T
	resp   *http.Response
	blocks *bufio.Scanner
}

// listen opens the stream of events; the caller closes it.
func (c caller) listen(query string, headers ...string) *stream {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://registry:8761/page/events"+query, nil)
	require.NoError(c.t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := c.client.Do(req) //nolint:bodyclose // close does
	require.NoError(c.t, err)
	s := &stream{c.t, resp, bufio.NewScanner(resp.Body)}
	s.blocks.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := strings.Index(string(data), "\n\n"); i >= 0 {
			return i + 2, data[:i], nil
		}
		return 0, nil, nil
	})
	return s
}

func (s *stream) close() { assert.NoError(s.t, s.resp.Body.Close()) }

// next waits for a block, and returns its fields.
func (s *stream) next() map[string]string {
	s.t.Helper()
	require.True(s.t, s.blocks.Scan(), "the stream has ended: %v", s.blocks.Err())
	fields := make(map[string]string)
	for line := range strings.Lines(s.blocks.Text()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// change waits for an event, and returns it in short.
func (s *stream) change() string {
	s.t.Helper()
	fields := s.next()
	require.Equal(s.t, "change", fields["event"])
	var e struct{ Revision, Kind, App, ID, Status, At string }
	require.NoError(s.t, json.Unmarshal([]byte(fields["data"]), &e))
	assert.Equal(s.t, fields["id"], e.Revision)
	return strings.Join([]string{e.Kind, e.App, e.ID, e.Status, e.At}, " ")
}

// revision returns the revision of the registry.
func (c caller) revision() string {
	c.t.Helper()
	return c.do("GET", "/apps", "").header.Get("X-Namesake-Revision")
}

func TestEvents(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("BEFORE")
		s := c.listen("")
		defer s.close()
		assert.Equal(t, "text/event-stream", s.resp.Header.Get("Content-Type"))
		assert.Equal(t, "no-cache", s.resp.Header.Get("Cache-Control"))
		assert.Equal(t, map[string]string{"retry": "3000", "id": c.revision()}, s.next())
		c.register("APP", lease(5))
		assert.Equal(t, "registered APP i1 UP 2000-01-01T00:00:00Z", s.change())
		c.status("PUT", "/apps/APP/i1/status?value=OUT_OF_SERVICE")
		assert.Equal(t, "changed APP i1 OUT_OF_SERVICE 2000-01-01T00:00:00Z", s.change())
		c.status("DELETE", "/apps/BEFORE/i1")
		assert.Equal(t, "canceled BEFORE i1 UP 2000-01-01T00:00:00.25Z", s.change())
		assert.Equal(t, "expired APP i1 OUT_OF_SERVICE 2000-01-01T00:00:05Z", s.change())
	})
}

// A browser that comes back gets what it has missed, or hears that it has to
// start anew.
func TestEventsResume(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		seen := c.revision()
		c.register("APP", edit{"instanceId": "i2"})
		c.register("APP", edit{"instanceId": "i3"})

		for _, s := range []*stream{
			c.listen("?since=" + seen), c.listen("", "Last-Event-ID: "+seen), c.listen("?since=other.1", "Last-Event-ID: "+seen),
		} {
			assert.Equal(t, seen, s.next()["id"])
			assert.Equal(t, "registered APP i2 UP 2000-01-01T00:00:00Z", s.change())
			assert.Equal(t, "registered APP i3 UP 2000-01-01T00:00:00Z", s.change())
			s.close()
		}
		epoch, _, _ := strings.Cut(seen, ".")
		for _, held := range []string{"other.1", "nonsense"} {
			s := c.listen("?since=" + held)
			assert.Equal(t, map[string]string{"retry": "3000", "id": c.revision(), "event": "reset", "data": "{}"}, s.next(), held)
			c.register("APP")
			assert.Contains(t, s.change(), "registered APP i1")
			s.close()
		}
		s := c.listen("?since=" + epoch + ".999")
		assert.Equal(t, epoch+".999", s.next()["id"])
		assert.Equal(t, "reset", s.next()["event"])
		s.close()
	})
}

// Many changes come in batches, so that neither side drowns in them.
func TestEventsInBatches(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		seen := c.revision()
		for i := range 250 {
			c.register("APP", edit{"instanceId": fmt.Sprint("i", i)})
		}
		s := c.listen("?since=" + seen)
		defer s.close()
		s.next()
		begin := time.Now()
		for i := range 250 {
			assert.Contains(t, s.change(), fmt.Sprintf(" i%d ", i))
			assert.Equal(t, time.Duration(i/100)*250*time.Millisecond, time.Since(begin))
		}
	})
}

// Those who listen have a bound, and what one leaves another takes.
func TestEventsBounded(t *testing.T) {
	page := eurekaserver.WithPage(eurekaserver.PageConfig{Listeners: 2})
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		first, second := c.listen(""), c.listen("")
		got := c.atRoot("GET", "/page/events", "")
		assert.Equal(t, 503, got.status)
		assert.Equal(t, "5", got.header.Get("Retry-After"))
		first.close()
		synctest.Wait()
		third := c.listen("")
		third.next()
		third.close()
		second.close()
	}, page)
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		assert.Equal(t, 503, c.atRoot("GET", "/page/events", "").status)
		assert.Equal(t, 405, c.atRoot("POST", "/page/events", "").status)
	}, eurekaserver.WithPage(eurekaserver.PageConfig{Listeners: -1}))
}

// A stream outlives the timeouts of an http.Server, shows that it is alive,
// and ends after ten minutes, when the browser asks again.
func TestEventsLive(t *testing.T) {
	for name, protocols := range map[string]func(*http.Protocols){
		"HTTP/1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2": func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		t.Run(name, func(t *testing.T) {
			p := new(http.Protocols)
			protocols(p)
			testEventsLive(t, p)
		})
	}
}

func testEventsLive(t *testing.T, p *http.Protocols) {
	server := &http.Server{ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, Protocols: p}
	bubbleWith(t, server, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.client.Transport.(*http.Transport).Protocols = p
		s := c.listen("")
		require.Equal(t, p.UnencryptedHTTP2(), s.resp.ProtoMajor == 2)
		defer s.close()
		s.next()
		begin := time.Now()
		for i := 1; i < 40; i++ {
			assert.Equal(t, map[string]string{"": "alive"}, s.next())
			assert.Equal(t, time.Duration(i)*15*time.Second, time.Since(begin))
		}
		for s.blocks.Scan() { // the last sign of life and the end are due together
		}
		assert.NoError(t, s.blocks.Err())
		assert.Equal(t, 10*time.Minute, time.Since(begin))
	})
}

// A browser that does not read is given up, and with it its place.
func TestEventsStuck(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		s := c.listen("")
		defer s.close()
		for i := range 200 {
			c.register("APP", edit{"instanceId": strings.Repeat("x", 200) + fmt.Sprint(i)})
		}
		assert.Equal(t, 503, c.atRoot("GET", "/page/events", "").status)
		time.Sleep(11 * time.Second)
		another := c.listen("")
		defer another.close()
		assert.Equal(t, 200, another.resp.StatusCode)
	}, eurekaserver.WithPage(eurekaserver.PageConfig{Listeners: 1}))
}

func TestEventsEndWithTheServer(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, server *eurekaserver.Server) {
		s := c.listen("")
		defer s.close()
		s.next()
		server.Close()
		assert.False(t, s.blocks.Scan())
		assert.NoError(t, s.blocks.Err())
		assert.Equal(t, 503, c.atRoot("GET", "/page/events", "").status)
	})
}

// One client does not take the places of all.
func TestEventsOfOneClient(t *testing.T) {
	limits := eurekaserver.Limits{WaitersPerClient: 1, Client: func(r *http.Request) string { return r.Header.Get("X-Client") }}
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		first := c.listen("", "X-Client: a")
		defer first.close()
		assert.Equal(t, 503, c.atRoot("GET", "/page/events", "", "X-Client: a").status)
		other := c.listen("", "X-Client: b")
		defer other.close()
		assert.Equal(t, 200, other.resp.StatusCode)
	}, eurekaserver.WithLimits(limits))
}
