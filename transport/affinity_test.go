package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// An of makes requests those of somebody.
type of func(req *http.Request, key string)

func inHeader(req *http.Request, key string) { req.Header.Set("X-User", key) }
func inCookie(req *http.Request, key string) {
	req.AddCookie(&http.Cookie{Name: "user", Value: key})
}

// by makes a call with a key, and returns the name of the copy that answered.
func (m *mesh) by(of of, key string) string {
	m.t.Helper()
	req := m.request(http.MethodGet, "http://orders/", "")
	if key != "" {
		of(req, key)
	}
	resp, err := m.client.Do(req)
	require.NoError(m.t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	return string(data)
}

func (m *mesh) copies(n int) {
	m.t.Helper()
	for _, addr := range addrs(n) {
		m.serve(addr, say(addr))
	}
	m.registry.Set("orders", discovery.Addrs(addrs(n)...)...)
}

// Calls of a key reach the same copy, and other keys reach others; those without
// a key go to all.
func TestAKeyReachesTheSameCopy(t *testing.T) {
	for name, c := range map[string]struct {
		of  of
		key func(*http.Request) string
	}{
		"header": {inHeader, transport.HeaderKey("x-user")},
		"cookie": {inCookie, transport.CookieKey("user")},
	} {
		for policy, p := range map[string]balancer.Policy{
			"ring":       balancer.RingHash(balancer.RingHashConfig{}),
			"Maglev":     balancer.Maglev(balancer.MaglevConfig{}),
			"rendezvous": balancer.Rendezvous(balancer.RendezvousConfig{}),
		} {
			t.Run(name+"/"+policy, func(t *testing.T) {
				inEveryWay(t, func(t *testing.T, m *mesh) {
					m.copies(5)
					homes := map[string]string{}
					got := map[string]bool{}
					for i := range 60 {
						user := fmt.Sprint("user-", i%20)
						home := m.by(c.of, user)
						if i >= 20 {
							require.Equal(t, homes[user], home)
						}
						homes[user] = home
						got[home] = true
					}
					assert.Len(t, got, 5, "20 keys miss one of 5 copies with a probability of 5 · 0.8^20 = 6 %, but always the same")
					clear(got)
					for range 100 { // 5 · 0.8^100 = 1e-9
						got[m.by(c.of, "")] = true
					}
					assert.Len(t, got, 5)
				}, transport.WithPolicy(p), transport.WithKey(c.key))
			})
		}
	}
}

// ringByUser is what most tests here have.
func ringByUser() transport.Option {
	return transport.ForService("orders",
		transport.WithPolicy(balancer.RingHash(balancer.RingHashConfig{})),
		transport.WithKey(transport.HeaderKey("X-User")),
	)
}

// Where the copy of a key fails, the retry goes to the key's second copy; where
// it is ejected, the first attempt does. When it comes back, so do its keys; and
// no other key has moved.
func TestWhereAKeyGoesMeanwhile(t *testing.T) {
	var rec record
	var sick atomic.Value // an address
	inEveryWay(t, func(t *testing.T, m *mesh) {
		sick.Store("")
		rec.take()
		for _, addr := range addrs(4) {
			m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
				if sick.Load() == addr {
					w.WriteHeader(http.StatusBadGateway)
				}
				_, _ = io.WriteString(w, addr)
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(4)...)...)
		homes := map[string]string{}
		for i := range 30 {
			user := fmt.Sprint("user-", i)
			homes[user] = m.by(inHeader, user)
		}
		home := homes["user-0"]
		sick.Store(home)
		second := m.by(inHeader, "user-0")
		require.NotEqual(t, home, second)
		for range 10 { // the fifth ejects it
			assert.Equal(t, second, m.by(inHeader, "user-0"))
		}
		assert.Contains(t, rec.take(), "ejected "+home)
		others := 0
		for user, at := range homes {
			if at != home {
				assert.Equal(t, at, m.by(inHeader, user))
				others++
			}
		}
		require.Positive(t, others)
		assert.Equal(t, second, m.by(inHeader, "user-0"))

		// The trial of a copy is a call of its own.
		sick.Store("")
		time.Sleep(6 * time.Second)
		require.Equal(t, []string{"open to half-open " + home}, rec.take())
		for user, at := range homes {
			if at != home {
				assert.Equal(t, at, m.by(inHeader, user))
			}
		}
		assert.Empty(t, rec.take())
		assert.Equal(t, home, m.by(inHeader, "user-0"))
		assert.Equal(t, []string{"trial " + home, "half-open to closed " + home, "restored " + home}, rec.take())
		for user, at := range homes {
			assert.Equal(t, at, m.by(inHeader, user))
		}
	}, ringByUser(), transport.WithHooks(rec.hooks()))
}

