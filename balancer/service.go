package balancer

import (
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxClasses bounds the classes of a service. Names beyond it share one.
	maxClasses = 64

	// A mean is settled after so many samples. Until then all of them weigh the
	// same, and from then on each as much as the last before.
	settled = 100

	// enoughSamples is how many answers it takes to say what a class costs.
	enoughSamples = 10

	// Unit is the cost of an ordinary call in the fixed point in which
	// [Attempt.Cost] counts: costs are added and taken away as whole numbers,
	// so that nothing is left over.
	Unit = 1024

	minCost = Unit / 100
	maxCost = Unit * 100
)

// A ServiceConfig says by which clock and by whose chance a [Service] goes. The
// zero value is what programs use. The others are for simulations, which must
// be the same each time.
type ServiceConfig struct {
	// Now is a monotonic clock whose readings are greater than 0. Default: the
	// system's.
	Now func() time.Duration

	// Rand returns 64 random bits. Default: math/rand/v2's.
	Rand func() uint64

	// Probe asks for a [Report] of an endpoint, to come some time or never. It
	// must not block. Nil means that endpoints cannot be probed.
	Probe func(*Endpoint)
}

// A Service is what all endpoints of one service have in common: the mean
// latency of its calls and of each class of them, a clock, and chance. The
// zero value is ready to use. All methods may be called concurrently.
type Service struct {
	cfg ServiceConfig
	attachments

	classes atomic.Pointer[map[string]*Class]     // copied on write
	byIndex [maxClasses + 2]atomic.Pointer[Class] // the last is others
	others  Class
	_       [64]byte // the mean is written at each answer
	mean    mean
	_       [56]byte
}

// NewService returns a service without endpoints.
func NewService(cfg ServiceConfig) *Service { return &Service{cfg: cfg} }

// base makes every reading of the clock greater than 0.
var base = time.Now().Add(-time.Second)

// Now reads the service's clock. Only differences between readings mean
// anything.
func (s *Service) Now() time.Duration {
	if s.cfg.Now != nil {
		return s.cfg.Now()
	}
	return time.Since(base)
}

// Uint64 returns 64 random bits.
func (s *Service) Uint64() uint64 {
	if s.cfg.Rand != nil {
		return s.cfg.Rand()
	}
	return rand.Uint64()
}

// IntN returns a random number from 0 to n-1. N must be positive, and less
// than 1<<31.
func (s *Service) IntN(n int) int { return scale(s.Uint64()>>32, n) }

// scale maps 32 random bits to a number below n, evenly enough by far: one part
// in 400,000 for 10,000 endpoints.
func scale(bits uint64, n int) int { return int(bits * uint64(n) >> 32) }

// Float64 returns a random number in [0, 1).
func (s *Service) Float64() float64 { return float64(s.Uint64()>>11) / (1 << 53) }

// Probe asks for a report of an endpoint. It reports false if this service
// cannot ask.
func (s *Service) Probe(e *Endpoint) bool {
	if s.cfg.Probe == nil {
		return false
	}
	s.cfg.Probe(e)
	return true
}

// Latency returns the mean latency of the service's successful calls: the
// geometric mean, in which the last hundred or so count most. Zero means that
// there have been none, or that no policy asks for it.
func (s *Service) Latency() time.Duration { return time.Duration(s.mean.value()) }

// Class returns the class of that name, always the same. There are 64 at most;
// more names share one class.
func (s *Service) Class(name string) *Class {
	if classes := s.classes.Load(); classes != nil {
		if c := (*classes)[name]; c != nil {
			return c
		}
		if len(*classes) >= maxClasses {
			return &s.others
		}
	}
	return s.newClass(name)
}

func (s *Service) newClass(name string) *Class {
	s.mu.Lock()
	defer s.mu.Unlock()
	classes := make(map[string]*Class)
	if old := s.classes.Load(); old != nil {
		if c := (*old)[name]; c != nil {
			return c
		}
		if len(*old) >= maxClasses {
			return &s.others
		}
		maps.Copy(classes, *old)
	}
	c := &Class{index: uint8(len(classes) + 1)}
	classes[name] = c
	s.byIndex[c.index].Store(c)
	if len(classes) == maxClasses {
		s.others.index = maxClasses + 1
		s.byIndex[s.others.index].Store(&s.others)
	}
	s.classes.Store(&classes)
	return c
}

// A Class is a kind of calls that cost about the same, such as those of one
// route. Where cheap and expensive calls mix, a policy that knows the classes
// can tell an expensive call from a slow endpoint. Nil is the class of calls
// that have none.
type Class struct {
	mean  mean
	index uint8 // in Service.byIndex, greater than 0
}

// Latency returns the mean latency of the class's successful calls, as
// [Service.Latency] does. Zero means that there have been none.
func (c *Class) Latency() time.Duration {
	if c == nil {
		return 0
	}
	return time.Duration(c.mean.value())
}

// cost returns what a call of the class costs, in units.
func (s *Service) cost(c *Class) int32 {
	if c == nil {
		return Unit
	}
	of, all := c.mean.load(), s.mean.load()
	if of.count < enoughSamples || all.count < enoughSamples {
		return Unit
	}
	return int32(min(max(Unit*float64(of.value)/float64(all.value), minCost), maxCost))
}

// sampled is how many answers there are for each that enters the means, once
// they are settled: all callers write the same word.
const sampled = 8

// sample enters the latency of a successful attempt into the means.
func (s *Service) sample(now time.Duration, a Attempt) {
	chance := uint64(now) * 0x9e3779b97f4a7c15 >> 32 // of the clock's finest digits
	if scale(chance, sampled) == 0 || s.mean.load().count < settled {
		s.mean.add(float64(now - a.start))
	}
	if class := a.Class(); class != nil {
		class.mean.add(float64(now - a.start))
	}
}

// A mean is a geometric moving average and the number of its samples, up to
// settled, in one word.
type mean struct{ word atomic.Uint64 }

type meanOf struct {
	value float32 // ns
	count uint32
}

func (m *mean) load() meanOf {
	word := m.word.Load()
	return meanOf{math.Float32frombits(uint32(word >> 32)), uint32(word)}
}

func (m *mean) value() float64 { return float64(m.load().value) }

// add enters a sample. In competition with another it may be lost: all that
// many callers write is one more word, and of many samples some are enough.
func (m *mean) add(sample float64) {
	old := m.word.Load()
	value, count := float64(math.Float32frombits(uint32(old>>32))), uint32(old)
	if count == 0 {
		value = sample
	} else {
		value = towards(value, sample, 1/float64(min(count+1, settled)))
	}
	count = min(count+1, settled)
	m.word.CompareAndSwap(old, uint64(math.Float32bits(float32(value)))<<32|uint64(count))
}

// towards moves a value towards another, geometrically: to value^(1-w)·to^w.
func towards(value, to, w float64) float64 {
	x := to/value - 1
	if x > -0.05 && x < 0.05 { // the usual case; right to the precision of a float32
		return value * (1 + w*x*(1+(w-1)/2*x*(1+(w-2)/3*x)))
	}
	return value * math.Exp(w*math.Log1p(x))
}

// attachments are the values of Keys on an endpoint or a service.
type attachments struct {
	mu     sync.Mutex              // serializes writers
	values atomic.Pointer[[]value] // copied on write
}

type value struct{ key, value any }
