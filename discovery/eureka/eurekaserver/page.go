package eurekaserver

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// PageConfig sets up the page that the server shows to browsers at "/". The
// zero value is a page to read.
type PageConfig struct {
	// Hidden takes the page away: "/" is 404 like any other path outside the
	// prefix.
	Hidden bool

	// Title is what the page calls the registry, such as "Production, eu-1".
	// Empty means "Service registry".
	Title string

	// Operate puts buttons on the page that take instances out of service and
	// back. They do what PUT and DELETE .../status of the protocol do, for who
	// may do that: see [WithAccess]. Browsers are kept from sending them on
	// behalf of other sites. Behind a proxy this works if it passes on the
	// Host that the browser has sent.
	Operate bool

	// Listeners is how many browsers may be told of changes as they happen,
	// each at the cost of a connection and a goroutine. Pages beyond that
	// still reload what they show every few seconds. Zero means 100. Negative
	// means none. Of one client no more are told than may wait at once: see
	// [Limits].
	Listeners int
}

// WithPage sets up the page at "/".
func WithPage(c PageConfig) Option {
	return optionFunc(func(s *settings) { s.page = c })
}

// The paths below "/" that belong to the page. The protocol has none of them,
// whatever its prefix is, and is asked first.
const (
	pagePath    = "/"
	pageEvents  = "/page/events"
	pageOperate = "/page/operate"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.New("page.html").Funcs(pageFuncs).ParseFS(pageFiles, "page/page.html"))

// An asset is a file that the page refers to.
type asset struct {
	contentType string
	data        []byte
	version     string // in the links to it, so that browsers may keep it for good
}

// assets are the files that browsers may have, by path.
var assets = map[string]asset{
	"/page/style.css": newAsset("page/style.css", "text/css; charset=utf-8"),
	"/page/script.js": newAsset("page/script.js", "text/javascript; charset=utf-8"),
	"/page/icon.svg":  newAsset("page/icon.svg", "image/svg+xml"),
}

func newAsset(name, contentType string) asset {
	data, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) //nolint:forbidigo // the compiler has put it there
	}
	sum := sha256.Sum256(data)
	return asset{contentType: contentType, data: data, version: hex.EncodeToString(sum[:6])}
}

// assetURL returns where the page finds one of its files. It is relative, so
// that the page can be served below any path.
func assetURL(name string) string {
	return path.Join("page", name) + "?v=" + assets["/page/"+name].version
}

// A page shows the registry to people.
type page struct {
	server      *Server
	config      PageConfig
	listening   *waiters // streams of events
	crossOrigin *http.CrossOriginProtection
	listings    listings
}

func newPage(s *Server, c PageConfig) *page {
	if c.Title == "" {
		c.Title = "Service registry"
	}
	if c.Listeners == 0 {
		c.Listeners = 100
	}
	return &page{
		server:      s,
		config:      c,
		listening:   newWaiters(max(c.Listeners, 0), s.settings.limits.WaitersPerClient),
		crossOrigin: http.NewCrossOriginProtection(),
		listings:    listings{registry: s.registry},
	}
}

// operable returns of which applications the sender of a request, who may
// read, may take instances out of service.
func (p *page) operable(r *http.Request) func(app string) bool {
	s := p.server
	switch {
	case !p.config.Operate:
		return func(string) bool { return false }
	case s.settings.access == nil:
		return func(string) bool { return true }
	}
	caller, err := s.authenticate(r)
	return func(app string) bool {
		return err == nil && caller.Grant&Operate != 0 && caller.owns([]string{app})
	}
}

// ServeHTTP answers what the protocol has no resource for.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.config.Hidden {
		empty(w, http.StatusNotFound)
		return
	}
	file, isAsset := assets[r.URL.Path]
	methods, handle := []string{http.MethodGet, http.MethodHead}, p.show
	switch {
	case isAsset:
		handle = func(w http.ResponseWriter, r *http.Request) { serveAsset(w, r, file) }
	case r.URL.Path == pagePath:
	case r.URL.Path == pageEvents:
		methods, handle = methods[:1], p.events
	case r.URL.Path == pageOperate && p.config.Operate:
		methods, handle = []string{http.MethodPost}, p.operate
	default:
		empty(w, http.StatusNotFound)
		return
	}
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		empty(w, http.StatusMethodNotAllowed)
		return
	}
	// The files of the page are no secret. A form names the application by
	// which it is judged, and is judged where it is read.
	public := isAsset || r.URL.Path == pageOperate
	if public || p.server.authorize(w, r, Read, nil) {
		protect(w.Header())
		handle(w, r)
	}
}

// protect tells browsers to run and load nothing but the page's own files,
// whatever comes to stand in it.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// Not "no-referrer", with which browsers leave the Origin out of forms: it
	// is what tells our own from those of others where there is no TLS.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
}

func serveAsset(w http.ResponseWriter, r *http.Request, a asset) {
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	respond(w, http.StatusOK, a.contentType, a.data)
}

// show: GET /
func (p *page) show(w http.ResponseWriter, r *http.Request) {
	if !p.server.mayList(w, r) {
		return
	}
	p.render(w, r, p.view(p.facts(), readPageQuery(r.URL.Query()), p.operable(r)))
}

func (p *page) render(w http.ResponseWriter, r *http.Request, v *pageView) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		p.server.settings.logger.Error("page not written", "error", err)
		empty(w, http.StatusInternalServerError)
		return
	}
	body, zipped := b.Bytes(), acceptsGzip(r.Header)
	if zipped {
		body = compress(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Add("Vary", "Accept-Encoding")
	respond(w, http.StatusOK, "text/html; charset=utf-8", body)
}

// refuse answers a request that a person has made with the reason why not.
func refuse(w http.ResponseWriter, status int, why string) {
	respond(w, status, "text/plain; charset=utf-8", []byte(why+"\n"))
}

// since returns how long ago t was, and zero if it has not been.
func since(now, t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(now.Sub(t), 0)
}
