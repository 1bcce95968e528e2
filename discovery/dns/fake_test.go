package dns_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// A server is a DNS server that holds records, and does wrong as its script
// says. Its methods may be called concurrently.
type server struct {
	t     testing.TB
	begin time.Time

	mu      sync.Mutex
	records map[string][]dnsmessage.Resource // by name
	extra   []dnsmessage.Resource            // goes with every answer
	minimum uint32                           // of the SOA record: how long what is missing may be cached
	script  func(q query) [][]byte           // nil answers as one should
	seen    []query
	dials   int
}

// A query is what came to a server.
type query struct {
	network string
	id      uint16
	name    string
	kind    dnsmessage.Type
	size    int // of UDP answers, by EDNS; 0 without
	at      time.Duration
	raw     dnsmessage.Question
	server  *server
}

func (q query) String() string {
	return q.network + " " + strings.TrimPrefix(q.kind.String(), "Type") + " " + q.name
}

func newServer(t testing.TB) *server {
	return &server{t: t, begin: time.Now(), minimum: 60, records: make(map[string][]dnsmessage.Resource)}
}

// set replaces the records of a name. None at all make it unknown; use empty
// for a name without records of the types that matter.
func (s *server) set(name string, records ...dnsmessage.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner := dnsmessage.MustNewName(name)
	for i := range records {
		records[i].Header.Name = owner
		records[i].Header.Class = dnsmessage.ClassINET
	}
	if delete(s.records, name); len(records) > 0 {
		s.records[name] = records
	}
}

// does sets the script.
func (s *server) does(script func(q query) [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// asked returns what came since it was called last.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, q := range s.seen {
		lines = append(lines, q.String())
	}
	s.seen = nil
	return lines
}

// when returns the times of what came since it was called last.
func (s *server) when() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var times []time.Duration
	for _, q := range s.seen {
		times = append(times, q.at)
	}
	s.seen = nil
	return times
}

// serve answers on one connection. Over both networks messages are framed as
// over TCP; see datagrams.
func (s *server) serve(network string, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		msg, err := readFrame(conn)
		if err != nil {
			return
		}
		for _, reply := range s.handle(network, msg) {
			if writeFrame(conn, reply) != nil {
				return
			}
		}
	}
}

func (s *server) handle(network string, msg []byte) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(msg); err != nil || len(m.Questions) != 1 {
		s.t.Errorf("bad query: %v", err)
		return nil
	}
	raw := m.Questions[0]
	q := query{network: network, id: m.ID, name: raw.Name.String(), kind: raw.Type, at: time.Since(s.begin), raw: raw, server: s}
	for _, r := range m.Additionals {
		if r.Header.Type == dnsmessage.TypeOPT {
			q.size = int(r.Header.Class)
		}
	}
	s.mu.Lock()
	s.seen = append(s.seen, q)
	script := s.script
	s.mu.Unlock()
	if script == nil {
		script = right
	}
	return script(q)
}

// right answers as one should.
func right(q query) [][]byte { return [][]byte{pack(q, q.server.message(q))} }

// message returns the right answer, whole.
func (s *server) message(q query) *dnsmessage.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := reply(q, dnsmessage.RCodeSuccess)
	m.Authoritative = true
	name := q.name
	found := false
	for range 16 {
		records, exists := s.records[name]
		if !exists {
			if _, ok := s.records["*"]; !ok {
				m.RCode = dnsmessage.RCodeNameError
			}
			break
		}
		next := ""
		for _, r := range records {
			if alias, ok := r.Body.(*dnsmessage.CNAMEResource); ok {
				next = alias.CNAME.String()
				m.Answers = append(m.Answers, r)
			} else if r.Header.Type == q.kind {
				found = true
				m.Answers = append(m.Answers, r)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if !found {
		m.Authorities = []dnsmessage.Resource{soa(s.minimum)}
	}
	m.Additionals = append(m.Additionals, s.extra...)
	return m
}

// reply returns an answer without records.
func reply(q query, code dnsmessage.RCode) *dnsmessage.Message {
	return &dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: code},
		Questions: []dnsmessage.Question{q.raw},
	}
}

