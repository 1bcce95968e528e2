package eureka

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithHTTPClient sets what carries the requests, for TLS settings, proxies or
// tokens. The default has a transport of its own: no proxy, 5 s to connect, at
// most 50 connections to a server. Nil means the default.
//
// The client is copied. Its Timeout is not used, since each request has a
// bound: 10 s, or 35 s for one that waits for changes. Neither is its
// CheckRedirect: redirects are never followed. Its Transport should ask for
// gzip, as [http.Transport] does. It is not closed with the [Client].
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *config) { c.httpClient = client })
}

// WithLogger sets where the client reports what nobody else gets to know:
// heartbeats that fail and work again, copies that a server had forgotten,
// instances that are left out because they cannot be called (at debug level).
// The default, and nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

// WithZone says in which zone the client runs, and where other servers are
// besides those given to [New]: comma-separated URLs by zone. Servers of the
// own zone are used while one of them works. Those given to New belong to no
// zone, and come with those of other zones. Servers that are nil or empty are
// for those who use [WithServers]. The default is no zone: all servers are
// equal. Zones of instances, for those who call them, have nothing to do with
// this.
func WithZone(zone string, servers map[string]string) Option {
	servers = maps.Clone(servers)
	return optionFunc(func(c *config) { c.zone, c.zones = zone, servers })
}

// WithServers sets a function that finds the servers, as comma-separated URLs
// by zone; the zone is empty where there are none. What it returns takes the
// place of all servers known so far. It is called about every 5 min, while the
// client is used, for 10 s at most, and must return when its context is done.
//
// Until it has succeeded the servers given to [New] and [WithZone] are used; if
// there are none, requests wait for it. After an error, or if it has found
// nothing, what was found last stands, and it is called again after 30 s.
// [DNS.Servers] is such a function. Nil, the default, means that the servers
// do not change.
func WithServers(find func(ctx context.Context) (map[string]string, error)) Option {
	return optionFunc(func(c *config) { c.find = find })
}

// WithServersInOrder makes the client prefer servers in the order written,
// instead of choosing at random, within its zone and outside: for a primary
// with a standby. A server that failed gets its place back within half an
// hour. Where there are many clients, all of them use the same server.
func WithServersInOrder() Option {
	return optionFunc(func(c *config) { c.ordered = true })
}

// WithPollInterval sets the mean time between fetches of the registry from
// servers that do not hold a request until something changes. Each wait is
// randomly up to a tenth shorter or longer. It is also the longest wait after
// a failure, and does not matter otherwise with servers that hold requests.
// The default, and zero, is 30 s; less than 1 s counts as 1 s.
func WithPollInterval(interval time.Duration) Option {
	return optionFunc(func(c *config) { c.poll = interval })
}

// WithLease sets how often registrations are renewed, and for how long after
// a renewal a server may keep listing a copy that renews no more. The default
// is 30 s and 90 s. A renewal of zero means 30 s, a duration of zero three
// times the renewal. Both are rounded up to whole seconds, and the duration is
// at least the renewal.
//
// Many servers take the usual 30 s for granted when they guard against losing
// many copies at once; shorter renewals make that guard less effective.
func WithLease(renewal, duration time.Duration) Option {
	return optionFunc(func(c *config) { c.renewal, c.lease = renewal, duration })
}

// WithHostNames makes watches prefer an instance's host name over its IP
// address. The default is the other way round, since a name needs DNS to be
// reachable, and agreeing with the registry.
func WithHostNames() Option {
	return optionFunc(func(c *config) { c.hostNames = true })
}

// Pages are where people and tools find out about a copy: paths such as
// "/health", which are announced as URLs of the copy, or whole URLs. An empty
// one is not announced.
type Pages struct {
	Home   string
	Status string // what the dashboards of servers link to
	Health string // what monitors ask
}

// WithPages sets the pages that are announced with each copy. The default is
// none. Servers do not look at them.
func WithPages(pages Pages) Option {
	return optionFunc(func(c *config) { c.pages = pages })
}

