package eureka

import "time"

// Stats say how well a client knows the registry: for metrics. The zero value
// is that of a client that watches nothing.
type Stats struct {
	Server    string    // that the registry was last read from, without credentials; empty if from none yet
	Read      time.Time // when a server last changed or confirmed it; zero if none has yet
	Instances int       // how many are known, of every status
	Err       error     // why it cannot be read at the moment; nil if it can
}

// Age returns how long ago a server last changed or confirmed the registry. It
// is zero if none has yet. With servers that do not wait for changes it grows
// up to the poll interval; much more says that the registry cannot be read,
// and that watches go on with what was read last.
func (s Stats) Age() time.Duration {
	if s.Read.IsZero() {
		return 0
	}
	return time.Since(s.Read)
}

// Stats returns how well the client knows the registry, as long as something
// is watched. With [WithFetchByService], instances are those of all services
// that are watched, and the rest is of the one that was read the longest time
// ago.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all Stats
	first := true
	for _, f := range c.feeds {
		s := f.stats()
		s.Instances += all.Instances
		if first || s.Read.Before(all.Read) {
			all, first = s, false
		}
		all.Instances = s.Instances
	}
	return all
}

func (f *feed) stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Stats{Server: f.server, Read: f.read, Err: f.failure}
	if f.registry != nil {
		s.Instances = f.registry.size
	}
	return s
}
