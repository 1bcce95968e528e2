package fault

import (
	"net/http"
	"strings"
	"sync/atomic"
)

// A Rule says what is done to which requests. A request must be all that the
// rule says of it; what is empty says nothing.
type Rule struct {
	// Name is for Stats.
	Name string

	// Addr is the address of one endpoint, as the registry writes it.
	Addr string

	// Host is what the request calls the server: the service's name. A
	// request's own Host counts, and that of its URL if it has none; case does
	// not matter.
	Host string

	// Method is the request's. "GET" includes the empty one.
	Method string

	// PathPrefix is how the URL's path begins.
	PathPrefix string

	// Match is whatever else there is to say. Addr is that of the endpoint.
	// It is called concurrently and must not change the request. Nil says
	// nothing.
	Match func(req *http.Request, addr string) bool

	// Percent is the share of these requests that is hit, from 0 to 100.
	// Default 100; negative: none.
	Percent float64

	// Fault is what is done to them. Nil lets them pass, and counts them.
	Fault Fault
}

// A rule is a Rule in force.
type rule struct {
	Rule
	seed              uint64
	share             float64
	matched, injected atomic.Uint64
}

func newRule(r Rule, seed, number uint64) *rule {
	if r.Percent == 0 {
		r.Percent = 100
	}
	if r.Fault == nil {
		r.Fault = Delay(0, 0)
	}
	return &rule{Rule: r, seed: mix(seed + number*golden), share: r.Percent / 100}
}

func (r *rule) matches(req *http.Request, addr string) bool {
	if r.Addr != "" && !strings.EqualFold(r.Addr, addr) {
		return false
	}
	if r.Host != "" && !strings.EqualFold(r.Host, hostOf(req)) {
		return false
	}
	if r.Method != "" && r.Method != req.Method && (r.Method != http.MethodGet || req.Method != "") {
		return false
	}
	if r.PathPrefix != "" && (req.URL == nil || !strings.HasPrefix(req.URL.Path, r.PathPrefix)) {
		return false
	}
	return r.Match == nil || r.Match(req, addr)
}

func hostOf(req *http.Request) string {
	if req.Host == "" && req.URL != nil {
		return req.URL.Host
	}
	return req.Host
}

// draw counts a request and says whether it is hit, and what its fault may
// make of chance. Both depend on the seed and on how many there were before,
// and on nothing else.
func (r *rule) draw() (hit bool, chance float64) {
	n := 2 * r.matched.Add(1)
	hit = unit(mix(r.seed+n*golden)) < r.share
	if hit {
		r.injected.Add(1)
	}
	return hit, unit(mix(r.seed + (n+1)*golden))
}

// golden and mix are SplitMix64 (Steele, Lea, Flood, 2014): a random number
// for each place in a sequence, so that nobody has to wait for the one before.
const golden = 0x9e3779b97f4a7c15

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit makes it a number from 0 to 1, without 1.
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }
