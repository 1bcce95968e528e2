package eureka

import "context"

// A copyKey tells a copy from all others of a cluster.
type copyKey struct{ app, id string }

// A line makes those who speak for one copy take turns, a whole request at a
// time, so that the servers hear things in the order in which they were said.
// Who has the turn is alone with everything of the registrations in the line.
type line struct {
	turn  chan struct{} // holds a token while someone has the turn
	owner *Registration // whose heartbeats keep the copy announced; nil if nobody's

	users int // guarded by the client's mu
}

// enter waits for the turn.
func (l *line) enter(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case l.turn <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// exit gives the turn to the next.
func (l *line) exit() { <-l.turn }

// line returns the line for a copy, to be released.
func (c *Client) line(key copyKey) *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[key]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		c.lines[key] = l
	}
	l.users++
	return l
}

// release ends one use of a line.
func (c *Client) release(key copyKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[key]
	if l.users--; l.users == 0 {
		delete(c.lines, key)
	}
}
