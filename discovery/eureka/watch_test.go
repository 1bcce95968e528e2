package eureka_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

const (
	one = "orders-1 192.0.2.1:8080"
	two = "orders-2 192.0.2.2:8080"
)

func TestWatchPolls(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		s := r.follow(r.client("http://a/eureka/"), "orders")
		assert.Equal(t, []string{one}, s.news())
		assert.Zero(t, s.when())

		wait(9 * time.Minute)
		requests := f.all()
		assert.Equal(t, "GET /eureka/apps/", requests[0].line)
		assert.Equal(t, "application/json", requests[0].header.Get("Accept"))
		assert.Equal(t, "gzip", requests[0].header.Get("Accept-Encoding"))
		last := requests[0].at
		for _, q := range requests[1:] {
			assert.Equal(t, "GET /eureka/apps/delta", q.line)
			assert.Empty(t, q.header.Get("Prefer"))
			assert.GreaterOrEqual(t, q.at-last, 27*time.Second)
			assert.LessOrEqual(t, q.at-last, 33*time.Second)
			last = q.at
		}
		assert.Greater(t, len(requests), 16)
		assert.Empty(t, s.news(), "nothing has changed")
		assert.Empty(t, s.errors())
	})
}

func TestPollIntervalOption(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing(nil))
		r.follow(r.client("http://a", eureka.WithPollInterval(10*time.Second)), "orders")
		f.all()
		wait(9*time.Second - 1)
		assert.Empty(t, f.lines())
		wait(2*time.Second + 1)
		assert.Equal(t, []string{"GET /apps/delta"}, f.lines())
	})
}

func TestWholeRegistryIsReadAgainEveryTenMinutes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		r.follow(r.client("http://a"), "orders")
		wait(9*time.Minute - 1)
		assert.NotContains(t, f.lines()[1:], "GET /apps/")
		wait(2*time.Minute + 33*time.Second + 1)
		assert.Contains(t, f.lines(), "GET /apps/")
	})
}

func TestWatchesShareOneLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1), up("CART", 2)}))
		c := r.client("http://a")
		assert.Empty(t, f.lines(), "a client does nothing before it is used")
		seq := c.Watch(t.Context(), "orders")
		synctest.Wait()
		assert.Empty(t, f.lines(), "nor does a watch that is not ranged over")
		for set, err := range seq {
			require.NoError(t, err)
			assert.Equal(t, one, brief(set))
			break
		}
		assert.Equal(t, []string{"GET /apps/"}, f.lines())
		wait(5 * time.Minute)
		assert.Empty(t, f.lines(), "nothing is watched")

		orders, cart, none := r.follow(c, "Orders"), r.follow(c, "CART"), r.follow(c, "nobody")
		assert.Equal(t, []string{one}, orders.news())
		assert.Equal(t, []string{"cart-2 192.0.2.2:8080"}, cart.news())
		assert.Equal(t, []string{""}, none.news(), "an empty set")
		assert.Equal(t, []string{"GET /apps/"}, f.lines())

		f.answer(listing([]wire.Instance{up("ORDERS", 1), up("ORDERS", 2), up("CART", 2)}, up("ORDERS", 2)))
		wait(33 * time.Second)
		assert.Equal(t, []string{one + ", " + two}, orders.news())
		assert.Empty(t, cart.news(), "only a service's own changes are its news")
		assert.Empty(t, none.news())

		orders.stop()
		cart.stop()
		f.lines()
		wait(33 * time.Second)
		assert.Equal(t, []string{"GET /apps/delta"}, f.lines(), "the loop goes on for the last")
		none.stop()
		wait(5 * time.Minute)
		assert.Empty(t, f.lines())
	})
}

func TestOnlyCopiesThatAreUp(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var all []wire.Instance
		for i, s := range []wire.Status{wire.Up, wire.Down, wire.Starting, wire.OutOfService, wire.Unknown} {
			all = append(all, with(up("ORDERS", i+1), func(in *wire.Instance) { in.Status = s }))
		}
		f := r.fake("a:80")
		f.answer(listing(all))
		s := r.follow(r.client("http://a"), "orders")
		assert.Equal(t, []string{one}, s.news())
		f.lines()

		// The others count for the hash all the same.
		all[1].Status = wire.Up
		f.answer(listing(all, with(all[1], func(in *wire.Instance) { in.Action = wire.Modified })))
		wait(33 * time.Second)
		assert.Equal(t, []string{one + ", " + two}, s.news())
		assert.Equal(t, []string{"GET /apps/delta"}, f.lines())
	})
}

func TestVirtualAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		vip := func(app string, n int, vip string) wire.Instance {
			return with(up(app, n), func(in *wire.Instance) { in.VIPAddress = vip })
		}
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{
			vip("BLUE", 1, "shop, cart"), vip("GREEN", 2, "Shop"), vip("GREEN", 3, "other"),
			with(vip("RED", 4, "shop"), func(in *wire.Instance) { in.InstanceID = "blue-1" }),
			vip("CART", 5, "x"), vip("NONE", 6, ""), vip("NONE", 7, "y,"),
			with(up("SAFE", 8), func(in *wire.Instance) { in.SecureVIPAddress = "vault" }),
			with(up("SAFE", 9), func(in *wire.Instance) {
				in.SecureVIPAddress, in.SecurePort = "other,Vault", wire.Port{Number: 8443, Enabled: true}
			}),
		}))
		c := r.client("http://a")
		assert.Equal(t, []string{"RED/blue-1 192.0.2.4:8080, blue-1 192.0.2.1:8080, green-2 192.0.2.2:8080"}, r.follow(c, "shop").news())
		assert.Equal(t, []string{"cart-5 192.0.2.5:8080"}, r.follow(c, "cart").news(), "an application's name comes first")
		assert.Equal(t, []string{""}, r.follow(c, "").news(), "no address is nobody's")
		assert.Equal(t, []string{"safe-9 192.0.2.9:8443"}, r.follow(c, "vault").news(), "a secure address needs a secure port")
	})
}

func TestDeltaTwiceIsHarmless(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		s := r.follow(r.client("http://a"), "orders")
		s.news()
		f.answer(listing([]wire.Instance{up("ORDERS", 2)},
			up("ORDERS", 2),
			with(up("ORDERS", 1), func(in *wire.Instance) { in.Action = wire.Deleted }),
			with(up("ORDERS", 7), func(in *wire.Instance) { in.Action = wire.Deleted }), // not known
			with(up("CART", 7), func(in *wire.Instance) { in.Action = wire.Deleted }),
			with(up("CART", 8), func(in *wire.Instance) { in.Action = "" }), // nor is this action
		))
		f.lines()
		wait(33 * time.Second)
		assert.Equal(t, []string{two}, s.news())
		wait(2 * time.Minute)
		assert.Empty(t, s.news())
		assert.NotContains(t, f.lines(), "GET /apps/", "the hash fits")
	})
}

func TestHashMismatch(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		s := r.follow(r.client("http://a"), "orders")
		s.news()
		f.all()
		// The delta lacks two of the three changes.
		f.answer(listing([]wire.Instance{up("ORDERS", 2), up("ORDERS", 3), up("ORDERS", 4)}, up("ORDERS", 4)))
		wait(33 * time.Second)
		requests := f.all()
		require.Len(t, requests, 2)
		assert.Equal(t, "GET /apps/delta", requests[0].line)
		assert.Equal(t, "GET /apps/", requests[1].line)
		assert.Equal(t, requests[0].at, requests[1].at)
		assert.Equal(t, []string{two + ", orders-3 192.0.2.3:8080, orders-4 192.0.2.4:8080"}, s.news(), "and none that never was")
		f.answer(listing([]wire.Instance{up("ORDERS", 2), up("ORDERS", 3), up("ORDERS", 4)}))
		wait(33 * time.Second)
		assert.Equal(t, []string{"GET /apps/delta"}, f.lines())
	})
}

