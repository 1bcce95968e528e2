package kubernetes

import (
	"context"
	"net"

	"github.com/namesake-go/namesake/discovery"
)

// SetDial makes a client, which has not been used, connect in another way.
func (c *Client) SetDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	c.access.dial = dial
}

// ParseName returns what a name says.
func ParseName(text string) (namespace, service, port string, err error) {
	n, port, err := parseName(text)
	return n.namespace, n.service, port, err
}

// SetOfList returns the set that a list makes.
func SetOfList(list []byte, port string, ipv6 bool) ([]discovery.Instance, error) {
	p, err := parsePage(list)
	if err != nil {
		return nil, err
	}
	all := make([]*slice, len(p.Items))
	for i := range p.Items {
		all[i] = &p.Items[i]
	}
	return merge(all, port, ipv6)
}

// SetOfEvent returns the set that the slice in an event makes.
func SetOfEvent(line []byte) ([]discovery.Instance, error) {
	e, err := parseEvent(line)
	if err != nil || e.slice == nil {
		return nil, err
	}
	return merge([]*slice{e.slice}, "", false)
}
