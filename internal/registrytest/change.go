package registrytest

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/transport"
)

// pause is how far changes are apart at least: those in quick succession may be
// seen together, on purpose.
const pause = 250 * time.Millisecond

// BenchmarkChange measures how long a change takes from the registry to the
// picker: from the moment before one copy more, or less, is written until
// there is a picker for the new set.
func BenchmarkChange(b *testing.B, h Harness) {
	Enabled(b)
	s := h.New(b)
	service := newService()
	all := s.replicas(b, service, 2)
	held := make(map[string]registered)
	s.set(b, held, service, instances(all[:1])...)

	sizes := make(chan int, 1024)
	options := []transport.Option{
		transport.WithLogger(slog.New(slog.DiscardHandler)),
		transport.WithPolicy(func(set balancer.Set) balancer.Picker {
			sizes <- len(set.All)
			return balancer.RoundRobin(set)
		}),
	}
	if s.Dial != nil {
		options = append(options, transport.WithDialContext(s.Dial))
	}
	rt := transport.New(s.Watcher, options...)
	defer rt.Close()
	resp, err := (&http.Client{Transport: rt}).Get("http://" + service + "/")
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()

	wait := func(size int) {
		timeout := time.After(h.patience())
		for {
			select {
			case n := <-sizes:
				if n == size {
					return
				}
			case <-timeout:
				b.Fatalf("after %v there is no picker for %d copies", h.patience(), size)
			}
		}
	}
	wait(1)
	var times []time.Duration
	n := 1
	for b.Loop() {
		time.Sleep(pause + rand.N(pause)) // whoever polls is not to be in step
		n = 3 - n
		begin := time.Now()
		s.set(b, held, service, instances(all[:n])...)
		wait(n)
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	quantile := func(q float64) float64 {
		return float64(times[min(len(times)-1, int(q*float64(len(times))))]) / float64(time.Millisecond)
	}
	b.ReportMetric(quantile(0.5), "p50-ms")
	b.ReportMetric(quantile(0.99), "p99-ms")
	b.ReportMetric(0, "ns/op")
	if len(times) == 0 {
		b.Fatal(fmt.Errorf("registrytest: no change was measured"))
	}
}
