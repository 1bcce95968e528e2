package eurekaserver_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// atRoot sends a request past the prefix of the protocol.
func (c caller) atRoot(method, path, body string, headers ...string) answer {
	c.t.Helper()
	c.base = "http://registry:8761"
	return c.do(method, path, body, headers...)
}

// page reads the page as a browser would.
func (c caller) page(query string) *html.Node {
	c.t.Helper()
	got := c.atRoot("GET", "/"+query, "")
	require.Equal(c.t, 200, got.status)
	require.Equal(c.t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
	doc, err := html.Parse(strings.NewReader(got.body))
	require.NoError(c.t, err)
	return doc
}

// all returns the elements with a name and, if one is given, with an attribute
// that has a value.
func all(n *html.Node, name string, attribute ...string) []*html.Node {
	var found []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name && (len(attribute) == 0 || attr(d, attribute[0]) == attribute[1]) {
			found = append(found, d)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text returns the text in an element, with single spaces.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rows returns what stands in the tables, without their heads.
func rows(doc *html.Node) []string {
	var texts []string
	for _, body := range all(doc, "tbody") {
		for _, row := range all(body, "tr") {
			texts = append(texts, textOf(row))
		}
	}
	return texts
}

func zoned(id, zone string) edit {
	return edit{"instanceId": id, "metadata": map[string]any{"zone": zone, "version": "2.4"}}
}

func TestPageShowsTheRegistry(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		assert.Contains(t, textOf(c.page("")), "No instance has registered yet.")
		c.register("ORDERS", zoned("orders-1", "eu-1a"), edit{
			"port": map[string]any{"$": 8080, "@enabled": "true"}, "homePageUrl": "http://h1:8080/",
		})
		time.Sleep(20 * time.Second)
		c.register("ORDERS", zoned("orders-2", "eu-1b"), lease(60))
		c.register("PAYMENTS", edit{"status": "DOWN"})
		time.Sleep(10 * time.Second)

		doc := c.page("")
		assert.Equal(t, []string{
			"orders-1 10.0.0.7:8080 · h1 up eu-1a 1 min 0 s beat 30 s ago, every 30 s 30 s home raw metadata (2) version 2.4 zone eu-1a",
			"orders-2 10.0.0.7:7001 · h1 up eu-1b 50 s beat 10 s ago, every 30 s 10 s raw metadata (2) version 2.4 zone eu-1b",
			"i1 10.0.0.7:7001 · h1 down – 1 min 20 s beat 10 s ago, every 30 s – raw",
		}, rows(doc))
		assert.Equal(t, "60", attr(all(doc, "span", "class", "left")[0], "data-left"))
		assert.Equal(t, "ORDERS 2 up zones eu-1a, eu-1b", textOf(all(doc, "summary")[0]))
		assert.Equal(t, "2 up 1 down", textOf(all(doc, "nav", "id", "filters")[0]))
		assert.Equal(t, "Service registry", textOf(all(doc, "title")[0]))
		var changes []string
		for _, li := range all(all(doc, "ol")[0], "li") {
			changes = append(changes, textOf(li))
		}
		assert.Equal(t, []string{
			"00:00:20 i1 of PAYMENTS registered, down",
			"00:00:20 orders-2 of ORDERS registered, up",
			"00:00:00 orders-1 of ORDERS registered, up",
		}, changes)

		document := attr(all(all(doc, "tbody")[0], "a")[1], "href")
		assert.Contains(t, c.atRoot("GET", strings.TrimPrefix(document, "."), "").body, `"instanceId":"orders-1"`)

		c.status("PUT", "/apps/ORDERS/orders-1")
		assert.Contains(t, rows(c.page(""))[0], "1 min 30 s beat 0 s ago")
		c.status("DELETE", "/apps/PAYMENTS/i1")
		time.Sleep(50 * time.Second)
		assert.Len(t, rows(c.page("")), 1)
		assert.Contains(t, textOf(c.page("")), "orders-2 of ORDERS lease ended")
		assert.Contains(t, textOf(c.page("")), "i1 of PAYMENTS has left")
	})
}

func TestPageQuery(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("ORDERS", zoned("orders-1", "eu-1a"))
		c.register("ORDERS", zoned("orders-2", "eu-1b"))
		c.register("PAYMENTS", edit{"status": "DOWN", "instanceId": "payments-1", "ipAddr": "10.1.2.3"})
		for query, want := range map[string][]string{
			"?q=":                      {"orders-1", "orders-2", "payments-1"},
			"?q=EU-1B":                 {"orders-2"},
			"?q=zone%3Deu":             {"orders-1", "orders-2"},
			"?q=orders+eu-1a":          {"orders-1"},
			"?q=orders+10.1":           nil,
			"?q=10.1":                  {"payments-1"},
			"?q=down":                  {"payments-1"},
			"?status=DOWN":             {"payments-1"},
			"?status=STARTING":         nil,
			"?status=nonsense":         {"orders-1", "orders-2", "payments-1"},
			"?app=PAYMENTS":            {"payments-1"},
			"?app=NONE":                nil,
			"?page=7":                  {"orders-1", "orders-2", "payments-1"},
			"?page=-1":                 {"orders-1", "orders-2", "payments-1"},
			"?app=ORDERS&q=payments-1": nil,
		} {
			doc := c.page(query)
			var ids []string
			for _, row := range rows(doc) {
				id, _, _ := strings.Cut(row, " ")
				ids = append(ids, id)
			}
			assert.Equal(t, want, ids, query)
			if len(want) == 0 {
				assert.Contains(t, textOf(doc), "Nothing here matches.", query)
			}
		}
		doc := c.page("?q=a%22b&status=UP")
		assert.Equal(t, `a"b`, attr(all(doc, "input", "id", "q")[0], "value"))
		assert.Equal(t, "?q=a%22b", attr(all(doc, "a", "aria-current", "true")[0], "href"), "the filter that is on takes itself off")
	})
}

