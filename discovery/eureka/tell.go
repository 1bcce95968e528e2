package eureka

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// tell brings the servers in line with what is wanted, or renews the lease if
// they are. Called with the turn.
func (r *Registration) tell(ctx context.Context) error {
	err := r.reconcile(ctx)
	if err == nil {
		r.renewed.Store(new(time.Now()))
	}
	return err
}

func (r *Registration) reconcile(ctx context.Context) error {
	want := r.wanted()
	if data := r.data.Load(); data != r.from {
		r.adopt(data)
		r.dirty = true
	}
	if !r.dirty && r.said == want {
		known, err := r.renew(ctx)
		if known || err != nil {
			return err
		}
		r.c.log.Info("copy was forgotten, and is announced again", "service", r.service, "id", r.key.id)
		r.touch()
		r.dirty = true
	}
	if want == OutOfService && !r.dirty {
		r.said, r.held = "", true
		known, err := r.override(ctx)
		if err != nil {
			return err
		}
		if known {
			r.said = want
			return nil
		}
		r.touch()
		r.dirty = true
	}
	if want != OutOfService && r.held {
		if err := r.removeOverride(ctx, want); err != nil {
			return err
		}
		r.said, r.held = "", false
	}
	if want != OutOfService && !r.dirty {
		r.touch()
		r.dirty = true
	}
	return r.announce(ctx, want)
}

// adopt makes an announcement of data, newer than all before.
func (r *Registration) adopt(data *wire.Instance) {
	dirty := r.in.LastDirty
	r.in, r.from = *data, data
	r.in.LastDirty = dirty
	r.touch()
}

// touch makes the announcement newer than all before.
func (r *Registration) touch() {
	r.in.LastDirty = max(time.Now().UnixMilli(), r.in.LastDirty+1)
}

// announce registers the copy. The status OUT_OF_SERVICE would be ignored, but
// not an override that says so; that of a copy that is DOWN would not show.
func (r *Registration) announce(ctx context.Context, want Status) error {
	r.in.Status, r.in.OverriddenStatus = wire.Status(want), wire.Unknown
	if want == OutOfService {
		r.in.Status, r.in.OverriddenStatus, r.held = wire.Up, wire.OutOfService, true
	}
	body, err := wire.MarshalInstance(r.in, wire.JSON)
	if err != nil {
		return err
	}
	err = r.c.writes.try(ctx, func(ctx context.Context, s *server) error {
		a, err := r.c.exchange(ctx, s, request{method: http.MethodPost, path: "/apps/" + url.PathEscape(r.key.app), body: body})
		if err == nil && a.code/100 != 2 {
			err = statusError(s, a)
		}
		if mayHaveWorked(err) && !slices.Contains(r.told, s) {
			r.told = append(r.told, s)
		}
		return err
	})
	if err == nil {
		r.said, r.dirty = want, false
	}
	return err
}

// mayHaveWorked reports whether a request that ended with err may have been
// carried out.
func mayHaveWorked(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return err == nil || !rejected(err)
}

// renew sends a heartbeat. It reports false if the server does not know the
// copy, or not as last announced.
func (r *Registration) renew(ctx context.Context) (known bool, err error) {
	query := r.dirtyQuery()
	query.Set("status", string(r.said))
	return r.change(ctx, http.MethodPut, "", query)
}

// override sets the status OUT_OF_SERVICE, which a registration cannot.
func (r *Registration) override(ctx context.Context) (known bool, err error) {
	query := r.dirtyQuery()
	query.Set("value", string(OutOfService))
	return r.change(ctx, http.MethodPut, "/status", query)
}

// removeOverride gives the copy back the status that registrations say.
func (r *Registration) removeOverride(ctx context.Context, want Status) error {
	query := r.dirtyQuery()
	query.Set("value", string(want))
	_, err := r.change(ctx, http.MethodDelete, "/status", query)
	return err
}

// cancelLease withdraws the copy.
func (r *Registration) cancelLease(ctx context.Context) error {
	_, err := r.change(ctx, http.MethodDelete, "", nil)
	return err
}

// change makes a request about the copy. It reports false if the server does
// not know it.
func (r *Registration) change(ctx context.Context, method, resource string, query url.Values) (known bool, err error) {
	err = r.c.writes.try(ctx, func(ctx context.Context, s *server) error {
		a, err := r.c.exchange(ctx, s, request{method: method, path: r.path() + resource, query: query})
		if err != nil {
			return err
		}
		known = a.code/100 == 2
		if !known && a.code != http.StatusNotFound {
			return statusError(s, a)
		}
		return nil
	})
	return known, err
}

func (r *Registration) path() string {
	return "/apps/" + url.PathEscape(r.key.app) + "/" + url.PathEscape(r.key.id)
}

func (r *Registration) dirtyQuery() url.Values {
	return url.Values{"lastDirtyTimestamp": {strconv.FormatInt(r.in.LastDirty, 10)}}
}
