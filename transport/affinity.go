package transport

import (
	"net/http"

	"github.com/namesake-go/namesake/balancer"
)

// WithKey has a function say which calls belong together, such as those of one
// user or for one document. With a policy that picks by key ([balancer.Maglev],
// [balancer.RingHash], [balancer.Rendezvous]) calls of the same key go to the
// same copy, whoever makes them, as long as it is available; other policies do
// not look at keys. Calls for which key returns "" have none, and go wherever
// there is least to wait.
//
// Key is called once for each call, before its first attempt, by many goroutines
// at once, and must not change the request. The default, nil, is no keys. It
// replaces [WithStickyCookie].
func WithKey(key func(*http.Request) string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.key, c.sticky = key, nil })
}

// HeaderKey returns a function for [WithKey] whose key is the first value of a
// header.
func HeaderKey(name string) func(*http.Request) string {
	name = http.CanonicalHeaderKey(name)
	return func(req *http.Request) string {
		if values := req.Header[name]; len(values) > 0 {
			return values[0]
		}
		return ""
	}
}

// CookieKey returns a function for [WithKey] whose key is the value of a cookie
// that servers set and the caller brings along, as http.Client does with a Jar.
// [WithStickyCookie] is for where no server does.
func CookieKey(name string) func(*http.Request) string {
	return func(req *http.Request) string {
		cookie, err := req.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	}
}

// WithClass has a function say of what kind a call is, such as its route, so
// that a policy can tell an expensive call from a slow copy; of those in package
// balancer, [balancer.ShortestExpectedDelay] does. "" is a call without a class.
// There are at most 64 classes of a service, and all further ones count as one
// (see [balancer.Service.Class]): do not return what has an identifier in it.
//
// Class is called as the function of [WithKey] is. The default, nil, is no
// classes.
func WithClass(class func(*http.Request) string) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.class = class })
}

// keyed reports whether calls of the service may have keys.
func (c *serviceConfig) keyed() bool { return c.key != nil || c.sticky != nil }

// An affinity is what a call belongs to. It stays the same for all attempts.
type affinity struct {
	known bool // the rest is
	fresh bool // the key is of a new session, and the caller is to be told
	key   string
	class *balancer.Class
}

// identify finds out what the call belongs to, the first time.
func (c *call) identify() {
	cfg := c.service.cfg
	if c.affinity.known || !cfg.keyed() && cfg.class == nil {
		return
	}
	a := &c.affinity
	a.known = true
	switch {
	case cfg.sticky != nil:
		a.key, a.fresh = cfg.sticky.session(c.req)
	case cfg.key != nil:
		a.key = cfg.key(c.req)
	}
	if cfg.class != nil {
		if name := cfg.class(c.req); name != "" {
			a.class = c.service.balancer.Class(name)
		}
	}
}