func TestNoDelta(t *testing.T) {
	for name, refuse := range map[string]http.HandlerFunc{
		"forbidden": status(http.StatusForbidden),
		"not found": status(http.StatusNotFound),
		"empty":     status(http.StatusOK),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				a, b := r.fake("a:80"), r.fake("b:80")
				serve := func(n int) {
					list := listing([]wire.Instance{up("ORDERS", n)})
					a.answer(func(w http.ResponseWriter, r *http.Request) {
						if strings.HasSuffix(r.URL.Path, "/delta") {
							refuse(w, r)
							return
						}
						list(w, r)
					})
				}
				serve(1)
				s := r.follow(r.client("http://a,http://b"), "orders")
				assert.Equal(t, []string{one}, s.news())
				a.all()
				serve(2)
				wait(33 * time.Second)
				requests := a.all()
				require.Len(t, requests, 2)
				assert.Equal(t, "GET /apps/delta", requests[0].line)
				assert.Equal(t, "GET /apps/", requests[1].line)
				assert.Equal(t, requests[0].at, requests[1].at)
				assert.Equal(t, []string{two}, s.news())
				assert.Empty(t, s.errors())
				assert.Empty(t, b.lines(), "the server is none the worse for it")
			})
		})
	}
}

func TestGapLongerThanDeltas(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		s := r.follow(r.client("http://a"), "orders")
		s.news()
		f.answer(status(http.StatusServiceUnavailable))
		wait(3*time.Minute + time.Second)
		f.all()
		// As many copies as before, so that the hash shows nothing.
		f.answer(listing([]wire.Instance{up("ORDERS", 2)}))
		wait(30 * time.Second)
		assert.Equal(t, "GET /apps/", f.lines()[0])
		assert.Equal(t, []string{two}, s.news())
	})
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.fake("a:80").answer(listing([]wire.Instance{up("ORDERS", 1)}))
		c := r.client("http://a")
		s := r.follow(c, "orders")
		c.Close()
		assert.Equal(t, []error{eureka.ErrClosed}, s.errors())
		for set, err := range c.Watch(context.Background(), "orders") { // which ends
			assert.Nil(t, set)
			assert.Equal(t, eureka.ErrClosed, err)
		}
		_, err := c.Register(t.Context(), "orders", discovery.Instance{Addr: "192.0.2.1:80"})
		assert.Equal(t, eureka.ErrClosed, err)
	})
}

func TestUnusableURLs(t *testing.T) {
	for urls, want := range map[string]string{
		"":                                 `eureka: no server URL`,
		" , ":                              `eureka: no server URL`,
		"a:8761/eureka":                    `eureka: server URL "a:8761/eureka" begins with neither http:// nor https://`,
		"ftp://a/eureka":                   `eureka: server URL "ftp://a/eureka" begins with neither http:// nor https://`,
		"http:///eureka":                   `eureka: server URL "http:///eureka" has no host`,
		"http://a,http://b/?x=1":           `eureka: server URL "http://b/?x=1" has a query or a fragment`,
		"http://user:secret@a:x/eureka":    `eureka: server URL "…@a:x/eureka" is not a URL`,
		"http://user:#secret@a/eureka":     `eureka: server URL "…@a/eureka" has a query or a fragment`,
		"http://user:80/secret@a/eureka":   `eureka: server URL "…@a/eureka" has an @ in its path`,
		"http://user:secret,secret2@a/e":   `eureka: server URL "…" is not a URL`,
		"http://user:%secret@a/eureka":     `eureka: server URL "…@a/eureka" is not a URL`,
		"http://user:80,secret@a":          `eureka: server URL "…@a" begins with neither`,
		"ftp://user:secret@a,http://user@": `eureka: server URL "…@a" begins with neither`,
	} {
		t.Run(urls, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				c := eureka.New(urls)
				s := r.follow(c, "orders")
				wait(time.Hour)
				errs := s.errors()
				require.Len(t, errs, 1, "it is said once, and the watch goes on")
				assert.Contains(t, errs[0].Error(), want)
				assert.NotContains(t, errs[0].Error(), "secret")
				_, err := c.Register(t.Context(), "orders", discovery.Instance{Addr: "192.0.2.1:80"})
				assert.Equal(t, errs[0], err)
				c.Close()
				assert.Equal(t, []error{eureka.ErrClosed}, s.errors())
			})
		})
	}
}
