package eureka_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestFetchByService(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		apps := func(instances ...wire.Instance) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { writeApps(w, instances, "") }
		}
		app := func(instances ...wire.Instance) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				body, err := wire.MarshalApplication(grouped(instances)[0], wire.JSON)
				if err != nil {
					panic(err)
				}
				_, _ = w.Write(body)
			}
		}
		shop := with(up("BLUE", 1), func(in *wire.Instance) { in.VIPAddress = "shop,cart" })
		safe := with(up("GREEN", 2), func(in *wire.Instance) {
			in.SecureVIPAddress, in.SecurePort = "vault/1", wire.Port{Number: 8443, Enabled: true}
		})
		var answers sync.Map // by path
		for path, answer := range map[string]http.HandlerFunc{
			"/apps/ORDERS":      app(up("ORDERS", 1)),
			"/vips/shop":        apps(shop),
			"/vips/vault%2F1":   apps(),
			"/svips/vault%2F1":  apps(safe),
			"/vips/nobody":      apps(),
			"/svips/nobody":     apps(),
			"/vips/forbidden":   status(http.StatusForbidden),
			"/apps/BROKEN":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"applications":{}}`)) },
			"/apps/GONE":        app(up("GONE", 1)),
			"/apps/UNAVAILABLE": status(http.StatusServiceUnavailable),
		} {
			answers.Store(path, answer)
		}
		f.answer(func(w http.ResponseWriter, r *http.Request) {
			if answer, ok := answers.Load(r.URL.EscapedPath()); ok {
				answer.(http.HandlerFunc)(w, r)
				return
			}
			w.WriteHeader(http.StatusNotFound)
		})
		c := r.client("http://a", eureka.WithFetchByService(), eureka.WithRegions("r1", "r2"))
		orders, again := r.follow(c, "orders"), r.follow(c, "orders")
		assert.Equal(t, []string{one}, orders.news())
		assert.Equal(t, []string{one}, again.news())
		assert.Equal(t, "GET /apps/ORDERS?regions=r1%2Cr2", f.all()[0].line)

		assert.Equal(t, []string{"blue-1 192.0.2.1:8080"}, r.follow(c, "shop").news())
		assert.Equal(t, []string{"green-2 192.0.2.2:8443"}, r.follow(c, "vault/1").news())
		assert.Equal(t, []string{""}, r.follow(c, "nobody").news())
		for _, name := range []string{"", ".", ".."} {
			f.all()
			s := r.follow(c, name)
			assert.Equal(t, []string{""}, s.news())
			assert.Empty(t, f.lines())
		}
		gone := r.follow(c, "gone")
		assert.NotEmpty(t, gone.last())
		for service, want := range map[string]string{
			"forbidden":   "http://a: answered 403 Forbidden",
			"broken":      "http://a: wire: read application: no member of that name at the root",
			"unavailable": "http://a: answered 503 Service Unavailable",
			"elsewhere":   "http://a: answered 404 Not Found", // by a server that is no registry
		} {
			s := r.follow(c, service)
			assert.EqualError(t, s.errors()[0], "eureka: no registry yet: "+want)
			assert.Empty(t, s.news())
			s.stop()
		}
		f.all()

		// Polls, each service for itself; what is unknown now is gone.
		answers.Store("/apps/ORDERS", app(up("ORDERS", 1), up("ORDERS", 2)))
		answers.Delete("/apps/GONE")
		answers.Store("/vips/gone", apps())
		answers.Store("/svips/gone", apps())
		wait(33 * time.Second)
		assert.Equal(t, []string{one + ", " + two}, orders.news())
		assert.Len(t, gone.errors(), 1, "to lose all copies needs to be confirmed")
		wait(33 * time.Second)
		assert.Empty(t, gone.last())
		for _, q := range f.all() {
			assert.NotContains(t, q.line, "delta")
			assert.NotContains(t, q.line, "/apps/?")
		}
		orders.stop()
		again.stop()
		wait(time.Minute)
		assert.NotContains(t, strings.Join(f.lines(), " "), "ORDERS", "nobody watches it any more")
	})
}

func TestFetchByServiceFromOurServer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		server := eurekaserver.New()
		t.Cleanup(server.Close)
		r.serve("a:80", server)
		c := r.client("http://a/eureka", eureka.WithFetchByService())
		s := r.follow(c, "orders")
		assert.Equal(t, []string{""}, s.news())
		reg := r.register(c, copyOne)
		other, err := c.Register(t.Context(), "shop", discovery.Instance{Addr: "192.0.2.7:80"})
		require.NoError(t, err)
		wait(33 * time.Second)
		assert.Equal(t, []string{one}, s.news())
		require.NoError(t, reg.Close(t.Context()))
		require.NoError(t, other.Close(t.Context()))
		wait(66 * time.Second)
		assert.Equal(t, []string{""}, s.news())
	})
}
