package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A response is what a message says about a question. Records that were not
// asked for are not in it.
type response struct {
	rcode     dnsmessage.RCode
	truncated bool // nothing else counts then but rcode
	referral  bool

	aliases map[string]alias // CNAME records of the answer, by owner
	records []record         // of the type asked for, of any owner
	extra   []record         // addresses in the additional section

	negative bool   // there is a SOA record, so that what is missing is known to be
	ttl      uint32 // of what is missing
}

type alias struct {
	target string
	ttl    uint32
}

// A record is one of the types that are asked for. Names are in lower case.
type record struct {
	owner string
	kind  dnsmessage.Type
	ttl   uint32

	addr netip.Addr // of A and AAAA

	target                 string // of SRV
	port, priority, weight uint16
}

// answers reports whether a message is an answer to the question with this id,
// before anything in it is believed. A failure need not repeat the question.
func answers(msg []byte, id uint16, q question) bool {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != id || h.OpCode != 0 {
		return false
	}
	asked, err := p.Question()
	if errors.Is(err, dnsmessage.ErrSectionDone) {
		return h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError
	}
	if err != nil || lower(asked.Name) != q.name || asked.Type != q.kind || asked.Class != dnsmessage.ClassINET {
		return false
	}
	_, err = p.Question()
	return errors.Is(err, dnsmessage.ErrSectionDone) // there is one
}

// parse reads a message that is an answer to the question.
func parse(msg []byte, q question) (*response, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return nil, garbage(err)
	}
	r := &response{rcode: h.RCode, truncated: h.Truncated, aliases: make(map[string]alias)}
	if r.truncated {
		return r, nil // it may end anywhere
	}
	if err := p.SkipAllQuestions(); err != nil {
		return nil, garbage(err)
	}
	if err := r.readAnswers(&p, q); err != nil {
		return nil, garbage(err)
	}
	delegates, err := r.readAuthorities(&p)
	if err != nil {
		return nil, garbage(err)
	}
	if err := r.readAdditionals(&p, q); err != nil {
		return nil, garbage(err)
	}
	empty := len(r.aliases) == 0 && len(r.records) == 0
	r.referral = r.rcode == dnsmessage.RCodeSuccess && empty && delegates && !r.negative && !h.Authoritative
	return r, nil
}

func garbage(err error) error { return fmt.Errorf("an answer that makes no sense: %w", err) }

func (r *response) readAnswers(p *dnsmessage.Parser, q question) error {
	for {
		h, err := p.AnswerHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return nil
		case err != nil:
			return err
		case h.Class != dnsmessage.ClassINET:
			err = p.SkipAnswer()
		case h.Type == dnsmessage.TypeCNAME:
			var body dnsmessage.CNAMEResource
			if body, err = p.CNAMEResource(); err == nil {
				r.aliases[lower(h.Name)] = alias{lower(body.CNAME), h.TTL}
			}
		case h.Type == q.kind:
			var rec record
			if rec, err = readRecord(p, h); err == nil {
				r.records = append(r.records, rec)
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return err
		}
	}
}

// readAuthorities looks for the SOA record that says how long something is
// known to be missing (RFC 2308), and reports whether there are NS records.
func (r *response) readAuthorities(p *dnsmessage.Parser) (delegates bool, err error) {
	for {
		h, err := p.AuthorityHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return delegates, nil
		case err != nil:
			return false, err
		case h.Class == dnsmessage.ClassINET && h.Type == dnsmessage.TypeSOA:
			var body dnsmessage.SOAResource
			if body, err = p.SOAResource(); err == nil {
				r.negative, r.ttl = true, min(h.TTL, body.MinTTL)
			}
		default:
			delegates = delegates || h.Type == dnsmessage.TypeNS
			err = p.SkipAuthority()
		}
		if err != nil {
			return false, err
		}
	}
}

func (r *response) readAdditionals(p *dnsmessage.Parser, q question) error {
	for {
		h, err := p.AdditionalHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return nil
		case err != nil:
			return err
		case h.Type == dnsmessage.TypeOPT:
			r.rcode = h.ExtendedRCode(r.rcode)
			err = p.SkipAdditional()
		case q.kind == dnsmessage.TypeSRV && h.Class == dnsmessage.ClassINET &&
			(h.Type == dnsmessage.TypeA || h.Type == dnsmessage.TypeAAAA):
			var rec record
			if rec, err = readRecord(p, h); err == nil {
				r.extra = append(r.extra, rec)
			}
		default:
			err = p.SkipAdditional()
		}
		if err != nil {
			return err
		}
	}
}

// readRecord reads the record after its header.
func readRecord(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (record, error) {
	rec := record{owner: lower(h.Name), kind: h.Type, ttl: h.TTL}
	switch h.Type {
	case dnsmessage.TypeA:
		body, err := p.AResource()
		if err != nil {
			return rec, err
		}
		if h.Length != 4 {
			return rec, fmt.Errorf("an A record of %d octets", h.Length)
		}
		rec.addr = netip.AddrFrom4(body.A)
	case dnsmessage.TypeAAAA:
		body, err := p.AAAAResource()
		if err != nil {
			return rec, err
		}
		if h.Length != 16 {
			return rec, fmt.Errorf("an AAAA record of %d octets", h.Length)
		}
		rec.addr = netip.AddrFrom16(body.AAAA)
	case dnsmessage.TypeSRV:
		body, err := p.SRVResource()
		if err != nil {
			return rec, err
		}
		rec.target = lower(body.Target)
		rec.priority, rec.weight, rec.port = body.Priority, body.Weight, body.Port
	}
	return rec, nil
}

// lower returns a name in lower case. Only ASCII has case in DNS.
func lower(name dnsmessage.Name) string {
	octets := []byte(name.String())
	for i, c := range octets {
		if c >= 'A' && c <= 'Z' {
			octets[i] = c + 'a' - 'A'
		}
	}
	return string(octets)
}

// badVersion is the extended code of a server that knows another EDNS.
const badVersion dnsmessage.RCode = 16

// rcodeName is what the field calls a code.
func rcodeName(code dnsmessage.RCode) string {
	switch code {
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNameError:
		return "NXDOMAIN"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return fmt.Sprintf("response code %d", code)
}

func typeName(kind dnsmessage.Type) string { return strings.TrimPrefix(kind.String(), "Type") }
