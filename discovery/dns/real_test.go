package dns_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/dns"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// A knot is a real server with the zone test.internal, which may be updated.
type knot struct {
	*registrytest.Server
	addr string
}

const knotConf = `
server:
    rundir: %[1]s
    listen: 127.0.0.1@%[2]d
database:
    storage: %[1]s
log:
  - target: stderr
    any: warning
acl:
  - id: updates
    address: 127.0.0.1
    action: update
zone:
  - domain: test.internal
    storage: %[1]s
    file: zone
    acl: updates
`

const knotZone = `
$ORIGIN test.internal.
$TTL 0
@  SOA ns admin 1 3600 600 86400 0
   NS  ns
ns A   127.0.0.1
`

func startKnot(t testing.TB) *knot {
	t.Helper()
	program := registrytest.Program(t, "knotd", "knot")
	port := registrytest.Ports(t, 1)[0]
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "zone"), []byte(knotZone), 0o600))
	conf := filepath.Join(folder, "knot.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, knotConf, folder, port), 0o600))
	k := &knot{addr: fmt.Sprintf("127.0.0.1:%d", port)}
	k.Server = registrytest.Start(t,
		func() *exec.Cmd { return exec.Command(program, "-c", conf) },
		func(context.Context) error {
			_, err := exchange(k.addr, question("test.internal.", dnsmessage.TypeSOA))
			return err
		})
	return k
}

func question(name string, kind dnsmessage.Type) *dnsmessage.Message {
	return &dnsmessage.Message{Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET},
	}}
}

// exchange sends a message over TCP, and returns the answer if it is a success.
func exchange(addr string, m *dnsmessage.Message) (*dnsmessage.Message, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	msg, err := m.Pack()
	if err != nil {
		return nil, err
	}
	if err := writeFrame(conn, msg); err != nil {
		return nil, err
	}
	if msg, err = readFrame(conn); err != nil {
		return nil, err
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(msg); err != nil {
		return nil, err
	}
	if reply.RCode != dnsmessage.RCodeSuccess {
		return nil, fmt.Errorf("%v", reply.RCode)
	}
	return &reply, nil
}

// update replaces the records of names, at once (RFC 2136).
func (k *knot) update(t testing.TB, records map[string][]dnsmessage.Resource) {
	t.Helper()
	m := question("test.internal.", dnsmessage.TypeSOA)
	m.OpCode = 5
	for name, set := range records {
		gone := named(name, resource(dnsmessage.TypeALL, 0, &dnsmessage.UnknownResource{Type: dnsmessage.TypeALL}))
		gone.Header.Class = dnsmessage.ClassANY
		m.Authorities = append(m.Authorities, gone)
		for _, r := range set {
			m.Authorities = append(m.Authorities, named(name, r))
		}
	}
	_, err := exchange(k.addr, m)
	require.NoError(t, err, "update")
}

// set lists these copies of a service and no others.
func (k *knot) set(t testing.TB, service string, instances ...discovery.Instance) {
	t.Helper()
	hosts := make(map[string][]dnsmessage.Resource)
	records := []dnsmessage.Resource{empty()} // without it, no copies would mean no such name
	for _, in := range instances {
		target, addr := in.ID+".test.internal.", netip.MustParseAddrPort(in.Addr)
		hosts[target] = []dnsmessage.Resource{a(addr.Addr().String(), 0)}
		records = append(records, srv(uint16(in.Priority), uint16(in.Weight), addr.Port(), target, 0))
		if len(hosts) == 500 { // as many as fit into a message
			k.update(t, hosts)
			clear(hosts)
		}
	}
	k.update(t, hosts)
	k.update(t, map[string][]dnsmessage.Resource{"_" + service + "._tcp.test.internal.": records})
}

// client returns one that asks ten times a second.
func (k *knot) client(opts ...dns.Option) *dns.Client {
	return dns.NewSRV("_%s._tcp.test.internal", append([]dns.Option{
		dns.WithServers(k.addr), dns.WithInterval(100*time.Millisecond, time.Second),
	}, opts...)...)
}

func TestRealConforms(t *testing.T) {
	k := startKnot(t)
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Strip:    carried,
		Patience: 40 * time.Second,
		New: func(t testing.TB) discoverytest.Subject {
			return discoverytest.Subject{
				Watcher: k.client(),
				Set:     func(service string, instances ...discovery.Instance) { k.set(t, service, instances...) },
				Fail: func(failing bool) {
					if failing {
						k.Kill()
					} else {
						k.Restart()
					}
				},
			}
		},
	})
}

