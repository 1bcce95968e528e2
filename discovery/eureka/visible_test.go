package eureka_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// cluster starts servers on loopback that are each other's peers, and returns
// their URLs.
func cluster(b *testing.B, n int) []string {
	b.Helper()
	urls := make([]string, n)
	listeners := make([]net.Listener, n)
	for i := range listeners {
		var err error
		listeners[i], err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		urls[i] = "http://" + listeners[i].Addr().String() + "/eureka"
	}
	for _, l := range listeners {
		s := eurekaserver.New(eurekaserver.WithPeers(eurekaserver.PeersConfig{URLs: urls, GateTime: -1}))
		s.Start()
		server := &http.Server{Handler: s, ReadHeaderTimeout: time.Second}
		go func() { _ = server.Serve(l) }() // until Close
		b.Cleanup(func() {
			s.Close()
			_ = server.Close()
		})
	}
	return urls
}

// BenchmarkVisible measures how long it takes until a client that waits for
// changes has seen a copy that registers, or one that is withdrawn: from before
// the call until the set is there, at the server that was told, or at its peer.
// The pause between two changes is not measured: what comes in quick
// succession is fetched together.
func BenchmarkVisible(b *testing.B) {
	for name, servers := range map[string]int{"same server": 1, "peer": 2} {
		b.Run(name, func(b *testing.B) {
			urls := cluster(b, servers)
			writer, reader := eureka.New(urls[0]), eureka.New(urls[servers-1])
			b.Cleanup(writer.Close)
			b.Cleanup(reader.Close)
			sizes := make(chan int, 100)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for set, err := range reader.Watch(ctx, "orders") {
					if err == nil {
						sizes <- len(set)
					}
				}
			}()
			defer func() {
				cancel()
				<-ended
			}()
			until := func(n int) {
				for size := range sizes {
					if size == n {
						return
					}
				}
			}
			until(0)
			var seen, gone []time.Duration
			for i := 0; b.Loop(); i++ {
				time.Sleep(200 * time.Millisecond)
				begin := time.Now()
				r, err := writer.Register(ctx, "orders", discovery.Instance{ID: fmt.Sprint("orders-", i), Addr: "192.0.2.1:80"})
				require.NoError(b, err)
				until(1)
				seen = append(seen, time.Since(begin))
				time.Sleep(200 * time.Millisecond)
				begin = time.Now()
				require.NoError(b, r.Close(ctx))
				until(0)
				gone = append(gone, time.Since(begin))
			}
			report := func(what string, times []time.Duration) {
				slices.Sort(times)
				for _, q := range []int{50, 99} {
					t := times[min(len(times)-1, len(times)*q/100)]
					b.ReportMetric(float64(t)/float64(time.Millisecond), fmt.Sprintf("%s-p%d-ms", what, q))
				}
			}
			report("seen", seen)
			report("gone", gone)
			b.ReportMetric(0, "ns/op")
		})
	}
}
