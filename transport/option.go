package transport

import (
	"context"
	"crypto/tls"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/resilience"
)

// The defaults that are not stated in the packages that use them.
const (
	// DefaultDialTimeout bounds a connection attempt. Inside a data center a
	// connection takes milliseconds; one lost SYN is sent again after 1 s, two
	// would take 3 s, and by then another endpoint should have been tried.
	DefaultDialTimeout = 2 * time.Second

	// DefaultRegistryTimeout bounds the wait of the first calls for a
	// service for the registry's first answer: long enough for one registry
	// server to be found dead and another to answer.
	DefaultRegistryTimeout = 10 * time.Second

	// DefaultEmptyGrace is how long an empty set is disbelieved that follows
	// one which was not empty. A registry that was restarted without its
	// memory hears from every copy again within a heartbeat, 30 s in Eureka's
	// default; this is two.
	DefaultEmptyGrace = time.Minute

	// DefaultReplayLimit is how much of a request body without GetBody is
	// kept for another attempt. Linkerd's value.
	DefaultReplayLimit = 64 << 10

	// DefaultPanicThreshold is the share of a set's endpoints that must be
	// available for health to be believed: at most half of a set is ever left
	// out. Envoy's and Finagle's value.
	DefaultPanicThreshold = 0.5
)

// An Option configures a [Transport].
type Option interface{ apply(*config) }

// A ServiceOption configures how one service is called with [ForService], or
// all of them as an Option.
type ServiceOption interface {
	Option
	applyService(*serviceConfig)
}

type config struct {
	defaults        serviceConfig
	services        map[string][]ServiceOption
	base            http.RoundTripper
	endpointBase    func(in discovery.Instance, pool http.RoundTripper) http.RoundTripper
	outside         *outside
	mapsAddresses   bool
	deadlineHeader  string
	totalBudget     *resilience.BudgetConfig
	dial            func(ctx context.Context, network, addr string) (net.Conn, error)
	dialTimeout     time.Duration
	registryTimeout time.Duration
	emptyGrace      time.Duration
	logger          *slog.Logger
	hooks           []Hooks
}

type serviceConfig struct {
	policy         balancer.Policy
	key            func(*http.Request) string
	sticky         *stickyCookie // or nil
	class          func(*http.Request) string
	retry          resilience.RetryConfig
	budget         resilience.BudgetConfig
	breaker        resilience.BreakerConfig
	hedging        *resilience.HedgeDelayConfig
	guards         guardConfigs
	endpointLimit  int
	fallback       Fallback
	retryIf        func(*http.Response) bool
	panicThreshold float64
	timeout        time.Duration
	attemptTimeout time.Duration
	replayLimit    int
	tls            *tls.Config
	protocols      *http.Protocols
	pool           PoolConfig
	loadReports    bool
	probes         *ProbeConfig
	healthCheck    *HealthCheckConfig     // nil: none
	outliers       *OutlierEjectionConfig // nil: none
}

type option func(*config)

func (o option) apply(c *config) { o(c) }

type serviceOption func(*serviceConfig)

func (o serviceOption) apply(c *config)               { o(&c.defaults) }
func (o serviceOption) applyService(c *serviceConfig) { o(c) }

func newConfig(opts []Option) *config {
	c := &config{
		defaults: serviceConfig{
			policy:         balancer.ShortestExpectedDelay,
			panicThreshold: DefaultPanicThreshold,
			replayLimit:    DefaultReplayLimit,
			protocols:      new(http.Protocols),
		},
		services:        make(map[string][]ServiceOption),
		dial:            new(net.Dialer).DialContext,
		dialTimeout:     DefaultDialTimeout,
		registryTimeout: DefaultRegistryTimeout,
		emptyGrace:      DefaultEmptyGrace,
		logger:          slog.Default(),
	}
	c.defaults.protocols.SetHTTP1(true)
	c.defaults.protocols.SetHTTP2(true)
	for _, o := range opts {
		o.apply(c)
	}
	return c
}

// service returns the configuration of one service: the defaults, whatever the
// order of options, and over them what ForService says.
func (c *config) service(name string) *serviceConfig {
	s := c.defaults
	for _, o := range c.services[name] {
		o.applyService(&s)
	}
	return &s
}

// ForService applies options to one service only. They prevail over the same
// options given for all services, wherever those stand in the list. The name
// is written as in URLs, in lower case. Several ForService for one name add
// up.
func ForService(name string, opts ...ServiceOption) Option {
	return option(func(c *config) {
		c.services = maps.Clone(c.services)
		c.services[name] = append(c.services[name], opts...)
	})
}

