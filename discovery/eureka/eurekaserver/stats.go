package eurekaserver

import (
	"maps"
	"time"
)

// Stats is how a server is at a moment: see [Server.Stats].
type Stats struct {
	// Started is when [New] was called, Revision the revision of the registry
	// as in the header X-Namesake-Revision, and Changes how many there have
	// been since the start.
	Started  time.Time
	Revision string
	Changes  uint64

	// Instances counts the instances by status, such as UP, all of which are
	// leases. Applications is how many names they have, Overrides how many
	// statuses operators have set, those of evicted instances included.
	Instances    map[string]int
	Leases       int
	Applications int
	Overrides    int

	// Waiting is how many requests wait for a change.
	Waiting int

	// Preservation is whether leases are protected, and why.
	Preservation Preservation

	// Peers is how the other servers of the cluster are: see [Server.Peers].
	Peers []PeerStatus

	// Snapshot is how the snapshot on disk is, if there is one.
	Snapshot SnapshotState

	// Totals counts what has happened since the start, and Requests the
	// answers, which says what was refused as well.
	Totals   Totals
	Requests []RequestCount
}

// Totals counts what has happened since a server started: see [Server.Stats].
type Totals struct {
	Registrations uint64 // of instances that were not there
	Heartbeats    uint64 // that renewed a lease
	Cancellations uint64
	Evictions     uint64 // leases that have ended
}

// Stats returns how the server is. It costs little: whoever wants to watch may
// call it every second.
func (s *Server) Stats() Stats {
	st := s.registry.stats()
	st.Started = s.started
	st.Waiting = s.waiting.size()
	st.Peers = s.Peers()
	st.Snapshot = s.snapshots.read()
	st.Requests = s.requests.read()
	return st
}

func (r *registry) stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := Stats{
		Revision:     r.tag(r.rev),
		Changes:      r.rev,
		Instances:    make(map[string]int, len(r.counts)),
		Leases:       len(r.expiry),
		Applications: len(r.apps),
		Overrides:    len(r.overrides),
		Preservation: r.guard.state(r.expiry, time.Now()),
		Totals:       r.totals,
	}
	for status, n := range maps.All(r.counts) {
		if n > 0 {
			st.Instances[string(status)] = n
		}
	}
	return st
}
