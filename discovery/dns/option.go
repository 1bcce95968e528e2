package dns

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithServers sets the servers to ask: IP addresses with or without a port,
// such as "10.0.0.2", "10.0.0.2:5353", "[fd00::2]:53". Without a port it is
// 53. A host name works where the system can resolve it. The default, and
// none, is the servers of [WithResolvConf].
//
// All of them must know the same names, and must look further for what they do
// not know themselves: the last that was good is used until it fails, the first
// at first.
func WithServers(addrs ...string) Option {
	return optionFunc(func(c *config) { c.servers = addrs })
}

// WithResolvConf sets the file whose "nameserver" lines are the servers, of
// which the first three count. It is read again when it has changed. Its search
// list and options do not matter. One without servers means 127.0.0.1, and one
// that cannot be read is an error until it can, or leaves the servers as they
// were. The default, and empty, is /etc/resolv.conf; systems without such a
// file need [WithServers].
func WithResolvConf(path string) Option {
	return optionFunc(func(c *config) { c.resolvConf = path })
}

// WithFamily chooses among the addresses of hosts. The default is [AnyFamily].
func WithFamily(family Family) Option {
	return optionFunc(func(c *config) { c.family = family })
}

// WithHostNames makes the targets of SRV records the hosts of the copies,
// instead of their addresses: each record is one copy, and whoever dials it
// resolves its name. Names have a dot at the end, so that no search list is
// applied. Targets are not looked up then, and [WithFamily] does not matter.
// With Go's dialer this means that both address families are tried, and that
// the system's resolver must know the targets, from DNS. [NewHost] ignores this.
func WithHostNames() Option {
	return optionFunc(func(c *config) { c.hostNames = true })
}

// WithInterval bounds the time from an answer to the next question, which is
// otherwise the shortest time to live (TTL) in the answer. The default is 5 s
// and 5 min, and zero means the default. The least is at least 100 ms; the most is
// at least the least, and at most a year. Each wait is up to a tenth longer, at
// random. After failures the waits are others: see the package comment.
func WithInterval(least, most time.Duration) Option {
	return optionFunc(func(c *config) { c.minInterval, c.maxInterval = least, most })
}

// WithTCP asks over TCP from the start. It is for servers that leave out copies
// over UDP without saying so, such as a Consul agent without enable_truncate,
// and for networks that let no UDP through.
func WithTCP() Option {
	return optionFunc(func(c *config) { c.tcp = true })
}

// WithTimeout sets how long to wait for an answer from one server. The default,
// and zero, is 2 s. It holds for a question over UDP, and once more for the same
// question over TCP, where the answer does not fit.
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *config) { c.timeout = timeout })
}

// WithDial sets what connects to servers: network is "udp" or "tcp", addr one
// of the servers with its port. It is called for each question, concurrently.
// The connection of a "udp" network must keep datagrams apart, as
// [net.UDPConn] does, and should have a port that nobody can guess. The default,
// and nil, is that of [net.Dialer].
func WithDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return optionFunc(func(c *config) { c.dial = dial })
}

// WithLogger sets where the client reports what nobody else gets to know:
// servers that fail while another answers, servers that have changed, and, at
// debug level, each lookup. The default, and nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

type config struct {
	servers     []string
	resolvConf  string
	family      Family
	hostNames   bool
	minInterval time.Duration
	maxInterval time.Duration
	tcp         bool
	timeout     time.Duration
	dial        func(ctx context.Context, network, addr string) (net.Conn, error)
	log         *slog.Logger
}

const (
	defaultResolvConf  = "/etc/resolv.conf"
	defaultMinInterval = 5 * time.Second
	defaultMaxInterval = 5 * time.Minute
	defaultTimeout     = 2 * time.Second
	shortestInterval   = 100 * time.Millisecond

	// longestInterval keeps sums of durations far from overflow.
	longestInterval = 365 * 24 * time.Hour
)

func newConfig(opts []Option) config {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.resolvConf == "" {
		c.resolvConf = defaultResolvConf
	}
	if c.minInterval <= 0 {
		c.minInterval = defaultMinInterval
	}
	if c.maxInterval <= 0 {
		c.maxInterval = defaultMaxInterval
	}
	c.minInterval = min(max(c.minInterval, shortestInterval), longestInterval)
	c.maxInterval = min(max(c.maxInterval, c.minInterval), longestInterval)
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.dial == nil {
		c.dial = new(net.Dialer).DialContext
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}
