package consul

import "time"

const (
	// spacing is how far the starts of requests are apart at least: changes
	// that follow each other quickly are fetched together.
	spacing = 100 * time.Millisecond

	// reallyWaited is how long an answer takes at least that counts as one
	// that the agent held back.
	reallyWaited = time.Second

	// maxIdle bounds the pause while the index moves and the set does not:
	// other things move it too, such as what a check has printed.
	maxIdle = time.Second
)

// A pace leaves pauses between requests that are answered at once: from
// spacing, doubling while the answers bring nothing new. So an agent that does
// not wait is soon only polled, once in limit.
type pace struct {
	limit time.Duration
	next  time.Duration
}

// after returns the pause after an answer that took that long, that did or did
// not bring a new set, and with whose index one can or cannot go on.
func (p *pace) after(took time.Duration, isNew, advanced bool) time.Duration {
	if isNew || took >= reallyWaited {
		p.next = spacing
		return max(spacing-took, 0)
	}
	limit := p.limit
	if advanced {
		limit = min(maxIdle, limit)
	}
	pause := min(max(p.next, spacing), limit)
	p.next = 2 * pause
	return pause
}
