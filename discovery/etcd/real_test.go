package etcd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.uber.org/zap"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/etcd"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// A cluster is a real etcd, of one member, which keeps its data when it is
// killed.
type cluster struct {
	url    string
	server *registrytest.Server
	direct *clientv3.Client // past all proxies, with all rights
	root   string           // the password, when the cluster wants one

	mu     sync.Mutex // guards listed
	listed map[string]map[string]string
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	program := registrytest.Program(t, "etcd", "etcd-server")
	ports := registrytest.Ports(t, 2)
	c := &cluster{url: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), listed: make(map[string]map[string]string)}
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	folder := t.TempDir()
	c.server = registrytest.Start(t, func() *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(t.Context()), program, "--data-dir", folder, "--unsafe-no-fsync", "--logger", "zap",
			"--listen-client-urls", c.url, "--advertise-client-urls", c.url,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	}, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/health", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // its status says it all
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		c.connect(t)
		return nil
	})
	return c
}

// connect makes a client for the test itself. It does so anew after a restart,
// since etcd 3.4 has forgotten the token of the old one then.
func (c *cluster) connect(t testing.TB) {
	t.Helper()
	user := ""
	if c.root != "" {
		user = "root"
	}
	c.direct = c.clientAs(t, c.url, user, c.root)
}

func (c *cluster) clientAs(t testing.TB, url, user, password string) *clientv3.Client {
	t.Helper()
	cfg := etcd.Config(url)
	cfg.Username, cfg.Password = user, password
	cfg.Logger = zap.NewNop()
	client, err := clientv3.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// protect has the cluster want a password. The user "app" may read and write
// keys with the prefix.
func (c *cluster) protect(t testing.TB, prefix string) {
	t.Helper()
	must := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	ctx := t.Context()
	from, to := prefix, clientv3.GetPrefixRangeEnd(prefix)
	if prefix == "" {
		from, to = "\x00", "\x00" // which is everything
	}
	must(c.direct.UserAdd(ctx, "root", "secret"))
	must(c.direct.UserGrantRole(ctx, "root", "root"))
	must(c.direct.RoleAdd(ctx, "app"))
	must(c.direct.RoleGrantPermission(ctx, "app", from, to, clientv3.PermissionType(clientv3.PermReadWrite)))
	must(c.direct.UserAdd(ctx, "app", "password"))
	must(c.direct.UserGrantRole(ctx, "app", "app"))
	must(c.direct.AuthEnable(ctx))
	c.root = "secret"
	c.connect(t)
}

// revoke takes the rights of the user "app", or gives them back.
func (c *cluster) revoke(t testing.TB, revoked bool) {
	t.Helper()
	var err error
	if revoked {
		_, err = c.direct.UserRevokeRole(t.Context(), "app", "app")
	} else {
		_, err = c.direct.UserGrantRole(t.Context(), "app", "app")
	}
	require.NoError(t, err)
}

// set lists copies by etcd's own naming package, as gRPC programs do.
func (c *cluster) set(t testing.TB, service string, instances ...discovery.Instance) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	manager, err := endpoints.NewManager(c.direct, service)
	require.NoError(t, err)
	now := make(map[string]string)
	var updates []*endpoints.UpdateWithOpts
	apply := func() {
		require.NoError(t, manager.Update(ctx, updates))
		updates = nil
	}
	for _, in := range instances {
		metadata := maps.Clone(in.Metadata)
		if metadata == nil {
			metadata = make(map[string]string)
		}
		for k, v := range map[string]string{"scheme": in.Scheme, "zone": in.Zone, "weight": fmt.Sprint(in.Weight), "priority": fmt.Sprint(in.Priority)} {
			if v != "" && v != "0" {
				metadata[k] = v
			}
		}
		key := service + "/" + in.ID
		value, err := json.Marshal(in)
		require.NoError(t, err)
		now[key] = string(value)
		if c.listed[service][key] == now[key] {
			continue
		}
		updates = append(updates, endpoints.NewAddUpdateOpts(key, endpoints.Endpoint{Addr: in.Addr, Metadata: metadata}))
		if len(updates) == 100 { // etcd takes no more in a transaction than 128
			apply()
		}
	}
	for key := range c.listed[service] {
		if _, ok := now[key]; !ok {
			updates = append(updates, endpoints.NewDeleteUpdateOpts(key))
		}
	}
	if len(updates) > 0 {
		apply()
	}
	c.listed[service] = now
}

