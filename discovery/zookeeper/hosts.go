package zookeeper

import "sync"

// hosts hands servers out by the names under which they were given, so that a
// name is looked up whenever it is connected to, and whoever connects by TLS
// knows it. It is a zk.HostProvider.
type hosts struct {
	mu      sync.Mutex // guards the rest
	servers []string
	next    int
	failed  int // servers in a row
}

// Init implements zk.HostProvider.
func (h *hosts) Init(servers []string) error {
	h.servers = servers
	return nil
}

// Len implements zk.HostProvider.
func (h *hosts) Len() int { return len(h.servers) }

// Next implements zk.HostProvider. It reports whether all have been tried in
// vain.
func (h *hosts) Next() (server string, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server, again = h.servers[h.next], h.failed >= len(h.servers)
	if again {
		h.failed = 0
	}
	h.failed++
	h.next = (h.next + 1) % len(h.servers)
	return server, again
}

// Connected implements zk.HostProvider.
func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = 0
}
