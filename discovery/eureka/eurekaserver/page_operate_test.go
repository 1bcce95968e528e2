package eurekaserver_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

const asForm = "Content-Type: application/x-www-form-urlencoded"

// press sends the button of an instance as a browser would, with the fields
// that are on the page.
func (c caller) press(id, do string, headers ...string) answer {
	c.t.Helper()
	for _, form := range all(c.page(""), "form", "method", "post") {
		fields := make(url.Values)
		for _, in := range all(form, "input") {
			fields.Set(attr(in, "name"), attr(in, "value"))
		}
		button := all(form, "button")[0]
		if fields.Get("id") == id && attr(button, "value") == do {
			fields.Set(attr(button, "name"), do)
			return c.atRoot("POST", strings.TrimPrefix(attr(form, "action"), "."), fields.Encode(), append(headers, asForm)...)
		}
	}
	require.Fail(c.t, "no such button", "%s %s", id, do)
	return answer{}
}

func (c caller) send(fields string, headers ...string) answer {
	c.t.Helper()
	return c.atRoot("POST", "/page/operate", fields, append(headers, asForm)...)
}

func operating(t *testing.T, run func(t *testing.T, c caller, s *eurekaserver.Server)) {
	t.Helper()
	bubble(t, run, eurekaserver.WithPage(eurekaserver.PageConfig{Operate: true}))
}

func TestOperate(t *testing.T) {
	operating(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		got := c.press("i1", "out")
		assert.Equal(t, 303, got.status)
		assert.Regexp(t, `^\.\./\?#i-[0-9a-f]{16}$`, got.header.Get("Location"))
		assert.Equal(t, wire.OutOfService, c.instance("APP", "i1").Status)
		assert.Contains(t, rows(c.page(""))[0], "out of service by an operator")

		// As by the protocol, it stays out while it goes on living.
		time.Sleep(time.Minute)
		c.status("PUT", "/apps/APP/i1")
		c.register("APP")
		assert.Equal(t, wire.OutOfService, c.instance("APP", "i1").Status)

		assert.Equal(t, 303, c.press("i1", "back").status)
		assert.Equal(t, wire.Up, c.instance("APP", "i1").Status)
		assert.Equal(t, wire.Unknown, c.instance("APP", "i1").OverriddenStatus)
	})
}

// What has said that it is not ready does not get calls by a button.
func TestOperateLeavesTheUnreadyAlone(t *testing.T) {
	operating(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		c.press("i1", "out")
		c.register("APP", edit{"status": "DOWN"})
		assert.Equal(t, wire.Down, c.instance("APP", "i1").Status)
		c.press("i1", "back")
		assert.Equal(t, wire.Down, c.instance("APP", "i1").Status)
		assert.Empty(t, all(c.page(""), "form", "method", "post"))
	})
}

// Only the page itself sends its forms.
func TestOperateRefusesOtherSites(t *testing.T) {
	operating(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		for _, header := range []string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://elsewhere:8761", "Origin: http://registry", "Origin: null",
		} {
			got := c.send("app=APP&id=i1&do=out", header)
			assert.Equal(t, 403, got.status, header)
			assert.Contains(t, got.body, "another site")
			assert.Equal(t, wire.Up, c.instance("APP", "i1").Status)
		}
		for _, header := range []string{"Sec-Fetch-Site: same-origin", "Origin: http://registry:8761"} {
			assert.Equal(t, 303, c.send("app=APP&id=i1&do=out", header).status, header)
			assert.Equal(t, wire.OutOfService, c.instance("APP", "i1").Status)
			assert.Equal(t, 303, c.send("app=APP&id=i1&do=back", header).status, header)
		}
	})
}

func TestOperateRefusesWhatItDoesNotKnow(t *testing.T) {
	operating(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		for fields, want := range map[string]int{
			"app=APP&id=none&do=out": 404, "app=APP&id=none&do=back": 404, "app=NONE&id=i1&do=out": 404,
			"app=APP&id=i1": 400, "app=APP&id=i1&do=delete": 400, "%zz": 400, "": 400,
			"app=APP&id=i1&do=out&x=" + strings.Repeat("x", 20_000): 400,
		} {
			assert.Equal(t, want, c.send(fields).status, "%.40s", fields)
		}
		assert.Equal(t, 400, c.atRoot("POST", "/page/operate?app=APP&id=i1&do=out", "", asForm).status, "a link is no form")
		assert.Equal(t, 400, c.atRoot("POST", "/page/operate", `{"do":"out"}`, asJSON).status)
		got := c.atRoot("GET", "/page/operate?app=APP&id=i1&do=out", "")
		assert.Equal(t, 405, got.status)
		assert.Equal(t, "POST", got.header.Get("Allow"))
		assert.Equal(t, wire.Up, c.instance("APP", "i1").Status)
	})
}

