package pagetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// A registry is a server under test.
type registry struct {
	t      *testing.T
	server *eurekaserver.Server
	url    string
}

func serve(t *testing.T, c eurekaserver.PageConfig) registry {
	t.Helper()
	s := eurekaserver.New(eurekaserver.WithPage(c))
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	r := registry{t, s, server.URL}
	for i := range 3 {
		r.register("orders", fmt.Sprintf("orders-%d", i+1), map[string]any{
			"metadata": map[string]any{"zone": fmt.Sprintf("eu-1%c", 'a'+i), "version": "2.4.1", "commit": "9f3c2e1"},
		})
	}
	r.register("payments", "payments-1", map[string]any{"status": "DOWN"})
	return r
}

// do sends a request by the protocol.
func (r registry) do(method, path, body string) string {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, "/eureka/"+path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, req)
	require.Less(r.t, w.Code, 300, "%s %s", method, path)
	return w.Body.String()
}

func (r registry) register(app, id string, edits ...map[string]any) {
	r.t.Helper()
	in := map[string]any{
		"instanceId": id, "app": strings.ToUpper(app), "hostName": id + ".internal", "ipAddr": "10.0.0.7", "status": "UP",
		"port": map[string]any{"$": 8080, "@enabled": "true"}, "vipAddress": app,
		"homePageUrl": "http://" + id + ".internal:8080/", "healthCheckUrl": "http://" + id + ".internal:8080/health",
		"dataCenterInfo": map[string]any{"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
	}
	for _, e := range edits {
		maps.Copy(in, e)
	}
	body, err := json.Marshal(map[string]any{"instance": in})
	require.NoError(r.t, err)
	r.do(http.MethodPost, "apps/"+app, string(body))
}

// row is the row of the table in which an instance stands, as a script.
func row(id string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("tbody tr")].find(r => r.querySelector("th").textContent.includes(%q))`, id)
}

func pill(id, status string) string {
	return fmt.Sprintf(`%s?.querySelector(".pill").textContent === %q`, row(id), status)
}

func TestPage(t *testing.T) {
	b := browser(t)

	t.Run("shows the applications", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Title: "Staging, eu-1"})
		p := open(t, b, r.url)
		assert.Equal(t, "Staging, eu-1", eval[string](p, `document.title`))
		assert.Equal(t, []string{"ORDERS", "PAYMENTS"}, eval[[]string](p, `[...document.querySelectorAll("details.application h3")].map(e => e.textContent)`))
		assert.Equal(t, 4, eval[int](p, `document.querySelectorAll("tbody tr").length`))
		assert.True(t, eval[bool](p, pill("orders-1", "up")))
		assert.True(t, eval[bool](p, pill("payments-1", "down")))
		assert.Equal(t, 0, eval[int](p, `document.forms.length - 1`), "buttons")
		p.until(`document.getElementById("connection").textContent === "Live"`)
	})

	t.Run("counts leases down", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{})
		p := open(t, b, r.url)
		left := row("orders-1") + `.querySelector(".left").textContent`
		first := eval[string](p, left)
		p.until(fmt.Sprintf(`%s !== %q`, left, first))
	})

	t.Run("shows what has changed without a reload", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{})
		p := open(t, b, r.url)
		p.until(`document.getElementById("connection").textContent === "Live"`)
		p.script(`window.same = true; document.querySelector(".details details").open = true`)
		r.register("orders", "orders-9")
		p.until(row("orders-9") + ` !== undefined`)
		p.until(`document.querySelector("#change-list li").textContent.includes("orders-9")`)
		p.until(`document.getElementById("announcement").textContent.includes("orders-9")`)
		r.do(http.MethodDelete, "apps/ORDERS/orders-2", "")
		p.until(row("orders-2") + ` === undefined`)
		assert.True(t, eval[bool](p, `window.same && document.querySelector(".details details").open`), "what was unfolded stays")
	})

	t.Run("reloads where it is not told of changes", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Listeners: -1})
		p := open(t, b, r.url)
		p.until(`document.getElementById("connection").textContent === "Every few seconds"`)
		r.register("orders", "orders-9")
		p.until(row("orders-9") + ` !== undefined`)
		p.forgive("503 (Service Unavailable)")
	})

	t.Run("searches while somebody types", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{})
		p := open(t, b, r.url)
		p.run(chromedp.SendKeys(chromedp.CSS("#q"), "zone=eu-1b"))
		p.until(`document.querySelectorAll("tbody tr").length === 1`)
		assert.True(t, eval[bool](p, pill("orders-2", "up")))
		assert.Equal(t, "?q=zone%3Deu-1b", eval[string](p, `location.search`))
		assert.Equal(t, "q", eval[string](p, `document.activeElement.id`), "the focus stays")
		p.run(chromedp.SendKeys(chromedp.CSS("#q"), "x"))
		p.until(`document.querySelector(".applications .nothing") !== null`)
	})

	t.Run("takes an instance out of service and back", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		p := open(t, b, r.url)
		p.script(`window.same = true`)
		p.script(row("orders-3") + `.querySelector("button").click()`)
		p.until(pill("orders-3", "out of service"))
		assert.Contains(t, r.do(http.MethodGet, "apps/ORDERS/orders-3", ""), `"status":"OUT_OF_SERVICE"`)
		p.picture("page-operate")
		p.script(row("orders-3") + `.querySelector("button").click()`)
		p.until(pill("orders-3", "up"))
		assert.Contains(t, r.do(http.MethodGet, "apps/ORDERS/orders-3", ""), `"status":"UP"`)
		assert.True(t, eval[bool](p, `window.same`))
	})

	t.Run("fits a phone", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		r.register("a-service-with-a-name-that-somebody-has-made-up-on-a-long-day", strings.Repeat("very-long-name-", 12))
		p := open(t, b, r.url, viewport(390, 844))
		assert.LessOrEqual(t, eval[int](p, `document.documentElement.scrollWidth`), 390)
		assert.Empty(t, eval[[]string](p, `[...document.querySelectorAll("main *:not(.unseen, progress)")].filter(e => e.getBoundingClientRect().right > 391).map(e => e.outerHTML.slice(0, 80))`))
		p.picture("page-phone")
	})

	t.Run("fits windows of all sizes", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		for _, width := range []int64{700, 1057, 1409, 1440, 2560} {
			p := open(t, b, r.url, viewport(width, 800))
			assert.LessOrEqual(t, eval[int64](p, `document.documentElement.scrollWidth`), width)
			assert.GreaterOrEqual(t, eval[float64](p, `document.querySelector("tbody th").getBoundingClientRect().width`), 200.0, "room for names at %d", width)
		}
	})

	t.Run("stays usable with 10,000 instances", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		for i := range 10_000 {
			r.register(fmt.Sprintf("app-%d", i/100), fmt.Sprintf("i-%d", i))
		}
		p := open(t, b, r.url)
		assert.Less(t, eval[int](p, `document.querySelectorAll("*").length`), 10_000)
		p.until(`document.getElementById("connection").textContent === "Live"`)
		p.run(chromedp.SendKeys(chromedp.CSS("#q"), "i-7042"))
		p.until(`document.querySelectorAll("tbody tr").length === 1`)
		p.script(row("i-7042") + `.querySelector("button").click()`)
		p.until(pill("i-7042", "out of service"))
	})

	t.Run("is dark where that is preferred", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		for _, theme := range []string{"light", "dark"} {
			p := open(t, b, r.url, prefer(theme))
			rgb := eval[[]int](p, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)`)
			require.Len(t, rgb, 3)
			for _, c := range rgb {
				assert.Equal(t, theme == "dark", c < 64, "%s: %v", theme, rgb)
			}
			p.picture("page-" + theme)
		}
	})

	t.Run("is legible without scripts", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		p := open(t, b, r.url, withoutScripts)
		text := p.text("main")
		for _, want := range []string{"ORDERS", "orders-1", "eu-1a", "10.0.0.7:8080", "1 min", "payments-1"} {
			assert.Contains(t, text, want)
		}
		p.picture("page-noscript")
		// The buttons are forms, and the search is one.
		p.run(chromedp.Click(chromedp.CSS(`form[data-operate] button`)), chromedp.WaitVisible(chromedp.CSS(`tr.out`)))
		assert.Contains(t, r.do(http.MethodGet, "apps/ORDERS", ""), `"status":"OUT_OF_SERVICE"`)
		p.run(chromedp.SendKeys(chromedp.CSS("#q"), "payments\r"), chromedp.WaitNotPresent(chromedp.CSS(`tr.up`)))
		assert.Contains(t, p.text("#applications"), "payments-1")
	})

	t.Run("runs nothing that instances say", func(t *testing.T) {
		r := serve(t, eurekaserver.PageConfig{Operate: true})
		p := open(t, b, r.url)
		p.until(`document.getElementById("connection").textContent === "Live"`)
		const script = `"><img src=x onerror=window.owned=1><script>window.owned=1</script>`
		r.register("evil", script, map[string]any{
			"homePageUrl": "javascript:window.owned=1", "statusPageUrl": "data:text/html," + script,
			"metadata": map[string]any{script: script, "zone": script},
		})
		p.until(row("onerror") + ` !== undefined`)
		p.run(chromedp.Navigate(r.url))
		assert.True(t, eval[bool](p, `window.owned === undefined`))
		assert.Equal(t, 0, eval[int](p, `document.querySelectorAll("main script, main img").length`))
		assert.Empty(t, eval[[]string](p, `[...document.links].map(a => a.protocol).filter(s => s !== "http:" && s !== "https:")`))
	})
}
