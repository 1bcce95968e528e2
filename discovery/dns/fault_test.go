package dns_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/namesake-go/namesake/discovery/dns"
)

// changed answers with a message that a test has changed by hand.
func changed(change func(msg []byte) []byte) func(query) [][]byte {
	return func(q query) [][]byte { return [][]byte{change(right(q)[0])} }
}

// Whatever a server does wrong is an error that says so, and the last set
// stands.
func TestWrongAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		script func(q query) [][]byte
		want   string
	}{
		{"SERVFAIL", failing(dnsmessage.RCodeServerFailure), "SERVFAIL"},
		{"REFUSED", failing(dnsmessage.RCodeRefused), "REFUSED"},
		{"FORMERR", failing(dnsmessage.RCodeFormatError), "FORMERR"},
		{"NOTIMP", failing(dnsmessage.RCodeNotImplemented), "NOTIMP"},
		{"another code", failing(9), "response code 9"},
		{"failure without the question", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeServerFailure)
			m.Questions = nil
			return [][]byte{pack(q, m)}
		}, "SERVFAIL"},
		{"silence", silent, "no answer within 2s"},
		{"slow", func(q query) [][]byte {
			wait(3 * time.Second)
			return right(q)
		}, "no answer within 2s"},
		{"referral", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			m.Authorities = []dnsmessage.Resource{named(".", resource(dnsmessage.TypeNS, 60, &dnsmessage.NSResource{NS: dnsmessage.MustNewName("a.root.")}))}
			return [][]byte{pack(q, m)}
		}, "a referral: the server neither knows the name nor asks others for it"},
		{"wrong id", changed(func(msg []byte) []byte { msg[0]++; return msg }), "no answer within 2s, but 1 that do not fit"},
		{"a question", changed(func(msg []byte) []byte { msg[2] &^= 0x80; return msg }), "no answer within 2s, but 1 that do not fit"},
		{"another name", func(q query) [][]byte {
			q.raw.Name = dnsmessage.MustNewName("other.test.")
			return right(q)
		}, "no answer within 2s, but 1 that do not fit"},
		{"another type", func(q query) [][]byte {
			q.raw.Type = dnsmessage.TypeAAAA
			return right(q)
		}, "no answer within 2s, but 1 that do not fit"},
		{"no question", func(q query) [][]byte {
			m := q.server.message(q)
			m.Questions = nil
			return [][]byte{pack(q, m)}
		}, "no answer within 2s, but 1 that do not fit"},
		{"two questions", func(q query) [][]byte {
			m := q.server.message(q)
			m.Questions = append(m.Questions, q.raw)
			return [][]byte{pack(q, m)}
		}, "no answer within 2s, but 1 that do not fit"},
		{"nothing", changed(func([]byte) []byte { return nil }), "no answer within 2s, but 1 that do not fit"},
		{"a flood of guesses", func(q query) [][]byte {
			msg := right(q)[0]
			msg[0]++
			return slices.Repeat([][]byte{msg}, 1000)
		}, "100 answers that do not fit: somebody may be forging them"},
		{"cut", changed(func(msg []byte) []byte { return msg[:len(msg)-3] }), "an answer that makes no sense: "},
		{"more records than there are", changed(func(msg []byte) []byte { msg[6] = 255; return msg }), "an answer that makes no sense: "},
		{"a short address", changed(func(msg []byte) []byte {
			binary.BigEndian.PutUint16(msg[len(msg)-6:], 3)
			return msg
		}), "an answer that makes no sense: "},
		{"a name that points at itself", changed(func(msg []byte) []byte {
			at := len(msg) - 16 // the owner, compressed
			binary.BigEndian.PutUint16(msg[at:], 0xC000|uint16(at))
			return msg
		}), "an answer that makes no sense: "},
		{"CNAME to itself", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			m.Answers = []dnsmessage.Resource{named(q.name, cname(q.name, 60))}
			return [][]byte{pack(q, m)}
		}, "a loop, or nearly"},
		{"CNAME to and fro", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			next := "there.test."
			if q.name == next {
				next = "orders.test."
			}
			m.Answers = []dnsmessage.Resource{named(q.name, cname(next, 60))}
			return [][]byte{pack(q, m)}
		}, "a loop, or nearly"},
		{"CNAME without end", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			m.Answers = []dnsmessage.Resource{named(q.name, cname(fmt.Sprintf("n%d.test.", len(q.server.seen)), 60))}
			return [][]byte{pack(q, m)}
		}, "more than 12 aliases"},
		{"truncated over TCP too", func(q query) [][]byte {
			m := q.server.message(q)
			m.Truncated = true
			return [][]byte{pack(q, m)}
		}, "an answer that is truncated over TCP too"},
		{"truncated, and TCP is silent", truncatedOr(silent), "no answer within 2s"},
		{"truncated, and TCP does not fit", truncatedOr(changed(func(msg []byte) []byte { msg[0]++; return msg })), "an answer over TCP that does not fit the question"},
		{"truncated, and TCP is garbage", truncatedOr(changed(func(msg []byte) []byte { return msg[:30] })), "an answer that makes no sense: "},
		{"truncated, and TCP fails", truncatedOr(failing(dnsmessage.RCodeServerFailure)), "SERVFAIL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.set("orders.test.", a("192.0.2.1", 60))
				s := follow(t, r.host("%s.test"), "orders")
				s.says("[192.0.2.1:80]")
				r.set("orders.test.", a("192.0.2.2", 60))
				r.does(test.script)
				wait(10 * time.Minute)
				heard := s.heard()
				assert.GreaterOrEqual(t, len(heard), 10)
				for _, line := range heard {
					assert.True(t, strings.HasPrefix(line, `error: dns: lookup of "orders": A orders.test.: `), line)
					assert.Contains(t, line, test.want)
				}
				r.does(nil)
				wait(40 * time.Second)
				heard = s.heard() // a lookup may have been under way
				assert.Equal(t, "[192.0.2.2:80]", heard[len(heard)-1])
			})
		})
	}
}

