package serve_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport/serve"
)

// Nobody knows a copy that was never announced, so it stops at once.
func TestStopWhileStarting(t *testing.T) {
	for name, cfg := range map[string]serve.Config{
		"ready":    {Ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		"announce": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := begin(t, func(m *discovery.Memory) discovery.Registrar {
					m.Fail(errors.New("the registry is away"))
					return m
				}, hello, cfg)
				w.at(3 * time.Second)
				w.stop()
				require.NoError(t, <-w.result)
				assert.Equal(t, 3*time.Second, w.ended)
				_, _, err := w.get(t, "/")
				require.Error(t, err)
			})
		})
	}
}

func TestStartFails(t *testing.T) {
	broken := errors.New("no database")
	for name, test := range map[string]struct {
		cfg    serve.Config
		reject error
		outage bool
		target error
		text   string
		after  time.Duration
	}{
		"not ready": {cfg: serve.Config{Ready: func(context.Context) error { return broken }}, target: broken, text: "serve: orders: not ready: no database"},
		"rejected":  {reject: broken, target: broken, text: "serve: orders: no database"},
		"no registry": {
			outage: true, target: context.DeadlineExceeded, after: time.Minute,
			text: `serve: orders: discovery: register "orders-1:80" for "orders": context deadline exceeded`,
		},
		"never ready": {
			cfg:    serve.Config{StartTimeout: 5 * time.Second, Ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			target: context.DeadlineExceeded, after: 5 * time.Second, text: "serve: orders: not ready: context deadline exceeded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := begin(t, func(m *discovery.Memory) discovery.Registrar {
					if test.outage {
						m.Fail(errors.New("the registry is away"))
					}
					return hooked{Registrar: m, register: func(context.Context) error { return test.reject }}
				}, hello, test.cfg)
				err := <-w.result
				require.EqualError(t, err, test.text)
				require.ErrorIs(t, err, test.target)
				assert.Equal(t, test.after, w.ended)
				w.stop()
			})
		})
	}
}

// A registry that is away delays the start, and no longer than that.
func TestRegistryComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var health serve.Health
		w := begin(t, func(m *discovery.Memory) discovery.Registrar {
			m.Fail(errors.New("the registry is away"))
			return m
		}, health.Ready(), serve.Config{Health: &health, StartTimeout: -1})
		w.at(24 * time.Hour)
		code, _, err := w.get(t, "/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, code)
		w.memory.Fail(nil)
		synctest.Wait()
		code, _, err = w.get(t, "/")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, code)
		w.stop()
		require.NoError(t, <-w.result)
	})
}
