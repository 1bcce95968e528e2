package consul_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
)

// inBubble runs a test against a fake agent, in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, r *rig, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t}
		f := newFake()
		r.serve("agent:8500", f)
		test(t, r, f)
	})
}

// A reader takes what a watch yields, one after the other.
type reader struct {
	t     *testing.T
	pairs chan pair
}

type pair struct {
	set []discovery.Instance
	err error
}

func read(t *testing.T, w discovery.Watcher, service string) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{t: t, pairs: make(chan pair, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for set, err := range w.Watch(ctx, service) {
			r.pairs <- pair{set, err}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// next waits for news.
func (r *reader) next() pair {
	r.t.Helper()
	select {
	case p := <-r.pairs:
		return p
	case <-time.After(time.Hour):
		require.FailNow(r.t, "no news within an hour")
		return pair{}
	}
}

func (r *reader) set() []discovery.Instance {
	r.t.Helper()
	p := r.next()
	require.NoError(r.t, p.err)
	return p.set
}

func (r *reader) failure() error {
	r.t.Helper()
	p := r.next()
	require.Error(r.t, p.err)
	return p.err
}

func (r *reader) nothing() {
	r.t.Helper()
	synctest.Wait()
	assert.Empty(r.t, r.pairs)
}

// list answers a health query with these entries and an index.
func list(index string, entries ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if index != "" {
			w.Header().Set("X-Consul-Index", index)
		}
		_, _ = io.WriteString(w, "["+strings.Join(entries, ",")+"]")
	}
}

// entry is one copy, with the state of its check.
func entry(id, status, more string) string {
	return fmt.Sprintf(`{"Node":{"Node":"n1","Address":"10.0.0.1","Meta":{"zone":"z-node"}},
		"Service":{"ID":%q,"Service":"orders","Address":"10.0.0.2","Port":8080%s},"Checks":[{"CheckID":"c","Status":%q}]}`, id, more, status)
}

func ids(set []discovery.Instance) []string {
	out := []string{}
	for _, in := range set {
		out = append(out, in.ID)
	}
	return out
}

func TestFacts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(list("7",
			entry("a", "passing", `,"Meta":{"scheme":"https","zone":"z1","priority":"2","version":"3"},"Weights":{"Passing":5,"Warning":2},"Tags":["v2","blue"]`),
			entry("b", "warning", `,"Weights":{"Passing":5,"Warning":2}`),
			entry("c", "critical", ""),
			entry("d", "warning", `,"Weights":{"Passing":5,"Warning":0}`),
			entry("e", "odd", ""),
			`{"Node":{"Node":"n2","Address":"fd00::1"},"Service":{"ID":"f","Port":80,"Locality":{"Region":"r","Zone":"r-a"}},"Checks":[]}`,
		))
		assert.Equal(t, []discovery.Instance{
			{
				ID: "n1/a", Addr: "10.0.0.2:8080", Scheme: "https", Zone: "z1", Weight: 5, Priority: 2,
				Metadata: map[string]string{"scheme": "https", "zone": "z1", "priority": "2", "version": "3", "tags": "blue,v2"},
			},
			{ID: "n1/b", Addr: "10.0.0.2:8080", Zone: "z-node", Weight: 2},
			{ID: "n2/f", Addr: "[fd00::1]:80", Zone: "r-a"},
		}, read(t, r.client("http://agent:8500"), "orders").set())
		assert.Equal(t, []string{"n1/a", "n2/f"}, ids(read(t, r.client("http://agent:8500", consul.WithOnlyPassing()), "orders").set()))
	})
}

func TestTaggedAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(list("7",
			entry("a", "passing", `,"TaggedAddresses":{"wan":{"Address":"192.0.2.1","Port":443}}`),
			entry("b", "passing", `,"TaggedAddresses":{"lan":{"Address":"192.0.2.2","Port":443}}`),
			`{"Node":{"Node":"n1","Address":"10.0.0.1","TaggedAddresses":{"wan":"192.0.2.3"}},"Service":{"ID":"c","Port":80}}`,
		))
		var addrs []string
		for _, in := range read(t, r.client("http://agent:8500", consul.WithTaggedAddress("wan")), "orders").set() {
			addrs = append(addrs, in.Addr)
		}
		assert.Equal(t, []string{"192.0.2.1:443", "10.0.0.2:8080", "192.0.2.3:80"}, addrs)
	})
}

func TestQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500/", consul.WithToken("secret"), consul.WithDatacenter("dc2"), consul.WithNamespace("team"),
			consul.WithPartition("p1"), consul.WithTag("v2"), consul.WithTag("blue"), consul.WithFilter(`Service.Meta.a == "b"`),
			consul.WithOnlyPassing(), consul.WithStale(), consul.WithWait(time.Minute))
		read(t, c, "a b/c").set()
		time.Sleep(time.Second)
		const query = "dc=dc2&filter=Service.Meta.a+%3D%3D+%22b%22&"
		const rest = "ns=team&partition=p1&passing=true&stale=true&tag=v2&tag=blue"
		assert.Equal(t, []string{
			"GET /v1/health/service/a%20b%2Fc?" + query + rest + " secret",
			"GET /v1/health/service/a%20b%2Fc?" + query + "index=10&" + rest + "&wait=1m0s secret",
		}, f.log())
	})
}

// A token in a file is read for each request, and without it nothing is asked.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("one\n"), 0o600))
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		c := r.client("http://agent:8500", consul.WithTokenFile(path), consul.WithWait(10*time.Second))
		w := read(t, c, "orders")
		w.set()
		require.NoError(t, os.WriteFile(path, []byte("two\n"), 0o600))
		time.Sleep(15 * time.Second)
		log := f.log()
		assert.True(t, strings.HasSuffix(log[0], " one"), log)
		assert.True(t, strings.HasSuffix(log[len(log)-1], " two"), log)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		assert.ErrorContains(t, w.failure(), path+" is empty")
	})
}

// What is said about a failure names service and agent, and what to do.
func TestForbidden(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Permission denied: token with AccessorID 'x' lacks permission 'service:read'\n\x00\xff", http.StatusForbidden)
		})
		w := read(t, r.client("http://agent:8500", consul.WithToken("secret")), "orders")
		err := w.failure()
		assert.EqualError(t, err, `consul: service "orders": http://agent:8500: answered 403 Forbidden: Permission denied: `+
			`token with AccessorID 'x' lacks permission 'service:read'; the token needs service:read and node:read, and service:write to announce`)
		var status *consul.StatusError
		require.ErrorAs(t, err, &status)
		assert.Equal(t, 403, status.Code)
		f.answer(nil)
		assert.Empty(t, w.set())
	})
}

// The rules of blocking queries.
func TestIndex(t *testing.T) {
	for name, c := range map[string]struct {
		answers []string // the index of each; the last is repeated
		asked   []string // the index in each request that follows
	}{
		"goes on":                {[]string{"7", "9", "12"}, []string{"", "7", "9", "12"}},
		"goes back":              {[]string{"9", "4", "5"}, []string{"", "9", "", "5"}},
		"zero":                   {[]string{"0"}, []string{"", "1", "", "1"}},
		"none":                   {[]string{""}, []string{"", "1", "", "1"}},
		"no number":              {[]string{"x"}, []string{"", "1", "", "1"}},
		"beyond what numbers go": {[]string{"18446744073709551616"}, []string{"", "18446744073709551615"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig, f *fake) {
				var asked []string
				f.answer(func(w http.ResponseWriter, req *http.Request) {
					n := min(len(asked), len(c.answers)-1)
					asked = append(asked, req.URL.Query().Get("index"))
					list(c.answers[n], entry("a-"+strconv.Itoa(len(asked)), "passing", ""))(w, req)
				})
				w := read(t, r.client("http://agent:8500"), "orders")
				for range c.asked {
					w.set()
				}
				assert.Equal(t, c.asked, asked[:len(c.asked)])
			})
		})
	}
}

// An agent that does not wait is asked ever less, if it has nothing new.
func TestNoTightLoop(t *testing.T) {
	for name, c := range map[string]struct {
		index func(n int) string
		most  int
	}{
		"without an index":   {func(int) string { return "" }, 25},  // 0.1 + 0.2 + … + 25.6 s, and then every 30 s
		"the same index":     {func(int) string { return "5" }, 25}, // likewise
		"an index that runs": {strconv.Itoa, 330},                   // other things change: once a second at least
		"backwards":          {func(n int) string { return strconv.Itoa(1000 - n) }, 25},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig, f *fake) {
				n := 0
				f.answer(func(w http.ResponseWriter, req *http.Request) {
					n++
					list(c.index(n), entry("a", "passing", ""))(w, req)
				})
				w := read(t, r.client("http://agent:8500"), "orders")
				w.set()
				time.Sleep(5 * time.Minute)
				w.nothing()
				assert.LessOrEqual(t, n, c.most, "requests in five minutes")
				assert.Greater(t, n, 10)
			})
		})
	}
}

// Bad answers never cost the last set.
func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"no JSON":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "answer is no list: invalid character '<'"},
		"an object":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, "answer is no list: json: cannot unmarshal object"},
		"null":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "null") }, "answer is no list, but null"},
		"nothing":    {func(http.ResponseWriter, *http.Request) {}, "answer is no list: unexpected end of JSON input"},
		"cut off":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[{"Node":`) }, "unexpected end of JSON input"},
		"bad copies": {list("8", `{"Service":{"ID":"a","Port":"80"}}`, `7`, `null`, `{}`), "copy 1 of 4: json: cannot unmarshal string"},
		"no address": {list("8", `{"Service":{"ID":"a","Port":80}}`), `instance "/a"`},
		"no port":    {list("8", entry("a", "passing", `,"Port":0`)), `has no port between 1 and 65535`},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere:8500/", http.StatusTemporaryRedirect)
		}, "redirects are not followed"},
		"no leader": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Consul-KnownLeader", "false")
			list("8")(w, r)
		}, "knows no leader"},
		"too long": {func(w http.ResponseWriter, _ *http.Request) {
			for range 33 {
				_, _ = io.WriteString(w, strings.Repeat(" ", 1<<20))
			}
		}, "answer is longer than 33554432 bytes"},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 41.875s"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig, f *fake) {
				f.answer(list("7", entry("a", "passing", "")))
				w := read(t, r.client("http://agent:8500"), "orders")
				before := w.set()
				f.answer(c.answer)
				assert.ErrorContains(t, w.failure(), c.says)
				f.answer(list("9", entry("a", "passing", "")))
				for {
					p := w.next()
					if p.err == nil {
						assert.Equal(t, before, p.set, "it is said that the failure is over")
						break
					}
				}
			})
		})
	}
}

// Of an answer that is partly bad, the good part is used, and the rest named.
func TestPartlyBad(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		f.answer(list("7", entry("a", "passing", ""), `{"Service":{"ID":"b","Port":"80"}}`))
		w := read(t, r.client("http://agent:8500"), "orders")
		assert.Equal(t, []string{"n1/a"}, ids(w.set()))
		assert.ErrorContains(t, w.failure(), "copy 2 of 2: json: cannot unmarshal string")
		time.Sleep(time.Minute)
		w.nothing()
		f.answer(list("8", entry("a", "passing", "")))
		assert.Equal(t, []string{"n1/a"}, ids(w.set()), "the error is over")
	})
}

// When an agent fails, the next is asked, from the beginning.
func TestSeveralAgents(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, f *fake) {
		var second fake
		second.answer(list("3", entry("a", "passing", ""), entry("b", "passing", "")))
		r.serve("second:8500", &second)
		f.answer(list("100", entry("a", "passing", "")))
		w := read(t, r.client("http://agent:8500, http://second:8500"), "orders")
		assert.Equal(t, []string{"n1/a"}, ids(w.set()))
		f.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		assert.ErrorContains(t, w.failure(), "http://agent:8500: answered 500")
		assert.Equal(t, []string{"n1/a", "n1/b"}, ids(w.set()))
		assert.Equal(t, "GET /v1/health/service/orders", second.log()[0])
	})
}

func TestClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig, _ *fake) {
		c := r.client("http://agent:8500")
		w := read(t, c, "orders")
		w.set()
		c.Close()
		assert.ErrorIs(t, w.failure(), consul.ErrClosed)
		assert.ErrorIs(t, read(t, c, "orders").failure(), consul.ErrClosed)
		_, err := c.Register(t.Context(), "orders", discovery.Instance{Addr: "10.0.0.1:80"})
		assert.ErrorIs(t, err, consul.ErrClosed)
	})
}

func TestURLs(t *testing.T) {
	for url, says := range map[string]string{
		"":                          "consul: no URL",
		" , ":                       "consul: no URL",
		"127.0.0.1:8500":            "is not a URL",
		"ftp://a:8500":              "begins with neither http:// nor https://",
		"http://":                   "has no host",
		"http://user:pass@a:8500":   "has credentials; use WithToken",
		"http://a:8500/?token=abcd": "has a query or a fragment",
	} {
		t.Run(url, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := consul.New(url)
				defer c.Close()
				_, err := c.Register(t.Context(), "orders", discovery.Instance{Addr: "10.0.0.1:80"})
				assert.ErrorContains(t, err, says)
				assert.NotContains(t, err.Error(), "pass")
				assert.NotContains(t, err.Error(), "abcd")
				w := read(t, c, "orders")
				assert.Equal(t, err, w.failure())
				w.nothing()
			})
		})
	}
}

// FuzzParse: whatever an agent answers, there is no panic, and a set only of
// what can be called.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`[` + entry("a", "passing", "") + `]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[{"Service":{"ID":"a","Weights":null,"Meta":{"weight":"x"}},"Checks":[null]}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		set, err := consul.Parse(body)
		if set == nil && err == nil {
			t.Fatal("neither a set nor an error")
		}
		for _, in := range set {
			if err := in.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
