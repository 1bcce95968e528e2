package eureka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxAttempts bounds the attempts of one request, each on another server.
const maxAttempts = 3

// A pool chooses servers. The last that was good is used again; those that
// failed are the last resort, until all of them have failed.
type pool struct {
	servers []*server
	strict  bool // a rejection by one server is taken for the answer of all

	mu   sync.Mutex // guards the rest
	good *server
	bad  map[*server]bool
}

// try makes one request: up to three attempts, each on another server, until
// one succeeds. A server that rejects the request (see [StatusError]) is not
// held to be bad, and ends a strict pool's request. The error holds those of
// all attempts, and wraps the last.
//
// Where ctx has a deadline, each attempt gets an equal share of what is left.
func (p *pool) try(ctx context.Context, ask func(context.Context, *server) error) error {
	var failed error
	var tried []*server
	for left := min(maxAttempts, len(p.servers)); left > 0; left-- {
		s := p.next(tried)
		tried = append(tried, s)
		err := attempt(ctx, s, left, ask)
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

// next returns the server for another attempt. There must be one that has not
// been tried.
func (p *pool) next(tried []*server) *server {
	p.mu.Lock()
	defer p.mu.Unlock()
	untried := func(s *server) bool { return !slices.Contains(tried, s) }
	if p.good != nil && untried(p.good) {
		return p.good
	}
	if i := slices.IndexFunc(p.servers, func(s *server) bool { return untried(s) && !p.bad[s] }); i >= 0 {
		return p.servers[i]
	}
	return p.servers[slices.IndexFunc(p.servers, untried)]
}

// praise makes s the server to use.
func (p *pool) praise(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good = s
	delete(p.bad, s)
}

// blame makes s a last resort. When all servers are, none is.
func (p *pool) blame(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.good == s {
		p.good = nil
	}
	if p.bad == nil {
		p.bad = make(map[*server]bool)
	}
	p.bad[s] = true
	if len(p.bad) == len(p.servers) {
		clear(p.bad)
	}
}