func truncatedOr(script func(query) [][]byte) func(query) [][]byte {
	return func(q query) [][]byte {
		if q.network == "tcp" {
			return script(q)
		}
		m := q.server.message(q)
		m.Truncated = true
		return [][]byte{pack(q, m)}
	}
}

// What is unusual, but right.
func TestUnusualAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		script func(q query) [][]byte
		want   string
		asked  []string
	}{
		{"truncated", truncatedOr(right), "[192.0.2.1:80]", []string{"udp A orders.test.", "tcp A orders.test."}},
		{"longer than asked for", func(q query) [][]byte {
			msg := right(q)[0]
			if q.network == "udp" {
				msg = append(msg, make([]byte, 2000)...)
			}
			return [][]byte{msg}
		}, "[192.0.2.1:80]", []string{"udp A orders.test.", "tcp A orders.test."}},
		{"after answers that do not fit", func(q query) [][]byte {
			wrong := right(q)[0]
			wrong[1]++
			return [][]byte{nil, wrong, wrong, right(q)[0]}
		}, "[192.0.2.1:80]", []string{"udp A orders.test."}},
		{"without EDNS", func(q query) [][]byte {
			if q.size > 0 {
				m := reply(q, dnsmessage.RCodeFormatError)
				m.Questions = nil
				return [][]byte{pack(q, m)}
			}
			return right(q)
		}, "[192.0.2.1:80]", []string{"udp A orders.test.", "udp A orders.test."}},
		{"with another EDNS", func(q query) [][]byte {
			if q.size > 0 {
				m := reply(q, dnsmessage.RCodeSuccess)
				var h dnsmessage.ResourceHeader
				_ = h.SetEDNS0(1232, 16, false)
				m.Additionals = []dnsmessage.Resource{{Header: h, Body: new(dnsmessage.OPTResource)}}
				return [][]byte{pack(q, m)}
			}
			return right(q)
		}, "[192.0.2.1:80]", []string{"udp A orders.test.", "udp A orders.test."}},
		{"in another case", func(q query) [][]byte {
			q.raw.Name = dnsmessage.MustNewName("ORDERS.test.")
			m := q.server.message(q)
			m.Answers[0].Header.Name = q.raw.Name
			return [][]byte{pack(q, m)}
		}, "[192.0.2.1:80]", []string{"udp A orders.test."}},
		{"with records that nobody asked for", func(q query) [][]byte {
			m := q.server.message(q)
			m.Answers = append(m.Answers,
				named("other.test.", a("192.0.2.66", 60)), named(q.name, a("2001:db8::66", 60)), named(q.name, empty()))
			chaos := named(q.name, a("192.0.2.67", 60))
			chaos.Header.Class = dnsmessage.ClassCHAOS
			m.Answers = append(m.Answers, chaos)
			return [][]byte{pack(q, m)}
		}, "[192.0.2.1:80]", []string{"udp A orders.test."}},
		{"a CNAME", func(q query) [][]byte {
			m := q.server.message(q)
			m.Answers[0].Header.Name = dnsmessage.MustNewName("X.cdn.")
			m.Answers = append(m.Answers, named(q.name, cname("x.cdn.", 60)))
			return [][]byte{pack(q, m)}
		}, "[192.0.2.1:80]", []string{"udp A orders.test."}},
		{"a CNAME only", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			if q.name == "x.cdn." {
				m.Answers = []dnsmessage.Resource{named(q.name, a("192.0.2.1", 60))}
			} else {
				m.Answers = []dnsmessage.Resource{named(q.name, cname("x.cdn.", 60))}
			}
			return [][]byte{pack(q, m)}
		}, "[192.0.2.1:80]", []string{"udp A orders.test.", "udp A x.cdn."}},
		{"a CNAME to a name without records", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			m.Answers = []dnsmessage.Resource{named(q.name, cname("x.cdn.", 60))}
			m.Authorities = []dnsmessage.Resource{soa(60)}
			return [][]byte{pack(q, m)}
		}, "[]", []string{"udp A orders.test.", "udp AAAA orders.test."}},
		{"a CNAME to no name", func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeNameError)
			m.Answers = []dnsmessage.Resource{named(q.name, cname("x.cdn.", 60))}
			return [][]byte{pack(q, m)}
		}, nxdomain, []string{"udp A orders.test."}},
		{"no records, and no SOA", failing(dnsmessage.RCodeSuccess), "[]", []string{"udp A orders.test.", "udp AAAA orders.test."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.set("orders.test.", a("192.0.2.1", 60))
				r.does(test.script)
				s := follow(t, r.host("%s.test"), "orders")
				s.says(test.want)
				assert.Equal(t, test.asked, r.asked())
				assert.Equal(t, len(test.asked), r.dials, "each question has a socket, and so a port, of its own")
			})
		})
	}
}

