package eureka

import (
	"context"
	"fmt"
)

// wanted returns the status to announce.
func (r *Registration) wanted() Status {
	want := *r.want.Load()
	if want == Up && r.ill.Load() {
		return Down
	}
	return want
}

// examine has the health check look at the copy, if that is of interest. A
// check whose time is over says that the copy is ill.
func (r *Registration) examine(ctx context.Context) {
	if r.c.check == nil || *r.want.Load() != Up {
		return
	}
	limited, cancel := context.WithTimeout(ctx, r.c.renewal/3)
	defer cancel()
	err := r.c.askCheck(limited)
	if ctx.Err() != nil {
		return // not the copy's fault
	}
	log := r.c.log.With("service", r.service, "id", r.key.id)
	switch before := r.ill.Swap(err != nil); {
	case err != nil && !before:
		log.Warn("health check fails, and the copy is announced as DOWN", "error", err)
	case err == nil && before:
		log.Info("health check passes again")
	}
}

func (c *Client) askCheck(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("health check panics: %v", p)
		}
	}()
	return c.check(ctx)
}
