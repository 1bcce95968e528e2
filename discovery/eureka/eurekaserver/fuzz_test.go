package eurekaserver_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Whatever comes in, the server answers, never with a redirect, and refuses
// without a text except to a registration.
func FuzzServeHTTP(f *testing.F) {
	f.Add("POST", "/eureka/apps/APP", "", "application/json", "", "", []byte(body("APP")))
	f.Add("PUT", "/eureka/v2/apps/APP/i%2F1", "status=UP&lastDirtyTimestamp=5", "", "", "", []byte(nil))
	f.Add("PUT", "//eureka//apps/A/b/status", "value=DOWN", "text/xml;charset=x", "*/*;q=", "W/\"a.1\", *", []byte("{}"))
	f.Add("GET", "/eureka/apps/delta", "", "", "application/json", `"a.1"`, []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, query, contentType, accept, tag string, body []byte) {
		s := eurekaserver.New(eurekaserver.WithMaxBody(4096))
		defer s.Close()
		u := &url.URL{Path: path, RawPath: path, RawQuery: query}
		if decoded, err := url.PathUnescape(path); err == nil {
			u.Path = decoded
		}
		r := (&http.Request{
			Method: method, URL: u, Body: io.NopCloser(bytes.NewReader(body)),
			Header: http.Header{
				"Content-Type": {contentType}, "Accept": {accept}, "If-None-Match": {tag}, "Prefer": {query}, "Accept-Encoding": {accept},
			},
		}).WithContext(t.Context())
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 300 && w.Code < 400 {
			assert.Equal(t, http.StatusNotModified, w.Code)
		}
		if w.Code >= 400 && w.Code != http.StatusBadRequest {
			assert.Empty(t, w.Body.String())
		}
		assert.NotEqual(t, http.StatusInternalServerError, w.Code)
	})
}
