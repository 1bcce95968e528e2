package fault_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport/fault"
)

func TestRuleMatches(t *testing.T) {
	for name, test := range map[string]struct {
		rule fault.Rule
		want bool
	}{
		"anything":               {fault.Rule{}, true},
		"the address":            {fault.Rule{Addr: "10.0.0.1:80"}, true},
		"another address":        {fault.Rule{Addr: "10.0.0.2:80"}, false},
		"the host":               {fault.Rule{Host: "Orders"}, true},
		"another host":           {fault.Rule{Host: "order"}, false},
		"the method":             {fault.Rule{Method: "GET"}, true},
		"another method":         {fault.Rule{Method: "POST"}, false},
		"the path":               {fault.Rule{PathPrefix: "/v1/"}, true},
		"another path":           {fault.Rule{PathPrefix: "/v2/"}, false},
		"the function":           {fault.Rule{Match: func(r *http.Request, a string) bool { return r.Method+a == "10.0.0.1:80" }}, true},
		"another function":       {fault.Rule{Match: func(*http.Request, string) bool { return false }}, false},
		"all of it":              {fault.Rule{Addr: "10.0.0.1:80", Host: "orders", Method: "GET", PathPrefix: "/v1"}, true},
		"all of it but the last": {fault.Rule{Addr: "10.0.0.1:80", Host: "orders", Method: "GET", PathPrefix: "/v2"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			faults := fault.New(1, test.rule)
			rt := faults.EndpointBase(discovery.Instance{Addr: "10.0.0.1:80"}, new(server))
			req, _ := request(t, t.Context(), http.MethodGet)
			req.Method = ""             // GET, too
			_, err := rt.RoundTrip(req) //nolint:bodyclose // has none
			require.NoError(t, err)
			want := fault.Stats{}
			if test.want {
				want = fault.Stats{Matched: 1, Injected: 1}
			}
			assert.Equal(t, []fault.Stats{want}, faults.Stats())
		})
	}
}

// Over a base for all endpoints, the URL has the address, and Host the name.
func TestRuleKnowsTheEndpointByTheURL(t *testing.T) {
	faults := fault.New(1, fault.Rule{Addr: "10.0.0.1:80", Host: "orders"}, fault.Rule{Host: "10.0.0.1:80"})
	req, _ := request(t, t.Context(), http.MethodGet)
	req.URL.Host, req.Host = "10.0.0.1:80", "orders"
	_, err := faults.Around(new(server)).RoundTrip(req) //nolint:bodyclose // has none
	require.NoError(t, err)
	req.Host = ""
	_, err = faults.Around(new(server)).RoundTrip(req) //nolint:bodyclose // has none
	require.NoError(t, err)
	assert.Equal(t, []fault.Stats{{Matched: 1, Injected: 1}, {Matched: 1, Injected: 1}}, faults.Stats())
}

// The first rule comes first, and what it lets through meets the next.
func TestRulesInOrder(t *testing.T) {
	base := new(server)
	faults := fault.New(7,
		fault.Rule{Name: "half", Percent: 50, Fault: fault.Status(http.StatusTeapot, nil, "")},
		fault.Rule{Name: "posts", Method: http.MethodPost, Fault: fault.Refuse()},
		fault.Rule{Name: "counted"},
		fault.Rule{Name: "off", Percent: -1, Fault: fault.Refuse()},
	)
	rt := faults.Around(base)
	for range 1000 {
		req, _ := request(t, t.Context(), http.MethodGet)
		_, err := rt.RoundTrip(req) //nolint:bodyclose // has none
		require.NoError(t, err)
	}
	stats := faults.Stats()
	hit := stats[0].Injected
	// A binomial of 1000 and a half has a standard deviation of 16; the seed is
	// fixed besides.
	assert.InDelta(t, 500, hit, 80)
	assert.Equal(t, []fault.Stats{
		{"half", 1000, hit}, {"posts", 0, 0}, {"counted", 1000 - hit, 1000 - hit}, {"off", 1000 - hit, 0},
	}, stats)
	assert.Equal(t, int64(1000-hit), base.served.Load())
}

// The same seed hits the same requests, another one others; and callers that
// compete are hit as often as those that queue.
func TestSeed(t *testing.T) {
	const requests = 1000
	rules := []fault.Rule{{Percent: 10, Fault: fault.Status(http.StatusTeapot, nil, "")}}
	inTurn := func(faults *fault.Injector) (hits []int) {
		rt := faults.Around(new(server))
		for n := range requests {
			req, _ := request(t, t.Context(), http.MethodGet)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusTeapot {
				hits = append(hits, n)
			}
		}
		return hits
	}
	faults := fault.New(1, rules...)
	first := inTurn(faults)
	// A standard deviation is 9.5, and the seed is fixed.
	assert.InDelta(t, 100, len(first), 50)
	assert.Equal(t, first, inTurn(fault.New(1, rules...)))
	assert.NotEqual(t, first, inTurn(fault.New(2, rules...)))
	assert.NotEqual(t, first, inTurn(faults), "it goes on")
	faults.Set(rules...)
	assert.Equal(t, first, inTurn(faults), "it begins anew")

	faults.Set(rules...)
	rt := faults.Around(new(server))
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range requests / 8 {
				req, _ := request(t, t.Context(), http.MethodGet)
				resp, err := rt.RoundTrip(req)
				if assert.NoError(t, err) {
					_ = resp.Body.Close()
				}
			}
		})
	}
	callers.Wait()
	assert.Equal(t, []fault.Stats{{Matched: requests, Injected: uint64(len(first))}}, faults.Stats())
}

// Two rules with the same share do not hit the same requests: of those that
// the first lets through, the second hits its share.
func TestRulesDrawApart(t *testing.T) {
	faults := fault.New(3)
	both := 0
	faults.Set(
		fault.Rule{Percent: 50, Fault: func(req *http.Request, next http.RoundTripper, _ float64) (*http.Response, error) {
			before := faults.Stats()[1].Injected
			resp, err := next.RoundTrip(req)
			if faults.Stats()[1].Injected > before {
				both++
			}
			return resp, err
		}},
		fault.Rule{Percent: 50},
	)
	rt := faults.Around(new(server))
	for range 1000 {
		req, _ := request(t, t.Context(), http.MethodGet)
		_, err := rt.RoundTrip(req) //nolint:bodyclose // has none
		require.NoError(t, err)
	}
	// A quarter; a standard deviation is 13.7, and the seed is fixed.
	assert.InDelta(t, 250, both, 70)
}