func subject(t testing.TB) (*cluster, registrytest.Subject) {
	t.Helper()
	c := startCluster(t)
	proxy := registrytest.NewProxy(t, c.url[len("http://"):])
	registry := etcd.New(c.clientAs(t, "http://"+proxy.Addr(), "", ""), etcd.WithTTL(3*time.Second), etcd.WithCheckInterval(time.Second))
	t.Cleanup(registry.Close)
	return c, registrytest.Subject{
		Watcher: registry, Registrar: registry, Server: c.server, Proxy: proxy,
		Set: func(t testing.TB, service string, instances ...discovery.Instance) { c.set(t, service, instances...) },
	}
}

func harness() registrytest.Harness {
	return registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
		_, s := subject(t)
		return s
	}, Patience: time.Minute}
}

// With a password there are no faults of the server: a client that has to log
// in again, at etcd 3.4, takes minutes to do so, and that is not ours.
func TestRealWithPassword(t *testing.T) {
	registrytest.TestFaults(t, registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
		c := startCluster(t)
		c.protect(t, "")
		registry := etcd.New(c.clientAs(t, c.url, "app", "password"), etcd.WithCheckInterval(time.Second))
		t.Cleanup(registry.Close)
		return registrytest.Subject{
			Watcher: registry, Revoke: c.revoke,
			Set: func(t testing.TB, service string, instances ...discovery.Instance) { c.set(t, service, instances...) },
		}
	}})
}

func TestReal(t *testing.T) { registrytest.TestFaults(t, harness()) }

func BenchmarkReal(b *testing.B) { registrytest.BenchmarkChange(b, harness()) }

// strip takes away the metadata by which facts travel.
func strip(in discovery.Instance) discovery.Instance {
	metadata := map[string]string{}
	for k, v := range in.Metadata {
		if k != "zone" && k != "scheme" && k != "priority" && k != "weight" {
			metadata[k] = v
		}
	}
	in.Metadata = metadata
	return in
}

func TestRealConformance(t *testing.T) {
	c := startCluster(t)
	h := discoverytest.Harness{
		New: func(t testing.TB) discoverytest.Subject {
			registry := etcd.New(c.direct, etcd.WithPrefix("services/"))
			t.Cleanup(registry.Close)
			return discoverytest.Subject{Watcher: registry, Registrar: registry}
		},
		Strip: strip,
	}
	t.Run("watcher", func(t *testing.T) { discoverytest.TestWatcher(t, h) })
	t.Run("registrar", func(t *testing.T) { discoverytest.TestRegistrar(t, h) })
}

// Programs that use etcd's naming package see what is announced here.
func TestRealGRPCPrograms(t *testing.T) {
	c, s := subject(t)
	registration, err := s.Registrar.Register(t.Context(), "team/orders", discovery.Instance{Addr: "192.0.2.1:80", Zone: "z1"})
	require.NoError(t, err)
	manager, err := endpoints.NewManager(c.direct, "team/orders")
	require.NoError(t, err)
	list, err := manager.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, endpoints.Key2EndpointMap{
		"team/orders/192.0.2.1:80": {Addr: "192.0.2.1:80", Metadata: map[string]any{"zone": "z1"}},
	}, list)
	require.NoError(t, registration.Close(t.Context()))
	list, err = manager.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)
}

