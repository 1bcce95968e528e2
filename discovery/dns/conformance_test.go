package dns_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/dns"
)

// carried are the facts that SRV records can carry.
func carried(in discovery.Instance) discovery.Instance {
	return discovery.Instance{Addr: in.Addr, Priority: in.Priority, Weight: in.Weight}
}

func TestSRVConforms(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run:      synctest.Test,
		Patience: 2 * time.Minute,
		Strip:    carried,
		New: func(t testing.TB) discoverytest.Subject {
			s, n := newServer(t), new(network)
			n.add("10.0.0.53:53", s)
			return s.subject(dns.NewSRV("_%s._tcp.test", dns.WithServers("10.0.0.53"), dns.WithDial(n.dial)),
				func(service string, instances []discovery.Instance) {
					records := []dnsmessage.Resource{empty()} // without it, no copies would mean no such name
					for _, in := range instances {
						target, addr := in.ID+".test.", netip.MustParseAddrPort(in.Addr)
						s.set(target, a(addr.Addr().String(), 5))
						records = append(records, srv(uint16(in.Priority), uint16(in.Weight), addr.Port(), target, 5))
					}
					s.set("_"+service+"._tcp.test.", records...)
				})
		},
	})
}

// The addresses of a name have one port for all, so that the suite's ports are
// left out here.
func TestHostConforms(t *testing.T) {
	host := func(in discovery.Instance) string {
		return netip.MustParseAddrPort(in.Addr).Addr().String()
	}
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run:      synctest.Test,
		Patience: 2 * time.Minute,
		Strip:    func(in discovery.Instance) discovery.Instance { return discovery.Instance{Addr: host(in)} },
		New: func(t testing.TB) discoverytest.Subject {
			s, n := newServer(t), new(network)
			n.add("10.0.0.53:53", s)
			return s.subject(dns.NewHost("%s.test", 80, dns.WithServers("10.0.0.53"), dns.WithDial(n.dial)),
				func(service string, instances []discovery.Instance) {
					records := []dnsmessage.Resource{empty()}
					for _, in := range instances {
						records = append(records, a(host(in), 5))
					}
					s.set(service+".test.", records...)
				})
		},
	})
}

func (s *server) subject(w discovery.Watcher, set func(service string, instances []discovery.Instance)) discoverytest.Subject {
	var mu sync.Mutex
	asked := 0
	return discoverytest.Subject{
		Watcher: w,
		Set:     func(service string, instances ...discovery.Instance) { set(service, instances) },
		Fail: func(failingNow bool) {
			if s.does(nil); failingNow {
				s.does(failing(dnsmessage.RCodeServerFailure))
			}
		},
		Asked: func() int {
			mu.Lock()
			defer mu.Unlock()
			asked += len(s.asked())
			return asked
		},
	}
}
