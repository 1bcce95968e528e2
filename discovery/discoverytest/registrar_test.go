package discoverytest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
)

type registerFunc func(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error)

func (f registerFunc) Register(ctx context.Context, service string, in discovery.Instance) (discovery.Registration, error) {
	return f(ctx, service, in)
}

type closeFunc func(ctx context.Context) error

func (f closeFunc) Close(ctx context.Context) error { return f(ctx) }

// Every rule of the suite is broken here by a registrar that is otherwise
// sound.
func TestRegistrarCatches(t *testing.T) {
	type instance = discovery.Instance
	tests := []struct {
		fault  string
		check  string
		says   string
		broken func(m *discovery.Memory) registerFunc
	}{
		{"announces nothing", "registered copy is seen", "after one was registered", func(*discovery.Memory) registerFunc {
			return func(context.Context, string, instance) (discovery.Registration, error) {
				return closeFunc(func(context.Context) error { return nil }), nil
			}
		}},
		{"loses the zone", "registered copy is seen", "after one was registered", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				in.Zone = ""
				return m.Register(ctx, service, in)
			}
		}},
		{"withdraws nothing", "close withdraws", "after one was withdrawn", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				_, err := m.Register(ctx, service, in)
				return closeFunc(func(context.Context) error { return nil }), err
			}
		}},
		{"withdraws all copies", "close withdraws", "after one was withdrawn", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				_, err := m.Register(ctx, service, in)
				return closeFunc(func(context.Context) error { m.Set(service); return nil }), err
			}
		}},
		{"second close fails", "close twice", "a later one already closed", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				r, err := m.Register(ctx, service, in)
				var closed atomic.Bool
				return closeFunc(func(ctx context.Context) error {
					if closed.Swap(true) {
						return errors.New("already closed")
					}
					return r.Close(ctx)
				}), err
			}
		}},
		{"second close withdraws the successor", "close twice", "was closed again", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				_, err := m.Register(ctx, service, in)
				return closeFunc(func(context.Context) error { m.Set(service); return nil }), err
			}
		}},
		{"first of an ID stays", "same ID replaces", "after another with its ID", func(m *discovery.Memory) registerFunc {
			var known sync.Map
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				if r, ok := known.Load(in.ID); ok {
					return r.(discovery.Registration), nil
				}
				r, err := m.Register(ctx, service, in)
				known.Store(in.ID, r)
				return r, err
			}
		}},
		{"withdraws with its context", "context bounds the announcement only", "context of its announcement", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				r, err := m.Register(ctx, service, in)
				if err == nil {
					context.AfterFunc(ctx, func() { _ = r.Close(context.Background()) })
				}
				return r, err
			}
		}},
		{"deaf to its context", "context done before", "though the context was done", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				return m.Register(context.WithoutCancel(ctx), service, in)
			}
		}},
		{"hides the cause", "context done before", "the context's cause", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return m.Register(ctx, service, in)
			}
		}},
		{"goes on after giving up", "context done during an outage", "got [{ID:orders-", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				r, err := m.Register(ctx, service, in)
				if err != nil {
					go func() { _, _ = m.Register(context.WithoutCancel(ctx), service, in) }()
				}
				return r, err
			}
		}},
		{"gives up at once", "outage is waited out", "outage made by a test", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				for _, err := range m.Watch(ctx, service) {
					if err != nil {
						return nil, err
					}
					break
				}
				return m.Register(ctx, service, in)
			}
		}},
		{"takes anything", "invalid instance", "an invalid instance was registered", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				in.Addr = "192.0.2.1:80"
				return m.Register(ctx, service, in)
			}
		}},
		{"names no culprit", "invalid instance", "does not name", func(m *discovery.Memory) registerFunc {
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				if in.Validate() != nil {
					return nil, errors.New("400 Bad Request")
				}
				return m.Register(ctx, service, in)
			}
		}},
		{"tries what is invalid until its context is done", "invalid instance", "is not refused within", func(*discovery.Memory) registerFunc {
			return func(ctx context.Context, _ string, in instance) (discovery.Registration, error) {
				<-ctx.Done()
				return nil, in.Validate()
			}
		}},
		{"loses one in ten", "many copies at once", "after many were registered", func(m *discovery.Memory) registerFunc {
			var count atomic.Int32
			return func(ctx context.Context, service string, in instance) (discovery.Registration, error) {
				r, err := m.Register(ctx, service, in)
				if count.Add(1) == 10 {
					_ = r.Close(ctx)
				}
				return r, err
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			got := failures(t, registrarChecks, test.check, Harness{New: func(testing.TB) Subject {
				m := new(discovery.Memory)
				s := subject(m)
				s.Registrar = test.broken(m)
				return s
			}})
			assert.Contains(t, got, test.says)
		})
	}
	caught := make(map[string]bool)
	for _, test := range tests {
		caught[test.check] = true
	}
	for _, c := range registrarChecks {
		assert.True(t, caught[c.name], "no broken registrar for the check %q", c.name)
	}
}