// pack writes a message and, over UDP, leaves out half of its records if it is
// too long.
func pack(q query, m *dnsmessage.Message) []byte {
	msg, err := m.Pack()
	if err != nil {
		panic(err)
	}
	limit := max(q.size, 512)
	if q.network == "udp" && len(msg) > limit {
		m.Truncated = true
		m.Answers = m.Answers[:len(m.Answers)/2]
		if msg, err = m.Pack(); err != nil {
			panic(err)
		}
		msg = msg[:min(limit, len(msg))]
	}
	return msg
}

// failing answers with a code and nothing else.
func failing(code dnsmessage.RCode) func(query) [][]byte {
	return func(q query) [][]byte { return [][]byte{pack(q, reply(q, code))} }
}

func silent(query) [][]byte { return nil }

func resource(kind dnsmessage.Type, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Type: kind, TTL: ttl, Class: dnsmessage.ClassINET}, Body: body}
}

// a returns an A or AAAA record.
func a(addr string, ttl uint32) dnsmessage.Resource {
	ip := netip.MustParseAddr(addr)
	if ip.Is4() {
		return resource(dnsmessage.TypeA, ttl, &dnsmessage.AResource{A: ip.As4()})
	}
	return resource(dnsmessage.TypeAAAA, ttl, &dnsmessage.AAAAResource{AAAA: ip.As16()})
}

func srv(priority, weight, port uint16, target string, ttl uint32) dnsmessage.Resource {
	return resource(dnsmessage.TypeSRV, ttl, &dnsmessage.SRVResource{
		Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target),
	})
}

func cname(target string, ttl uint32) dnsmessage.Resource {
	return resource(dnsmessage.TypeCNAME, ttl, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)})
}

// empty is a record that makes a name exist.
func empty() dnsmessage.Resource {
	return resource(dnsmessage.TypeTXT, 60, &dnsmessage.TXTResource{TXT: []string{"exists"}})
}

func soa(minimum uint32) dnsmessage.Resource {
	r := resource(dnsmessage.TypeSOA, 3600, &dnsmessage.SOAResource{
		NS: dnsmessage.MustNewName("ns.test."), MBox: dnsmessage.MustNewName("admin.test."), MinTTL: minimum,
	})
	r.Header.Name = dnsmessage.MustNewName("test.")
	return r
}

func named(name string, r dnsmessage.Resource) dnsmessage.Resource {
	r.Header.Name = dnsmessage.MustNewName(name)
	return r
}

// A network is where servers are, in memory.
type network struct {
	mu      sync.Mutex
	servers map[string]*server
	hang    map[string]bool // dials of these wait for their context
}

func (n *network) add(addr string, s *server) *server {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.servers == nil {
		n.servers = make(map[string]*server)
	}
	n.servers[addr] = s
	return s
}

// dial connects as net.Dialer would: a datagram finds out later that nobody is
// there.
func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	s, hang := n.servers[addr], n.hang[network+" "+addr]
	n.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
	}
	if s == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	ours, theirs := net.Pipe()
	go s.serve(network, theirs) // until ours is closed; a bubble waits for that
	if network == "udp" {
		return datagrams{ours}, nil
	}
	return ours, nil
}

// datagrams keeps messages apart on a stream, and cuts what is longer than
// the buffer.
type datagrams struct{ net.Conn }

func (d datagrams) Write(p []byte) (int, error) { return len(p), writeFrame(d.Conn, p) }

func (d datagrams) Read(p []byte) (int, error) {
	msg, err := readFrame(d.Conn)
	return copy(p, msg), err
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeFrame(w io.Writer, msg []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
	return err
}

func TestServerTruncates(t *testing.T) {
	s := newServer(t)
	for i := range 100 {
		s.records["x.test."] = append(s.records["x.test."], named("x.test.", a(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String(), 60)))
	}
	q := query{network: "udp", name: "x.test.", kind: dnsmessage.TypeA, size: 1232, server: s,
		raw: dnsmessage.Question{Name: dnsmessage.MustNewName("x.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
	require.LessOrEqual(t, len(right(q)[0]), 1232)
	q.network = "tcp"
	require.Greater(t, len(right(q)[0]), 1232)
}
