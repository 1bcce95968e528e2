package eureka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestFleetSpreads(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		lists := listing([]wire.Instance{up("ORDERS", 1)})
		servers := map[string]*fake{}
		for _, host := range []string{"a", "b", "c"} {
			servers[host] = r.fake(host + ":80")
			servers[host].answer(lists)
		}
		for range 60 {
			r.follow(r.client("", eureka.InAnyOrder(), eureka.WithZone("z1", map[string]string{
				"z1": "http://a/eureka,http://b", "z2": "http://c", "z3": " ",
			})), "orders")
		}
		ofA, ofB := len(servers["a"].lines()), len(servers["b"].lines())
		assert.Equal(t, 60, ofA+ofB)
		assert.Greater(t, ofA, 5, "there is no fixed order within a zone")
		assert.Greater(t, ofB, 5)
		assert.Empty(t, servers["c"].lines(), "the own zone comes first")
	})
}

// The load finds its way back to a server that was away, and so do those that
// prefer it.
func TestServerIsChosenAnew(t *testing.T) {
	for name, c := range map[string]struct {
		opts     []eureka.Option
		min, max time.Duration
	}{
		"in order":  {nil, 10 * time.Minute, 30 * time.Minute},
		"at random": {[]eureka.Option{eureka.InAnyOrder()}, 10 * time.Minute, 12 * time.Hour},
		"from another zone": {
			[]eureka.Option{eureka.WithZone("z", map[string]string{"z": "http://a"})},
			150 * time.Second, 450 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				b := r.fake("b:80")
				b.answer(listing([]wire.Instance{up("ORDERS", 1)}))
				cl := r.client("http://b", c.opts...) // the second, in its own zone or in the list
				if name != "from another zone" {
					cl = r.client("http://a,http://b", c.opts...)
				}
				s := r.follow(cl, "orders")
				reg := r.register(cl, copyOne)
				assert.Equal(t, []string{one}, s.news())
				a := r.fake("a:80") // is back
				a.answer(listing([]wire.Instance{up("ORDERS", 2)}))

				var read, wrote time.Duration
				for read == 0 || wrote == 0 {
					wait(time.Second)
					require.Less(t, r.since(), c.max+time.Minute)
					for _, q := range a.all() {
						if strings.HasPrefix(q.line, "GET") && read == 0 {
							assert.Equal(t, "GET /apps/", q.line, "a registry has to be read from its beginning")
							read = q.at
						}
						if strings.HasPrefix(q.line, "PUT") && wrote == 0 {
							wrote = q.at
						}
					}
				}
				for _, at := range []time.Duration{read, wrote} {
					assert.GreaterOrEqual(t, at, c.min)
					assert.LessOrEqual(t, at, c.max+33*time.Second)
				}
				if name != "at random" { // which may have chosen once more
					assert.Equal(t, two, s.last())
				}
				assert.Empty(t, s.errors())
				require.NoError(t, reg.Close(t.Context()))
			})
		})
	}
}

// A new choice costs no request, though the only server that works is the
// last of many.
func TestNewChoiceAmongDeadServers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.follow(r.client("http://a,http://b,http://c,http://d,http://e"), "orders")
		r.fake("e:80").answer(listing([]wire.Instance{up("ORDERS", 1)}))
		wait(time.Minute)
		assert.Equal(t, []string{one}, s.news())
		s.errors()
		before := r.net.Dials("a:80")
		wait(3 * time.Hour)
		assert.GreaterOrEqual(t, r.net.Dials("a:80")-before, 5, "it may be back")
		assert.Empty(t, s.errors())
	})
}

// Servers of the own zone that are all away do not keep others from being
// asked, however many they are.
func TestDeadZone(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		far := r.fake("far:80")
		far.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		c := r.client("http://far", eureka.WithZone("z", map[string]string{"z": "http://a,http://b,http://c"}))
		s := r.follow(c, "orders")
		assert.Len(t, s.errors(), 1, "after three attempts")
		wait(time.Second)
		assert.Equal(t, []string{one}, s.news())
		wait(2 * time.Minute)
		assert.Empty(t, s.errors())
		assert.Equal(t, 1, r.net.Dials("a:80"))
		assert.Equal(t, 1, r.net.Dials("c:80"))
	})
}

func TestServersThatChange(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.fake("a:80"), r.fake("b:80")
		a.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		b.answer(listing([]wire.Instance{up("ORDERS", 2)}))
		var list atomic.Value
		var asked atomic.Int64
		list.Store("http://a")
		find := func(context.Context) (map[string]string, error) {
			asked.Add(1)
			if list.Load() == "?" {
				return nil, errors.New("no idea")
			}
			return map[string]string{"z": list.Load().(string)}, nil
		}
		c := r.client("", eureka.WithServers(find))
		assert.Zero(t, asked.Load(), "a client does nothing before it is used")
		s := r.follow(c, "orders")
		reg := r.register(c, copyOne)
		assert.Equal(t, []string{one}, s.news())
		assert.EqualValues(t, 1, asked.Load())

		// A longer list does not disturb who is content with a server.
		list.Store("http://a/,http://b")
		wait(6 * time.Minute)
		assert.EqualValues(t, 2, asked.Load())
		assert.Empty(t, b.lines())
		assert.NotContains(t, a.lines()[2:], "GET /apps/")

		// What cannot be found is no reason to forget.
		for _, nothing := range []string{"?", "", "ftp://x"} {
			list.Store(nothing)
			wait(6 * time.Minute)
			assert.Empty(t, s.errors())
			assert.NotEmpty(t, a.lines(), nothing)
		}
		assert.Contains(t, r.log.String(), "no idea")
		assert.Contains(t, r.log.String(), "no server URL")
		assert.Less(t, asked.Load(), int64(2+3*14), "about every 30 s")

		list.Store("http://b")
		wait(2 * time.Minute)
		assert.Equal(t, []string{two}, s.news())
		a.lines()
		wait(time.Minute)
		assert.Empty(t, a.lines())
		assert.Empty(t, s.errors())
		require.NoError(t, reg.Close(t.Context()))
		lines := b.lines()
		assert.Equal(t, "DELETE "+item, lines[len(lines)-1])
	})
}

func TestServersThatAreNotFoundYet(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.fake("a:80").answer(listing([]wire.Instance{up("ORDERS", 1)}))
		unknown := errors.New("no idea")
		var found atomic.Bool
		var asking, most atomic.Int64
		c := r.client("", eureka.WithServers(func(ctx context.Context) (map[string]string, error) {
			most.Store(max(most.Load(), asking.Add(1)))
			defer asking.Add(-1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if !found.Load() {
				return nil, unknown
			}
			return map[string]string{"": "http://a"}, nil
		}))
		s := r.follow(c, "orders")
		_, err := c.Register(within(t, time.Minute), "orders", copyOne)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "servers: no idea")
		errs := s.errors()
		require.NotEmpty(t, errs)
		assert.ErrorIs(t, errs[0], unknown)
		assert.EqualError(t, errs[0], "eureka: no registry yet: servers: no idea")
		found.Store(true)
		wait(time.Minute)
		assert.Equal(t, []string{one}, s.news())
		assert.EqualValues(t, 1, most.Load(), "one at a time")
	})
}

// What was written down is used until something has been found.
func TestServersWrittenDown(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.fake("a:80")
		a.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		r.fake("b:80").answer(listing([]wire.Instance{up("ORDERS", 2)}))
		c := r.client("http://a", eureka.WithServers(func(ctx context.Context) (map[string]string, error) {
			select {
			case <-time.After(9 * time.Second):
				return map[string]string{"": "http://b"}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}))
		s := r.follow(c, "orders")
		assert.Equal(t, []string{one}, s.news())
		wait(34 * time.Second)
		assert.Equal(t, []string{two}, s.news())
	})
}

func TestCloseEndsTheSearchForServers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		forever := func(ctx context.Context) (map[string]string, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		r.fake("a:80").answer(listing(nil))
		searching, waiting := r.client("http://a", eureka.WithServers(forever)), r.client("", eureka.WithServers(forever))
		r.follow(searching, "orders")
		s := r.follow(waiting, "orders")
		synctest.Wait()
		searching.Close()
		waiting.Close()
		assert.Equal(t, []error{eureka.ErrClosed}, s.errors())
		assert.Zero(t, r.since())
		assert.NotContains(t, r.log.String(), "cannot be found")
	})
}

func TestZones(t *testing.T) {
	lists := map[string]string{"a": "http://a1/,http://a2", "b": "http://b1,,http://a1", "c": " , ", "": "http://x"}
	for own, want := range map[string]struct {
		urls []string
		near int
	}{
		"":  {[]string{"http://x", "http://a1", "http://a2", "http://b1"}, 0},
		"a": {[]string{"http://a1", "http://a2", "http://x", "http://b1"}, 2},
		"b": {[]string{"http://b1", "http://a1", "http://x", "http://a2"}, 2},
		"c": {[]string{"http://x", "http://a1", "http://a2", "http://b1"}, 0},
		"d": {[]string{"http://x", "http://a1", "http://a2", "http://b1"}, 0},
	} {
		urls, near, err := eureka.ParseZones(own, lists)
		require.NoError(t, err)
		assert.Equal(t, want.urls, urls, own)
		assert.Equal(t, want.near, near, own)
	}
	for _, bad := range []map[string]string{nil, {"a": ""}, {"a": "http://a", "b": "b:80"}} {
		_, _, err := eureka.ParseZones("a", bad)
		assert.ErrorContains(t, err, "eureka: ")
	}
}

// Whatever lists say, each server is there once.
func FuzzZones(f *testing.F) {
	f.Add("z", "http://a,http://b/", "http://b,http://user:pw@c")
	f.Fuzz(func(t *testing.T, own, near, far string) {
		urls, _, err := eureka.ParseZones(own, map[string]string{own: near, own + "2": far})
		if err != nil {
			require.Empty(t, urls)
			return
		}
		require.NotEmpty(t, urls)
		sorted := slices.Sorted(slices.Values(urls))
		require.Equal(t, len(urls), len(slices.Compact(sorted)))
	})
}

// zone is a DNS of TXT records.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if z[name] == nil {
		return nil, fmt.Errorf("lookup %s: no such host", name)
	}
	return z[name], nil
}

func TestDNS(t *testing.T) {
	hosts := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "h%d ", i)
		}
		return b.String()
	}
	records := zone{
		"txt.eu-west-1.eureka.example":  {"eu-1a.eureka.example eu-1b.eureka.example.", "eu-1c.eureka.example", "eu-1d.eureka.example"},
		"txt.eu-1a.eureka.example":      {`"a2.eureka.example" "a1.eureka.example"`},
		"txt.eu-1b.eureka.example":      {"b1.eureka.example."},
		"txt.eu-1c.eureka.example":      {" "},
		"txt.evil.eureka.example":       {"evil-1.eureka.example"},
		"txt.evil-1.eureka.example":     {"a,http://b", "x@y"},
		"txt.gone.eureka.example":       {"gone-1.eureka.example"},
		"txt.eu-1.eureka.example":       {"eu-1a.eureka.example"},
		"txt.large.eureka.example":      {strings.Repeat("big.eureka.example ", 1000)},
		"txt.big.eureka.example":        {hosts(10000)},
		"txt.no-servers.eureka.example": {},
	}
	find := func(region, url string) (map[string]string, error) {
		return eureka.DNS{Domain: "eureka.example", Region: region, URL: url, LookupTXT: records.LookupTXT}.Servers(t.Context())
	}

	servers, err := find("eu-west-1", "https://user:se%2Fcret@host:8443/eureka/v2/")
	require.NoError(t, err, "a zone that lists nothing does not matter")
	assert.Equal(t, map[string]string{
		"eu-1a": "https://user:se%2Fcret@a1.eureka.example:8443/eureka/v2,https://user:se%2Fcret@a2.eureka.example:8443/eureka/v2",
		"eu-1b": "https://user:se%2Fcret@b1.eureka.example:8443/eureka/v2",
	}, servers)

	servers, err = find("eu-1", "")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"eu-1a": "http://a1.eureka.example:8761/eureka,http://a2.eureka.example:8761/eureka"}, servers)

	servers, err = find("large", "http://host")
	require.NoError(t, err)
	assert.Equal(t, 500, strings.Count(servers["big"], "http://h"), "there is a bound")

	for region, want := range map[string]string{
		"nowhere":    "eureka: DNS: lookup txt.nowhere.eureka.example: no such host",
		"no-servers": "eureka: DNS: txt.no-servers.eureka.example lists nothing",
		"gone":       "eureka: DNS: lookup txt.gone-1.eureka.example: no such host",
		"evil":       `eureka: DNS: txt.evil-1.eureka.example lists "a,http://b", which is no host name`,
	} {
		_, err := find(region, "")
		assert.EqualError(t, err, want)
	}
	_, err = find("eu-1", "a:80")
	assert.EqualError(t, err, "eureka: DNS.URL begins with neither http:// nor https://")
}

func TestClientWithDNS(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.fake("near.example:8761").answer(listing([]wire.Instance{up("ORDERS", 1)}))
		records := zone{"txt.r.d": {"far.d near.d"}, "txt.far.d": {"far.example"}, "txt.near.d": {"near.example"}}
		c := r.client("", eureka.WithZone("near", nil), eureka.WithServers(eureka.DNS{Domain: "d", Region: "r", LookupTXT: records.LookupTXT}.Servers))
		assert.Equal(t, []string{one}, r.follow(c, "orders").news())
		assert.Zero(t, r.net.Dials("far.example:8761"))
	})
}

// Whatever DNS says, it makes URLs of servers with the scheme, the port and
// the path that were given, or an error.
func FuzzDNS(f *testing.F) {
	f.Add("a.d b.d", "h1 h2.")
	f.Add(`"x"`, "h:80")
	f.Add("a,b", "http://h")
	f.Fuzz(func(t *testing.T, zones, hosts string) {
		found, err := eureka.DNS{Domain: "d", Region: "r", LookupTXT: func(_ context.Context, name string) ([]string, error) {
			if name == "txt.r.d" {
				return []string{zones}, nil
			}
			return []string{hosts}, nil
		}}.Servers(t.Context())
		if err != nil {
			require.Empty(t, found)
			return
		}
		for _, list := range found {
			servers, err := eureka.ParseServers(list)
			require.NoError(t, err)
			for _, s := range servers {
				require.True(t, strings.HasPrefix(s.String(), "http://"), s)
				require.True(t, strings.HasSuffix(s.String(), ":8761/eureka"), s)
			}
		}
	})
}
