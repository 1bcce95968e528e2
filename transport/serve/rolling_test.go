package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/serve"
)

// Copies are replaced again and again, over real sockets, while callers send
// what cannot be repeated: POSTs with bodies that can be read once. Each is
// processed exactly once.
func TestRollingDeployLosesNothing(t *testing.T) {
	for name, caller := range map[string]func(*testing.T, *discovery.Memory) func(string) error{
		"by name":       callByName,
		"raw, and late": callLate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const (
				replacements = 15
				copies       = 3
				callers      = 16
				between      = 200 // calls between two replacements
			)
			var memory discovery.Memory
			var processed sync.Map
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id, _ := io.ReadAll(r.Body)
				<-time.After(rand.N(2 * time.Millisecond)) // the work
				if _, twice := processed.LoadOrStore(string(id), true); twice {
					w.WriteHeader(http.StatusConflict)
				}
			})
			var running []*process
			for range copies {
				running = append(running, startProcess(t, &memory, handler))
			}

			post := caller(t, &memory)
			over := make(chan struct{})
			done := make(chan struct{}, 10*between)
			var calls sync.WaitGroup
			for i := range callers {
				calls.Go(func() {
					for n := 0; ; n++ {
						id := fmt.Sprintf("call %d of caller %d", n, i)
						assert.NoError(t, post(id), id)
						_, ok := processed.Load(id)
						assert.True(t, ok, id)
						select {
						case done <- struct{}{}:
						case <-over:
							return
						}
						<-time.After(rand.N(4 * time.Millisecond)) // connections become idle
					}
				})
			}
			for i := range replacements {
				for range between {
					<-done
				}
				old := i % copies
				running[old].stop()
				running = append(slices.Delete(running, old, old+1), startProcess(t, &memory, handler))
			}
			for range between {
				<-done
			}
			close(over)
			calls.Wait()
		})
	}
}

// A process is one copy, on a port of its own.
type process struct{ stop context.CancelFunc }

// startProcess returns when the copy is announced. It stops with the test, at
// the latest, and must do so without an error.
func startProcess(t *testing.T, memory *discovery.Memory, handler http.Handler) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { // awaited by the cleanup
		result <- serve.Run(ctx, memory, service, handler, serve.Config{
			Listener: listener,
			LameDuck: 50 * time.Millisecond,
			Drain:    2 * time.Second, // all connections are used meanwhile, on a slow machine, too
		})
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-result)
	})
	addr := listener.Addr().String()
	for set, err := range memory.Watch(t.Context(), service) {
		require.NoError(t, err)
		if slices.ContainsFunc(set, func(in discovery.Instance) bool { return in.Addr == addr }) {
			break
		}
	}
	return &process{stop}
}

// once is a body that can be read once.
func once(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }

func post(client *http.Client, url, text string) error {
	resp, err := client.Post(url, "text/plain", once(text))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// callByName is a caller that the registry tells of changes.
func callByName(t *testing.T, memory *discovery.Memory) func(string) error {
	tr := transport.New(memory, transport.WithLogger(nil))
	t.Cleanup(tr.Close)
	client := &http.Client{Transport: tr}
	return func(text string) error { return post(client, "http://"+service+"/", text) }
}

// callLate is a caller that asks the registry seldom, long after copies have
// gone, and knows no better than to try another when its connection is
// refused.
func callLate(t *testing.T, memory *discovery.Memory) func(string) error {
	const interval = 700 * time.Millisecond
	pool := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(pool.CloseIdleConnections)
	client := &http.Client{Transport: pool}
	var mu sync.Mutex // guards the rest
	var set []discovery.Instance
	var asked time.Time
	lookup := func() []discovery.Instance {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(asked) > interval {
			for now, err := range memory.Watch(context.Background(), service) {
				assert.NoError(t, err)
				set = now
				break
			}
			asked = time.Now()
		}
		return set
	}
	return func(text string) error {
		for {
			set := lookup()
			err := post(client, "http://"+set[rand.N(len(set))].Addr+"/", text)
			if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
				<-time.After(time.Millisecond)
				continue
			}
			return err
		}
	}
}
