package eurekaserver

import (
	"log/slog"
	"strings"
	"time"
)

// An Option sets up a [Server]. A later option overrides an earlier one of the
// same name.
type Option interface{ apply(*settings) }

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

// settings are the options, with defaults filled in.
type settings struct {
	prefix            []string
	deltaRetention    time.Duration
	overrideRetention time.Duration
	maxWait           time.Duration
	maxWaiters        int
	maxBody           int64
	page              PageConfig
	preservation      PreservationConfig
	netflix           *NetflixConfig  // nil: the rules of this package
	access            []Authenticator // nil: everybody may do everything
	limits            Limits
	peers             *PeersConfig // nil: none
	snapshot          SnapshotConfig
	logger            *slog.Logger
}

func newSettings(opts []Option) settings {
	s := settings{
		prefix:            []string{"eureka"},
		deltaRetention:    3 * time.Minute,
		overrideRetention: time.Hour,
		maxWait:           60 * time.Second,
		maxWaiters:        10_000,
		maxBody:           1 << 20,
		limits:            Limits{}.withDefaults(),
		logger:            slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		opt.apply(&s)
	}
	return s
}

// WithPrefix sets the path under which the resources are served, with and
// without a version: "/eureka", the default, serves /eureka/apps and
// /eureka/v2/apps. It may have several segments or none: "/" serves /apps.
func WithPrefix(path string) Option {
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	return optionFunc(func(s *settings) { s.prefix = segments })
}

// WithDeltaRetention sets how long a change stays in deltas. Clients that ask
// less often than that miss changes. Zero means the default of three minutes,
// which is what Eureka's clients expect; so does a negative value.
func WithDeltaRetention(d time.Duration) Option {
	return optionFunc(func(s *settings) {
		if d > 0 {
			s.deltaRetention = d
		}
	})
}

// WithOverrideRetention sets how long the status that an operator has set is
// remembered when the lease of the instance runs out, in case the instance
// comes back. Zero means the default of one hour; negative means not at all.
func WithOverrideRetention(d time.Duration) Option {
	return optionFunc(func(s *settings) {
		if d != 0 {
			s.overrideRetention = max(d, 0)
		}
	})
}

// WaitConfig bounds the requests that wait for a change: see the package
// documentation.
type WaitConfig struct {
	// Max is the longest time that a request may wait, however long it wants
	// to. Zero means 60 seconds, which most proxies tolerate. Negative means
	// that no request waits.
	Max time.Duration

	// Waiters is how many requests may wait at once. A waiting request costs
	// its connection and a goroutine, some 20 kB. Zero means 10,000. Negative
	// means that no request waits.
	Waiters int
}

// WithWait bounds the requests that wait for a change.
func WithWait(c WaitConfig) Option {
	return optionFunc(func(s *settings) {
		if c.Max != 0 {
			s.maxWait = max(c.Max, 0)
		}
		if c.Waiters != 0 {
			s.maxWaiters = max(c.Waiters, 0)
		}
	})
}

// WithMaxBody sets how large the body of a request may be, in bytes, before
// and after decompression. It bounds the metadata of an instance, too. Zero
// means the default of 1 MiB; so does a negative value.
func WithMaxBody(bytes int64) Option {
	return optionFunc(func(s *settings) {
		if bytes > 0 {
			s.maxBody = bytes
		}
	})
}

// WithSelfPreservation sets how leases are protected when many heartbeats stop
// at once, which the package documentation describes. It is on by default.
func WithSelfPreservation(c PreservationConfig) Option {
	return optionFunc(func(s *settings) { s.preservation, s.netflix = c, nil })
}

// WithNetflixRules lets leases end when they would on Netflix's server, for
// those who depend on that: a lease lasts twice its duration after a
// heartbeat, which shows in a lastRenewalTimestamp in the future; leases that
// have run out are looked for once a minute; a run ends at most 15 % of the
// registry, chosen at random, and none if too few heartbeats came in the last
// full minute. It replaces [WithSelfPreservation].
//
// Netflix's server takes the number of instances that it expects from other
// servers every 15 minutes. Here only registrations and leases that end change
// it.
func WithNetflixRules(c NetflixConfig) Option {
	return optionFunc(func(s *settings) { s.netflix = &c })
}

// WithAccess lets only those in whom an Authenticator knows, and only to do
// what they may. The Authenticators are asked in order, until one recognizes
// what the request shows. Without any, nobody gets in. Refused requests get
// 401 with WWW-Authenticate, or 403, without a body. Paths that do not exist
// are not protected.
//
// By default everybody may do everything.
func WithAccess(authenticators ...Authenticator) Option {
	return optionFunc(func(s *settings) { s.access = append([]Authenticator{}, authenticators...) })
}

// WithLimits bounds what clients may store and how often they may ask.
func WithLimits(l Limits) Option {
	return optionFunc(func(s *settings) { s.limits = l.withDefaults() })
}

// WithSnapshot keeps the registry in a file, so that it is complete at once
// after a restart. By default it is in memory only.
func WithSnapshot(c SnapshotConfig) Option {
	return optionFunc(func(s *settings) { s.snapshot = c })
}

// WithLogger sets where the server reports registrations, cancellations,
// evictions and what operators do, at level Info, repeated registrations at
// level Debug, and at level Warn that leases are protected, that requests are
// refused, that peers are out of reach or refuse something, and what is wrong
// with the snapshot. Peers that cannot be used are at level Error. Nil, the
// default, means nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(s *settings) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		s.logger = l
	})
}