// WithAmazon makes registrations say that the copies run in Amazon's cloud, with
// what its metadata service says of the machine, such as "instance-id" and
// "availability-zone". The latter is the copy's zone for whoever calls it; that
// of the [discovery.Instance] only counts without it. The default is a data
// center of one's own.
func WithAmazon(metadata map[string]string) Option {
	metadata = maps.Clone(metadata)
	return optionFunc(func(c *config) { c.dataCenter = wire.DataCenter{Name: wire.Amazon, Metadata: metadata} })
}

// WithInitialStatus sets the status that copies are announced with first, until
// [Registration.SetStatus] changes it: Starting, for instance, to be known
// before there is anything to call. The default is Up.
func WithInitialStatus(status Status) Option {
	return optionFunc(func(c *config) { c.initial = status })
}

// WithHealthCheck sets a function that says whether this program's copies are
// well. A copy that is wanted Up is announced as Up if the function returns
// nil, and as Down if it returns an error or panics. Other statuses that have
// been set are left alone.
//
// It is called with each heartbeat and before the status Up is set, by several
// goroutines, and must return when its context is done: at the latest after a
// third of the time between heartbeats. Nil, the default, means that copies
// are well.
func WithHealthCheck(check func(ctx context.Context) error) Option {
	return optionFunc(func(c *config) { c.check = check })
}

// WithRegions asks servers to list copies of these regions as well, such as
// "us-west-2", which they must have been set up to know. They are part of a
// service like any other: a policy that looks at zones prefers the near ones.
// Servers ignore regions that they do not know. The default is what a server
// lists by itself.
func WithRegions(regions ...string) Option {
	regions = slices.Clone(regions)
	return optionFunc(func(c *config) { c.regions = regions })
}

// WithFetchByService makes the client fetch only the services that are watched,
// each by itself and at every poll interval, instead of the whole registry and
// then its changes. That saves memory and traffic where a registry has thousands
// of copies and a program needs few of them. It is slower with the server of
// package eurekaserver, which could otherwise report changes at once.
//
// Virtual addresses are then only found if their case is right, since servers
// compare them so.
func WithFetchByService() Option {
	return optionFunc(func(c *config) { c.byService = true })
}

// An Identity is how a client introduces itself to servers. They use it for
// statistics, and some limit how often strangers may fetch the registry: such
// a server never limits clients with the name "DefaultClient".
type Identity struct {
	Name    string // header DiscoveryIdentity-Name; empty means "Namesake"
	Version string // header DiscoveryIdentity-Version; empty means none
	ID      string // header DiscoveryIdentity-Id, usually an IP address; empty means none

	UserAgent string // header User-Agent; empty means "namesake"
}

// WithIdentity sets how the client introduces itself.
func WithIdentity(identity Identity) Option {
	return optionFunc(func(c *config) { c.identity = identity })
}

type config struct {
	httpClient *http.Client
	zone       string            // of the client
	zones      map[string]string // server URLs by zone
	find       func(context.Context) (map[string]string, error)
	ordered    bool
	log        *slog.Logger
	poll       time.Duration
	renewal    time.Duration
	lease      time.Duration
	hostNames  bool
	pages      Pages
	dataCenter wire.DataCenter
	initial    Status // of registrations
	check      func(context.Context) error
	regions    []string
	byService  bool
	identity   Identity
}

const (
	defaultPoll    = 30 * time.Second
	defaultRenewal = 30 * time.Second
	minPoll        = time.Second

	// maxInterval keeps sums of durations far from overflow.
	maxInterval = 365 * 24 * time.Hour
)

func newConfig(opts []Option) config {
	c := config{initial: Up, dataCenter: wire.DataCenter{Name: wire.MyOwn}}
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.poll <= 0 {
		c.poll = defaultPoll
	}
	c.poll = min(max(c.poll, minPoll), maxInterval)
	if c.renewal <= 0 {
		c.renewal = defaultRenewal
	}
	c.renewal = wholeSeconds(c.renewal)
	if c.lease <= 0 {
		c.lease = 3 * c.renewal
	}
	c.lease = max(wholeSeconds(c.lease), c.renewal)
	c.identity.Name = cmp.Or(c.identity.Name, "Namesake")
	c.identity.UserAgent = cmp.Or(c.identity.UserAgent, "namesake")
	return c
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) time.Duration {
	d = min(d, maxInterval)
	return (d + time.Second - 1).Truncate(time.Second)
}
