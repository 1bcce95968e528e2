package dns_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/dns"
)

const orders = "_orders._tcp.test."

func TestSRV(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set(orders, srv(2, 0, 8003, "C.test.", 60), srv(1, 70, 8001, "a.test.", 60), srv(1, 30, 8002, "b.test.", 60))
		r.set("a.test.", a("192.0.2.1", 60))
		r.set("b.test.", a("2001:db8::2", 60))
		r.set("C.test.", a("192.0.2.3", 60), a("2001:db8::3", 60))
		r.set("c.test.", a("192.0.2.3", 60), a("2001:db8::3", 60))
		s := follow(t, r.srv("_%s._tcp.test"), "ORDERS")
		s.says("[192.0.2.1:8001(1,70) 192.0.2.3:8003(2,0) [2001:db8::2]:8002(1,30)]")
		assert.Equal(t, map[string]string{"target": "c.test"}, s.last[1].Metadata)
		asked := r.asked()
		slices.Sort(asked)
		assert.Equal(t, []string{"udp A a.test.", "udp A b.test.", "udp A c.test.", "udp AAAA b.test.", "udp SRV " + orders}, asked)
	})
}

func TestSRVAnswers(t *testing.T) {
	hosts := map[string][]dnsmessage.Resource{
		"a.test.":     {a("192.0.2.1", 60)},
		"b.test.":     {a("192.0.2.2", 60)},
		"both.test.":  {a("192.0.2.9", 60), a("2001:db8::9", 60)},
		"two.test.":   {a("192.0.2.3", 60), a("192.0.2.4", 60)},
		"none.test.":  {empty()},
		"alias.test.": {cname("a.test.", 60)},
	}
	const fault = `error: dns: lookup of "orders": `
	for _, test := range []struct {
		name    string
		records []dnsmessage.Resource
		opts    []dns.Option
		want    []string
	}{
		{"no such name", nil, nil, []string{fault + "no such name as _orders._tcp.test. (NXDOMAIN): discovery: unknown service"}},
		{"no records", []dnsmessage.Resource{empty()}, nil, []string{"[]"}},
		{"not available", []dnsmessage.Resource{srv(0, 0, 0, ".", 60)}, nil, []string{"[]"}},
		{"not available and yet", []dnsmessage.Resource{srv(0, 0, 0, ".", 60), srv(0, 0, 80, "a.test.", 60)}, nil, []string{"[192.0.2.1:80]"}},
		{"twice the same", []dnsmessage.Resource{srv(0, 5, 80, "a.test.", 60), srv(0, 5, 80, "A.test.", 60)}, nil, []string{"[192.0.2.1:80(0,5)]"}},
		{"twice the same place", []dnsmessage.Resource{srv(1, 0, 80, "a.test.", 60), srv(0, 0, 80, "alias.test.", 60)}, nil,
			[]string{"[192.0.2.1:80]", fault + `discovery: instance "192.0.2.1:80" is listed twice: at 192.0.2.1:80, which is used, and at 192.0.2.1:80`}},
		{"two ports", []dnsmessage.Resource{srv(0, 0, 80, "a.test.", 60), srv(0, 0, 81, "a.test.", 60)}, nil, []string{"[192.0.2.1:80 192.0.2.1:81]"}},
		{"port 0", []dnsmessage.Resource{srv(0, 0, 80, "a.test.", 60), srv(0, 0, 0, "b.test.", 60)}, nil,
			[]string{"[192.0.2.1:80]", fault + `discovery: instance "": address "192.0.2.2:0" has no port between 1 and 65535`}},
		{"both families are one copy", []dnsmessage.Resource{srv(0, 0, 80, "both.test.", 60)}, nil, []string{"[192.0.2.9:80]"}},
		{"even when both are wanted", []dnsmessage.Resource{srv(0, 0, 80, "both.test.", 60)}, []dns.Option{dns.WithFamily(dns.Both)}, []string{"[192.0.2.9:80]"}},
		{"IPv6", []dnsmessage.Resource{srv(0, 0, 80, "both.test.", 60)}, []dns.Option{dns.WithFamily(dns.IPv6)}, []string{"[[2001:db8::9]:80]"}},
		{"a target of two copies", []dnsmessage.Resource{srv(0, 7, 80, "two.test.", 60)}, nil, []string{"[192.0.2.3:80(0,7) 192.0.2.4:80(0,7)]"}},
		{"a target that is unknown", []dnsmessage.Resource{srv(0, 0, 80, "a.test.", 60), srv(0, 0, 80, "gone.test.", 60)}, nil,
			[]string{"[192.0.2.1:80]", fault + "target gone.test. has no address"}},
		{"a target without address", []dnsmessage.Resource{srv(0, 0, 80, "none.test.", 60)}, nil, []string{fault + "target none.test. has no address"}},
		{"a target that is no name", []dnsmessage.Resource{srv(0, 0, 80, "a.test.", 60), srv(0, 0, 80, "a\n/b.test.", 60)}, nil,
			[]string{"[192.0.2.1:80]", fault + `target "a\n/b.test.": label "a\n/b" has other characters than letters, digits, hyphens and underscores`}},
		{"host names", []dnsmessage.Resource{srv(0, 0, 80, "Both.test.", 60), srv(3, 4, 81, "gone.test.", 60)}, []dns.Option{dns.WithHostNames()},
			[]string{"[both.test.:80 gone.test.:81(3,4)]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				for name, records := range hosts {
					r.set(name, records...)
				}
				r.set(orders, test.records...)
				s := follow(t, r.srv("_%s._tcp.test", test.opts...), "orders")
				s.says(test.want...)
			})
		})
	}
}

