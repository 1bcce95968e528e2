package consul

import (
	"log/slog"
	"net/http"
	"time"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind, but for [WithTag], which adds up.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithHTTPClient sets what carries the requests, for TLS settings, proxies or
// Unix sockets. The default has a transport of its own: no proxy, 5 s to
// connect. Nil means the default.
//
// The client is copied. Its Timeout is not used, since each request has a
// bound: 10 s, or [WithWait] and some more for one that waits for changes.
// Neither is its CheckRedirect: redirects are never followed. It is not closed
// with the [Client].
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *config) { c.httpClient = client })
}

// WithToken sets the ACL token that is sent with each request. It needs
// service:read and node:read to follow a service, and service:write to
// announce a copy. Empty, the default, means none.
func WithToken(token string) Option {
	return optionFunc(func(c *config) { c.token, c.tokenFile = token, "" })
}

// WithTokenFile sets the file that holds the ACL token. It is read for each
// request, so that a token that is rotated is used at once. White space around
// the token does not count.
func WithTokenFile(path string) Option {
	return optionFunc(func(c *config) { c.token, c.tokenFile = "", path })
}

// WithDatacenter follows services in another datacenter than the agent's. To
// use it when there are no copies here, combine two clients with
// [discovery.Fallback]. Copies are always announced in the agent's own.
func WithDatacenter(name string) Option {
	return optionFunc(func(c *config) { c.datacenter = name })
}

// WithNamespace sets the namespace of services, where Consul has namespaces.
// Empty, the default, is that of the token.
func WithNamespace(name string) Option {
	return optionFunc(func(c *config) { c.namespace = name })
}

// WithPartition sets the admin partition of services, where Consul has
// partitions. Empty, the default, is the agent's own.
func WithPartition(name string) Option {
	return optionFunc(func(c *config) { c.partition = name })
}

// WithTag follows only copies that have the tag, and with several of these
// options, all of the tags. It also puts them on copies that are announced.
func WithTag(tag string) Option {
	return optionFunc(func(c *config) { c.tags = append(c.tags, tag) })
}

// WithFilter follows only copies that match an expression of Consul's filter
// language, such as
//
//	Service.Meta.version matches "^2[.]"
//
// An expression that Consul cannot read is an error of each watch.
func WithFilter(expression string) Option {
	return optionFunc(func(c *config) { c.filter = expression })
}

// WithOnlyPassing leaves out copies with a check in the state warning. The
// default is to use them, with the weight that they have for that state, as
// Consul's DNS does.
func WithOnlyPassing() Option {
	return optionFunc(func(c *config) { c.onlyPassing = true })
}

// WithStale lets any server answer, and not the leader only: less load for the
// leader, and answers while there is none, at the price of answers that are
// usually milliseconds, and after a partition much longer, behind.
func WithStale() Option {
	return optionFunc(func(c *config) { c.stale = true })
}

// WithTaggedAddress uses an address by which instances are registered under a
// tag, such as "wan" or "lan_ipv6", where they have it.
func WithTaggedAddress(tag string) Option {
	return optionFunc(func(c *config) { c.addressTag = tag })
}

// WithWait sets how long a request waits for changes at most. Consul adds up to a
// sixteenth. It is also how long a connection that has gone dead unnoticed may
// go on as such, with 10 s more. The default, and zero, is 30 s; the bounds are
// 1 s and 10 min.
func WithWait(d time.Duration) Option {
	return optionFunc(func(c *config) { c.wait = d })
}

// WithTTL sets how long a copy that has been announced stays healthy without a
// sign of life, which the [Client] gives every third of it. The default, and
// zero, is 15 s; less than 1 s counts as 1 s. A copy that gives no sign for a
// minute longer is removed by the agent, and for as long as its check is
// critical nobody calls it.
func WithTTL(d time.Duration) Option {
	return optionFunc(func(c *config) { c.ttl = d })
}

// WithHTTPCheck has the agent check copies that are announced by a GET of path
// in place of signs of life, every third of [WithTTL]: 2xx is healthy. The path
// begins with a slash.
func WithHTTPCheck(path string) Option {
	return optionFunc(func(c *config) { c.check = path })
}

// WithLogger sets where the client reports what nobody else gets to know:
// signs of life that fail and work again, copies that an agent had forgotten.
// The default, and nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

type config struct {
	httpClient  *http.Client
	token       string
	tokenFile   string
	datacenter  string
	namespace   string
	partition   string
	tags        []string
	filter      string
	onlyPassing bool
	stale       bool
	addressTag  string
	wait        time.Duration
	ttl         time.Duration
	check       string
	log         *slog.Logger
}

const (
	defaultWait = 30 * time.Second
	minWait     = time.Second
	maxWait     = 10 * time.Minute // which is Consul's own
	defaultTTL  = 15 * time.Second
	minTTL      = time.Second
	maxTTL      = 24 * time.Hour
)

func newConfig(opts []Option) config {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.wait <= 0 {
		c.wait = defaultWait
	}
	c.wait = min(max(c.wait, minWait), maxWait)
	if c.ttl <= 0 {
		c.ttl = defaultTTL
	}
	c.ttl = min(max(c.ttl, minTTL), maxTTL)
	return c
}
