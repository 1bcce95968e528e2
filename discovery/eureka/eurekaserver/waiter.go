package eurekaserver

import "sync"

// waiters counts the requests that wait for a change.
type waiters struct {
	max, maxPerClient int

	mu       sync.Mutex
	all      int
	byClient map[string]int
}

func newWaiters(n, perClient int) *waiters {
	return &waiters{max: n, maxPerClient: perClient, byClient: make(map[string]int)}
}

// enter reports whether one more may wait. If so, leave must follow.
func (w *waiters) enter(client string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= w.max || w.byClient[client] >= w.maxPerClient {
		return false
	}
	w.all++
	w.byClient[client]++
	return true
}

func (w *waiters) leave(client string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all--
	if w.byClient[client]--; w.byClient[client] == 0 {
		delete(w.byClient, client)
	}
}

func (w *waiters) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}