// RFC 2782: a weight of 0 means next to nothing, unless all have it.
func TestWeights(t *testing.T) {
	for _, test := range []struct{ records, want []uint32 }{
		{[]uint32{0, 0}, []uint32{0, 0}},
		{[]uint32{1, 65535}, []uint32{1, 65535}},
		{[]uint32{0, 1, 65535}, []uint32{1, 100, 6553500}},
	} {
		t.Run(fmt.Sprint(test.records), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				records := []dnsmessage.Resource{srv(9, 3, 99, "a.test.", 60)} // of another priority
				for i, w := range test.records {
					records = append(records, srv(1, uint16(w), uint16(10+i), "a.test.", 60))
				}
				r.set(orders, records...)
				r.set("a.test.", a("192.0.2.1", 60))
				s := follow(t, r.srv("_%s._tcp.test"), "orders")
				s.heard()
				var got []uint32
				for _, in := range s.last {
					got = append(got, in.Weight)
				}
				assert.Equal(t, append(test.want, 3), got)
			})
		})
	}
}

// Addresses that come along spare questions, if they are the domain's to give.
func TestAdditional(t *testing.T) {
	for _, test := range []struct {
		name, srv, target string
		extra             []dnsmessage.Resource
		asked             []string
	}{
		{"of the domain", orders, "a.test.", []dnsmessage.Resource{named("A.test.", a("192.0.2.1", 60))}, nil},
		{"of a deeper domain", "_http._tcp.orders.test.", "x.orders.test.", []dnsmessage.Resource{named("x.orders.test.", a("192.0.2.1", 60))}, nil},
		{"of another domain", "_http._tcp.orders.test.", "a.test.", []dnsmessage.Resource{named("a.test.", a("192.0.2.66", 60))}, []string{"udp A a.test."}},
		{"of nearly the domain", "_http._tcp.orders.test.", "xorders.test.", []dnsmessage.Resource{named("xorders.test.", a("192.0.2.66", 60))}, []string{"udp A xorders.test."}},
		{"of another name", orders, "a.test.", []dnsmessage.Resource{named("b.test.", a("192.0.2.66", 60))}, []string{"udp A a.test."}},
		{"of the other family", orders, "a.test.", []dnsmessage.Resource{named("a.test.", a("2001:db8::66", 60))}, []string{"udp A a.test."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.set(test.srv, srv(0, 0, 80, test.target, 60))
				for _, name := range []string{"a.test.", "x.orders.test.", "xorders.test."} {
					r.set(name, a("192.0.2.1", 60))
				}
				r.extra = test.extra
				s := follow(t, dns.NewSRV(test.srv, r.options(nil)...), "any")
				s.says("[192.0.2.1:80]")
				assert.Equal(t, append([]string{"udp SRV " + test.srv}, test.asked...), r.asked())
			})
		})
	}
}

// What came along expires like anything else, also while the records that it
// came with are not asked for again.
func TestAdditionalExpires(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set(orders, srv(0, 0, 80, "a.test.", 300))
		r.set("a.test.", a("192.0.2.2", 60))
		r.extra = []dnsmessage.Resource{named("a.test.", a("192.0.2.1", 60))}
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		s.says("[192.0.2.1:80]")
		wait(66 * time.Second)
		s.says("[192.0.2.2:80]")
		assert.Equal(t, []string{"udp SRV " + orders, "udp A a.test."}, r.asked())
	})
}

// What has not been needed for a while is not kept.
func TestTargetsThatHaveLeftAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one, two := srv(0, 0, 80, "a.test.", 10), srv(0, 0, 80, "b.test.", 10)
		r.set("a.test.", a("192.0.2.1", 300))
		r.set("b.test.", a("192.0.2.2", 300))
		r.set(orders, one, two)
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		s.says("[192.0.2.1:80 192.0.2.2:80]")
		r.set("b.test.", a("192.0.2.3", 300))
		r.set(orders, one)
		wait(11 * time.Second)
		s.says("[192.0.2.1:80]")
		r.set(orders, one, two)
		wait(11 * time.Second)
		s.says("[192.0.2.1:80 192.0.2.3:80]")
	})
}