// next returns the next pair that a watch yields.
func next(t *testing.T, w discovery.Watcher, service string) func() ([]discovery.Instance, error) {
	t.Helper()
	type pair struct {
		set []discovery.Instance
		err error
	}
	ctx, cancel := context.WithCancel(context.Background())
	pairs := make(chan pair, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for set, err := range w.Watch(ctx, service) {
			pairs <- pair{set, err}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return func() ([]discovery.Instance, error) {
		t.Helper()
		select {
		case p := <-pairs:
			return p.set, p.err
		case <-time.After(time.Minute):
			require.FailNow(t, "no news")
			return nil, nil
		}
	}
}

// A history that is compacted away while a watch is cut off costs nothing.
func TestRealCompaction(t *testing.T) {
	c, s := subject(t)
	c.set(t, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	take := next(t, s.Watcher, "orders")
	set, err := take()
	require.NoError(t, err)
	require.Len(t, set, 1)
	s.Proxy.Cut()
	for i := range 10 {
		c.set(t, "orders", discovery.Instance{ID: "a", Addr: fmt.Sprintf("192.0.2.1:%d", 81+i)})
	}
	r, err := c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	_, err = c.direct.Compact(t.Context(), r.Header.Revision)
	require.NoError(t, err)
	s.Proxy.Heal()
	for {
		set, err := take()
		if err == nil {
			require.Len(t, set, 1)
			if set[0].Addr == "192.0.2.1:90" {
				return
			}
		}
	}
}

// A lease that is revoked, or a key that is deleted, is made again; one whose
// place another has taken is not.
func TestRealForgotten(t *testing.T) {
	c, s := subject(t)
	registration, err := s.Registrar.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	take := next(t, s.Watcher, "orders")
	until := func(n int) {
		t.Helper()
		for {
			if set, err := take(); err == nil && len(set) == n {
				return
			}
		}
	}
	until(1)
	r, err := c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	_, err = c.direct.Revoke(t.Context(), clientv3.LeaseID(r.Kvs[0].Lease))
	require.NoError(t, err)
	until(0)
	until(1)
	_, err = c.direct.Delete(t.Context(), "orders/a")
	require.NoError(t, err)
	until(0)
	until(1)
	c.set(t, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.9:80"}) // another process
	require.NoError(t, registration.Close(t.Context()))
	r, err = c.direct.Get(t.Context(), "orders/a")
	require.NoError(t, err)
	require.Len(t, r.Kvs, 1)
	assert.Contains(t, string(r.Kvs[0].Value), "192.0.2.9")
}

// A key that makes no sense is named, and hides no other.
func TestRealBadKey(t *testing.T) {
	c, s := subject(t)
	c.set(t, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	_, err := c.direct.Put(t.Context(), "orders/b", "{")
	require.NoError(t, err)
	take := next(t, s.Watcher, "orders")
	set, err := take()
	require.NoError(t, err)
	assert.Len(t, set, 1)
	_, err = take()
	assert.ErrorContains(t, err, `etcd: service "orders": key "orders/b": unexpected EOF`)
	_, err = c.direct.Delete(t.Context(), "orders/b")
	require.NoError(t, err)
	set, err = take()
	require.NoError(t, err)
	assert.Len(t, set, 1, "it is over")
}

// Without rights, the error says which.
func TestRealRights(t *testing.T) {
	c := startCluster(t)
	c.protect(t, "orders/")
	ctx := t.Context()
	registry := etcd.New(c.clientAs(t, c.url, "app", "password"))
	defer registry.Close()
	_, err := registry.Register(ctx, "users", discovery.Instance{Addr: "192.0.2.1:80"})
	assert.ErrorContains(t, err, "permission denied: the role needs")
	assert.NotContains(t, err.Error(), "password")
	set, err := next(t, registry, "orders")()
	require.NoError(t, err)
	assert.Empty(t, set)
	_, err = next(t, registry, "users")()
	assert.ErrorContains(t, err, `etcd: service "users": `)
	assert.ErrorContains(t, err, "permission denied: the role needs")
}
