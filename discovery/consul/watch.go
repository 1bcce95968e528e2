package consul

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/report"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const maxRetryDelay = 30 * time.Second

// Consul answers with an empty list where it knows nothing, and where it may
// say nothing, too.
var (
	errNoLeader   = errors.New("lists no copies, and knows no leader of the cluster; it is not believed")
	errAllHidden  = errors.New("the token may see none of its copies; it needs service:read and node:read")
	errSomeHidden = errors.New("the token may not see all of its copies; it needs service:read and node:read")
)

// An index is where a blocking query continues: a number of one agent.
// See https://developer.hashicorp.com/consul/api-docs/features/blocking for
// the rules.
type index struct {
	agent *agent
	value uint64 // 0: answer at once
}

// follow is the one watch of a service.
func (c *Client) follow(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		r := report.New(fmt.Sprintf("consul: service %q", service), yield)
		var at index
		var last []discovery.Instance
		delays := retry.New(maxRetryDelay)
		pace := pace{limit: c.wait}
		for ctx.Err() == nil {
			start := time.Now()
			set, next, err := c.ask(ctx, service, at)
			if ctx.Err() != nil {
				return
			}
			if set == nil {
				at, last = index{}, nil // ask for everything, to hear at once when it is over
				if !r.Failed(err) || !retry.Sleep(ctx, delays.Delay()) {
					return
				}
				continue
			}
			if at.value > 0 { // only then has the agent shown that all is well
				delays.Reset()
			}
			isNew := last == nil || !slices.EqualFunc(set, last, discovery.Instance.Equal)
			pause := pace.after(time.Since(start), isNew, at.value > 0 && next.value > at.value)
			at, last = next, set
			if !r.Found(set, err) || !retry.Sleep(ctx, pause) {
				return
			}
		}
	}
}

// ask waits for a change of a service since at, and returns its set: nil if
// there is none, and else with an error that says what it lacks.
func (c *Client) ask(ctx context.Context, service string, at index) (set []discovery.Instance, next index, err error) {
	a := c.reader()
	if at.agent != a {
		at = index{}
	}
	query := c.query()
	r := request{method: http.MethodGet, path: "/v1/health/service/" + url.PathEscape(service), query: query}
	if at.value > 0 {
		query.Set("index", strconv.FormatUint(at.value, 10))
		query.Set("wait", c.wait.String())
		r.wait = c.wait + c.wait/16
	}
	ans, err := c.exchange(ctx, a, r)
	if err != nil {
		if ctx.Err() == nil && !rejected(err) {
			c.avoid(a)
		}
		return nil, index{}, err
	}
	set, err = c.parse(ans.body)
	if set == nil {
		return nil, index{}, fmt.Errorf("%s: %w", a, err)
	}
	switch hidden := ans.header.Get("X-Consul-Results-Filtered-By-ACLs") == "true"; {
	case len(set) == 0 && hidden:
		return nil, index{}, fmt.Errorf("%s: %w", a, errAllHidden)
	case len(set) == 0 && ans.header.Get("X-Consul-KnownLeader") == "false":
		return nil, index{}, fmt.Errorf("%s: %w", a, errNoLeader)
	case hidden:
		err = errors.Join(err, errSomeHidden)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", a, err)
	}
	next = index{agent: a, value: after(at.value, ans.header.Get("X-Consul-Index"))}
	return set, next, err
}

// after returns the index to continue at: that of the answer, unless it is
// lower than the last, as when a server has restored a snapshot; then the next
// request asks for everything. An answer without an index, or with 0, does not
// say where to continue, and a request with 0 would not wait: 1 does, if the
// agent can wait at all.
func after(last uint64, header string) uint64 {
	value, _ := strconv.ParseUint(header, 10, 64)
	if value < last {
		return 0
	}
	return max(value, 1)
}

// query returns the parameters that all requests about services have.
func (c *Client) query() url.Values {
	query := make(url.Values)
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("dc", c.datacenter)
	set("ns", c.namespace)
	set("partition", c.partition)
	set("filter", c.filter)
	for _, tag := range c.tags {
		query.Add("tag", tag)
	}
	if c.onlyPassing {
		query.Set("passing", "true")
	}
	if c.stale {
		query.Set("stale", "true")
	}
	return query
}

// reader returns the agent to read from.
func (c *Client) reader() *agent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agents[c.good]
}

// avoid has the next agent asked from now on.
func (c *Client) avoid(a *agent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agents[c.good] == a {
		c.good = (c.good + 1) % len(c.agents)
	}
}
