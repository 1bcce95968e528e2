package eurekaserver

import (
	"net/http"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A Server is a registry that Eureka clients can use: an [http.Handler] with
// all its state in memory. Make one with [New]. Its methods may be called
// concurrently.
type Server struct {
	settings settings
	registry *registry
	started  time.Time
	waiting  chan struct{} // holds one element for each request that waits
	page     *page

	done      chan struct{}
	closeOnce sync.Once
}

var _ http.Handler = (*Server)(nil)

// New returns an empty registry. It starts nothing: the first registration
// sets the timer by which leases end.
func New(opts ...Option) *Server {
	s := &Server{
		settings: newSettings(opts),
		started:  time.Now(),
		done:     make(chan struct{}),
	}
	s.waiting = make(chan struct{}, s.settings.maxWaiters)
	s.registry = newRegistry(s.settings.deltaRetention, s.settings.overrideRetention, s.logEvictions)
	s.page = newPage(s, s.settings.page)
	return s
}

// Close ends the server: leases end no more, requests that wait are answered
// at once, and they and all later ones get status 503. Calls after the first
// do nothing. Close before [http.Server.Shutdown], or pass Close to
// [http.Server.RegisterOnShutdown], since Shutdown waits for the requests that
// wait.
func (s *Server) Close() {
	s.closeOnce.Do(func() {
		close(s.done)
		s.registry.close()
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
