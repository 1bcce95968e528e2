// Package turn has those who speak for one copy of a service take turns, so
// that a registry hears things in the order in which they were said.
package turn

import (
	"context"
	"sync"
)

// Lines are lines by key. R is what speaks for a copy. The zero value is ready
// for use, and methods may be called concurrently.
type Lines[R any] struct {
	mu    sync.Mutex // guards lines, and users of each
	lines map[string]*Line[R]
}

// A Line is those who speak for the copy of one key. Its methods may be called
// concurrently.
type Line[R any] struct {
	// Owner keeps the copy announced; nil if nobody does. It is for whoever
	// has the turn.
	Owner *R

	lines *Lines[R]
	key   string
	users int
	turn  chan struct{} // holds a token while someone has the turn
}

// Join returns the line of a key, to be left.
func (s *Lines[R]) Join(key string) *Line[R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[key]
	if l == nil {
		l = &Line[R]{lines: s, key: key, turn: make(chan struct{}, 1)}
		if s.lines == nil {
			s.lines = make(map[string]*Line[R])
		}
		s.lines[key] = l
	}
	l.users++
	return l
}

// Leave ends one use of a line. When nobody uses it any more, it is forgotten
// with its owner.
func (l *Line[R]) Leave() {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(l.lines.lines, l.key)
	}
}

// Enter waits for the turn, or returns the cause of the end of ctx.
func (l *Line[R]) Enter(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case l.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// Exit gives the turn to the next.
func (l *Line[R]) Exit() { <-l.turn }
