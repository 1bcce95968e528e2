package zookeeper

import (
	"net"
	"time"
)

// A handshake is a connection to a server that has as long to answer the first
// request, which asks for a session, as the session may last. The client of
// ZooKeeper waits more than six times as long for the beginning of the answer,
// and without a limit for its end, before it tries the next server.
type handshake struct {
	net.Conn
	limit time.Duration
	begun bool
	over  bool
}

// SetReadDeadline implements [net.Conn]. The first deadline is that of the
// answer, until the next one that is not taken off at once.
func (h *handshake) SetReadDeadline(t time.Time) error {
	switch {
	case !h.begun:
		h.begun = true
		t = time.Now().Add(h.limit)
	case !h.over && t.IsZero():
		return nil
	default:
		h.over = true
	}
	return h.Conn.SetReadDeadline(t)
}

// connect dials a server.
func (c *Client) connect(network, address string, timeout time.Duration) (net.Conn, error) {
	conn, err := c.dial(network, address, timeout)
	if err != nil {
		return nil, err
	}
	return &handshake{Conn: conn, limit: c.session}, nil
}
