// Package turn has those who speak for one copy of a service take turns, so
// that a registry hears things in the order in which they were said.
package turn

import (
	"context"
	"sync"
	"time"
)

// Lines are lines by key, which is K. R is what speaks for a copy. The zero value is ready
// for use, and methods may be called concurrently.
type Lines[K comparable, R any] struct {
	mu    sync.Mutex // guards lines, and users of each
	lines map[K]*Line[K, R]
}

// A Line is those who speak for the copy of one key. Its methods may be called
// concurrently.
type Line[K comparable, R any] struct {
	// Owner keeps the copy announced; nil if nobody does. It is for whoever
	// has the turn.
	Owner *R

	lines *Lines[K, R]
	key   K
	users int
	turn  chan struct{} // holds a token while someone has the turn
}

// Join returns the line of a key, to be left.
func (s *Lines[K, R]) Join(key K) *Line[K, R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[key]
	if l == nil {
		l = &Line[K, R]{lines: s, key: key, turn: make(chan struct{}, 1)}
		if s.lines == nil {
			s.lines = make(map[K]*Line[K, R])
		}
		s.lines[key] = l
	}
	l.users++
	return l
}

// Leave ends one use of a line. When nobody uses it any more, it is forgotten
// with its owner.
func (l *Line[K, R]) Leave() {
	l.lines.mu.Lock()
	defer l.lines.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(l.lines.lines, l.key)
	}
}

// Enter waits for the turn, or returns the cause of the end of ctx.
func (l *Line[K, R]) Enter(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case l.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// EnterLast waits for the turn of who has the last word, and calls breakOff to
// have what is said at the moment broken off if it takes more than half of the
// time that ctx leaves. It could not be known otherwise what comes last.
func (l *Line[K, R]) EnterLast(ctx context.Context, breakOff func()) error {
	if deadline, ok := ctx.Deadline(); ok {
		half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
		if l.Enter(half) == nil {
			return nil
		}
		breakOff()
	}
	return l.Enter(ctx)
}

// Exit gives the turn to the next.
func (l *Line[K, R]) Exit() { <-l.turn }
