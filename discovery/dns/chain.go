package dns

import (
	"context"
	"fmt"

	"github.com/namesake-go/namesake/discovery"
	"golang.org/x/net/dns/dnsmessage"
)

// maxAliases is how many CNAME records may lead from one name to another. BIND
// follows 16, others fewer.
const maxAliases = 12

// An answer is what DNS knows of a question, after all aliases.
type answer struct {
	exists  bool     // the name does
	records []record // none if the name has none of the type
	extra   []record // addresses that came along
	ttl     uint32   // the shortest of all records that led here
}

// resolve answers a question, aliases included.
func (c *Client) resolve(ctx context.Context, q question) (answer, error) {
	a := answer{ttl: 1<<31 - 1}
	name, left := q.name, maxAliases
	for {
		r, err := c.ask(ctx, question{name, q.kind})
		if err != nil {
			return answer{}, err
		}
		asked := name
		for {
			next, ok := r.aliases[name]
			if !ok {
				break
			}
			if left--; left < 0 {
				return answer{}, fmt.Errorf("%s: more than %d aliases (CNAME), the last for %q: a loop, or nearly", q, maxAliases, name)
			}
			name = next.target
			a.ttl = min(a.ttl, shortest(next.ttl))
		}
		if r.rcode == dnsmessage.RCodeNameError {
			a.ttl = min(a.ttl, shortest(r.ttl))
			return a, nil
		}
		for _, rec := range r.records {
			if rec.owner == name {
				a.records = append(a.records, rec)
				a.ttl = min(a.ttl, shortest(rec.ttl))
			}
		}
		if len(a.records) > 0 || name == asked || r.negative {
			if len(a.records) == 0 {
				a.ttl = min(a.ttl, shortest(r.ttl))
			}
			a.exists, a.extra = true, r.extra
			return a, nil
		}
	}
}

// shortest returns a TTL such that the shorter is the smaller number (RFC
// 2181, 8: the sign counts as zero).
func shortest(ttl uint32) uint32 {
	if ttl > 1<<31-1 {
		return 0
	}
	return ttl
}

// unknown is the error for a name that does not exist.
func unknown(name string) error {
	return fmt.Errorf("no such name as %s (NXDOMAIN): %w", name, discovery.ErrUnknownService)
}
