package consul_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
	"github.com/namesake-go/namesake/discovery/discoverytest"
)

// strip takes away what Consul adds: the node before the ID, and the metadata
// by which facts travel.
func strip(in discovery.Instance) discovery.Instance {
	if _, id, ok := strings.Cut(in.ID, "/"); ok {
		in.ID = id
	}
	metadata := map[string]string{}
	for k, v := range in.Metadata {
		if k != "zone" && k != "scheme" && k != "priority" {
			metadata[k] = v
		}
	}
	in.Metadata = metadata
	if in.Weight == 1 {
		in.Weight = 0
	}
	return in
}

func harness(opts ...consul.Option) discoverytest.Harness {
	return discoverytest.Harness{
		Run: func(t *testing.T, check func(t *testing.T)) { synctest.Test(t, check) },
		New: func(t testing.TB) discoverytest.Subject {
			r := &rig{t: t}
			f := newFake()
			r.serve("agent:8500", f)
			c := r.client("http://agent:8500", opts...)
			return discoverytest.Subject{
				Watcher:   c,
				Registrar: c,
				Fail: func(failing bool) {
					if failing {
						f.answer(func(w http.ResponseWriter, _ *http.Request) {
							http.Error(w, "No cluster leader", http.StatusInternalServerError)
						})
					} else {
						f.answer(nil)
					}
				},
				Asked: func() int { return int(f.asked.Load()) },
			}
		},
		Strip:    strip,
		Patience: 2 * time.Minute,
	}
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string][]consul.Option{
		"TTL":        nil,
		"HTTP check": {consul.WithHTTPCheck("/health")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("watcher", func(t *testing.T) { discoverytest.TestWatcher(t, harness(opts...)) })
			t.Run("registrar", func(t *testing.T) { discoverytest.TestRegistrar(t, harness(opts...)) })
		})
	}
}
