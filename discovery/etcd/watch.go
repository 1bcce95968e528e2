package etcd

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

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/report"
	"github.com/namesake-go/namesake/discovery/internal/retry"
)

const (
	requestTimeout = 10 * time.Second
	maxRetryDelay  = 30 * time.Second

	// settle is how long further changes are waited for before a set is made
	// of them, so that a deploy costs few sets.
	settle = 10 * time.Millisecond

	// maxCopies bounds a service.
	maxCopies = 100_000
)

// errNews ends a watch that cannot go on, and says that all must be read
// again, at once and without a word: a revision that was compacted away.
var errNews = errors.New("etcd: history is gone")

// A view is the copies of one service, by key.
type view struct {
	prefix  string
	records map[string]result
}

// A result is a copy, or why it cannot be read.
type result struct {
	in  discovery.Instance
	err error
}

// key returns what the keys of a service's copies begin with.
func (c *Client) key(service string) string { return c.prefix + service + "/" }

// follow is the one watch of a service.
func (c *Client) follow(ctx context.Context, service string) iter.Seq2[[]discovery.Instance, error] {
	return func(yield func([]discovery.Instance, error) bool) {
		r := report.New(fmt.Sprintf("etcd: service %q", service), yield)
		delays := retry.New(maxRetryDelay)
		for ctx.Err() == nil {
			begin := time.Now()
			err := c.live(ctx, service, r)
			switch {
			case ctx.Err() != nil || r.Over():
				return
			case errors.Is(err, errNews):
				if !retry.Sleep(ctx, time.Second-time.Since(begin)) {
					return
				}
				continue
			}
			if time.Since(begin) > maxRetryDelay {
				delays.Reset()
			}
			if !r.Failed(explain(err)) || !retry.Sleep(ctx, delays.Delay()) {
				return
			}
		}
	}
}

// live reads the service and follows its changes until something fails.
func (c *Client) live(ctx context.Context, service string, r *report.Reporter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // which ends the watch
	v, revision, err := c.read(ctx, service)
	if err != nil {
		return err
	}
	if !r.Found(v.set()) {
		return nil
	}
	// The call returns when a member has accepted the watch, which takes for as
	// long as none can be reached.
	var changes clientv3.WatchChan
	accepted := make(chan clientv3.WatchChan, 1)
	var calling sync.WaitGroup
	calling.Go(func() {
		accepted <- c.etcd.Watch(clientv3.WithRequireLeader(ctx), v.prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	})
	defer calling.Wait()
	defer cancel()
	patience := time.NewTimer(requestTimeout)
	defer patience.Stop()
	check := time.NewTimer(retry.Jitter(c.check))
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case changes = <-accepted:
			patience.Stop()
		case <-patience.C:
			return fmt.Errorf("no watch within %v", requestTimeout)
		case <-check.C:
			if err := c.alive(ctx, v.prefix); err != nil {
				return err
			}
			check.Reset(retry.Jitter(c.check))
		case change, ok := <-changes:
			if err := v.apply(change, ok); err != nil {
				return err
			}
			if err := v.more(changes); err != nil {
				return err
			}
			if !r.Found(v.set()) {
				return nil
			}
		}
	}
}

// read lists the copies of a service.
func (c *Client) read(ctx context.Context, service string) (v *view, revision int64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %v", requestTimeout))
	defer cancel()
	v = &view{prefix: c.key(service), records: make(map[string]result)}
	r, err := c.etcd.Get(ctx, v.prefix, clientv3.WithPrefix(), clientv3.WithLimit(maxCopies+1))
	if err != nil {
		return nil, 0, because(ctx, err)
	}
	if len(r.Kvs) > maxCopies {
		return nil, 0, fmt.Errorf("more than %d copies", maxCopies)
	}
	for _, kv := range r.Kvs {
		v.put(kv)
	}
	return v, r.Header.Revision, nil
}

// alive checks that the cluster can be read.
func (c *Client) alive(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("no answer within %v", requestTimeout))
	defer cancel()
	_, err := c.etcd.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	return because(ctx, err)
}

// because puts the cause in place of a context's error, which etcd wraps as it
// likes.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (v *view) put(kv *mvccpb.KeyValue) {
	key := string(kv.Key)
	in, err := unmarshal(strings.TrimPrefix(key, v.prefix), kv.Value)
	if err != nil {
		err = fmt.Errorf("key %q: %w", key, err)
	}
	v.records[key] = result{in, err}
}

// apply takes in changes.
func (v *view) apply(r clientv3.WatchResponse, ok bool) error {
	switch {
	case !ok:
		return errors.New("the watch has ended")
	case r.CompactRevision != 0:
		return errNews
	case r.Err() != nil:
		return r.Err()
	}
	for _, e := range r.Events {
		if e.Type == clientv3.EventTypeDelete {
			delete(v.records, string(e.Kv.Key))
		} else {
			v.put(e.Kv)
		}
	}
	if len(v.records) > maxCopies {
		return fmt.Errorf("more than %d copies", maxCopies)
	}
	return nil
}

// more takes in what else comes within a moment.
func (v *view) more(changes clientv3.WatchChan) error {
	timeout := time.After(settle)
	for {
		select {
		case r, ok := <-changes:
			if err := v.apply(r, ok); err != nil {
				return err
			}
		case <-timeout:
			return nil
		}
	}
}

// set returns what can be used, and an error that names the rest.
func (v *view) set() ([]discovery.Instance, error) {
	var instances []discovery.Instance
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(v.records)) {
		if r := v.records[key]; r.err != nil {
			faults = append(faults, r.err)
		} else {
			instances = append(instances, r.in)
		}
	}
	set, err := discovery.CleanSet(instances)
	if err != nil {
		faults = append(faults, err)
	}
	return set, errors.Join(faults...)
}
