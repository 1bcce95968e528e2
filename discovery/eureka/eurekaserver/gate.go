package eurekaserver

import (
	"log/slog"
	"net/http"
)

// gated is a route to a list. While the server starts and its lists are known
// to be incomplete, clients are told to ask another server: those that would
// believe an empty list would stop calling instances that are there.
func gated(next route) route {
	return func(s *Server, w http.ResponseWriter, r *http.Request, args []string) {
		if s.cluster.gateClosed() {
			empty(w, http.StatusForbidden)
			return
		}
		next(s, w, r, args)
	}
}

func (c *cluster) gateClosed() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.opened:
		return false
	default:
		return true
	}
}

func (c *cluster) openGate(why string) {
	c.open.Do(func() {
		close(c.opened)
		c.log().Info("lists are served", "why", why)
	})
}

// limitGate opens the gate when its time is over.
func (c *cluster) limitGate() {
	if sleep(c.loops, max(c.GateTime, 0)) {
		c.openGate("no peer had a complete list in time")
	}
}

// review opens the gate if there is no more to wait for: all that a peer knows
// which is not just starting itself, or all that all peers know.
func (c *cluster) review() {
	if !c.gateClosed() {
		return
	}
	c.mu.Lock()
	all := c.listed
	c.mu.Unlock()
	others := 0
	for _, p := range *c.peers.Load() {
		kind, copied, complete := p.progress()
		if kind == peerSelf {
			continue
		}
		others++
		if complete {
			c.openGate("the list of a peer was copied")
			return
		}
		all = all && copied
	}
	switch {
	case all && others == 0:
		c.openGate("there are no peers")
	case all:
		c.openGate("the lists of all peers were copied")
	}
}

func (c *cluster) log() *slog.Logger { return c.server.settings.logger }