// The answer leads back to the same part of the page, and nowhere else.
func TestOperateLeadsBack(t *testing.T) {
	operating(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		for page, want := range map[string]string{
			"?app=APP&page=2&q=a+b": "../?app=APP&page=2&q=a+b#i-",
			"//elsewhere/":          "../?#i-",
			"https://elsewhere/?q=": "../?#i-",
			"?q=\r\nX: y":           "../?q=X%3A+y#i-",
		} {
			got := c.send("app=APP&id=i1&do=out&page=" + url.QueryEscape(page))
			assert.Equal(t, 303, got.status)
			assert.Contains(t, got.header.Get("Location"), want)
			assert.Empty(t, got.header.Get("X"))
		}
	})
}

// Who may only read finds neither the buttons nor what is behind them.
func TestOperateIsOffUnlessAllowed(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		assert.Empty(t, all(c.page(""), "form", "method", "post"))
		assert.Equal(t, 404, c.send("app=APP&id=i1&do=out", "Sec-Fetch-Site: same-origin").status)
		assert.Equal(t, wire.Up, c.instance("APP", "i1").Status)
	})
}

// Who has no right to read sees nothing, and who has none to operate has no
// buttons and may send no forms.
func TestPageAccess(t *testing.T) {
	users := eurekaserver.BasicAuth(
		eurekaserver.User{Caller: eurekaserver.Caller{Name: "writer", Grant: eurekaserver.Write}, Password: "w"},
		eurekaserver.User{Caller: eurekaserver.Caller{Name: "reader", Grant: eurekaserver.Read}, Password: "r"},
		eurekaserver.User{Caller: eurekaserver.Caller{Name: "owner", Grant: eurekaserver.Read | eurekaserver.Operate, Apps: []string{"mine"}}, Password: "o"},
	)
	as := func(name string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+name[:1]))
	}
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		for _, app := range []string{"MINE", "OTHER"} {
			require.Equal(t, 204, c.do("POST", "/apps/"+app, body(app), asJSON, as("writer")).status)
		}
		for _, path := range []string{"/", "/page/events"} {
			got := c.atRoot("GET", path, "")
			assert.Equal(t, 401, got.status)
			assert.Contains(t, got.header.Get("WWW-Authenticate"), "Basic")
			assert.Equal(t, 403, c.atRoot("GET", path, "", as("writer")).status)
		}
		assert.Equal(t, 200, c.atRoot("GET", "/page/style.css", "").status)
		for name, buttons := range map[string]int{"reader": 0, "owner": 1} {
			doc, err := html.Parse(strings.NewReader(c.atRoot("GET", "/", "", as(name)).body))
			require.NoError(t, err)
			assert.Len(t, rows(doc), 2)
			assert.Len(t, all(doc, "form", "method", "post"), buttons, name)
		}
		assert.Equal(t, 401, c.send("app=MINE&id=i1&do=out").status)
		assert.Equal(t, 403, c.send("app=MINE&id=i1&do=out", as("reader")).status)
		assert.Equal(t, 403, c.send("app=OTHER&id=i1&do=out", as("owner")).status)
		assert.Equal(t, 403, c.send("app=MINE&id=i1&do=out", as("owner"), "Sec-Fetch-Site: cross-site").status)
		assert.Equal(t, 303, c.send("app=MINE&id=i1&do=out", as("owner")).status)
	}, eurekaserver.WithAccess(users), eurekaserver.WithPage(eurekaserver.PageConfig{Operate: true}))
}

// A form has as little time to arrive as any other body.
func TestOperateDoesNotWaitForASlowForm(t *testing.T) {
	operating(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		form, writer := io.Pipe()
		go func() { _, _ = io.WriteString(writer, "app=") }()
		defer func() { assert.NoError(t, writer.Close()) }()
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://registry:8761/page/operate", form)
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		begin := time.Now()
		resp, err := c.client.Do(req)
		require.NoError(t, err)
		assert.Equal(t, 408, resp.StatusCode)
		assert.NoError(t, resp.Body.Close())
		assert.Equal(t, 10*time.Second, time.Since(begin))
	})
}

// Presses of buttons are counted as what they are.
func TestOperateIsCounted(t *testing.T) {
	operating(t, func(t *testing.T, c caller, s *eurekaserver.Server) {
		c.register("APP")
		c.press("i1", "out")
		assert.Contains(t, s.Stats().Requests, eurekaserver.RequestCount{Method: "POST", Resource: "other", Status: 303, Count: 1})
	})
}
