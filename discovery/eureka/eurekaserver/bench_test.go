package eurekaserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// filled returns a server with so many instances in 100 applications, each
// with some metadata and URLs, as they usually have.
func filled(b *testing.B, instances int, opts ...eurekaserver.Option) *eurekaserver.Server {
	s := eurekaserver.New(opts...)
	b.Cleanup(s.Close)
	for i := range instances {
		app := fmt.Sprintf("APP%d", i%100)
		w := serve(b.Context(), s, "POST", "/apps/"+app, typical(app, i))
		if w.Code != http.StatusNoContent {
			b.Fatal(w.Code)
		}
	}
	b.ReportAllocs()
	return s
}

func typical(app string, i int) string {
	host := fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
	return body(app, edit{
		"instanceId": fmt.Sprint("i", i), "hostName": host, "ipAddr": host, "vipAddress": strings.ToLower(app),
		"port":        map[string]any{"$": 8080, "@enabled": "true"},
		"homePageUrl": "http://" + host + ":8080/", "statusPageUrl": "http://" + host + ":8080/actuator/info",
		"healthCheckUrl": "http://" + host + ":8080/actuator/health",
		"metadata":       map[string]any{"zone": "z1", "management.port": "8080", "version": "1.2.3"},
		"leaseInfo":      map[string]any{"durationInSecs": int(time.Hour / time.Second)},
	})
}

// discard is a ResponseWriter that counts.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { d.bytes += len(p); return len(p), nil }

// get calls the handler and returns the size and the tag of the answer.
func get(s *eurekaserver.Server, method, path string, header ...string) (size int, tag string) {
	r := httptest.NewRequest(method, "/eureka"+path, nil)
	r.Header.Set("Accept", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	d := &discard{header: make(http.Header)}
	s.ServeHTTP(d, r)
	return d.bytes, d.header.Get("ETag")
}

// The goal is 30,000 heartbeats a second on two cores: that is 900,000
// instances.
func BenchmarkHeartbeat(b *testing.B) {
	b.Run("handler", func(b *testing.B) {
		s := filled(b, 10_000)
		requests := make([]*http.Request, 10_000)
		for i := range requests {
			requests[i] = httptest.NewRequest("PUT", fmt.Sprintf("/eureka/apps/APP%d/i%d?status=UP&lastDirtyTimestamp=%d", i%100, i, t0), nil)
		}
		var next atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			d := &discard{header: make(http.Header)}
			for pb.Next() {
				s.ServeHTTP(d, requests[next.Add(1)%10_000])
				if d.status != http.StatusOK {
					b.Error(d.status)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "beats/s")
	})
	// The client is part of this process: its share of the two cores goes
	// off what a server alone would do. With a handler that does nothing, the
	// rest is net/http's.
	b.Run("sockets", func(b *testing.B) { beats(b, filled(b, 10_000)) })
	b.Run("nothing", func(b *testing.B) {
		beats(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }))
	})
}

// beats measures heartbeats over connections.
func beats(b *testing.B, handler http.Handler) {
	server := httptest.NewServer(handler)
	defer server.Close()
	addr := server.Listener.Addr().String()
	requests := make([][]byte, 10_000)
	for i := range requests {
		requests[i] = fmt.Appendf(nil, "PUT /eureka/apps/APP%d/i%d?status=UP&lastDirtyTimestamp=%d HTTP/1.1\r\nHost: registry\r\nContent-Length: 0\r\n\r\n", i%100, i, t0)
	}
	var next atomic.Int64
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		answers := bufio.NewReader(conn)
		for pb.Next() {
			_, _ = conn.Write(requests[next.Add(1)%10_000])
			line, err := answers.ReadSlice('\n')
			if err != nil || !bytes.Contains(line, []byte(" 200 ")) {
				b.Errorf("%q %v", line, err)
				return
			}
			for len(line) > 2 && err == nil {
				line, err = answers.ReadSlice('\n')
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "beats/s")
}

func BenchmarkRegister(b *testing.B) {
	s, doc := filled(b, 10_000), typical("APP7", 7)
	for b.Loop() {
		serve(b.Context(), s, "POST", "/apps/APP7", doc)
	}
}

// The memory of 10,000 instances in 100 applications: as such, and when the
// list has been read in the formats that clients use.
func BenchmarkRegistryMemory(b *testing.B) {
	for _, tt := range []struct {
		name string
		gets [][]string
	}{
		{"unread", nil},
		{"json+gzip", [][]string{{"Accept-Encoding", "gzip"}}},
		{"all", [][]string{{"Accept-Encoding", "gzip"}, {}, {"Accept", "application/xml", "Accept-Encoding", "gzip"}, {"Accept", "application/xml"}}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var used float64
			for b.Loop() {
				before := heap()
				s := filled(b, 10_000)
				for _, header := range tt.gets {
					get(s, "GET", "/apps", header...)
					get(s, "GET", "/apps/delta", header...)
				}
				used = heap() - before
				runtime.KeepAlive(s)
			}
			b.ReportMetric(used, "MB")
		})
	}
}

// heap returns the megabytes that are reachable.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied the second time
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// A full fetch of 10,000 instances that have not changed.
func BenchmarkFullFetch(b *testing.B) {
	for _, coding := range []string{"identity", "gzip"} {
		b.Run(coding, func(b *testing.B) {
			s := filled(b, 10_000)
			var size int
			for b.Loop() {
				size, _ = get(s, "GET", "/apps", "Accept-Encoding", coding)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// One of 10,000 instances changes, and then somebody asks: for everything, or
// for the delta of the last three minutes, or for what has changed since.
func BenchmarkChange(b *testing.B) {
	for _, tt := range []struct{ name, path, coding string }{
		{"full", "/apps", "identity"},
		{"full+gzip", "/apps", "gzip"},
		{"since", "/apps/delta", "gzip"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s := filled(b, 10_000)
			_, tag := get(s, "GET", "/apps", "Accept-Encoding", tt.coding)
			var size int
			statuses, i := []string{"DOWN", "UP"}, 0
			for b.Loop() {
				get(s, "PUT", "/apps/APP7/i7/status?value="+statuses[i%2])
				i++
				header := []string{"Accept-Encoding", tt.coding}
				if tt.path == "/apps/delta" {
					header = append(header, "If-None-Match", tag)
				}
				size, tag = get(s, "GET", tt.path, header...)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// How long a change and everything that needs the lock wait while the full
// list is made again and again.
func BenchmarkHeartbeatDuringFetches(b *testing.B) {
	s := filled(b, 10_000)
	ctx, stop := context.WithCancel(b.Context())
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			get(s, "PUT", "/apps/APP7/i7/status?value="+[]string{"DOWN", "UP"}[i%2])
			get(s, "GET", "/apps", "Accept-Encoding", "gzip")
		}
	})
	var longest time.Duration
	for b.Loop() {
		start := time.Now()
		get(s, "PUT", "/apps/APP8/i8")
		longest = max(longest, time.Since(start))
	}
	stop()
	others.Wait()
	b.ReportMetric(float64(longest.Microseconds()), "longest-us")
}

// 1000 clients wait for a change, and there is one: what it costs to tell them.
func BenchmarkWaiters(b *testing.B) {
	const clients = 1000
	s := filled(b, 10_000)
	var told atomic.Int64
	statuses, i := []string{"DOWN", "UP"}, 0
	_, tag := get(s, "GET", "/apps")
	for b.Loop() {
		var waiting sync.WaitGroup
		told.Store(0)
		for range clients {
			waiting.Go(func() {
				n, _ := get(s, "GET", "/apps/delta", "If-None-Match", tag, "Prefer", "wait=60", "Accept-Encoding", "gzip")
				told.Add(int64(n))
			})
		}
		for s.Stats().Waiting < clients {
			runtime.Gosched()
		}
		get(s, "PUT", "/apps/APP7/i7/status?value="+statuses[i%2])
		i++
		waiting.Wait()
		_, tag = get(s, "GET", "/apps")
	}
	b.ReportMetric(float64(told.Load())/clients, "bytes/client")
}

// 1000 clients that poll every 30 seconds, of a registry of 10,000 instances
// with ten changes a minute: what that is a second, with the delta of three
// minutes, with full lists, and with what has changed since the last time.
func BenchmarkPolling(b *testing.B) {
	const clients, interval, changesPerMinute = 1000, 30, 10
	s := filled(b, 10_000, eurekaserver.WithDeltaRetention(time.Nanosecond))
	full, _ := get(s, "GET", "/apps", "Accept-Encoding", "gzip")
	change := func(s *eurekaserver.Server, changes int) (int, string) {
		_, tag := get(s, "GET", "/apps")
		for i := range changes {
			get(s, "PUT", fmt.Sprintf("/apps/APP%d/i%d/status?value=DOWN", i*37%100, i*37))
		}
		return get(s, "GET", "/apps/delta", "Accept-Encoding", "gzip", "If-None-Match", tag)
	}
	exact := filled(b, 1000)
	since, _ := change(exact, changesPerMinute*interval/60)
	window, _ := change(filled(b, 1000), changesPerMinute*3)
	for b.Loop() {
		get(s, "GET", "/apps/delta", "Accept-Encoding", "gzip")
	}
	b.ReportMetric(clients*float64(full)/interval, "full-bytes/s")
	b.ReportMetric(clients*float64(window)/interval, "delta-bytes/s")
	b.ReportMetric(clients*float64(since)/interval, "since-bytes/s")
}
