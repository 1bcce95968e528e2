package transport

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
)

// maxServices bounds the names for which a Transport keeps state. A program
// calls tens of services; a thousand means that names come from outside.
const maxServices = 1000

// A Transport is an http.RoundTripper that takes the host of a URL for the
// name of a service and sends the call to one of its copies. Use it as the
// Transport of an http.Client. It is safe for concurrent use, and meant to be
// made once and shared.
type Transport struct {
	watcher discovery.Watcher
	cfg     *config

	ctx    context.Context // done when the Transport is closed
	cancel context.CancelCauseFunc

	budget   *resilience.Budget                  // of all services, or nil
	services atomic.Pointer[map[string]*service] // replaced, never changed
	conns    atomic.Int64                        // open now, of all pools

	mu     sync.Mutex // serializes writers of services; guards closed
	closed bool
	wg     sync.WaitGroup // all goroutines; grows under mu while not closed
}

// New returns a Transport that learns from watcher where the copies of
// services run. It does nothing yet: the first call for a service begins to
// watch it. Without options every default holds, see the table in the
// package's documentation. Close it when it is no longer needed.
//
// New panics if watcher is nil.
func New(watcher discovery.Watcher, opts ...Option) *Transport {
	if watcher == nil {
		panic("transport: New without a watcher")
	}
	t := &Transport{watcher: watcher, cfg: newConfig(opts)}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	if t.cfg.totalBudget != nil {
		t.budget = resilience.NewBudget(*t.cfg.totalBudget)
	}
	t.services.Store(&map[string]*service{})
	return t
}

// RoundTrip sends a call to a copy of the service that the URL's host names,
// and to another one if that is needed, allowed and within the budget. As
// http.RoundTripper demands, it does not change the request, closes its body
// in any case, and returns responses of every status without an error: when
// attempts run out on a 503, that 503 is returned. Errors are of type *[Error].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	for {
		s, err := t.service(req)
		switch {
		case err != nil:
			closeBody(req)
			return nil, err
		case s == nil:
			return t.cfg.outside.base.RoundTrip(req)
		}
		resp, err := s.call(req)
		switch {
		case err == nil:
			return resp, nil
		case err == errForgotten: //nolint:errorlint // a marker, never wrapped
		case s.cfg.fallback != nil:
			return s.fallBack(req, err)
		default:
			return nil, err
		}
	}
}

// service returns the state of the service that a request calls, and begins to
// watch one that is called for the first time. It is nil for a request that
// passes through.
func (t *Transport) service(req *http.Request) (*service, error) {
	if req.URL == nil {
		return nil, &Error{Err: errNoURL}
	}
	// Names are canonical nearly always, and a host without a port that is in
	// the map is its own canonical name.
	if s := (*t.services.Load())[req.URL.Host]; s != nil && strings.IndexByte(req.URL.Host, ':') < 0 &&
		(req.URL.Scheme == "http" || req.URL.Scheme == "https") {
		return s, nil
	}
	name, err := serviceName(req.URL)
	if err != nil {
		return nil, &Error{Service: req.URL.Host, Err: err}
	}
	if s := (*t.services.Load())[name]; s != nil {
		return s, nil
	}
	if t.cfg.outside.has(req.URL) {
		if t.ctx.Err() != nil {
			return nil, &Error{Service: name, Err: ErrClosed}
		}
		return nil, nil
	}
	if s := t.ownerOf(req.URL); s != nil {
		if !t.cfg.mapsAddresses {
			return nil, &Error{Service: name, Err: ErrEndpointAddress}
		}
		return s, nil
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	services := *t.services.Load()
	switch s := services[name]; {
	case s != nil:
		return s, nil
	case t.closed:
		return nil, &Error{Service: name, Err: ErrClosed}
	case len(services) >= maxServices:
		return nil, &Error{Service: name, Err: ErrTooManyServices}
	}
	s := newService(t, name)
	services = maps.Clone(services)
	services[name] = s
	t.services.Store(&services)
	t.wg.Go(s.watch)
	return s, nil
}

// ownerOf returns the service that has an endpoint at the URL's own address.
func (t *Transport) ownerOf(u *url.URL) *service {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	for _, s := range *t.services.Load() {
		for _, l := range s.links() {
			if strings.EqualFold(l.endpoint.Addr(), addr) {
				return s
			}
		}
	}
	return nil
}

// forget drops the state of a service.
func (t *Transport) forget(s *service) {
	t.mu.Lock()
	defer t.mu.Unlock()
	services := maps.Clone(*t.services.Load())
	if services[s.name] == s {
		delete(services, s.name)
		t.services.Store(&services)
	}
}

// start runs f on a goroutine that Close waits for. It reports false, without
// running it, if the Transport has been closed.
func (t *Transport) start(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.wg.Go(f)
	return true
}

// CloseIdleConnections closes the connections that wait for their next call.
// http.Client's method of the same name calls it.
func (t *Transport) CloseIdleConnections() {
	if t.cfg.base != nil {
		closeIdle(t.cfg.base)
		return
	}
	for _, s := range *t.services.Load() {
		for _, l := range s.links() {
			l.closeIdleConnections()
		}
	}
}

// Close ends the watches, makes calls fail with [ErrClosed] from now on, closes
// idle connections, and waits until all goroutines of the Transport have
// ended. Attempts that are in flight go on, and their connections close when
// they end; calls that wait for something else fail. Close may be called more
// than once, but not from a hook.
func (t *Transport) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, s := range *t.services.Load() {
		s.shut(ErrClosed)
	}
	t.cancel(ErrClosed) // after that, so that what watchers say of it is not heard
	t.wg.Wait()
}

func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the caller's; its error is the caller's business
	}
}
