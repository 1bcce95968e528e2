package consul

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/life"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	maxWeight = 65535 // Consul's

	// removeAfter is how long a copy is listed whose check has been critical
	// all the time. Consul does not take less.
	removeAfter = time.Minute
)

// Register announces a copy of a service to the first agent, and keeps it
// announced: by a sign of life every third of [WithTTL], or a check that the
// agent makes ([WithHTTPCheck]). An agent that has forgotten the copy, such as
// one that was restarted, is told again.
//
// Scheme, zone and priority travel as metadata of these names. Weights are at
// most 65535. An empty ID becomes service:host:port. What watches see as ID has
// the agent's node in front: node/ID.
//
// A rejection by the agent is an error, with a [*StatusError] in it. See
// [discovery.Registrar] for the contract.
func (c *Client) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	r, err := c.newRegistration(service, in)
	if err != nil {
		return nil, fmt.Errorf("consul: register %q: %w", service, err)
	}
	r.line = c.lines.Join(r.id)
	if err := r.start(ctx); err != nil {
		r.cancel(ErrClosed)
		r.line.Leave()
		if c.closed() {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("consul: register %q: %w", service, err)
	}
	return r, nil
}

// A definition is what an agent is told of a copy.
type definition struct {
	ID, Name, Address    string
	Port                 int
	Tags                 []string          `json:",omitempty"`
	Meta                 map[string]string `json:",omitempty"`
	Weights              *weights          `json:",omitempty"`
	Namespace, Partition string            `json:",omitempty"`
	Check                check
}

type check struct {
	CheckID                        string
	TTL, HTTP, Interval, Timeout   string `json:",omitempty"`
	Status                         string
	DeregisterCriticalServiceAfter string
}

func (c *Client) newRegistration(service string, in discovery.Instance) (*registration, error) {
	if service == "" {
		return nil, fmt.Errorf("the service has no name")
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if in.Weight > maxWeight {
		return nil, fmt.Errorf("instance %q: weight %d is above %d", in.Key(), in.Weight, maxWeight)
	}
	host, port, err := net.SplitHostPort(in.Addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	id := in.ID
	if id == "" {
		id = service + ":" + in.Addr
	}
	meta := maps.Clone(in.Metadata)
	carry := func(key, value string) {
		delete(meta, key)
		if value == "" {
			return
		}
		if meta == nil {
			meta = make(map[string]string)
		}
		meta[key] = value
	}
	carry(keyScheme, in.Scheme)
	carry(keyZone, in.Zone)
	priority := ""
	if in.Priority != 0 {
		priority = strconv.FormatUint(uint64(in.Priority), 10)
	}
	carry(keyPriority, priority)
	d := definition{
		ID: id, Name: service, Address: host, Port: number, Tags: c.tags, Meta: meta, Namespace: c.namespace, Partition: c.partition,
		Check: check{CheckID: "service:" + id, Status: passing, DeregisterCriticalServiceAfter: removeAfter.String()},
	}
	if in.Weight != 0 {
		d.Weights = &weights{Passing: int(in.Weight), Warning: 1}
	}
	if c.check == "" {
		d.Check.TTL = c.ttl.String()
	} else {
		scheme := in.Scheme
		if scheme == "" {
			scheme = "http"
		}
		d.Check.HTTP = scheme + "://" + in.Addr + c.check
		d.Check.Interval, d.Check.Timeout = c.beat().String(), c.beat().String()
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	r := &registration{c: c, service: service, id: id, body: body}
	r.ctx, r.cancel = context.WithCancelCause(c.ctx)
	return r, nil
}

// beat is how often a copy gives a sign of life.
func (c *config) beat() time.Duration { return c.ttl / 3 }

// start announces the copy and begins to keep it announced.
func (r *registration) start(ctx context.Context) error {
	bound, cancel := life.Within(ctx, r.ctx)
	defer cancel()
	if err := r.line.Enter(bound); err != nil {
		return err
	}
	defer r.line.Exit()
	err := r.persist(bound, r.announce)
	if err == nil && !r.keepWith(&r.c.tasks) {
		err = ErrClosed
	}
	if err != nil {
		r.takeBack(ctx)
		return err
	}
	if old := r.line.Owner; old != nil {
		old.end()
		r.line.Leave()
	}
	r.line.Owner = r
	return nil
}

// takeBack withdraws, once, what the agent may have accepted without our
// knowing: its check will become critical anyhow. If the copy was announced
// before, it is announced again as it was, at the next sign of life.
func (r *registration) takeBack(ctx context.Context) {
	if !r.told {
		return
	}
	if old := r.line.Owner; old != nil {
		old.replaced = true
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = r.deregister(ctx)
	if r.c.closed() {
		r.c.closeIdle()
	}
}

// keepWith begins to keep the copy announced, unless the client has been
// closed.
func (r *registration) keepWith(tasks interface{ Go(func()) }) bool {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.closed() {
		return false
	}
	r.done = make(chan struct{})
	tasks.Go(r.keep) // stopped by end or the client's Close, which wait for it
	return true
}

// persist repeats do until it succeeds, the agent rejects it, or ctx is done.
// The error then says what kept it from succeeding.
func (r *registration) persist(ctx context.Context, do func(context.Context) error) error {
	delays := retry.New(r.c.beat())
	var last error
	for {
		err := do(ctx)
		if err == nil || rejected(err) {
			return err
		}
		if ctx.Err() == nil {
			last = err
			if retry.Sleep(ctx, delays.Delay()) {
				continue
			}
		}
		if last != nil {
			return fmt.Errorf("%w; %v", context.Cause(ctx), last)
		}
		return err
	}
}

// place returns the parameters that say where the copy belongs.
func (r *registration) place() url.Values {
	query := make(url.Values)
	if r.c.namespace != "" {
		query.Set("ns", r.c.namespace)
	}
	if r.c.partition != "" {
		query.Set("partition", r.c.partition)
	}
	return query
}

// announce tells the agent of the copy.
func (r *registration) announce(ctx context.Context) error {
	query := r.place()
	query.Set("replace-existing-checks", "true")
	_, err := r.c.exchange(ctx, r.c.agents[0], request{method: http.MethodPut, path: "/v1/agent/service/register", query: query, body: r.body})
	if !rejected(err) {
		r.told = true
	}
	return err
}