func TestTCP(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60))
		c := r.host("%s.test", dns.WithTCP())
		s := follow(t, c, "orders")
		s.says("[192.0.2.1:80]")
		assert.Equal(t, []string{"tcp A orders.test."}, r.asked())
		r.does(func(q query) [][]byte {
			if q.size > 0 {
				return failing(dnsmessage.RCodeFormatError)(q)
			}
			return right(q)
		})
		wait(66 * time.Second)
		assert.Equal(t, []string{"tcp A orders.test.", "tcp A orders.test."}, r.asked())
		s.says()
	})
}

// A CNAME that expires first is asked for first.
func TestAliasTTL(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", cname("a.test.", 10))
		r.set("a.test.", a("192.0.2.1", 300))
		s := follow(t, r.host("%s.test"), "orders")
		s.says("[192.0.2.1:80]")
		r.set("orders.test.", cname("b.test.", 10))
		r.set("b.test.", a("192.0.2.2", 300))
		wait(11 * time.Second)
		s.says("[192.0.2.2:80]")
	})
}

// A loop costs a few questions and no more.
func TestAliasLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.does(func(q query) [][]byte {
			m := reply(q, dnsmessage.RCodeSuccess)
			m.Answers = []dnsmessage.Resource{named(q.name, cname("x"+q.name, 60))}
			return [][]byte{pack(q, m)}
		})
		s := follow(t, r.host("%s.test"), "orders")
		assert.Len(t, s.heard(), 1)
		assert.Len(t, r.asked(), 13)
	})
}

// After a failure the waits are random, up to a limit that doubles from 1 s to
// 30 s.
func TestBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.does(failing(dnsmessage.RCodeRefused))
		follow(t, r.host("%s.test"), "orders")
		wait(10 * time.Minute)
		times := r.when()
		limit := time.Second
		for i := 1; i < len(times); i++ {
			assert.LessOrEqual(t, times[i]-times[i-1], limit)
			limit = min(2*limit, 30*time.Second)
		}
		assert.Greater(t, len(times), 20)
		assert.Less(t, len(times), 120)
	})
}

