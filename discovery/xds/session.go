package xds

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	maxRetryDelay = 30 * time.Second

	// restartDelay is how far the beginnings of streams are apart at least that
	// the plane answers and then ends.
	restartDelay = time.Second

	// sendTimeout is how long the plane may take to read a request.
	sendTimeout = 10 * time.Second

	maxMessage = 16 << 20
)

// A session is what is watched from the first watch to the last, and the
// goroutine that keeps a stream open for it.
type session struct {
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
	wake   chan struct{} // holds a value if other resources are wanted than before

	resources map[string]*resource // by name; guarded by Client.mu
	readers   int                  // of all of them; guarded by Client.mu

	version string // of the last response that was accepted, without [WithDelta]
}

func newSession(c *Client) *session {
	s := &session{c: c, done: make(chan struct{}), wake: make(chan struct{}, 1), resources: make(map[string]*resource)}
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	return s
}

// notify has other resources be asked for.
func (s *session) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// wanted forgets the resources that nobody reads any more, and returns the
// others.
func (s *session) wanted() map[string]*resource {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	wanted := make(map[string]*resource, len(s.resources))
	for name, r := range s.resources {
		if r.readers == 0 {
			delete(s.resources, name)
		} else {
			wanted[name] = r
		}
	}
	return wanted
}

// run keeps a stream open until the session ends. That a stream ends which the
// plane has answered is nothing special, and no news unless the next one
// fails.
func (s *session) run() {
	defer close(s.done)
	defer s.cancel()
	delays := retry.New(maxRetryDelay)
	failing := false
	for s.ctx.Err() == nil {
		begin := time.Now()
		answered, err := s.live(failing)
		if s.ctx.Err() != nil {
			return
		}
		pause := restartDelay - time.Since(begin)
		if answered {
			delays.Reset()
		} else {
			for _, r := range s.wanted() {
				r.fail(err)
			}
			pause = delays.Delay()
		}
		failing = !answered
		if !retry.Sleep(s.ctx, pause) {
			return
		}
	}
}

// live opens a stream and uses it until something fails. It waits for a
// connection while there is none, if told so, and reports whether the plane
// has answered.
func (s *session) live(wait bool) (answered bool, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	x := &exchange{s: s, ctx: ctx, cancel: cancel, missing: make(map[string]bool), nacks: retry.New(maxNackDelay)}
	err = x.within(connectTimeout, "connection", func() error {
		var err error
		x.stream, err = s.open(ctx, grpc.WaitForReady(wait), grpc.MaxCallRecvMsgSize(maxMessage))
		return err
	})
	if err != nil {
		return false, err
	}
	incoming := make(chan incoming)
	var receiving sync.WaitGroup
	defer receiving.Wait()
	defer cancel(nil)
	receiving.Go(func() { receive(ctx, x.stream, incoming) })
	err = x.run(incoming)
	return x.answered, err
}

// open opens a stream of the variant that is spoken.
func (s *session) open(ctx context.Context, opts ...grpc.CallOption) (stream, error) {
	if s.c.delta {
		client, err := s.c.plane.DeltaAggregatedResources(ctx, opts...)
		return &delta{session: s, client: client}, err
	}
	client, err := s.c.plane.StreamAggregatedResources(ctx, opts...)
	return &sotw{session: s, client: client}, err
}

// incoming is a response, or why there are no more.
type incoming struct {
	response *response
	err      error
}

// receive hands on what the plane sends, until the stream or ctx ends.
func receive(ctx context.Context, s stream, to chan<- incoming) {
	for {
		r, err := s.recv()
		select {
		case to <- incoming{r, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