// A copy to which no key belongs must not wait for one forever.
func TestATrialOfAnyKey(t *testing.T) {
	var rec record
	var sick atomic.Value
	inMesh(t, func(t *testing.T, m *mesh) {
		sick.Store("")
		for _, addr := range addrs(4) {
			m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
				if sick.Load() == addr {
					w.WriteHeader(http.StatusInternalServerError)
				}
				_, _ = io.WriteString(w, addr)
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(4)...)...)
		home, other := m.by(inHeader, "user-0"), ""
		for i := 0; other == "" || m.by(inHeader, other) == home; i++ {
			other = fmt.Sprint("user-", i)
		}
		sick.Store(home)
		for range 5 {
			m.by(inHeader, "user-0")
		}
		sick.Store("")
		time.Sleep(6 * time.Second)
		rec.take()
		time.Sleep(8 * time.Second) // it has been half-open for less than 10 s, whatever the jitter
		assert.NotEqual(t, home, m.by(inHeader, other))
		time.Sleep(3 * time.Second) // and now for more
		assert.Equal(t, home, m.by(inHeader, other))
		assert.Contains(t, rec.take(), "restored "+home)
		assert.NotEqual(t, home, m.by(inHeader, other))
	}, ringByUser(), transport.WithHooks(rec.hooks()))
}

// Keys can be those of one service only.
func TestKeysAreOfOneService(t *testing.T) {
	var asked atomic.Int32
	key := func(*http.Request) string { asked.Add(1); return "always" }
	inMesh(t, func(t *testing.T, m *mesh) {
		m.copies(3)
		m.serve("10.0.1.1:80", say("payments"))
		m.registry.Set("payments", discovery.Addrs("10.0.1.1:80")...)
		_, _, err := m.get("http://payments/")
		require.NoError(t, err)
		assert.Zero(t, asked.Load())
		_, _, err = m.get("http://orders/")
		require.NoError(t, err)
		assert.Equal(t, int32(1), asked.Load())
	}, transport.ForService("orders", transport.WithKey(key)))
}

// Key and class are asked for once, and are the same for all attempts.
func TestAKeyIsOfTheWholeCall(t *testing.T) {
	var keys, classes atomic.Int32
	var mu sync.Mutex
	var infos []balancer.PickInfo
	policy := func(set balancer.Set) balancer.Picker {
		next := balancer.RoundRobin(set)
		return balancer.PickerFunc(func(info balancer.PickInfo) (*balancer.Endpoint, error) {
			mu.Lock()
			defer mu.Unlock()
			infos = append(infos, info)
			return next.Pick(info)
		})
	}
	inMesh(t, func(t *testing.T, m *mesh) {
		for _, addr := range addrs(3) {
			m.serve(addr, answer(http.StatusServiceUnavailable, addr))
		}
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		status, _, err := m.get("http://orders/reports/1")
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Equal(t, int32(1), keys.Load())
		assert.Equal(t, int32(1), classes.Load())
		require.Len(t, infos, 3)
		for _, info := range infos {
			assert.Equal(t, "1", info.Key)
			assert.NotNil(t, info.Class)
			assert.Same(t, infos[0].Class, info.Class)
		}
		class := infos[0].Class
		infos = nil
		_, _, err = m.get("http://orders/")
		require.NoError(t, err)
		assert.Empty(t, infos[0].Key)
		assert.Nil(t, infos[0].Class)
		infos = nil
		_, _, err = m.get("http://orders/reports/2")
		require.NoError(t, err)
		assert.Equal(t, "2", infos[0].Key)
		assert.Same(t, class, infos[0].Class)
	}, transport.WithPolicy(policy),
		transport.WithKey(func(req *http.Request) string {
			keys.Add(1)
			_, key, _ := strings.Cut(strings.Trim(req.URL.Path, "/"), "/")
			return key
		}),
		transport.WithClass(func(req *http.Request) string {
			classes.Add(1)
			class, _, _ := strings.Cut(strings.Trim(req.URL.Path, "/"), "/")
			return class
		}))
}

// session calls with a jar, and returns the copy's answer and what cookies the
// response set.
func (m *mesh) session(jar http.CookieJar) (body string, set []*http.Cookie) {
	m.t.Helper()
	client := http.Client{Transport: m.rt, Jar: jar}
	resp, err := client.Do(m.request(http.MethodGet, "http://orders/cart", ""))
	require.NoError(m.t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	return string(data), resp.Cookies()
}

func newJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return jar
}

// A session stays at its copy while that is there, whatever becomes of others.
func TestSessionsStay(t *testing.T) {
	inEveryWay(t, func(t *testing.T, m *mesh) {
		m.copies(6)
		jars := make([]http.CookieJar, 40)
		homes := make([]string, len(jars))
		got := map[string]bool{}
		for i := range jars {
			jars[i] = newJar(t)
			var set []*http.Cookie
			homes[i], set = m.session(jars[i])
			require.Len(t, set, 1)
			got[homes[i]] = true
		}
		assert.Greater(t, len(got), 2, "40 sessions at 2 of 6 copies have a probability of 15 / 3^40 = 1e-18")
		stay := func(except string) {
			t.Helper()
			for i := range jars {
				at, set := m.session(jars[i])
				assert.Empty(t, set, "it has one")
				if homes[i] != except {
					assert.Equal(t, homes[i], at)
				}
			}
		}
		stay("")
		m.registry.Set("orders", discovery.Addrs(addrs(5)...)...)
		time.Sleep(time.Second)
		stay(addrs(6)[5])
		m.registry.Set("orders", discovery.Addrs(addrs(6)...)...)
		time.Sleep(time.Second)
		stay("")
	}, transport.WithPolicy(balancer.RingHash(balancer.RingHashConfig{})), transport.WithStickyCookie(transport.StickyCookieConfig{}))
}

// A call that is repeated belongs to the session that it begins, and the cookie
// comes with the response that the caller sees.
func TestASessionOfTheSecondAttempt(t *testing.T) {
	var first atomic.Bool
	inEveryWay(t, func(t *testing.T, m *mesh) {
		first.Store(true)
		for _, addr := range addrs(3) {
			m.serve(addr, func(w http.ResponseWriter, _ *http.Request) {
				if first.Swap(false) {
					w.WriteHeader(http.StatusBadGateway)
				}
				_, _ = io.WriteString(w, addr)
			})
		}
		m.registry.Set("orders", discovery.Addrs(addrs(3)...)...)
		jar := newJar(t)
		at, set := m.session(jar)
		require.Len(t, set, 1)
		first.Store(true)
		again, _ := m.session(jar)
		assert.Equal(t, at, again, "the second copy of the same key")
		home, _ := m.session(jar)
		assert.NotEqual(t, at, home)
	}, transport.WithPolicy(balancer.Maglev(balancer.MaglevConfig{})), transport.WithStickyCookie(transport.StickyCookieConfig{}))
}

func TestStickyCookies(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  transport.StickyCookieConfig
		want string // with the value cut out
	}{
		"default":         {transport.StickyCookieConfig{}, "namesake-session=; Path=/; HttpOnly; SameSite=Lax"},
		"all":             {transport.StickyCookieConfig{Name: "at", Path: "/v1", MaxAge: 1500 * time.Millisecond, Secure: true}, "at=; Path=/v1; Max-Age=2; HttpOnly; Secure; SameSite=Lax"},
		"impossible name": {transport.StickyCookieConfig{Name: "a b;", MaxAge: -1}, "namesake-session=; Path=/; HttpOnly; SameSite=Lax"},
		"forever":         {transport.StickyCookieConfig{MaxAge: 1<<63 - 1}, "namesake-session=; Path=/; Max-Age=9223372037; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			inEveryMode(t, func(t *testing.T, m *mesh) {
				m.copies(1)
				_, set := m.session(nil)
				require.Len(t, set, 1)
				assert.Len(t, set[0].Value, 26, "130 random bits")
				want := c.want
				if m.mode.secure && !c.cfg.Secure {
					want = strings.Replace(want, "HttpOnly;", "HttpOnly; Secure;", 1)
				}
				assert.Equal(t, want, strings.Replace(set[0].Raw, set[0].Value, "", 1))
				_, other := m.session(nil)
				assert.NotEqual(t, set[0].Value, other[0].Value)
			}, transport.WithStickyCookie(c.cfg))
		})
	}
}

// The server's own cookies come first.
func TestTheServersCookiesStay(t *testing.T) {
	inEveryMode(t, func(t *testing.T, m *mesh) {
		m.serve("10.0.0.1:80", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: r.URL.Query().Get("name"), Value: "theirs"})
		})
		m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
		for name, want := range map[string]int{"at": 1, "other": 2} {
			resp, err := m.client.Get(m.url("http://orders/?name=" + name))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			set := resp.Cookies()
			require.Len(t, set, want)
			assert.Equal(t, name+"=theirs", set[0].Raw)
		}
	}, transport.WithStickyCookie(transport.StickyCookieConfig{Name: "at"}))
}

// The last of WithKey and WithStickyCookie counts.
func TestOneKeyReplacesTheOther(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		m.copies(1)
		_, set := m.session(nil)
		assert.Empty(t, set)
	}, transport.WithStickyCookie(transport.StickyCookieConfig{}), transport.WithKey(nil))
	asked := false
	inMesh(t, func(t *testing.T, m *mesh) {
		m.copies(1)
		_, set := m.session(nil)
		assert.Len(t, set, 1)
		assert.False(t, asked)
	}, transport.WithKey(func(*http.Request) string { asked = true; return "" }), transport.WithStickyCookie(transport.StickyCookieConfig{}))
}

// A base of the user's may use a response's header for others too, or have none.
func TestStickyCookieOverABase(t *testing.T) {
	for _, header := range []http.Header{nil, {"Set-Cookie": {"a=b"}}} {
		before := header.Clone()
		inMesh(t, func(t *testing.T, m *mesh) {
			m.registry.Set("orders", discovery.Addrs("10.0.0.1:80")...)
			for range 2 {
				_, set := m.session(nil)
				assert.Len(t, set, len(before)+1)
				assert.Equal(t, before, header)
			}
		}, transport.WithStickyCookie(transport.StickyCookieConfig{}), transport.WithBase(roundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: header, Body: http.NoBody}, nil
		})))
	}
}