// WithPolicy sets the policy that chooses an endpoint for each attempt. The
// default is [balancer.ShortestExpectedDelay]: it follows latency and load
// without any help from the servers. The policy is called with a lock held and must not call the
// Transport.
func WithPolicy(policy balancer.Policy) ServiceOption {
	if policy == nil {
		panic("transport: WithPolicy(nil)")
	}
	return serviceOption(func(c *serviceConfig) { c.policy = policy })
}

// WithRetry sets how calls are repeated that may be: see "Which calls are
// repeated" in the package's documentation. The zero value means the defaults:
// three attempts in all, the second without delay if there is an endpoint not
// tried yet. Attempts: 1 turns retries off.
func WithRetry(cfg resilience.RetryConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.retry = cfg })
}

// WithBudget sets how many attempts may be retries, for each service. The zero
// value means the defaults: 20 % of the calls of the last ten seconds, and
// three per second.
func WithBudget(cfg resilience.BudgetConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.budget = cfg })
}

// WithTotalBudget sets how many attempts of all services together may be retries
// or hedges, beside what [WithBudget] allows each of them. Without it there is no
// such bound.
func WithTotalBudget(cfg resilience.BudgetConfig) Option {
	return option(func(c *config) { c.totalBudget = &cfg })
}

// WithRetryIf has calls repeated for more responses than those that are by
// themselves: 421, 425, 429, 502, 503 and 504. It is asked about every other
// response, must be quick, and must not touch the body. Where it says so, a call
// is repeated if that does no harm, and within all bounds. It changes nothing
// about what the response means for its endpoint's health.
func WithRetryIf(again func(*http.Response) bool) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.retryIf = again })
}

// WithHedging sends a call to a second endpoint when the first is late, and
// takes the answer that comes first. The zero value means the defaults: late is
// what takes longer than 95 % of the service's latest calls, once a hundred of
// them are known. The attempt whose answer is not waited for is canceled, and
// blamed for nothing but the time that it took.
//
// Only calls are hedged that may be repeated, with no body or one that GetBody
// can make again. A hedge is an attempt like any other: it takes a token of the
// budget ([WithBudget]) and counts for [WithRetry]. Without this option there
// are none. They bring little where the policy avoids slow endpoints in time; they
// help where any endpoint may be slow for a moment. A call that may be hedged costs
// a copy of the request and eight small objects.
func WithHedging(cfg resilience.HedgeDelayConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.hedging = &cfg })
}

// WithBreaker sets when an endpoint's breaker opens. The zero value means the
// defaults: after five failures in a row, or half of at least twenty attempts
// in ten seconds. A negative ConsecutiveFailures and a negative FailureRatio
// together turn breakers off.
func WithBreaker(cfg resilience.BreakerConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.breaker = cfg })
}

// WithPanicThreshold sets the share of a service's endpoints, from 0 to 1,
// that must be available for ejections to be respected. With fewer, all are
// used: when most of a service looks sick, the fault is more likely in the
// looking, and if not, what is left could not carry the load. The default is
// [DefaultPanicThreshold]; 0 respects ejections whatever remains, as long as
// anything does.
func WithPanicThreshold(share float64) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.panicThreshold = share })
}

// WithTimeout bounds a call, its response's body included, with all its
// attempts and waits. It is an additional deadline: the earlier of it and that
// of the request's context counts. The default, 0, is no bound but the
// caller's.
func WithTimeout(d time.Duration) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.timeout = d })
}

// WithAttemptTimeout bounds the time from an attempt's start to its response's
// header. An attempt that exceeds it counts as its endpoint's failure, and is
// repeated elsewhere if the call may be. Reading the body is not bounded by
// it.
//
// The default, 0, is no bound, because no number fits both a lookup of 2 ms
// and a report of 20 s, and one that is too short turns every slow call into
// three. An endpoint that stops answering is avoided all the same: the
// attempts that hang there are load, and the policy takes the time that they
// have lasted for its latency when their callers give up. What is lost is the
// calls that were there already. Set it to a few times the service's 99.9th
// percentile to save those too.
func WithAttemptTimeout(d time.Duration) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.attemptTimeout = d })
}

// WithReplayLimit sets how many bytes of a request body that has no GetBody
// are kept in memory, so that the call can be repeated. A longer body is sent
// whole, but the call is not repeated once it has been read past the limit.
// The default is [DefaultReplayLimit]; 0 keeps nothing.
func WithReplayLimit(bytes int) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.replayLimit = max(0, bytes) })
}

