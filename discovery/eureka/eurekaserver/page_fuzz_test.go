package eurekaserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Whatever an instance says of itself, and whatever is asked for or sent, the
// page is well, runs nothing, and leads to nothing but HTTP.
func FuzzPage(f *testing.F) {
	f.Add("i1", "zone", "eu-1a", "http://h/", "q=i1&page=2", "app=APP&id=i1&do=out", "a.1")
	f.Add(`"><script>`, `'`, `</dd>`, "javascript:alert(1)", "status=UP&app=%00", "app=APP&id=i1&do=back&page=//x", "-")
	f.Fuzz(func(t *testing.T, id, name, value, link, query, form, event string) {
		s := eurekaserver.New(eurekaserver.WithPage(eurekaserver.PageConfig{Operate: true}))
		defer s.Close()
		serve(t.Context(), s, "POST", "/apps/APP", body("APP", edit{
			"instanceId": id, "metadata": map[string]any{name: value}, "homePageUrl": link, "statusPageUrl": link,
		}))
		send := func(ctx context.Context, method string, target url.URL, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, method, "/", strings.NewReader(body))
			r.URL = &target
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Last-Event-ID", event)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		assert.Less(t, send(t.Context(), "POST", url.URL{Path: "/page/operate"}, form).Code, 500)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, http.StatusOK, send(gone, "GET", url.URL{Path: "/page/events", RawQuery: query}, "").Code)
		w := send(t.Context(), "GET", url.URL{Path: "/", RawQuery: query}, "")
		require.Equal(t, http.StatusOK, w.Code)
		doc, err := html.Parse(w.Body)
		require.NoError(t, err)
		assert.Len(t, all(doc, "script"), 1)
		for _, a := range all(doc, "a") {
			assert.Regexp(t, `^(https?://|\./|\?|#)`, attr(a, "href"))
		}
	})
}
