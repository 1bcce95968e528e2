package interop

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// The cases of our own server, against Spring's. Where it differs, the case
// says why.
func TestSpringCases(t *testing.T) {
	t.Parallel()
	server := reserve(t, "127.0.0.1")
	server.start(t, "")
	server.expect("STARTED")
	out := run(t, "../../..", []string{"NAMESAKE_EUREKA_URL=" + server.url, "NAMESAKE_EUREKA_SERVER=spring"},
		"go", "test", "-count=1", "-timeout=9m", "-v", "-run=^TestConformance$", "./discovery/eureka/eurekaserver")
	passed := strings.Count(out, "    --- PASS: ")
	assert.Greater(t, passed, 60)
	why := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`DIFFERS in spring: .*`).FindAllString(out, -1))))
	t.Logf("%d cases were checked, with these differences:\n%s", passed, strings.Join(why, "\n"))
	assert.NotEmpty(t, why)
}

func TestOurClientOfSpring(t *testing.T) {
	t.Parallel()
	// Two servers, each other's peers.
	a, b := reserve(t, "127.0.0.1"), reserve(t, "127.0.0.2")
	a.start(t, b.url)
	b.start(t, a.url)
	a.expect("STARTED")
	b.expect("STARTED")

	client := eureka.New(a.url+","+b.url, eureka.WithServersInOrder(), eureka.WithPollInterval(time.Second), eureka.WithLease(time.Second, 20*time.Second))
	defer client.Close()
	sets := follow(t, client, "orders")
	sets.become("")

	one := register(t, client, "orders-1", "127.0.0.1:8081")
	sets.become("orders-1@127.0.0.1:8081")
	in, ok := instance(t, a.url, "ORDERS", "orders-1")
	require.True(t, ok)
	assert.Equal(t, []int{1, 20}, []int{in.Lease.RenewalInterval, in.Lease.Duration})
	assert.Equal(t, "z1", in.Metadata["zone"])

	two := register(t, client, "orders-2", "127.0.0.1:8082")
	sets.become("orders-1@127.0.0.1:8081 orders-2@127.0.0.1:8082")
	require.NoError(t, two.SetStatus(t.Context(), eureka.OutOfService))
	sets.become("orders-1@127.0.0.1:8081")
	require.NoError(t, two.SetStatus(t.Context(), eureka.Up))
	sets.become("orders-1@127.0.0.1:8081 orders-2@127.0.0.1:8082")
	require.NoError(t, two.SetStatus(t.Context(), eureka.Down))
	sets.become("orders-1@127.0.0.1:8081")
	require.NoError(t, two.Close(t.Context()))
	for _, server := range []string{a.url, b.url} {
		eventually(t, "withdrawn everywhere", func() bool {
			_, ok := instance(t, server, "ORDERS", "orders-2")
			return !ok
		})
	}

	// Another takes over: it has a copy, and everything goes on there.
	eventually(t, "a copy on the other server", func() bool {
		in, _ := instance(t, b.url, "ORDERS", "orders-1")
		return in.Status == wire.Up
	})
	a.stop()
	three := register(t, client, "orders-3", "127.0.0.1:8083")
	sets.become("orders-1@127.0.0.1:8081 orders-3@127.0.0.1:8083")
	require.NoError(t, one.SetStatus(t.Context(), eureka.OutOfService))
	sets.become("orders-3@127.0.0.1:8083")
	require.NoError(t, one.Close(t.Context()))
	require.NoError(t, three.Close(t.Context()))
	sets.become("")
}

func register(t *testing.T, client *eureka.Client, id, addr string) *eureka.Registration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := client.Register(ctx, "orders", discovery.Instance{ID: id, Addr: addr, Zone: "z1"})
	require.NoError(t, err)
	return r.(*eureka.Registration)
}

// A following reads what a watcher yields.
type following struct {
	t    *testing.T
	sets chan string
}

func follow(t *testing.T, watcher discovery.Watcher, service string) following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := following{t: t, sets: make(chan string, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for set, err := range watcher.Watch(ctx, service) {
			if err != nil {
				continue // a server that is away: the last set stands
			}
			var copies []string
			for _, in := range set {
				copies = append(copies, in.ID+"@"+in.Addr)
			}
			f.sets <- strings.Join(copies, " ")
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// become waits for a set.
func (f following) become(want string) {
	f.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	var other []string
	for {
		select {
		case set := <-f.sets:
			if set == want {
				return
			}
			other = append(other, set)
		case <-timeout.C:
			require.Fail(f.t, "the set does not become what it should", "%q, but %q", want, other)
		}
	}
}