// WithTLS sets how https endpoints are called: roots, client certificates,
// and the ServerName if the certificates bear another name than the service's
// in the URL. The config is cloned and must not be modified afterwards. The
// default, nil, verifies the name in the URL against the system's roots. With
// [WithBase] it has no effect.
func WithTLS(cfg *tls.Config) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.tls = cfg })
}

// WithProtocols sets which protocols endpoints are spoken to in. The default
// is HTTP/1.1, and HTTP/2 over TLS with those that have it. HTTP/2 without TLS
// (h2c) must be known beforehand: it is used for http URLs if p has
// UnencryptedHTTP2 and not HTTP1, and then with every endpoint of the service.
func WithProtocols(p http.Protocols) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.protocols = &p })
}

// WithPool sets how connections are kept. The zero value means the defaults.
func WithPool(cfg PoolConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.pool = cfg })
}

// WithLoadReports takes what endpoints say of their load in the header
// Endpoint-Load-Metrics of their responses (an ORCA load report, as Envoy and
// gRPC have it) for policies that want to know, such as [balancer.C3] and
// [balancer.WeightedByUtilization]. Package serve has the other side. The header
// is taken out of the response: it is not meant for those to whom a caller may
// pass that on. What makes no sense is ignored and logged once for each
// endpoint; it never fails a call. Without this option, the default, the header
// is left alone.
//
// A report is a list or JSON, of 4 KiB and 16 named metrics at most. Of the
// named ones three are used, those that package serve sends: rif, latency_ms and
// service_time_ms. The binary form is not read.
func WithLoadReports() ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.loadReports = true })
}

// WithProbes lets a policy ask endpoints for their load before it picks, as
// [balancer.Prequal] does; with one that does not ask, nothing is probed. A probe
// is a GET with the service's name as the host, over the endpoint's own
// connections, or the base that is used in their place. Its answer must have a
// status of 2xx and a report as in [WithLoadReports], which need not be given.
// Package serve has the other side.
//
// Probes are no attempts: they count neither as an endpoint's load nor for or
// against its health, and hooks do not hear of them. One that fails says that
// nothing is known of the endpoint. Close ends them.
func WithProbes(cfg ProbeConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) { c.probes = &cfg })
}

// WithHealthCheck has every endpoint asked at intervals whether it is well,
// also while there are no calls. One that says that it is not, or nothing, is
// ejected, like one whose breaker is open, and like that only as long as
// enough are left ([WithPanicThreshold]). Checks go the way of calls, over the
// endpoint's connections or the base, but are no attempts: breakers, policies
// and the hooks for attempts do not hear of them. Each endpoint has a
// goroutine of its own, which [Transport.Close] waits for; so a base must
// honor the contexts of requests.
//
// The zero value means the defaults: GET /readyz every 10 s; three failures in
// a row eject, and two successes bring back. Without this option, no checks are
// made: breakers find what is broken without them, at the cost of some calls.
func WithHealthCheck(cfg HealthCheckConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) {
		c.healthCheck = nil
		if cfg.Interval >= 0 {
			normal := cfg.normal()
			c.healthCheck = &normal
		}
	})
}

// WithOutlierEjection compares the endpoints of a service at intervals, and
// ejects those that fail far more often than the others, though not often
// enough in a row or altogether for their breakers: one that fails three calls
// in ten, say. See [resilience.Outliers]. An ejection is respected only as long
// as enough endpoints are left, breakers and health checks included
// ([WithPanicThreshold]), and ends by the clock, without a trial.
//
// The zero value means the defaults: after each 10 s, endpoints whose success
// rate is 1.9 standard deviations and 5 points below the mean, and those that
// fail 85 % of their calls, are ejected for 30 s, and for 30 s more each time
// that follows; one of up to 19 at a time, if there are five or more with
// enough calls.
//
// Without this option, nothing is compared. It is off by default, unlike
// breakers, because it takes for granted that all endpoints get calls of the
// same kind. Where a key decides who gets which ([WithKey]), calls that always
// fail, such as those of one user, look like an endpoint that does, and when it
// is ejected, the next one does. Turn it on where endpoints can stand in for
// each other and get some ten calls a second each.
func WithOutlierEjection(cfg OutlierEjectionConfig) ServiceOption {
	return serviceOption(func(c *serviceConfig) {
		c.outliers = nil
		if cfg.Interval >= 0 {
			normal := cfg.normal()
			c.outliers = &normal
		}
	})
}