func TestFailover(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		first, second, third := r.server, newServer(t), newServer(t)
		r.add("10.0.0.54:5353", second)
		r.add("[fd00::55]:53", third)
		for i, s := range []*server{first, second, third} {
			s.set("orders.test.", a(fmt.Sprintf("192.0.2.%d", i+1), 60))
		}
		asked := func() []int { return []int{len(first.asked()), len(second.asked()), len(third.asked())} }
		var log bytes.Buffer
		c := dns.NewHost("%s.test", 80, dns.WithDial(r.dial), dns.WithServers("10.0.0.53", "10.0.0.54:5353", "fd00::55"),
			dns.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		s := follow(t, c, "orders")
		s.says("[192.0.2.1:80]")
		assert.Equal(t, []int{1, 0, 0}, asked())

		first.does(failing(dnsmessage.RCodeServerFailure))
		wait(66 * time.Second)
		s.says("[192.0.2.2:80]")
		assert.Equal(t, []int{1, 1, 0}, asked())
		assert.Contains(t, log.String(), `msg="dns: another server answered" question="A orders.test." failed="server 10.0.0.53:53: SERVFAIL"`)

		first.does(nil)
		wait(66 * time.Second)
		assert.Equal(t, []int{0, 1, 0}, asked(), "the one that is good is used until it fails")

		second.does(silent)
		third.does(silent)
		wait(66*time.Second + 4*time.Second)
		s.says("[192.0.2.1:80]")
		assert.Equal(t, []int{1, 1, 1}, asked())

		first.does(failing(dnsmessage.RCodeRefused))
		wait(66*time.Second + 10*time.Second)
		assert.Contains(t, s.heard(), `error: dns: lookup of "orders": A orders.test.: server 10.0.0.53:53: REFUSED; server 10.0.0.54:5353: no answer within 2s; server [fd00::55]:53: no answer within 2s`)
	})
}

// A datagram that gets lost is no failure.
func TestLostDatagram(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60))
		r.does(func(q query) [][]byte {
			if q.at < time.Second {
				return nil
			}
			return right(q)
		})
		s := follow(t, r.host("%s.test"), "orders")
		wait(2 * time.Second)
		s.says("[192.0.2.1:80]")
		assert.Len(t, r.asked(), 2)
	})
}

// Neither is a connection.
func TestLostConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.set("orders.test.", a("192.0.2.1", 60))
		dials := 0
		flaky := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials == 1 {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNRESET)}
			}
			return r.dial(ctx, network, addr)
		}
		s := follow(t, r.host("%s.test", dns.WithDial(flaky)), "orders")
		s.says("[192.0.2.1:80]")
		assert.Equal(t, 2, dials)
	})
}

func TestNobodyThere(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := follow(t, dns.NewHost("%s.test", 80, dns.WithDial(r.dial), dns.WithServers("10.9.9.9")), "orders")
		s.says(`error: dns: lookup of "orders": A orders.test.: server 10.9.9.9:53: no answer: udp: connect: connection refused`)
	})
}

// The end of a watch does not wait for a server, nor for one that is dialed.
func TestEndWhileWaiting(t *testing.T) {
	for _, hang := range []bool{false, true} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.does(silent)
			r.hang = map[string]bool{"udp 10.0.0.53:53": hang}
			s := follow(t, r.host("%s.test"), "orders")
			wait(time.Second)
			begin := time.Now()
			s.stop()
			assert.Zero(t, time.Since(begin))
			s.says()
		})
	}
}

// A lookup with many questions has a bound as a whole.
func TestLookupIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var records []dnsmessage.Resource
		for i := range 1000 {
			records = append(records, srv(0, 1, 80, fmt.Sprintf("b%d.test.", i), 60))
		}
		r.set(orders, records...)
		r.does(func(q query) [][]byte {
			if q.kind == dnsmessage.TypeSRV {
				return right(q)
			}
			return nil
		})
		s := follow(t, r.srv("_%s._tcp.test"), "orders")
		wait(30*time.Second - 1)
		s.says()
		wait(time.Nanosecond)
		heard := s.heard()
		if assert.Len(t, heard, 1) {
			assert.Contains(t, heard[0], "A b0.test.: server 10.0.0.53:53: no answer within 2s")
			assert.Contains(t, heard[0], "and 990 more")
		}
	})
}
