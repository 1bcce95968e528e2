package balancer

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// The defaults of [SlowStart].
const (
	DefaultSlowStartWindow = 30 * time.Second
	DefaultMinShare        = 0.1 // Envoy's value
)

// SlowStartConfig configures [SlowStart].
type SlowStartConfig struct {
	// Window is how long an endpoint takes to get to its full share. Zero means
	// [DefaultSlowStartWindow], 30 seconds; a negative number means no time at
	// all: next does all by itself.
	Window time.Duration

	// Aggression bends the rise: after a time t the share is
	// (t/Window)^(1/Aggression). Zero means 1, a straight line; 2 gives more at
	// first, 71 % halfway; 0.5 gives less, 25 % halfway. A negative number
	// counts as 1.
	Aggression float64

	// MinShare is the share that an endpoint gets at least, or it would not
	// warm up at all. Zero means [DefaultMinShare], 0.1; a negative number means
	// none, and more than 1 counts as 1.
	MinShare float64
}

// SlowStart gives an endpoint that is new, or back from an ejection, only a
// part of the calls that next would give it, and lets that part grow over a
// window: for servers that are slow at first, while caches fill and code is
// compiled.
//
// The rise is Envoy's. How it is applied is different, as it goes for any
// policy: next picks; an endpoint that is still starting is kept with the
// probability that is its share; else next picks among those that are not
// starting. So the share is one of what the endpoint would get by its weight
// and load.
//
// An endpoint is new if it appears after a service's first second. Those that
// are there at first are not: it is the client that is new. If all available
// endpoints are starting, there is nobody to relieve them, and they are not
// held back. Put SlowStart around policies that use only some endpoints, such
// as [Subset], not into them: what they take in addition looks new, but is not.
//
// [ShortestExpectedDelay] has a start of its own, by measurement.
//
// A pick costs what next costs, and a reading of the endpoint's age while any
// is starting. Building takes linear time, and builds next twice while any is
// starting.
func SlowStart(cfg SlowStartConfig, next Policy) Policy {
	mustPolicy("SlowStart", next)
	if cfg.Window == 0 {
		cfg.Window = DefaultSlowStartWindow
	}
	if cfg.Window < 0 {
		return next
	}
	if !(cfg.Aggression > 0) {
		cfg.Aggression = 1
	}
	if cfg.MinShare == 0 || math.IsNaN(cfg.MinShare) {
		cfg.MinShare = DefaultMinShare
	}
	cfg.MinShare = min(max(0, cfg.MinShare), 1)
	return func(set Set) Picker {
		if len(set.Available) == 0 {
			return next(set)
		}
		service := set.Available[0].service
		now := service.Now()
		latest := observeStarts(set, service, now)
		if now-latest >= cfg.Window {
			return next(set)
		}
		_, old := set.halve(func(_ int, e *Endpoint) bool { return starts.Of(e).age(now) < cfg.Window })
		if len(old.Available) == 0 {
			return next(set)
		}
		return &slowStart{cfg, service, latest + cfg.Window, next(set), next(old)}
	}
}

type slowStart struct {
	SlowStartConfig
	service  *Service
	until    time.Duration // when all will have started
	all, old Picker
}

func (p *slowStart) Pick(info PickInfo) (*Endpoint, error) {
	e, err := p.all.Pick(info)
	if err != nil || e == nil {
		return e, err
	}
	now := info.now(p.service)
	if now >= p.until {
		return e, nil
	}
	age := starts.Of(e).age(now)
	if age >= p.Window || chance(p.service, info.Key, startSalt) < p.share(age) {
		return e, nil
	}
	other, err := p.old.Pick(info)
	if err != nil || slices.Contains(info.Tried, other) {
		return e, nil // a slow one is better than none, or the same again
	}
	return other, nil
}

var startSalt = hashOf("slow start")

// share returns what part of its calls an endpoint of that age gets.
func (cfg *SlowStartConfig) share(age time.Duration) float64 {
	t := float64(age) / float64(cfg.Window)
	if cfg.Aggression != 1 {
		t = math.Pow(t, 1/cfg.Aggression)
	}
	return max(cfg.MinShare, t)
}

// A start is what SlowStart knows of an endpoint.
type start struct {
	since atomic.Int64 // when it became available; 0 if never
	away  atomic.Bool  // ejected, or not ready
}

var (
	starts = NewKey[start]()

	// slowStarts is when SlowStart saw the first set of a service.
	slowStarts = NewKey[atomic.Int64]()
)

// always is the start of endpoints that were there before the client.
const always = math.MinInt64

// age returns for how long the endpoint has been available.
func (s *start) age(now time.Duration) time.Duration {
	since := s.since.Load()
	if since == always {
		return math.MaxInt64
	}
	return now - time.Duration(since)
}

// observeStarts takes note of who is available and who is not, and returns the
// latest start of those who are.
func observeStarts(set Set, service *Service, now time.Duration) (latest time.Duration) {
	begin := slowStarts.OfService(service)
	begin.CompareAndSwap(0, int64(now))
	clientIsNew := now <= time.Duration(begin.Load())+atStart
	latest = now - math.MaxInt64
	available := set.availability()
	for i, e := range set.listed() {
		s := starts.Of(e)
		switch {
		case !available[i]:
			s.away.Store(true)
			continue
		case clientIsNew:
			s.since.Store(always)
		case s.since.Load() == 0 || s.away.Load():
			s.since.Store(int64(now))
		}
		s.away.Store(false)
		if since := s.since.Load(); since != always {
			latest = max(latest, time.Duration(since))
		}
	}
	return latest
}