func TestRealFaults(t *testing.T) {
	t.Run("UDP", func(t *testing.T) {
		registrytest.TestFaults(t, registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
			k := startKnot(t)
			return registrytest.Subject{Watcher: k.client(), Set: k.set, Server: k.Server, Strip: carried}
		}})
	})
	// The proxy knows TCP only, in which messages are framed as datagrams does.
	t.Run("proxy", func(t *testing.T) {
		registrytest.TestFaults(t, registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
			k := startKnot(t)
			proxy := registrytest.NewProxy(t, k.addr)
			dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", proxy.Addr())
				if err == nil && network == "udp" {
					conn = datagrams{conn}
				}
				return conn, err
			}
			return registrytest.Subject{Watcher: k.client(dns.WithDial(dial)), Set: k.set, Proxy: proxy, Strip: carried}
		}})
	})
}

// Changes made by others' programs arrive.
func TestRealUpdateByHand(t *testing.T) {
	k := startKnot(t)
	nsupdate := registrytest.Program(t, "nsupdate", "bind9-dnsutils")
	run := func(lines ...string) {
		cmd := exec.Command(nsupdate)
		host, port, _ := net.SplitHostPort(k.addr)
		cmd.Stdin = strings.NewReader("server " + host + " " + port + "\nzone test.internal\n" + strings.Join(lines, "\n") + "\nsend\n")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("update add b1.test.internal 1 A 192.0.2.1", "update add b1.test.internal 1 AAAA 2001:db8::1",
		"update add _web._tcp.test.internal 1 SRV 0 10 9001 b1.test.internal.")
	next, stop := pull(t, k.client(), "web")
	defer stop()
	assert.Equal(t, "[192.0.2.1:9001(0,10)]", next())
	run("update add b3.test.internal 1 AAAA 2001:db8::3", "update add _web._tcp.test.internal 1 SRV 0 30 9003 b3.test.internal.")
	assert.Equal(t, "[192.0.2.1:9001(0,10) [2001:db8::3]:9003(0,30)]", next())
	run("update delete _web._tcp.test.internal SRV 0 10 9001 b1.test.internal.")
	assert.Equal(t, "[[2001:db8::3]:9003(0,30)]", next())
	run("update delete _web._tcp.test.internal")
	assert.Equal(t, `error: dns: lookup of "web": no such name as _web._tcp.test.internal. (NXDOMAIN): discovery: unknown service`, next())
}

// More records than fit into a datagram come over TCP, all of them.
func TestRealThousandOverTCP(t *testing.T) {
	k := startKnot(t)
	var set []discovery.Instance
	for i := range 1000 {
		set = append(set, discovery.Instance{ID: fmt.Sprintf("w%d", i), Addr: fmt.Sprintf("10.0.%d.%d:%d", i/250, 1+i%250, 1000+i), Weight: 1})
	}
	k.set(t, "web", set...)
	var mu sync.Mutex
	dials := make(map[string]int)
	c := k.client(dns.WithDial(func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dials[network]++
		return new(net.Dialer).DialContext(ctx, network, addr)
	}))
	for got, err := range c.Watch(t.Context(), "web") {
		require.NoError(t, err)
		require.Len(t, got, 1000)
		break
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("questions: %v", dials)
	assert.Equal(t, 1, dials["tcp"])
}

// pull returns the news of a watch one by one.
func pull(t *testing.T, w discovery.Watcher, service string) (next func() string, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	news := make(chan string, 100)
	var running sync.WaitGroup
	running.Go(func() {
		for set, err := range w.Watch(ctx, service) {
			select {
			case news <- line(set, err):
			case <-ctx.Done():
			}
		}
	})
	return func() string {
			select {
			case n := <-news:
				return n
			case <-time.After(30 * time.Second):
				return "nothing within 30s"
			}
		}, func() {
			cancel()
			running.Wait()
		}
}

func BenchmarkRealChange(b *testing.B) {
	registrytest.BenchmarkChange(b, registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
		k := startKnot(t)
		return registrytest.Subject{Watcher: k.client(), Set: k.set, Strip: carried}
	}})
}
