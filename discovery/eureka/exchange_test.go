package eureka_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestRegions(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		f.answer(listing([]wire.Instance{up("ORDERS", 1)}))
		s := r.follow(r.client("http://a", eureka.WithRegions("us-west-2", "eu-west-1")), "orders")
		wait(33 * time.Second)
		assert.Equal(t, []string{one}, s.news())
		requests := f.all()
		assert.Equal(t, "GET /apps/?regions=us-west-2%2Ceu-west-1", requests[0].line)
		assert.Equal(t, "GET /apps/delta?regions=us-west-2%2Ceu-west-1", requests[1].line)
	})
}

func TestIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		opts []eureka.Option
		want map[string]string
	}{
		"by default": {nil, map[string]string{"Discoveryidentity-Name": "Namesake", "User-Agent": "namesake"}},
		"as chosen": {
			[]eureka.Option{eureka.WithIdentity(eureka.Identity{Name: "DefaultClient", Version: "1.4", ID: "192.0.2.1", UserAgent: "orders/7"})},
			map[string]string{
				"Discoveryidentity-Name": "DefaultClient", "Discoveryidentity-Version": "1.4", "Discoveryidentity-Id": "192.0.2.1",
				"User-Agent": "orders/7",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				f := r.fake("a:80")
				f.answer(listing(nil))
				c1 := r.client("http://a", c.opts...)
				r.follow(c1, "orders")
				require.NoError(t, r.register(c1, copyOne).Close(t.Context()))
				for _, q := range f.all() {
					got := map[string]string{}
					for key := range q.header {
						if strings.HasPrefix(key, "Discoveryidentity") || key == "User-Agent" {
							got[key] = q.header.Get(key)
						}
					}
					assert.Equal(t, c.want, got, q.line)
				}
			})
		})
	}
}

// What servers and what stands before them write below a status is not looked
// at: some add pages for people, which must not keep a copy from being announced
// again.
func TestBodiesOfAnswersAreIgnored(t *testing.T) {
	for name, body := range map[string]struct{ contentType, text string }{
		"none":  {},
		"text":  {"text/plain; charset=utf-8", "404 page not found\n"},
		"html":  {"text/html", "<html><body><h1>Whitelabel Error Page</h1></body></html>"},
		"json":  {"application/json", `{"timestamp":"2026-01-01T00:00:00Z","status":404,"error":"Not Found"}`},
		"large": {"text/html", strings.Repeat("x", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				var forgotten atomic.Bool
				f := r.fake("a:80")
				f.answer(func(w http.ResponseWriter, r *http.Request) {
					if body.contentType != "" {
						w.Header().Set("Content-Type", body.contentType)
					}
					if r.Method == http.MethodPut && forgotten.Load() || r.Method == http.MethodDelete {
						w.WriteHeader(http.StatusNotFound)
					}
					_, _ = io.WriteString(w, body.text)
				})
				reg := r.register(r.client("http://a"), copyOne)
				wait(30 * time.Second)
				assert.Equal(t, []string{"POST /apps/ORDERS", "PUT " + item}, f.lines())
				forgotten.Store(true)
				wait(30 * time.Second)
				assert.Equal(t, []string{"PUT " + item, "POST /apps/ORDERS"}, f.lines())
				forgotten.Store(false)
				wait(30 * time.Second)
				assert.Equal(t, []string{"PUT " + item}, f.lines())
				require.NoError(t, reg.Close(t.Context()))
			})
		})
	}
}
