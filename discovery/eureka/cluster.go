package eureka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	findTimeout = 10 * time.Second
	findEvery   = 5 * time.Minute // mean
	findAgain   = 30 * time.Second
)

// A cluster knows the servers: those that were written down, and those that
// were found last.
type cluster struct {
	c    *Client
	turn chan struct{} // holds a token while someone waits for the first servers

	mu  sync.Mutex // guards the rest
	now []*server  // never changed, but replaced
	due time.Time  // when to ask find again
}

// init takes the servers that were written down, and reports why they cannot
// be used.
func (k *cluster) init(c *Client, urls string) (unusable error) {
	k.c, k.turn = c, make(chan struct{}, 1)
	lists := make(map[string]string, len(c.zones)+1)
	maps.Copy(lists, c.zones)
	lists[""] += "," + urls
	k.now, unusable = parseZones(c.zone, lists)
	if unusable == errNoServer && c.find != nil { //nolint:errorlint // it is not wrapped
		return nil
	}
	return unusable
}

// servers returns what is known, and starts to ask anew when it is time to.
// Only when nothing is known it waits for the answer.
func (k *cluster) servers(ctx context.Context) ([]*server, error) {
	k.mu.Lock()
	servers, due := k.now, k.c.find != nil && !time.Now().Before(k.due)
	if due && len(servers) > 0 {
		k.due = time.Now().Add(retry.Jitter(findAgain)) // unless it succeeds
	}
	k.mu.Unlock()
	switch {
	case len(servers) == 0:
		return k.await(ctx)
	case due:
		k.c.spawn(func() { // ends with the client
			if _, err := k.ask(k.c.ctx, servers); err != nil && !k.c.closed() {
				k.c.log.Warn("servers cannot be found, and those found last stand", "error", err)
			}
		})
	}
	return servers, nil
}

// await returns the first servers that are found, by whoever asks.
func (k *cluster) await(ctx context.Context) ([]*server, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("servers: %w", context.Cause(ctx))
	}
	k.mu.Lock()
	servers := k.now
	k.mu.Unlock()
	if len(servers) > 0 {
		return servers, nil
	}
	return k.ask(ctx, nil)
}

// ask finds the servers, and remembers them. Of those known, the ones that
// stay keep their identity, and with it what is known of them.
func (k *cluster) ask(ctx context.Context, known []*server) ([]*server, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	lists, err := k.c.find(ctx)
	var found []*server
	if err == nil {
		found, err = parseZones(k.c.zone, lists)
	}
	if err != nil {
		return nil, fmt.Errorf("servers: %w", err)
	}
	for i, s := range found {
		if j := slices.IndexFunc(known, s.same); j >= 0 {
			found[i] = known[j]
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now, k.due = found, time.Now().Add(retry.Jitter(findEvery))
	return found, nil
}
