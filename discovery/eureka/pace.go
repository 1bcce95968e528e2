package eureka

import "time"

const (
	waitForChange = 25 * time.Second // below the idle limits of common proxies

	// reallyWaited is how long an answer takes at least that counts as one
	// that the server held back.
	reallyWaited = time.Second

	firstPause = 10 * time.Millisecond
	busyPause  = 100 * time.Millisecond
)

// A pace leaves pauses between requests that wait for changes while they are
// answered at once: from 10 ms, doubling. Changes that follow each other
// quickly are so fetched together, at most 10 times a second, and a server
// that does not wait, or many behind one address that do not know each
// other's revisions, are soon only polled. The zero value begins.
type pace struct {
	next time.Duration
}

// after returns the pause after an answer that took that long and did, or did
// not, bring changes. Idle is the longest pause.
func (p *pace) after(took time.Duration, changes bool, idle time.Duration) time.Duration {
	if took >= reallyWaited {
		p.next = 0
		return 0
	}
	limit := idle
	if changes {
		limit = min(busyPause, idle)
	}
	pause := min(max(p.next, firstPause), limit)
	p.next = 2 * pause
	return pause
}