// What instances say of themselves is text, and nothing else.
func TestPageEscapes(t *testing.T) {
	const script = `"'><script>alert(1)</script><img src=x onerror=alert(1)>`
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("EVIL", edit{
			"instanceId": script, "hostName": script, "ipAddr": script, "vipAddress": script,
			"metadata":    map[string]any{script: script, "zone": script},
			"homePageUrl": "javascript:alert(1)", "statusPageUrl": "data:text/html," + script, "healthCheckUrl": "http://h/" + script,
		})
		for _, query := range []string{"", "?q=script", "?app=EVIL"} {
			doc := c.page(query)
			require.Len(t, rows(doc), 1, query)
			assert.Contains(t, rows(doc)[0], script)
			assert.Len(t, all(doc, "script"), 1, "the page's own")
			assert.Empty(t, all(doc, "img"))
			assert.Empty(t, all(doc, "style"))
			for d := range doc.Descendants() {
				for _, a := range d.Attr {
					assert.False(t, strings.HasPrefix(a.Key, "on") || a.Key == "style", "%s=%s", a.Key, a.Val)
					if a.Key == "href" {
						assert.Regexp(t, `^(\./|\?|#|page/|http://h/)`, a.Val)
					}
				}
			}
		}
		for _, q := range []string{"?q=%3Cscript%3E", "?app=%3Cscript%3E"} {
			assert.Len(t, all(c.page(q), "script"), 1)
		}
	}, eurekaserver.WithPage(eurekaserver.PageConfig{Operate: true, Title: "</title><script>"}))
}

// What is long is shortened, with the whole in the protocol's document.
func TestPageShortens(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		metadata := map[string]any{"long": strings.Repeat("x", 10_000)}
		for _, a := range "abcdefghijklmnopqrstuvwxyz" {
			for _, b := range "xyz" {
				metadata[string(a)+string(b)] = "1"
			}
		}
		c.register("ORDERS", edit{"instanceId": strings.Repeat("i", 2000), "metadata": metadata})
		got := c.atRoot("GET", "/", "")
		assert.Less(t, len(got.body), 20_000)
		assert.Contains(t, got.body, "metadata (79)")
		assert.Contains(t, got.body, "and 49 more, see raw")
	}, eurekaserver.WithPage(eurekaserver.PageConfig{Operate: true}))
}

