package eurekaserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// serve calls the handler without a network.
func serve(ctx context.Context, s *eurekaserver.Server, method, path, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, method, "/eureka"+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

// Everything at once: at the end the hash is that of what there is.
func TestStress(t *testing.T) {
	s := eurekaserver.New()
	var writers, readers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for n := range 4 {
		writers.Go(func() {
			for i := range 300 {
				app, id := fmt.Sprintf("APP%d", i%3), fmt.Sprintf("%d-%d", n, i%20)
				serve(ctx, s, "POST", "/apps/"+app, body(app, edit{"instanceId": id}))
				serve(ctx, s, "PUT", "/apps/"+app+"/"+id, "")
				serve(ctx, s, "PUT", "/apps/"+app+"/"+id+"/status?value=DOWN", "")
				serve(ctx, s, "PUT", "/apps/"+app+"/"+id+"/metadata?a=1", "")
				if i%3 == 0 {
					serve(ctx, s, "DELETE", "/apps/"+app+"/"+id, "")
				}
			}
		})
		readers.Go(func() {
			tag := `"none.0"`
			for ctx.Err() == nil {
				w := serve(ctx, s, "GET", "/apps/delta", "", "If-None-Match", tag, "Prefer", "wait=1", "Accept-Encoding", "gzip")
				if ctx.Err() == nil {
					tag = w.Header().Get("ETag")
				}
				serve(ctx, s, "GET", "/apps", "")
				serve(ctx, s, "GET", "/apps/delta", "", "Accept", "application/xml")
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	full := serve(t.Context(), s, "GET", "/apps", "")
	delta := serve(t.Context(), s, "GET", "/apps/delta", "")
	s.Close()
	apps, err := wire.UnmarshalApplications(full.Body.Bytes(), wire.JSON)
	assert.NoError(t, err)
	assert.NotEmpty(t, ids(apps))
	assert.Equal(t, wire.HashOf(apps.Applications), apps.Hash)
	changes, err := wire.UnmarshalApplications(delta.Body.Bytes(), wire.JSON)
	assert.NoError(t, err)
	assert.Equal(t, apps.Hash, changes.Hash)
	assert.Equal(t, http.StatusServiceUnavailable, serve(t.Context(), s, "GET", "/apps", "").Code)
}
