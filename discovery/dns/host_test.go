package dns_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/dns"
)

const nxdomain = `error: dns: lookup of "orders": no such name as orders.test. (NXDOMAIN): discovery: unknown service`

func TestHost(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.2", 30), a("192.0.2.1", 20))
		c := r.host("%s.test")
		wait(time.Minute)
		assert.Empty(t, r.asked(), "nothing is asked before anything is watched")
		s := follow(t, c, "orders")
		s.says("[192.0.2.1:80 192.0.2.2:80]")
		assert.Equal(t, []string{"udp A orders.test."}, r.asked())

		r.set("orders.test.", a("192.0.2.3", 20))
		wait(20*time.Second - 1)
		s.says()
		assert.Empty(t, r.asked(), "before the shortest TTL has passed")
		wait(2*time.Second + 1)
		s.says("[192.0.2.3:80]")
		assert.Len(t, r.asked(), 1)

		r.set("orders.test.", empty())
		wait(22 * time.Second)
		s.says("[]")
		r.set("orders.test.", a("192.0.2.3", 20))
		wait(66 * time.Second)
		s.says("[192.0.2.3:80]")
		r.set("orders.test.")
		wait(22 * time.Second)
		s.says(nxdomain)
		assert.ErrorIs(t, s.errs[0], discovery.ErrUnknownService)
		r.set("orders.test.", a("192.0.2.3", 20))
		wait(66 * time.Second)
		s.says("[192.0.2.3:80]") // as before: the error is over
		s.stop()
		r.asked()
		wait(time.Hour)
		assert.Empty(t, r.asked(), "nothing is asked when nothing is watched any more")
	})
}

func TestRotationIsNoChange(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 10), a("192.0.2.2", 10), a("192.0.2.1", 10))
		s := follow(t, r.host("%s.test"), "orders")
		s.says("[192.0.2.1:80 192.0.2.2:80]")
		r.set("orders.test.", a("192.0.2.2", 10), a("192.0.2.1", 10))
		wait(time.Minute)
		s.says()
		assert.GreaterOrEqual(t, len(r.asked()), 6)
	})
}

// The wait for the next question is the TTL, within bounds, and up to a tenth
// longer.
func TestIntervals(t *testing.T) {
	for _, test := range []struct {
		ttl  uint32
		opts []dns.Option
		want time.Duration
	}{
		{0, nil, 5 * time.Second},
		{1, nil, 5 * time.Second},
		{60, nil, time.Minute},
		{86400, nil, 5 * time.Minute},
		{1 << 31, nil, 5 * time.Second}, // RFC 2181, 8
		{0, []dns.Option{dns.WithInterval(time.Second, 0)}, time.Second},
		{0, []dns.Option{dns.WithInterval(1, 0)}, 100 * time.Millisecond},
		{3600, []dns.Option{dns.WithInterval(0, time.Hour)}, time.Hour},
		{3600, []dns.Option{dns.WithInterval(time.Minute, time.Second)}, time.Minute},
	} {
		t.Run(fmt.Sprint(test.ttl, test.want), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.set("orders.test.", a("192.0.2.1", test.ttl))
				s := follow(t, r.host("%s.test", test.opts...), "orders")
				wait(10 * test.want)
				s.heard()
				times := r.when()
				distinct := make(map[time.Duration]bool)
				for i := 1; i < len(times); i++ {
					d := times[i] - times[i-1]
					assert.GreaterOrEqual(t, d, test.want)
					assert.LessOrEqual(t, d, test.want+test.want/10)
					distinct[d] = true
				}
				assert.GreaterOrEqual(t, len(times), 10)
				assert.Greater(t, len(distinct), 1, "no two processes ask in step")
			})
		})
	}
}

// What is missing is asked for again when the SOA record says so (RFC 2308).
func TestNegativeTTL(t *testing.T) {
	for name, records := range map[string]bool{"no such name": false, "no records": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.minimum = 42
				if records {
					r.set("orders.test.", empty())
				}
				follow(t, r.host("%s.test", dns.WithFamily(dns.IPv4)), "orders")
				wait(42*time.Second - 1)
				assert.Len(t, r.asked(), 1)
				wait(4*time.Second + 300*time.Millisecond)
				assert.Len(t, r.asked(), 1)
			})
		})
	}
}

