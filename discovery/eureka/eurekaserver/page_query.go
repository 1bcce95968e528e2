package eurekaserver

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A pageQuery says which part of the registry somebody wants to see. It is
// what stands behind the "?" of the page.
type pageQuery struct {
	Text   string // words that all have to be found in an instance
	Status wire.Status
	App    string // the one application to show in full
	Page   int    // from 1
}

const (
	maxQueryText  = 200
	maxQueryWords = 8
)

func readPageQuery(values url.Values) pageQuery {
	q := pageQuery{
		Text:   clip(strings.TrimSpace(values.Get("q")), maxQueryText),
		Status: wire.Status(values.Get("status")),
		App:    values.Get("app"),
		Page:   1,
	}
	if !known(q.Status) {
		q.Status = ""
	}
	if n, err := strconv.Atoi(values.Get("page")); err == nil && n > 1 {
		q.Page = n
	}
	return q
}

// Link returns the query as the page's own links have it.
func (q pageQuery) Link() string {
	values := make(url.Values)
	if q.Text != "" {
		values.Set("q", q.Text)
	}
	if q.Status != "" {
		values.Set("status", string(q.Status))
	}
	if q.App != "" {
		values.Set("app", q.App)
	}
	if q.Page > 1 {
		values.Set("page", strconv.Itoa(q.Page))
	}
	return "?" + values.Encode()
}

func (q pageQuery) withStatus(status wire.Status) pageQuery {
	q.Status, q.Page = status, 1
	return q
}

// WithApp returns the query about one application, or about all if it is "".
func (q pageQuery) WithApp(app string) pageQuery {
	q.App, q.Page = app, 1
	return q
}

func (q pageQuery) withPage(n int) pageQuery {
	q.Page = n
	return q
}

// Filters reports whether the query leaves instances out.
func (q pageQuery) Filters() bool { return q.Text != "" || q.Status != "" }

// choose returns the applications that the query is about, each with those of
// its instances that it is about, and how many these are.
func (q pageQuery) choose(apps []listedApp) (chosen []listedApp, instances int) {
	words := strings.Fields(strings.ToLower(q.Text))
	words = words[:min(len(words), maxQueryWords)]
	for _, app := range apps {
		if q.App != "" && q.App != app.name {
			continue
		}
		if q.Filters() {
			app.instances = q.among(app.instances, words)
		}
		if len(app.instances) > 0 {
			chosen = append(chosen, app)
			instances += len(app.instances)
		}
	}
	return chosen, instances
}

func (q pageQuery) among(all []*wire.Instance, words []string) []*wire.Instance {
	var found []*wire.Instance
	for _, in := range all {
		if q.Status != "" && in.Status != q.Status {
			continue
		}
		if matches(in, words) {
			found = append(found, in)
		}
	}
	return found
}

// matches reports whether each of the words, in lower case, is somewhere in
// what the page shows of the instance.
func matches(in *wire.Instance, words []string) bool {
	for _, word := range words {
		if !mentions(in, word) {
			return false
		}
	}
	return true
}

func mentions(in *wire.Instance, word string) bool {
	has := func(text string) bool { return strings.Contains(strings.ToLower(clip(text, maxShownText)), word) }
	if has(in.App) || has(in.ID()) || has(address(in)) || has(in.HostName) || has(in.IPAddr) ||
		has(string(in.Status)) || has(zone(in)) || has(in.VIPAddress) {
		return true
	}
	for name, value := range in.Metadata {
		if has(name + "=" + value) {
			return true
		}
	}
	return false
}
