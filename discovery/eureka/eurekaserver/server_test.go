package eurekaserver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

func TestEmptyRegistry(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		const empty = `{"applications":{"versions__delta":"1","apps__hashcode":"","application":[]}}`
		assert.JSONEq(t, empty, c.do("GET", "/apps", "").body)
		assert.JSONEq(t, empty, c.do("GET", "/apps/delta", "").body)
		assert.Equal(t, `<applications><versions__delta>1</versions__delta><apps__hashcode></apps__hashcode></applications>`,
			c.do("GET", "/apps", "", "Accept:").body)
	})
}

func TestLargeBodies(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		long := body("APP", edit{"metadata": map[string]any{"x": strings.Repeat("x", 4096)}})
		got := c.do("POST", "/apps/APP", long, asJSON)
		assert.Equal(t, 413, got.status)
		assert.Empty(t, got.body)

		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(long))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		require.Less(t, b.Len(), 1024)
		assert.Equal(t, 413, c.do("POST", "/apps/APP", b.String(), asJSON, "Content-Encoding: gzip").status)
		assert.Equal(t, 404, c.status("GET", "/apps/APP"))

		c.register("APP")
		for i, want := range []int{200, 413} {
			got := c.do("PUT", "/apps/APP/i1/metadata?k"+strings.Repeat("x", i)+"="+strings.Repeat("v", 600), "")
			assert.Equal(t, want, got.status)
		}
		assert.Len(t, c.instance("APP", "i1").Metadata, 1)
	}, eurekaserver.WithMaxBody(1024))
}

func TestPrefix(t *testing.T) {
	for prefix, path := range map[string]string{"/": "/apps", "": "/v2/apps", "/a/b/": "/a/b/v2/apps", "eureka": "/eureka/apps"} {
		bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
			c.base = "http://registry:8761"
			assert.Equal(t, 200, c.do("GET", path, "").status)
			assert.Equal(t, 404, c.status("GET", "/elsewhere"+path))
		}, eurekaserver.WithPrefix(prefix))
	}
}

// Middleware that buffers or compresses must see that there is nothing.
func TestAnswersWithoutABodySaySo(t *testing.T) {
	s := eurekaserver.New()
	defer s.Close()
	for _, request := range [][2]string{{"PUT", "/apps/APP/none"}, {"GET", "/nothing"}, {"DELETE", "/apps"}, {"POST", "/apps/APP"}} {
		w := serve(t.Context(), s, request[0], request[1], "", "Content-Type", "text/plain")
		assert.GreaterOrEqual(t, w.Code, 400)
		assert.Equal(t, "0", w.Header().Get("Content-Length"))
		assert.Empty(t, w.Header().Get("Content-Type"))
	}
}

func TestHead(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		got := c.do("HEAD", "/apps", "")
		assert.Equal(t, 200, got.status)
		assert.Empty(t, got.body)
		assert.NotEmpty(t, got.header.Get("ETag"))
	})
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		Level: slog.LevelInfo,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	bubble(t, func(_ *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP", lease(5))
		c.register("APP", lease(5))
		c.register("APP", edit{"instanceId": "i2"})
		c.status("PUT", "/apps/APP/i2/status?value=DOWN")
		c.status("DELETE", "/apps/APP/i2/status?value=UP")
		c.status("PUT", "/apps/APP/i2/metadata?password=secret")
		c.status("DELETE", "/apps/APP/i2")
		time.Sleep(5 * time.Second)
		synctest.Wait()
	}, eurekaserver.WithLogger(logger))
	assert.Equal(t, strings.TrimLeft(`
msg="instance registered" app=APP id=i1 status=UP
msg="instance registered" app=APP id=i2 status=UP
msg="status set" app=APP id=i2 status=DOWN
msg="status override removed" app=APP id=i2 status=UP
msg="metadata changed" app=APP id=i2
msg="instance canceled" app=APP id=i2
msg="instance evicted" app=APP id=i1
`, "\n"), log.String())
}

// failOnEviction returns a logger that fails the test when a lease ends.
func failOnEviction(t *testing.T) *slog.Logger {
	return slog.New(evictionHandler{slog.DiscardHandler, t})
}

type evictionHandler struct {
	slog.Handler
	t *testing.T
}

func (evictionHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h evictionHandler) Handle(_ context.Context, r slog.Record) error {
	assert.NotContains(h.t, r.Message, "evicted")
	return nil
}
