package consul_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/consul"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/internal/registrytest"
)

const (
	rootToken = "11111111-0000-0000-0000-00000000000a"
	ourToken  = "11111111-0000-0000-0000-00000000000b"
	accessor  = "11111111-0000-0000-0000-00000000000c"
)

// A realAgent is a Consul agent in development mode, which is a cluster of
// one and forgets everything when it ends, with ACLs that allow nothing
// without a token.
type realAgent struct {
	t      testing.TB
	base   string
	server *registrytest.Server

	mu     sync.Mutex // guards listed
	listed map[string]map[string]discovery.Instance
}

func startAgent(t testing.TB) *realAgent {
	t.Helper()
	program := registrytest.Built(t, "consul")
	ports := registrytest.Ports(t, 4)
	a := &realAgent{t: t, base: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), listed: make(map[string]map[string]discovery.Instance)}
	a.server = registrytest.Start(t, func() *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(t.Context()), program, "agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1",
			"-http-port", strconv.Itoa(ports[0]), "-grpc-port", "-1", "-dns-port", "-1", "-serf-lan-port", strconv.Itoa(ports[1]),
			"-serf-wan-port", strconv.Itoa(ports[2]), "-server-port", strconv.Itoa(ports[3]), "-node", "n1", "-log-level", "warn",
			"-disable-host-node-id", "-hcl", `disable_update_check = true
			acl { enabled = true  default_policy = "deny"  token_ttl = "1s"  tokens { initial_management = "`+rootToken+`"  agent = "`+rootToken+`" } }`)
	}, func(ctx context.Context) error {
		leader, err := a.ask(ctx, http.MethodGet, "/v1/status/leader", nil)
		if err != nil {
			return err
		}
		if leader == `""` {
			return errors.New("no leader")
		}
		a.mu.Lock()
		clear(a.listed) // it has just begun, and knows of nothing
		a.mu.Unlock()
		return a.grant(ctx)
	})
	return a
}

// ask asks the agent with all rights.
func (a *realAgent) ask(ctx context.Context, method, path string, body any) (string, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, reader)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Consul-Token", rootToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return string(bytes.TrimSpace(text)), err
}

// grant makes the token that the client has, with no more rights than it
// needs.
func (a *realAgent) grant(ctx context.Context) error {
	const rules = `service_prefix "" { policy = "write" } node_prefix "" { policy = "read" }`
	if _, err := a.ask(ctx, http.MethodGet, "/v1/acl/policy/name/ours", nil); err != nil {
		if _, err := a.ask(ctx, http.MethodPut, "/v1/acl/policy", map[string]any{"Name": "ours", "Rules": rules}); err != nil {
			return err
		}
	}
	_, err := a.ask(ctx, http.MethodPut, "/v1/acl/token", map[string]any{
		"AccessorID": accessor, "SecretID": ourToken, "Policies": []any{map[string]any{"Name": "ours"}},
	})
	return err
}

func (a *realAgent) revoke(t testing.TB, revoked bool) {
	t.Helper()
	var err error
	if revoked {
		_, err = a.ask(t.Context(), http.MethodDelete, "/v1/acl/token/"+accessor, nil)
	} else {
		err = a.grant(t.Context())
	}
	require.NoError(t, err)
}

// set lists copies, without checks.
func (a *realAgent) set(t testing.TB, service string, instances ...discovery.Instance) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx := context.WithoutCancel(t.Context())
	before, now := a.listed[service], make(map[string]discovery.Instance)
	for _, in := range instances {
		now[in.ID] = in
		if old, ok := before[in.ID]; ok && old.Equal(in) {
			continue
		}
		host, port, err := net.SplitHostPort(in.Addr)
		require.NoError(t, err)
		number, err := strconv.Atoi(port)
		require.NoError(t, err)
		definition := map[string]any{"ID": in.ID, "Name": service, "Address": host, "Port": number}
		meta := map[string]string{}
		maps.Copy(meta, in.Metadata)
		for k, v := range map[string]string{"scheme": in.Scheme, "zone": in.Zone, "priority": strconv.Itoa(int(in.Priority))} {
			if v != "" && v != "0" {
				meta[k] = v
			}
		}
		definition["Meta"] = meta
		if in.Weight > 0 {
			definition["Weights"] = map[string]any{"Passing": in.Weight, "Warning": 1}
		}
		_, err = a.ask(ctx, http.MethodPut, "/v1/agent/service/register", definition)
		require.NoError(t, err)
	}
	for id := range before {
		if _, ok := now[id]; !ok {
			_, err := a.ask(ctx, http.MethodPut, "/v1/agent/service/deregister/"+url.PathEscape(id), nil)
			require.NoError(t, err)
		}
	}
	a.listed[service] = now
}