func TestFamilies(t *testing.T) {
	const four, six = "192.0.2.1", "2001:db8::1"
	for _, test := range []struct {
		name   string
		family dns.Family
		addrs  []string
		want   string
		asked  int
	}{
		{"any of both", dns.AnyFamily, []string{four, six}, "[192.0.2.1:80]", 1},
		{"any of four", dns.AnyFamily, []string{four}, "[192.0.2.1:80]", 1},
		{"any of six", dns.AnyFamily, []string{six}, "[[2001:db8::1]:80]", 2},
		{"any of none", dns.AnyFamily, nil, "[]", 2},
		{"four of both", dns.IPv4, []string{four, six}, "[192.0.2.1:80]", 1},
		{"four of six", dns.IPv4, []string{six}, "[]", 1},
		{"six of both", dns.IPv6, []string{four, six}, "[[2001:db8::1]:80]", 1},
		{"six of four", dns.IPv6, []string{four}, "[]", 1},
		{"both of both", dns.Both, []string{four, six}, "[192.0.2.1:80 [2001:db8::1]:80]", 2},
		{"both of four", dns.Both, []string{four}, "[192.0.2.1:80]", 2},
		{"both of none", dns.Both, nil, "[]", 2},
		{"mapped", dns.IPv6, []string{"::ffff:192.0.2.1"}, "[192.0.2.1:80]", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.set("orders.test.", empty())
				for _, addr := range test.addrs {
					r.records["orders.test."] = append(r.records["orders.test."], named("orders.test.", a(addr, 60)))
				}
				s := follow(t, r.host("%s.test", dns.WithFamily(test.family)), "orders")
				s.says(test.want)
				assert.Len(t, r.asked(), test.asked)
			})
		})
	}
}

// Servers that deny a name when they are asked for the family that it has not
// are wrong, and common (RFC 4074).
func TestOneFamilyDenied(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60))
		r.does(func(q query) [][]byte {
			if q.kind.String() == "TypeAAAA" {
				return failing(3)(q)
			}
			return right(q)
		})
		s := follow(t, r.host("%s.test", dns.WithFamily(dns.Both)), "orders")
		s.says("[192.0.2.1:80]")
	})
}

// Half of an answer is a set, and an error. Once known, the other half stands.
func TestOneFamilyFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60), a("2001:db8::1", 60))
		half := func(q query) [][]byte {
			if q.kind.String() == "TypeAAAA" {
				return failing(2)(q)
			}
			return right(q)
		}
		const fault = `error: dns: lookup of "orders": AAAA orders.test.: server 10.0.0.53:53: SERVFAIL`
		r.does(half)
		c := r.host("%s.test", dns.WithFamily(dns.Both))
		s := follow(t, c, "orders")
		s.says("[192.0.2.1:80]", fault)
		r.does(nil)
		wait(time.Second)
		s.says("[192.0.2.1:80 [2001:db8::1]:80]")
		r.does(half)
		wait(66 * time.Second)
		s.says(fault)
		r.does(nil)
		wait(31 * time.Second)
		s.says("[192.0.2.1:80 [2001:db8::1]:80]") // the error is over
	})
}

func TestAddressesThatAreNobodys(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60), a("0.0.0.0", 60), a("224.0.0.1", 60))
		s := follow(t, r.host("%s.test"), "orders")
		s.says("[192.0.2.1:80]", `error: dns: lookup of "orders": orders.test. has address 0.0.0.0, which is nobody's | orders.test. has address 224.0.0.1, which is nobody's`)
	})
}

func TestWatchesShareALoop(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60))
		c := r.host("%s.Test.")
		one, two := follow(t, c, "orders"), follow(t, c, "Orders")
		one.says("[192.0.2.1:80]")
		two.says("[192.0.2.1:80]")
		assert.Equal(t, []string{"udp A orders.test."}, r.asked())
		one.stop()
		r.set("orders.test.", a("192.0.2.2", 60))
		wait(66 * time.Second)
		two.says("[192.0.2.2:80]")
	})
}
