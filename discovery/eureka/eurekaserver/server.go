package eurekaserver

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A Server is a registry that Eureka clients can use: an [http.Handler] with
// all its state in memory. Make one with [New]. Its methods may be called
// concurrently.
type Server struct {
	settings settings
	id       string // by which servers recognize themselves
	registry *registry
	cluster  *cluster // nil if there are no peers
	started  time.Time
	waiting  *waiters
	requests requestCounts
	page     *page

	registrations, lists *buckets      // nil: no limit
	refusals             atomic.Uint64 // since the last that was logged
	refusedAt            atomic.Int64  // when that was

	snapshots snapshotState

	startOnce  sync.Once
	closeOnce  sync.Once
	done       chan struct{}
	background sync.WaitGroup // what Start has left running
}

var _ http.Handler = (*Server)(nil)

// New returns a registry. It starts nothing and reads nothing: the first
// request does, or [Server.Start].
func New(opts ...Option) *Server {
	s := &Server{
		settings: newSettings(opts),
		id:       newID(),
		started:  time.Now(),
		done:     make(chan struct{}),
	}
	s.requests = newRequestCounts()
	limits := &s.settings.limits
	s.waiting = newWaiters(s.settings.maxWaiters, limits.WaitersPerClient)
	s.registrations, s.lists = newBuckets(limits.Registrations), newBuckets(limits.Lists)
	s.registry = newRegistry(&s.settings, hooks{evicted: s.logEvictions, protected: s.logProtection})
	if peers := s.settings.peers; peers != nil {
		s.registry.graves.open = true
		s.cluster = newCluster(s, *peers)
	}
	s.page = newPage(s, s.settings.page)
	return s
}

// Close ends the server: leases end no more, requests that wait are answered
// at once, and they and all later ones get status 503. Peers are told what is
// queued for them, for a second at most. It returns when nothing
// of the server runs any more and the snapshot, if there is one, has been
// written. Calls after the first do nothing. Close before
// [http.Server.Shutdown], or pass Close to [http.Server.RegisterOnShutdown],
// since Shutdown waits for the requests that wait.
func (s *Server) Close() {
	s.startOnce.Do(func() {}) // waits for a start that is under way, and prevents another
	s.closeOnce.Do(func() {
		close(s.done)
		if s.cluster != nil {
			s.cluster.close()
		}
		s.registry.close()
		s.background.Wait()
		s.saveLast()
	})
}

func (s *Server) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *Server) logEvictions(evicted []wire.Instance) {
	for i := range evicted {
		s.settings.logger.Info("instance evicted", "app", evicted[i].App, "id", evicted[i].ID())
	}
}

func (s *Server) logProtection(p Preservation) {
	if p.Active {
		s.settings.logger.Warn("leases protected", "why", p.Reason, "held", p.Held)
	} else {
		s.settings.logger.Info("leases no longer protected", "why", p.Reason, "held", p.Held)
	}
}
