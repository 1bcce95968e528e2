package consul

import "context"

// A line makes those who speak for the copies of one ID take turns, a whole
// request at a time, so that the agent hears things in the order in which they
// were said.
type line struct {
	turn  chan struct{} // holds a token while someone has the turn
	owner *registration // who keeps the copy announced; nil if nobody. Of who has the turn

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

// line returns the line for an ID, to be released.
func (c *Client) line(id string) *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[id]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		c.lines[id] = l
	}
	l.users++
	return l
}

// release ends one use of a line.
func (c *Client) release(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[id]
	if l.users--; l.users == 0 {
		delete(c.lines, id)
	}
}
