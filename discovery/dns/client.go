package dns

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

// A Client follows services in DNS. It is a [discovery.Watcher], whose methods
// may be called concurrently. It holds nothing while nothing is watched, so
// there is nothing to close.
type Client struct {
	config
	pattern pattern
	port    uint16 // of hosts; 0 for SRV records, which have one each
	servers *pool
	shared  discovery.Watcher
}

var _ discovery.Watcher = (*Client)(nil)

// NewSRV returns a client that looks for SRV records, which say where each
// copy listens, with its priority and weight. The pattern becomes their name
// when each "%s" in it is replaced by the service's name:
//
//	dns.NewSRV("_%s._tcp.example.internal")                  // RFC 2782
//	dns.NewSRV("_http._tcp.%s.default.svc.cluster.local")    // Kubernetes, headless
//	dns.NewSRV("_%s._tcp.service.consul", dns.WithServers("127.0.0.1:8600"), dns.WithTCP())
//
// Names are absolute, with or without a dot at the end: no search list of the
// machine is applied. NewSRV does no I/O. A pattern or an option that cannot be
// used is reported by each watch.
func NewSRV(pattern string, opts ...Option) *Client { return newClient(pattern, 0, true, opts) }

// NewHost returns a client that looks for the addresses of a name, each of
// which is a copy that listens at port. The pattern is as with [NewSRV]:
//
//	dns.NewHost("%s.example.internal", 8080)
//	dns.NewHost("%s.default.svc.cluster.local", 8080)    // Kubernetes, headless
//	dns.NewHost("%s", 8080)                              // the service's name is the whole name
//
// [WithFamily] chooses between IPv4 and IPv6 addresses.
func NewHost(pattern string, port uint16, opts ...Option) *Client {
	return newClient(pattern, port, false, opts)
}

func newClient(text string, port uint16, srv bool, opts []Option) *Client {
	c := &Client{config: newConfig(opts), pattern: newPattern(text, srv), port: port}
	if !srv && port == 0 && c.pattern.unusable == nil {
		c.pattern.unusable = errNoPort
	}
	c.servers = newPool(c.config.servers, c.resolvConf, c.log)
	c.shared = discovery.Share(discovery.WatcherFunc(c.follow))
	return c
}

// Watch follows the copies of a service. Case does not matter. All watches of
// a service share one loop, which runs while there is one.
//
// A service whose name, put into the pattern, is no name that DNS can have
// yields an error that says so, and nothing else.
//
// See [discovery.Watcher] for the contract, and the package comment for what
// each answer of a server means.
func (c *Client) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return c.shared.Watch(ctx, strings.ToLower(service))
}

// follow is the loop of one service.
func (c *Client) follow(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		name, err := c.usable(service)
		if err != nil {
			if yield(nil, err) {
				<-ctx.Done()
			}
			return
		}
		l := newLookup(c, service, name)
		failures := retry.New(min(maxRetry, c.maxInterval))
		var told news
		for ctx.Err() == nil {
			started := time.Now()
			f := l.run(ctx)
			if ctx.Err() != nil || !told.tell(f, yield) {
				return
			}
			delay := c.delay(f.until)
			if f.failed {
				delay = failures.Delay()
			} else {
				failures.Reset()
			}
			c.log.DebugContext(ctx, "dns: looked up", "service", service, "copies", len(f.set), "took", time.Since(started), "next", delay)
			if !retry.Sleep(ctx, delay) {
				return
			}
		}
	}
}

// usable returns the name to ask for, or why there is none.
func (c *Client) usable(service string) (string, error) {
	if c.servers.unusable != nil {
		return "", c.servers.unusable
	}
	return c.pattern.name(service)
}