// Retries ask again for what has failed, and not for the rest before its time.
func TestRetriesAskForTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set(orders, srv(0, 0, 80, "a.test.", 0), srv(0, 0, 80, "b.test.", 0))
		r.set("a.test.", a("192.0.2.1", 0))
		r.does(func(q query) [][]byte {
			if q.name == "b.test." {
				return failing(dnsmessage.RCodeServerFailure)(q)
			}
			return right(q)
		})
		follow(t, r.srv("_%s._tcp.test", dns.WithInterval(time.Minute, time.Hour)), "orders")
		wait(time.Minute - 1)
		count := make(map[string]int)
		for _, q := range r.asked() {
			count[q]++
		}
		assert.Equal(t, 1, count["udp SRV "+orders])
		assert.Equal(t, 1, count["udp A a.test."])
		assert.Greater(t, count["udp A b.test."], 3)
	})
}

// Each answer is used for as long as it lasts.
func TestOnlyWhatHasExpiredIsAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set(orders, srv(0, 0, 80, "a.test.", 10))
		r.set("a.test.", a("192.0.2.1", 300))
		follow(t, r.srv("_%s._tcp.test"), "orders")
		wait(110 * time.Second)
		asked := r.asked()
		assert.GreaterOrEqual(t, len(asked), 11)
		assert.Len(t, slices.DeleteFunc(asked, func(q string) bool { return q != "udp A a.test." }), 1)
	})
}

// A target that cannot be looked up keeps its addresses.
func TestTargetFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set(orders, srv(0, 0, 80, "a.test.", 60), srv(0, 0, 80, "b.test.", 60))
		r.set("a.test.", a("192.0.2.1", 60))
		r.set("b.test.", a("192.0.2.2", 60))
		fail := func(q query) [][]byte {
			if q.name == "b.test." {
				return failing(dnsmessage.RCodeServerFailure)(q)
			}
			return right(q)
		}
		const fault = `error: dns: lookup of "orders": A b.test.: server 10.0.0.53:53: SERVFAIL`
		r.does(fail)
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		s.says("[192.0.2.1:80]", fault)
		r.does(nil)
		wait(time.Second)
		s.says("[192.0.2.1:80 192.0.2.2:80]")
		r.does(fail)
		wait(66 * time.Second)
		s.says(fault)
		wait(time.Hour)
		s.says()
		r.set(orders, srv(0, 0, 80, "a.test.", 60)) // b is gone, and with it the error
		wait(100 * time.Second)
		s.says("[192.0.2.1:80]")
	})
}

// So does one that has IPv6 addresses only.
func TestTargetWithIPv6Fails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set(orders, srv(0, 0, 80, "a.test.", 60), srv(0, 0, 80, "b.test.", 60))
		r.set("a.test.", a("192.0.2.1", 60))
		r.set("b.test.", a("2001:db8::2", 60))
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		s.says("[192.0.2.1:80 [2001:db8::2]:80]")
		r.does(func(q query) [][]byte {
			if q.name == "b.test." {
				return failing(dnsmessage.RCodeServerFailure)(q)
			}
			return right(q)
		})
		wait(66 * time.Second)
		s.says(`error: dns: lookup of "orders": A b.test.: server 10.0.0.53:53: SERVFAIL | AAAA b.test.: server 10.0.0.53:53: SERVFAIL`)
	})
}

func TestManyRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var records []dnsmessage.Resource
		for i := range 1000 {
			target := fmt.Sprintf("b%d.test.", i)
			records = append(records, srv(0, 1, 80, target, 60))
			r.set(target, a(fmt.Sprintf("10.1.%d.%d", i/250, i%250), 60))
		}
		r.set(orders, records...)
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		s.heard()
		require.Len(t, s.last, 1000)
		asked := r.asked()
		assert.Equal(t, []string{"udp SRV " + orders, "tcp SRV " + orders}, asked[:2])
		assert.Len(t, asked, 1002)

		r.does(failing(dnsmessage.RCodeServerFailure))
		wait(66 * time.Second)
		assert.Equal(t, []string{`error: dns: lookup of "orders": SRV _orders._tcp.test.: server 10.0.0.53:53: SERVFAIL`}, slices.Compact(s.heard()))
		assert.Less(t, len(r.asked()), 20, "where the first question fails, no others are asked")
	})
}

// An error names some of what is wrong, not thousands.
func TestManyFaults(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var records []dnsmessage.Resource
		for i := range 1000 {
			records = append(records, srv(0, 1, 80, fmt.Sprintf("b%d.test.", i), 60))
		}
		r.set(orders, records...)
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		s.heard()
		require.Len(t, s.errs, 1)
		assert.ErrorContains(t, s.errs[0], "target b106.test. has no address")
		assert.ErrorContains(t, s.errs[0], "and 990 more")
		assert.NotErrorIs(t, s.errs[0], discovery.ErrUnknownService)
	})
}
