package xds_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// Watches come and go, sets change and connections break, all at the same time
// and at random: whoever watches then ends up with the last set.
func TestRandom(t *testing.T) {
	for name, opts := range variants {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t)
			proxy := registrytest.NewProxy(t, p.addr)
			c := client(t, dial(t, proxy.Addr()), append(opts, xds.WithResourceTimeout(time.Minute))...)
			const services, steps = 4, 200
			service := func(i int) string { return fmt.Sprint("service-", i) }
			set := func(i, n int) { p.set(t, service(i), discovery.Instance{Addr: fmt.Sprint("10.0.0.1:", 1000+n)}) }
			for i := range services {
				set(i, 0)
			}
			steady := read(t, c, service(0))
			var running sync.WaitGroup
			come := func(i int) { // and go
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(10*time.Millisecond))
				defer cancel()
				for _, err := range c.Watch(ctx, service(i)) {
					assert.NotErrorIs(t, err, discovery.ErrUnknownService)
				}
			}
			for i := range services {
				running.Go(func() {
					for range steps {
						come(i)
					}
				})
				running.Go(func() {
					for n := range steps {
						set(i, n)
						come(i)
						if i == 0 && n%60 == 50 {
							proxy.Cut()
							proxy.Heal()
						}
					}
				})
			}
			running.Wait()
			want := fmt.Sprint("10.0.0.1:", 1000+steps-1)
			for i := range services {
				r := steady
				if i > 0 {
					r = read(t, c, service(i))
				}
				for got := r.next(); got.err != nil || got.set[0].Addr != want; got = r.next() {
					assert.NotErrorIs(t, got.err, discovery.ErrUnknownService)
				}
			}
		})
	}
}
