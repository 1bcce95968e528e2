package dns

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzResponse parses what a server may send. Whatever it is, what comes out
// is an answer to the question or an error, and small.
func FuzzResponse(f *testing.F) {
	questions := []question{{"a.test.", dnsmessage.TypeA}, {"a.test.", dnsmessage.TypeAAAA}, {"_a._tcp.test.", dnsmessage.TypeSRV}}
	name := dnsmessage.MustNewName("A.test.")
	header := func(kind dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Type: kind, Class: dnsmessage.ClassINET, TTL: 60}
	}
	for i, q := range questions {
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7, Response: true, Truncated: i == 9},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(q.name), Type: q.kind, Class: dnsmessage.ClassINET}},
			Answers: []dnsmessage.Resource{
				{Header: header(dnsmessage.TypeCNAME), Body: &dnsmessage.CNAMEResource{CNAME: name}},
				{Header: header(dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
				{Header: header(dnsmessage.TypeAAAA), Body: &dnsmessage.AAAAResource{}},
				{Header: header(dnsmessage.TypeSRV), Body: &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 3, Target: name}},
				{Header: header(dnsmessage.TypeTXT), Body: &dnsmessage.TXTResource{TXT: []string{"x"}}},
			},
			Authorities: []dnsmessage.Resource{
				{Header: header(dnsmessage.TypeNS), Body: &dnsmessage.NSResource{NS: name}},
				{Header: header(dnsmessage.TypeSOA), Body: &dnsmessage.SOAResource{NS: name, MBox: name, MinTTL: 5}},
			},
			Additionals: []dnsmessage.Resource{
				{Header: header(dnsmessage.TypeA), Body: &dnsmessage.AResource{}},
				{Header: header(dnsmessage.TypeOPT), Body: &dnsmessage.OPTResource{}},
			},
		}
		msg, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg, byte(i))
		f.Add(msg[:len(msg)/2], byte(i))
	}
	f.Fuzz(func(t *testing.T, msg []byte, which byte) {
		q := questions[int(which)%len(questions)]
		if !answers(msg, 7, q) {
			return
		}
		r, err := parse(msg, q)
		if err != nil {
			return
		}
		if n := len(r.records) + len(r.aliases) + len(r.extra); n*11 > len(msg) {
			t.Fatalf("%d records of %d octets", n, len(msg))
		}
		for _, rec := range r.records {
			if rec.kind != q.kind {
				t.Fatalf("a record of type %v", rec.kind)
			}
			if q.kind != dnsmessage.TypeSRV && !rec.addr.IsValid() {
				t.Fatal("a record without address")
			}
		}
		var faults faults
		for _, rec := range usable(r.records, &faults) {
			if err := checkName(rec.target); q.kind == dnsmessage.TypeSRV && err != nil {
				t.Fatal(err)
			}
		}
	})
}
