package transport

import (
	"crypto/rand"
	"net/http"
	"time"
)

// DefaultStickyCookie is the name of the cookie of [WithStickyCookie].
const DefaultStickyCookie = "namesake-session"

// A StickyCookieConfig says what the cookie of [WithStickyCookie] looks like.
// The zero value means the defaults. It is always HttpOnly and SameSite=Lax.
type StickyCookieConfig struct {
	// Name of the cookie. Default, also for a name that no cookie can have:
	// [DefaultStickyCookie].
	Name string

	// Path below which it is brought along. Default: "/", everywhere.
	Path string

	// MaxAge is how long it is kept, in whole seconds, rounded up. It is not
	// renewed. The default, 0, is until the browser is closed, or the Jar gone.
	MaxAge time.Duration

	// Secure says that it is for https only. It always is for calls of https
	// URLs; set it where a proxy is called by https itself and calls by http.
	Secure bool
}

// WithStickyCookie keeps the calls of a session on one copy. A session is
// whoever brings the same cookie along: an http.Client with a Jar, or the user
// of a proxy whose transport this is. A call without the cookie begins a session,
// with a random name, and gets the cookie with its response, unless the server
// has set one of that name itself. The name tells nothing of the copies, and
// nothing is kept here: the copy follows from it, by a policy that picks by key
// ([balancer.RingHash] moves the fewest sessions when the set changes), which
// must be set with [WithPolicy]; with other policies the cookie has no effect.
//
// A session moves only when its copy leaves the set, or is not available; then
// all its calls go to the same other copy, and come back when it does. When a
// copy joins, it takes its share of the sessions of all others. What must not
// be lost then does not belong into the memory of a copy.
//
// It costs a few allocations for each call. It replaces [WithKey].
func WithStickyCookie(cfg StickyCookieConfig) ServiceOption {
	if (&http.Cookie{Name: cfg.Name, Value: "x"}).Valid() != nil {
		cfg.Name = DefaultStickyCookie
	}
	if cfg.Path == "" {
		cfg.Path = "/"
	}
	sticky := &stickyCookie{StickyCookieConfig: cfg, value: CookieKey(cfg.Name)}
	if cfg.MaxAge > 0 {
		sticky.seconds = int((cfg.MaxAge-1)/time.Second) + 1
	}
	return serviceOption(func(c *serviceConfig) { c.key, c.sticky = nil, sticky })
}

type stickyCookie struct {
	StickyCookieConfig
	value   func(*http.Request) string
	seconds int // of MaxAge
}

// session returns the name of the session that a request belongs to, and
// whether it is new.
func (s *stickyCookie) session(req *http.Request) (name string, fresh bool) {
	if name := s.value(req); name != "" {
		return name, false
	}
	return rand.Text(), true
}

// setCookie tells the caller of a new session.
func (c *call) setCookie(resp *http.Response) {
	s := c.service.cfg.sticky
	for _, cookie := range resp.Cookies() {
		if cookie.Name == s.Name {
			return
		}
	}
	header := resp.Header.Clone() // a base of the user's may have it elsewhere too
	if header == nil {
		header = make(http.Header)
	}
	cookie := http.Cookie{
		Name: s.Name, Value: c.affinity.key, Path: s.Path, MaxAge: s.seconds,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.Secure || c.req.URL.Scheme == "https",
	}
	header.Add("Set-Cookie", cookie.String())
	resp.Header = header
}
