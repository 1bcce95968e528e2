package eurekaserver_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Whatever comes in, the server answers, never with a redirect or an error of
// its own, and refuses without a text except to a registration.
func FuzzServeHTTP(f *testing.F) {
	f.Add("POST", "/eureka/apps/APP", "", "application/json", "", "", "", "", "", []byte(body("APP")))
	f.Add("PUT", "/eureka/v2/apps/APP/i%2F1", "status=UP&lastDirtyTimestamp=5", "", "", "", "", "true", "Basic dTpw", []byte(nil))
	f.Add("PUT", "//eureka//apps/A/b/status", "value=DOWN", "text/xml;charset=x", "*/*;q=", "W/\"a.1\", *", "", "true", "Bearer x", []byte("{}"))
	f.Add("GET", "/eureka/apps/delta", "", "", "application/json", `"a.1"`, "gzip;q=0.5, *", "", "Basic", []byte(nil))
	f.Add("POST", "/eureka/apps/APP", "", "application/xml;charset=iso-8859-1", "", "", "gzip", "", "Bearer t", []byte("\x1f\x8b"))
	f.Add("PUT", "/eureka/apps/APP/held/metadata", "a=1&a=2&%zz", "", "", "", "", "", "bearer t", []byte(nil))
	f.Add("GET", "/page/events", "", "", "", "", "", "", "Basic dTpw", []byte(nil))
	f.Add("", "*", "", "", "", "", "", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, query, contentType, accept, tag, coding, peer, authorization string, data []byte) {
		open := eurekaserver.New(
			eurekaserver.WithMaxBody(4096),
			eurekaserver.WithPage(eurekaserver.PageConfig{Hidden: true}), // FuzzPage is about it, and its events do not end
			eurekaserver.WithWait(eurekaserver.WaitConfig{Max: -1}),
		)
		defer open.Close()
		guarded := eurekaserver.New(
			eurekaserver.WithPage(eurekaserver.PageConfig{Hidden: true}),
			eurekaserver.WithWait(eurekaserver.WaitConfig{Max: -1}),
			eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{}),
			eurekaserver.WithAccess(
				eurekaserver.BasicAuth(eurekaserver.User{Caller: eurekaserver.Caller{Name: "u", Grant: eurekaserver.All}, Password: "p"}),
				eurekaserver.BearerTokens(eurekaserver.Token{Caller: eurekaserver.Caller{Grant: eurekaserver.Write, Apps: []string{"APP"}}, Token: "t"}),
				eurekaserver.ClientCertificates(),
			),
			eurekaserver.WithLimits(eurekaserver.Limits{Instances: 1, Text: 64, MetadataBytes: 64, Registrations: eurekaserver.Rate{PerSecond: 1}}),
		)
		defer guarded.Close()
		serve(t.Context(), open, "POST", "/apps/APP", body("APP", edit{"instanceId": "held"}))
		for _, s := range []*eurekaserver.Server{open, guarded} {
			u := &url.URL{Path: path, RawPath: path, RawQuery: query}
			if decoded, err := url.PathUnescape(path); err == nil {
				u.Path = decoded
			}
			r := (&http.Request{
				Method: method, URL: u, Body: io.NopCloser(bytes.NewReader(data)), RemoteAddr: tag,
				Header: http.Header{
					"Content-Type": {contentType}, "Content-Encoding": {coding}, "Accept": {accept}, "Accept-Encoding": {coding},
					"If-None-Match": {tag}, "Prefer": {query}, "X-Eureka-Accept": {accept}, "Authorization": {authorization},
					"X-Netflix-Discovery-Replication": {peer},
				},
			}).WithContext(t.Context())
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			assert.Contains(t, []int{200, 204, 304, 400, 401, 403, 404, 405, 406, 409, 413, 415, 429, 503}, w.Code)
			mayExplain := w.Code == 200 || w.Code == 409 || w.Code == 400 && method == http.MethodPost
			if !mayExplain {
				assert.Empty(t, w.Body.String())
				if w.Code != 204 && w.Code != 304 {
					assert.Equal(t, "0", w.Header().Get("Content-Length"))
				}
			}
			total := uint64(0)
			for _, c := range s.Stats().Requests {
				total += c.Count
			}
			assert.EqualValues(t, map[bool]int{true: 2, false: 1}[s == open], total, "every answer is counted")
			if w.Code == 401 {
				assert.Len(t, w.Header().Values("WWW-Authenticate"), 2)
				assert.False(t, slices.Contains([]string{"Basic dTpw", "Bearer t"}, authorization))
			}
		}
	})
}