func realSubject(t testing.TB) registrytest.Subject {
	t.Helper()
	a := startAgent(t)
	proxy := registrytest.NewProxy(t, a.base[len("http://"):])
	c := consul.New("http://"+proxy.Addr(), consul.WithToken(ourToken), consul.WithTTL(3*time.Second), consul.WithWait(5*time.Second))
	t.Cleanup(c.Close)
	return registrytest.Subject{
		Watcher: c, Registrar: c, Server: a.server, Forgets: true, Proxy: proxy, Revoke: a.revoke,
		Set: func(t testing.TB, service string, instances ...discovery.Instance) { a.set(t, service, instances...) },
	}
}

func realHarness() registrytest.Harness {
	return registrytest.Harness{New: realSubject}
}

func TestReal(t *testing.T) { registrytest.TestFaults(t, realHarness()) }

func BenchmarkReal(b *testing.B) { registrytest.BenchmarkChange(b, realHarness()) }

func TestRealConformance(t *testing.T) {
	registrytest.Enabled(t)
	var once sync.Once
	var agent *realAgent
	for name, opts := range map[string][]consul.Option{"TTL": nil, "stale": {consul.WithStale()}} {
		h := discoverytest.Harness{
			New: func(tb testing.TB) discoverytest.Subject {
				once.Do(func() { agent = startAgent(t) })
				c := consul.New(agent.base, append([]consul.Option{consul.WithToken(ourToken)}, opts...)...)
				tb.Cleanup(c.Close)
				return discoverytest.Subject{Watcher: c, Registrar: c}
			},
			Strip: strip,
		}
		t.Run(name, func(t *testing.T) {
			t.Run("watcher", func(t *testing.T) { discoverytest.TestWatcher(t, h) })
			t.Run("registrar", func(t *testing.T) { discoverytest.TestRegistrar(t, h) })
		})
	}
}

// What an operator does to a copy is seen: maintenance of it and of its node,
// and checks in each state.
func TestRealStates(t *testing.T) {
	a := startAgent(t)
	// What lasts for less than a second may go unseen.
	c := consul.New(a.base, consul.WithToken(ourToken), consul.WithTTL(9*time.Second))
	defer c.Close()
	ctx := t.Context()
	read := func() (func(n int), func()) {
		ctx, cancel := context.WithCancel(ctx)
		sets := make(chan int, 100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for set, err := range c.Watch(ctx, "states") {
				if err == nil {
					sets <- len(set)
				}
			}
		}()
		return func(n int) {
				timeout := time.After(30 * time.Second)
				for {
					select {
					case got := <-sets:
						if got == n {
							return
						}
					case <-timeout:
						require.FailNow(t, "not seen", "%d copies", n)
					}
				}
			}, func() {
				cancel()
				<-done
			}
	}
	until, stop := read()
	defer stop()
	registration, err := c.Register(ctx, "states", discovery.Instance{ID: "s1", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	until(1)
	do := func(method, path string) {
		t.Helper()
		_, err := a.ask(ctx, method, path, nil)
		require.NoError(t, err)
	}
	do(http.MethodPut, "/v1/agent/service/maintenance/s1?enable=true")
	until(0)
	do(http.MethodPut, "/v1/agent/service/maintenance/s1?enable=false")
	until(1)
	do(http.MethodPut, "/v1/agent/maintenance?enable=true")
	until(0)
	do(http.MethodPut, "/v1/agent/maintenance?enable=false")
	until(1)
	do(http.MethodPut, "/v1/agent/check/fail/service:s1")
	until(0)
	until(1) // at the next sign of life
	do(http.MethodPut, "/v1/agent/service/deregister/s1")
	until(0)
	until(1) // likewise
	require.NoError(t, registration.Close(ctx))
	until(0)
}
