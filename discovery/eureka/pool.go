package eureka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	// maxAttempts bounds the attempts of one request, each on another server.
	maxAttempts = 3

	// A session is how long a server is used before one is chosen anew, on
	// average: so the load finds its way back to a server that was away. With
	// a server of another zone than the client's it is shorter.
	session    = 20 * time.Minute
	farSession = 5 * time.Minute
)

// A pool chooses servers. The last that was good is used again, until the
// session is over; those that failed in it are the last resort, until all of
// them have failed.
type pool struct {
	cluster *cluster
	ordered bool // servers are used in the order written
	strict  bool // a rejection by one server is taken for the answer of all

	mu      sync.Mutex // guards the rest
	servers []*server  // of the cluster
	order   []*server  // the same, as they are preferred in this session
	good    *server
	last    *server // good in the session before, until this one has its own
	bad     map[*server]bool
	until   time.Time // when the session ends
}

// try makes one request: up to three attempts, each on another server, until
// one succeeds. A server that rejects the request (see [StatusError]) is not
// held to be bad, and ends a strict pool's request. The error holds those of
// all attempts, and wraps the last.
//
// Where ctx has a deadline, each attempt gets an equal share of what is left.
func (p *pool) try(ctx context.Context, ask func(context.Context, *server) error) error {
	servers, err := p.cluster.servers(ctx)
	if err != nil {
		return err
	}
	var failed error
	candidates := p.candidates(servers)
	for i, s := range candidates {
		err := attempt(ctx, s, len(candidates)-i, ask)
		if err == nil {
			p.praise(s)
			return nil
		}
		over := ctx.Err() != nil // which says nothing about the server
		if over {
			err = fmt.Errorf("%s: %w", s, context.Cause(ctx))
		}
		refused := rejected(err)
		if !over && !refused {
			p.blame(s)
		}
		if failed != nil {
			err = fmt.Errorf("%v; %w", failed, err)
		}
		failed = err
		if over || refused && p.strict {
			break
		}
	}
	return failed
}

func attempt(ctx context.Context, s *server, left int, ask func(context.Context, *server) error) error {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := time.Until(deadline) / time.Duration(left)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return ask(ctx, s)
}

// candidates returns the servers for the attempts of one request.
func (p *pool) candidates(servers []*server) []*server {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	over := !now.Before(p.until)
	if over {
		p.good, p.last, p.bad = nil, p.good, make(map[*server]bool)
		p.until = now.Add(retry.Spread(session))
	}
	if over || !slices.Equal(p.servers, servers) {
		p.reorder(servers)
	}
	rank := func(s *server) int {
		switch {
		case s == p.good:
			return 0
		case !p.bad[s]:
			return 1
		default:
			return 2
		}
	}
	list := slices.Clone(p.order)
	slices.SortStableFunc(list, func(a, b *server) int { return rank(a) - rank(b) })
	if i := slices.Index(list, p.last); i >= maxAttempts { // a new choice must not cost a request
		list[maxAttempts-1] = p.last
	}
	return list[:min(maxAttempts, len(list))]
}

// reorder takes note of the servers that there are: at random, but the near
// ones first. What is known of those that stay is kept.
func (p *pool) reorder(servers []*server) {
	p.servers, p.order = servers, slices.Clone(servers)
	if !p.ordered {
		rand.Shuffle(len(p.order), func(i, j int) { p.order[i], p.order[j] = p.order[j], p.order[i] })
	}
	slices.SortStableFunc(p.order, func(a, b *server) int {
		switch {
		case a.near == b.near:
			return 0
		case a.near:
			return -1
		default:
			return 1
		}
	})
	gone := func(s *server) bool { return !slices.Contains(servers, s) }
	if gone(p.good) {
		p.good = nil
	}
	if gone(p.last) {
		p.last = nil
	}
	for s := range p.bad {
		if gone(s) {
			delete(p.bad, s)
		}
	}
}

// praise makes s the server to use.
func (p *pool) praise(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bad, s)
	if p.good == s || !slices.Contains(p.servers, s) {
		return
	}
	p.good, p.last = s, nil
	if end := time.Now().Add(retry.Spread(farSession)); !s.near && p.order[0].near && end.Before(p.until) {
		p.until = end
	}
}

// blame makes s a last resort. When all servers are, none is.
func (p *pool) blame(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.good == s {
		p.good = nil
	}
	if p.last == s {
		p.last = nil
	}
	if slices.Contains(p.servers, s) {
		p.bad[s] = true
	}
	if len(p.bad) == len(p.servers) {
		clear(p.bad)
	}
}
