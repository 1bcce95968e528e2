package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// udpSize is the longest answer asked for over UDP: what passes the
	// internet in one piece (DNS flag day 2020).
	udpSize = 1232

	// maxStrays bounds how many datagrams that are no answer to the question
	// are read before giving up on it: somebody is guessing.
	maxStrays = 100
)

// A question is what is asked: a name in lower case with a dot at its end, and
// the type of its records.
type question struct {
	name string
	kind dnsmessage.Type
}

func (q question) String() string { return typeName(q.kind) + " " + q.name }

// exchange asks one server. Its result is an answer, be it that there is no
// such name; all else is an error.
func (c *Client) exchange(ctx context.Context, server string, q question) (*response, error) {
	ask, edns := c.overUDP, true
	if c.tcp {
		ask = c.overTCP
	}
	r, err := ask(ctx, server, q, edns)
	if err == nil && (r.rcode == dnsmessage.RCodeFormatError || r.rcode == dnsmessage.RCodeNotImplemented || r.rcode == badVersion) {
		edns = false // the server may not know EDNS (RFC 6891, 7)
		r, err = ask(ctx, server, q, edns)
	}
	if err == nil && r.truncated {
		r, err = c.overTCP(ctx, server, q, edns)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case r.rcode != dnsmessage.RCodeSuccess && r.rcode != dnsmessage.RCodeNameError:
		return nil, errors.New(rcodeName(r.rcode))
	case r.referral:
		return nil, errors.New("a referral: the server neither knows the name nor asks others for it")
	}
	return r, nil
}

// overUDP asks from a socket of its own, so that the port is as hard to guess
// as the system makes it. A datagram that is no answer to the question is none
// at all.
func (c *Client) overUDP(ctx context.Context, server string, q question, edns bool) (*response, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	conn, err := c.connect(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	id, query, err := newQuery(q, edns)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(query); err != nil {
		return nil, conn.explain(err)
	}
	buf := make([]byte, udpSize+1)
	for strays := range maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			if err = conn.explain(err); strays > 0 {
				err = fmt.Errorf("%w, but %d that do not fit", err, strays)
			}
			return nil, err
		}
		if !answers(buf[:n], id, q) {
			continue
		}
		if n > udpSize { // it has been cut
			return &response{truncated: true}, nil
		}
		return parse(buf[:n], q)
	}
	return nil, fmt.Errorf("%d answers that do not fit: somebody may be forging them", maxStrays)
}

// overTCP asks on a connection of its own.
func (c *Client) overTCP(ctx context.Context, server string, q question, edns bool) (*response, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	conn, err := c.connect(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	id, query, err := newQuery(q, edns)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, conn.explain(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, conn.explain(err)
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, conn.explain(err)
	}
	if !answers(buf, id, q) {
		return nil, errors.New("an answer over TCP that does not fit the question")
	}
	r, err := parse(buf, q)
	if err == nil && r.truncated {
		err = errors.New("an answer that is truncated over TCP too")
	}
	return r, err
}

// errSilence marks errors of the network: the server has not answered.
var errSilence = errors.New("no answer")

func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("%w within %v", errSilence, c.timeout))
}

// A socket is a connection whose reads and writes end with a context.
type socket struct {
	net.Conn
	network string
	ctx     context.Context
	detach  func() bool
}

func (c *Client) connect(ctx context.Context, network, server string) (*socket, error) {
	s := &socket{network: network, ctx: ctx}
	conn, err := c.dial(ctx, network, server)
	if err != nil {
		return nil, s.explain(err)
	}
	s.Conn = conn
	s.detach = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return s, nil
}

func (s *socket) close() {
	s.detach()
	_ = s.Close() // all that was wanted of it has been read
}

// explain says what an error of the connection comes from. Its addresses,
// one of which is random, would make every error another.
func (s *socket) explain(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("%w: %s: %w", errSilence, s.network, err)
}

// newQuery writes a question with an id that nobody can guess.
func newQuery(q question, edns bool) (id uint16, query []byte, err error) {
	var random [2]byte
	_, _ = rand.Read(random[:]) // which never fails
	id = binary.BigEndian.Uint16(random[:])
	name, err := dnsmessage.NewName(q.name)
	if err != nil {
		return 0, nil, fmt.Errorf("name %q: %w", q.name, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: q.kind, Class: dnsmessage.ClassINET}},
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false); err != nil {
			return 0, nil, err
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: new(dnsmessage.OPTResource)}}
	}
	query, err = m.Pack()
	return id, query, err
}
