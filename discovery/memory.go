package discovery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
)

// Memory is a registry in memory, both sides of it: what one goroutine
// registers, another sees. It serves tests, and programs whose services all
// live in one process. The zero value is an empty registry. All methods may be
// called concurrently.
//
// Sets are ordered by key. Changes that come faster than a watch is read are
// merged: its reader gets the latest set, never a queue of old ones. A service
// that nobody has ever announced yields an empty set rather than
// [ErrUnknownService], because here that differs in nothing from one whose
// last copy has left.
type Memory struct {
	mu       sync.Mutex // guards the rest
	services map[string]*memoryService
	outage   error         // why the registry fails; nil while it works
	repaired chan struct{} // closed when the outage ends
}

type memoryService struct {
	news    latest
	copies  map[string]*memoryCopy // by key
	faults  error                  // what the last Set left out
	watches int
}

// A memoryCopy is one announced instance and its [Registration], if Register
// made it.
type memoryCopy struct {
	memory   *Memory
	service  string
	instance Instance
	once     sync.Once
	closed   error // result of the first Close
}

// Watch implements [Watcher].
func (m *Memory) Watch(ctx context.Context, service string) iter.Seq2[[]Instance, error] {
	return func(yield func([]Instance, error) bool) {
		m.mu.Lock()
		s := m.service(service)
		s.watches++
		m.mu.Unlock()
		defer func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			s.watches--
			m.tidy(service, s)
		}()
		s.news.watch(ctx, yield)
	}
}

// Register implements [Registrar]. It returns at once, except during an outage
// (see [Memory.Fail]), which it waits out until ctx is done.
func (m *Memory) Register(ctx context.Context, service string, in Instance) (Registration, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	c := &memoryCopy{memory: m, service: service, instance: in}
	for {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("discovery: register %q for %q: %w", in.Key(), service, context.Cause(ctx))
		}
		repaired := m.announce(c)
		if repaired == nil {
			return c, nil
		}
		select {
		case <-repaired:
		case <-ctx.Done():
		}
	}
}

// announce adds the copy, or returns what to wait for if there is an outage.
func (m *Memory) announce(c *memoryCopy) (repaired <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.outage != nil {
		return m.repaired
	}
	s := m.service(c.service)
	s.copies[c.instance.Key()] = c
	m.publish(s)
	return nil
}

// Set replaces all copies of a service, registered ones included. Instances
// that [CleanSet] leaves out are named by an error, which watches see after
// the set and until the next Set. If nothing is left of them, the last set
// stands.
func (m *Memory) Set(service string, instances ...Instance) {
	set, err := CleanSet(instances)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(service)
	s.faults = err
	if err == nil || len(set) > 0 {
		clear(s.copies)
		for _, in := range set {
			s.copies[in.Key()] = &memoryCopy{instance: in}
		}
	}
	m.publish(s)
	m.tidy(service, s)
}

// Fail begins an outage, for tests of what happens then: every watch, of any
// service, sees err as news, one that begins now sees nothing else, and calls
// of Register and Close wait. Changes made by Set are not seen before it ends.
// Fail(nil) ends it, and every watch sees its set again, changed or not.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil && m.outage == nil:
		m.repaired = make(chan struct{})
	case err == nil && m.outage != nil:
		close(m.repaired)
	}
	m.outage = err
	for _, s := range m.services {
		m.tell(s)
	}
}

// service returns the state of a service, new if it was never heard of. It
// must be called with mu held.
func (m *Memory) service(name string) *memoryService {
	s := m.services[name]
	if s == nil {
		if m.services == nil {
			m.services = make(map[string]*memoryService)
		}
		s = &memoryService{copies: make(map[string]*memoryCopy)}
		m.services[name] = s
		m.tell(s)
	}
	return s
}

// tidy forgets a service of which there is nothing to know, so that names that
// are only asked for do not pile up. It must be called with mu held.
func (m *Memory) tidy(name string, s *memoryService) {
	if s.watches == 0 && len(s.copies) == 0 && s.faults == nil {
		delete(m.services, name)
	}
}

// tell tells the watches of a service whether there is an outage, and the set
// if there is none. It must be called with mu held.
func (m *Memory) tell(s *memoryService) {
	if m.outage != nil {
		s.news.lose(m.outage)
		return
	}
	m.publish(s)
}

// publish tells the watches of a service its set, and what was left out of it,
// unless an outage hides that. It must be called with mu held.
func (m *Memory) publish(s *memoryService) {
	if m.outage != nil {
		return
	}
	set := make([]Instance, 0, len(s.copies))
	for _, c := range s.copies {
		set = append(set, c.instance)
	}
	slices.SortFunc(set, byKey)
	s.news.publish(set)
	if s.faults != nil {
		s.news.fail(s.faults)
	}
}

// Close implements [Registration].
func (c *memoryCopy) Close(ctx context.Context) error {
	c.once.Do(func() {
		if repaired := c.memory.withdraw(c); repaired != nil {
			select {
			case <-repaired:
			case <-ctx.Done():
				c.closed = fmt.Errorf("discovery: withdraw %q from %q: %w", c.instance.Key(), c.service, context.Cause(ctx))
			}
		}
	})
	return c.closed
}

// withdraw removes the copy, unless another has taken its place. It returns
// what to wait for if there is an outage.
func (m *Memory) withdraw(c *memoryCopy) (repaired <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(c.service)
	if key := c.instance.Key(); s.copies[key] == c {
		delete(s.copies, key)
		m.publish(s)
	}
	m.tidy(c.service, s)
	if m.outage != nil {
		return m.repaired
	}
	return nil
}
