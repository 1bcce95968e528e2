package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	"golang.org/x/sync/errgroup"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/report"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	maxRetryDelay = 30 * time.Second
	atOnce        = 32 // nodes that are read at the same time

	// settle is how long further changes are waited for before a set is made
	// of them.
	settle = 10 * time.Millisecond
)

// path returns the node of a service.
func (c *Client) path(service string) (string, error) {
	if service == "" || strings.Contains(service, "//") || strings.ContainsRune(service, 0) || strings.Trim(service, "/.") == "" {
		return "", fmt.Errorf("%q cannot be the name of a node", service)
	}
	return c.root + "/" + strings.Trim(service, "/"), nil
}

// follow is the one watch of a service.
func (c *Client) follow(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		r := report.New(fmt.Sprintf("zookeeper: service %q", service), yield)
		delays := retry.New(maxRetryDelay)
		for ctx.Err() == nil {
			begin, before := time.Now(), c.now()
			err := c.live(ctx, service, r)
			if ctx.Err() != nil || r.Over() {
				return
			}
			if time.Since(begin) > maxRetryDelay {
				delays.Reset()
			}
			if !r.Failed(err) || !c.ready(ctx, before, delays.Delay()) {
				return
			}
		}
	}
}

// ready waits for a delay, and not that long if there is another connection than
// before. It reports whether ctx is still alive.
func (c *Client) ready(ctx context.Context, before state, delay time.Duration) bool {
	if !retry.Sleep(ctx, min(delay, 100*time.Millisecond)) {
		return false
	}
	timeout := time.After(delay)
	for {
		st := c.now()
		if st.connected && st.count != before.count {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-timeout:
			return true
		case <-st.changed:
		}
	}
}

// A node is a copy's, as last read.
type node struct {
	in  discovery.Instance
	use bool
	err error // why it cannot be read
}

// A view is the nodes of one service, with watches on all of them.
type view struct {
	c     *Client
	conn  *zk.Conn
	path  string
	nodes map[string]*node // by name; nil is to be read again
	news  chan string      // names of nodes that have changed, "" for the list of them

	waiting sync.WaitGroup // for events
}

// live reads the service and follows its changes until something fails.
func (c *Client) live(ctx context.Context, service string, r *report.Reporter) error {
	path, err := c.path(service)
	if err == nil {
		err = c.usable()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := c.trusted()
	if err != nil {
		return err
	}
	v := &view{c: c, conn: conn, path: path, nodes: make(map[string]*node), news: make(chan string, atOnce)}
	defer v.waiting.Wait()
	defer cancel() // ends those who wait for an event
	if err := v.list(ctx); err != nil {
		return err
	}
	for {
		if err := v.read(ctx); err != nil {
			return err
		}
		if !r.Found(v.set()) {
			return nil
		}
		if err := v.change(ctx); err != nil {
			return err
		}
	}
}

// change waits until something has changed.
func (v *view) change(ctx context.Context) error {
	for {
		st := v.c.now()
		if !st.connected {
			return errDisconnected
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-st.changed:
		case name := <-v.news:
			if err := v.note(ctx, name); err != nil {
				return err
			}
			return v.more(ctx)
		}
	}
}

// list reads which nodes there are, and watches for that to change.
func (v *view) list(ctx context.Context) error {
	for {
		names, _, events, err := v.conn.ChildrenW(v.path)
		if errors.Is(err, zk.ErrNoNode) {
			var exists bool
			if exists, _, events, err = v.conn.ExistsW(v.path); err == nil && exists {
				continue
			}
		}
		if err != nil {
			return err
		}
		there := make(map[string]bool, len(names))
		for _, name := range names {
			if _, ok := v.c.layout.id(name); !ok {
				continue
			}
			there[name] = true
			if _, known := v.nodes[name]; !known {
				v.nodes[name] = nil
			}
		}
		maps.DeleteFunc(v.nodes, func(name string, _ *node) bool { return !there[name] })
		v.await(ctx, events, "")
		return nil
	}
}

// await passes the event of a watch on. It ends with the event, the session or
// ctx.
func (v *view) await(ctx context.Context, events <-chan zk.Event, name string) {
	v.waiting.Go(func() {
		select {
		case <-events:
		case <-ctx.Done():
			return
		}
		select {
		case v.news <- name:
		case <-ctx.Done():
		}
	})
}

// note takes in what has changed.
func (v *view) note(ctx context.Context, name string) error {
	if name == "" {
		return v.list(ctx)
	}
	if _, ok := v.nodes[name]; ok {
		v.nodes[name] = nil
	}
	return nil
}

// more takes in what else changes within a moment.
func (v *view) more(ctx context.Context) error {
	timeout := time.After(settle)
	for {
		select {
		case name := <-v.news:
			if err := v.note(ctx, name); err != nil {
				return err
			}
		case <-timeout:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read reads the nodes that have to be, and watches each for changes.
func (v *view) read(ctx context.Context) error {
	type result struct {
		name   string
		node   *node
		events <-chan zk.Event
	}
	var names []string
	for name, n := range v.nodes {
		if n == nil {
			names = append(names, name)
		}
	}
	results := make([]result, len(names))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, name := range names {
		group.Go(func() error {
			data, _, events, err := v.conn.GetW(v.path + "/" + name)
			if errors.Is(err, zk.ErrNoNode) {
				return nil // the list of nodes has changed, too
			}
			if err != nil {
				return err
			}
			n := new(node)
			id, _ := v.c.layout.id(name)
			if n.in, n.use, n.err = v.c.layout.unmarshal(id, data); n.err != nil {
				n.err = fmt.Errorf("node %s/%s: %w", v.path, name, n.err)
			}
			results[i] = result{name, n, events}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, r := range results {
		if r.node != nil {
			v.nodes[r.name] = r.node
			v.await(ctx, r.events, r.name)
		}
	}
	return nil
}

// set returns what can be used, and an error that names the rest.
func (v *view) set() ([]discovery.Instance, error) {
	var instances []discovery.Instance
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(v.nodes)) {
		switch n := v.nodes[name]; {
		case n == nil: // it has just gone
		case n.err != nil:
			faults = append(faults, n.err)
		case n.use:
			instances = append(instances, n.in)
		}
	}
	set, err := discovery.CleanSet(instances)
	if err != nil {
		faults = append(faults, err)
	}
	return set, errors.Join(faults...)
}
