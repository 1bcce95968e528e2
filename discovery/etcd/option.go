package etcd

import (
	"log/slog"
	"time"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithPrefix sets what stands before the name of a service in keys, such as
// "services/". The default is nothing: the name is the target that etcd's
// naming package would be given.
func WithPrefix(prefix string) Option {
	return optionFunc(func(c *config) { c.prefix = prefix })
}

// WithTTL sets how long a copy that has been announced stays listed without a
// sign of life. The default, and zero, is 15 s; it is rounded up to whole
// seconds, and etcd may take longer.
func WithTTL(d time.Duration) Option {
	return optionFunc(func(c *config) { c.ttl = d })
}

// WithCheckInterval sets how often it is checked that the cluster can still be
// read, since a watch of etcd says nothing when it cannot. The default, and
// zero, is 10 s; at least 1 s.
func WithCheckInterval(d time.Duration) Option {
	return optionFunc(func(c *config) { c.check = d })
}

// WithLogger sets where the client reports what nobody else gets to know:
// leases that cannot be renewed, copies that were forgotten. The default, and
// nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

type config struct {
	prefix string
	ttl    time.Duration
	check  time.Duration
	log    *slog.Logger
}

const (
	defaultTTL   = 15 * time.Second
	maxTTL       = 24 * time.Hour
	defaultCheck = 10 * time.Second
	minCheck     = time.Second
	maxCheck     = time.Hour
)

func newConfig(opts []Option) config {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.ttl <= 0 {
		c.ttl = defaultTTL
	}
	c.ttl = (min(c.ttl, maxTTL) + time.Second - 1).Truncate(time.Second)
	if c.check <= 0 {
		c.check = defaultCheck
	}
	c.check = min(max(c.check, minCheck), maxCheck)
	return c
}
