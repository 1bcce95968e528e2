package xds_test

import (
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/xds"
)

// variants are the two variants of the protocol.
var variants = map[string][]xds.Option{"state of the world": nil, "delta": {xds.WithDelta()}}

func TestConformance(t *testing.T) {
	for name, opts := range variants {
		t.Run(name, func(t *testing.T) {
			discoverytest.TestWatcher(t, discoverytest.Harness{
				New: func(t testing.TB) discoverytest.Subject {
					p := newPlane(t)
					c := client(t, dial(t, p.addr), append(opts, xds.WithResourceTimeout(time.Second))...)
					return discoverytest.Subject{
						Watcher: c,
						Set:     func(service string, instances ...discovery.Instance) { p.set(t, service, instances...) },
						Fail: func(failing bool) {
							if failing {
								p.stop()
							} else {
								p.start(t)
							}
						},
						Asked: func() int { return int(p.asked.Load()) },
					}
				},
				Strip:    strip,
				Patience: 20 * time.Second,
			})
		})
	}
}