func TestPageHeaders(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		for path, contentType := range map[string]string{
			"/": "text/html; charset=utf-8", "/page/style.css": "text/css; charset=utf-8",
			"/page/script.js": "text/javascript; charset=utf-8", "/page/icon.svg": "image/svg+xml",
		} {
			for _, method := range []string{"GET", "HEAD"} {
				got := c.atRoot(method, path, "")
				assert.Equal(t, 200, got.status, path)
				assert.Equal(t, contentType, got.header.Get("Content-Type"))
				policy := got.header.Get("Content-Security-Policy")
				assert.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self';")
				assert.Contains(t, policy, "frame-ancestors 'none'")
				assert.NotContains(t, policy, "unsafe")
				assert.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
				assert.Equal(t, "same-origin", got.header.Get("Referrer-Policy"))
				assert.Equal(t, "no-cache", got.header.Get("Cache-Control"))
				assert.Equal(t, method == "HEAD", got.body == "")
			}
		}
		// What the page refers to is there, and may be kept.
		doc := c.page("")
		for _, file := range []string{attr(all(doc, "script")[0], "src"), attr(all(doc, "link")[1], "href")} {
			got := c.atRoot("GET", "/"+file, "")
			assert.Equal(t, 200, got.status, file)
			assert.Contains(t, got.header.Get("Cache-Control"), "immutable")
		}
	})
}

func TestPageIsCompressed(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		got := c.atRoot("GET", "/", "", "Accept-Encoding: gzip")
		assert.Equal(t, "gzip", got.header.Get("Content-Encoding"))
		z, err := gzip.NewReader(bytes.NewReader([]byte(got.body)))
		require.NoError(t, err)
		plain, err := io.ReadAll(z)
		require.NoError(t, err)
		assert.Contains(t, string(plain), "<!DOCTYPE html>")
	})
}

// The protocol is asked first, and all that is neither is as it was.
func TestPageDoesNotDisturbTheProtocol(t *testing.T) {
	for _, prefix := range []string{"/eureka", "/", "/page"} {
		bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
			base := strings.TrimSuffix(prefix, "/")
			assert.Equal(t, "application/json", c.atRoot("GET", base+"/apps", "").header.Get("Content-Type"))
			assert.Equal(t, 200, c.atRoot("GET", "/", "").status)
			assert.Equal(t, 200, c.atRoot("GET", "/page/style.css", "").status)
			for _, path := range []string{"//", "/page", "/page/", "/page/page.html", "/nothing", base + "/nothing", "/page/../page/style.css", "/page/operate"} {
				got := c.atRoot("GET", path, "")
				assert.Equal(t, 404, got.status, path)
				assert.Empty(t, got.body)
				assert.Empty(t, got.header.Get("Content-Security-Policy"))
			}
			got := c.atRoot("POST", "/", "")
			assert.Equal(t, 405, got.status)
			assert.Equal(t, "GET, HEAD", got.header.Get("Allow"))
			assert.Equal(t, 405, c.atRoot("E", "/", "").status)
		}, eurekaserver.WithPrefix(prefix))
	}
}

func TestPageHidden(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		for _, path := range []string{"/", "/page/style.css", "/page/events", "/page/operate"} {
			assert.Equal(t, 404, c.atRoot("GET", path, "").status)
		}
		s.Close()
		assert.Equal(t, 503, c.atRoot("GET", "/", "").status)
	}, eurekaserver.WithPage(eurekaserver.PageConfig{Hidden: true, Operate: true}))
}

// Below a path of a larger site everything refers to where it is.
func TestPageBelowAPath(t *testing.T) {
	s := eurekaserver.New()
	defer s.Close()
	serve(t.Context(), s, "POST", "/apps/APP", body("APP"))
	site := http.StripPrefix("/registry", s)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	doc, err := html.Parse(get("/registry/").Body)
	require.NoError(t, err)
	base := &url.URL{Path: "/registry/"}
	checked := 0
	for d := range doc.Descendants() {
		for _, a := range d.Attr {
			if a.Key != "href" && a.Key != "src" && a.Key != "action" {
				continue
			}
			target, err := base.Parse(a.Val)
			require.NoError(t, err)
			target.Fragment = ""
			assert.Equal(t, 200, get(target.String()).Code, a.Val)
			checked++
		}
	}
	assert.Greater(t, checked, 6)
}

// The page is a list like others.
func TestPageIsLimited(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		assert.Equal(t, 200, c.atRoot("GET", "/", "").status)
		got := c.atRoot("GET", "/", "")
		assert.Equal(t, 429, got.status)
		assert.Equal(t, "10", got.header.Get("Retry-After"))
		assert.Equal(t, 200, c.atRoot("GET", "/page/style.css", "").status)
	}, eurekaserver.WithLimits(eurekaserver.Limits{Lists: eurekaserver.Rate{PerSecond: 0.1}}))
}