// WithEndpointBase has a function make what sends the attempts to one endpoint:
// most often something around the pool that is the default, such as a tracing
// RoundTripper. Requests come as the caller made them, with the service's name
// in the URL; the pool knows where they go, and what does not use it must take
// the address from the instance. CloseIdleConnections of what is returned is
// called when the endpoint leaves the set, and should reach the pool's. The
// function is called with a lock held and must not call the Transport. With
// [WithBase] it has no effect.
func WithEndpointBase(base func(in discovery.Instance, pool http.RoundTripper) http.RoundTripper) Option {
	return option(func(c *config) { c.endpointBase = base })
}

// WithPassThrough sends calls for some hosts to base, untouched, instead of
// taking the hosts for services' names: "api.example.com" is that host,
// ".example.com" every host below it, "10.0.0.1" that address; ports and case
// do not matter. Anything else stays closed: a name of one label must be
// listed itself, and so must an IP address. Several WithPassThrough for the
// same base add up; the last base counts. The usual base is
// http.DefaultTransport, which honors the environment's proxies.
func WithPassThrough(base http.RoundTripper, hosts ...string) Option {
	if base == nil {
		panic("transport: WithPassThrough(nil)")
	}
	return option(func(c *config) { c.outside = c.outside.with(base, hosts) })
}

// WithEndpointRedirects has calls to an endpoint's own address taken for calls
// of its service. Servers cause such calls when they redirect to URLs made of
// the address they listen at. Without this option they fail with
// [ErrEndpointAddress], since nothing but names is called.
//
// What http.Client removed because the host changed stays removed: Authorization
// and Cookie headers do not follow such a redirect.
func WithEndpointRedirects() Option {
	return option(func(c *config) { c.mapsAddresses = true })
}

// DefaultDeadlineHeader is the header in which Envoy and Istio tell a server
// how many milliseconds a call has left.
const DefaultDeadlineHeader = "X-Envoy-Expected-Rq-Timeout-Ms"

// WithDeadlineHeader tells servers in a header how many milliseconds an attempt
// has left, when it begins, if the call or the attempt has a deadline. An empty
// name means [DefaultDeadlineHeader]. Package serve has the other side. It costs
// a copy of the request and its header.
func WithDeadlineHeader(name string) Option {
	if name == "" {
		name = DefaultDeadlineHeader
	}
	return option(func(c *config) { c.deadlineHeader = http.CanonicalHeaderKey(name) })
}

// WithBase sends attempts through base instead of a connection pool for each
// endpoint: for instrumentation, tests and exotic connections. Base gets a
// shallow copy of the request whose URL holds the endpoint's address, and Host
// the name. It must not be nil. Connections are base's own business then: those
// of endpoints that are gone stay until base closes them.
func WithBase(base http.RoundTripper) Option {
	if base == nil {
		panic("transport: WithBase(nil)")
	}
	return option(func(c *config) { c.base = base })
}

// WithDialContext sets how connections to endpoints are made. addr is an
// instance's. The default is a plain net.Dialer. With [WithBase] it has no
// effect.
func WithDialContext(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	if dial == nil {
		panic("transport: WithDialContext(nil)")
	}
	return option(func(c *config) { c.dial = dial })
}

// WithDialTimeout bounds one attempt to connect. The default, also for 0, is
// [DefaultDialTimeout]; there is no way to wait forever.
func WithDialTimeout(d time.Duration) Option {
	return option(func(c *config) {
		if d <= 0 {
			d = DefaultDialTimeout
		}
		c.dialTimeout = d
	})
}

// WithRegistryTimeout bounds how long calls wait for the registry's first
// answer about their service, when the request's context would let them wait
// longer. The default, also for 0, is [DefaultRegistryTimeout].
func WithRegistryTimeout(d time.Duration) Option {
	return option(func(c *config) {
		if d <= 0 {
			d = DefaultRegistryTimeout
		}
		c.registryTimeout = d
	})
}

// WithEmptyGrace sets how long the last set of a service stands after the
// registry has begun to list no copies at all. A service that has really gone
// answers with refused connections meanwhile. The default, also for 0, is
// [DefaultEmptyGrace]; negative means that an empty set counts at once.
func WithEmptyGrace(d time.Duration) Option {
	return option(func(c *config) {
		if d == 0 {
			d = DefaultEmptyGrace
		}
		c.emptyGrace = d
	})
}

// WithLogger sets where the Transport logs what an operator must know:
// registry errors, sets that are not believed, ejections. It logs changes, not
// calls. The default is slog.Default(); nil logs nothing.
func WithLogger(logger *slog.Logger) Option {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return option(func(c *config) { c.logger = logger })
}

// WithHooks adds hooks. Those of several WithHooks are all called, in order.
func WithHooks(hooks Hooks) Option {
	return option(func(c *config) { c.hooks = append(c.hooks, hooks) })
}
