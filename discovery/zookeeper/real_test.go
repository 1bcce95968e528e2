package zookeeper_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/zookeeper"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// The jar is that of Debian's package.
const jar = "/usr/share/java/zookeeper.jar"

// An ensemble is one real server, which keeps its data when it is killed.
type ensemble struct {
	addr   string
	server *registrytest.Server
	direct *zk.Conn // past all proxies

	mu     sync.Mutex // guards listed
	listed map[string]map[string]string
}

func startEnsemble(t testing.TB) *ensemble {
	t.Helper()
	java := registrytest.Program(t, "java", "default-jre-headless")
	if _, err := os.Stat(jar); err != nil {
		registrytest.Missing(t, jar+", of the package zookeeper")
	}
	port := registrytest.Ports(t, 1)[0]
	folder := t.TempDir()
	settings := fmt.Sprintf("tickTime=500\ndataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"+
		"minSessionTimeout=1000\nmaxSessionTimeout=20000\n4lw.commands.whitelist=ruok\nfsync.warningthresholdms=60000\n", folder, port)
	file := filepath.Join(folder, "zoo.cfg")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	e := &ensemble{addr: fmt.Sprintf("127.0.0.1:%d", port), listed: make(map[string]map[string]string)}
	e.server = registrytest.Start(t, func() *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(t.Context()), java, "-Xmx128m", "-XX:TieredStopAtLevel=1",
			"-Dzookeeper.log.dir="+folder, "-cp", folder+":"+jar, "org.apache.zookeeper.server.ZooKeeperServerMain", file)
	}, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", e.addr)
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // it has been read
		if _, err := io.WriteString(conn, "ruok"); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		answer, err := io.ReadAll(conn)
		if err == nil && string(answer) != "imok" {
			err = errors.New(string(answer))
		}
		return err
	})
	conn, _, err := zk.Connect([]string{e.addr}, 20*time.Second, zk.WithLogInfo(false))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	e.direct = conn
	return e
}

// try repeats what the end of a connection has kept from working.
func try(t testing.TB, do func() error) {
	t.Helper()
	var err error
	for range 200 {
		if err = do(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.NoError(t, err)
}

// set lists copies by persistent nodes, as Curator writes them.
func (e *ensemble) set(t testing.TB, service string, instances ...discovery.Instance) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, path := range []string{"/services", "/services/" + service} {
		try(t, func() error {
			_, err := e.direct.Create(path, nil, 0, zk.WorldACL(zk.PermAll))
			if errors.Is(err, zk.ErrNodeExists) {
				return nil
			}
			return err
		})
	}
	now := make(map[string]string)
	for _, in := range instances {
		host, port, err := net.SplitHostPort(in.Addr)
		require.NoError(t, err)
		number, err := strconv.Atoi(port)
		require.NoError(t, err)
		metadata := maps.Clone(in.Metadata)
		if metadata == nil {
			metadata = make(map[string]string)
		}
		for k, v := range map[string]string{"scheme": in.Scheme, "zone": in.Zone, "weight": fmt.Sprint(in.Weight), "priority": fmt.Sprint(in.Priority)} {
			if v != "" && v != "0" {
				metadata[k] = v
			}
		}
		data, err := json.Marshal(map[string]any{
			"name": service, "id": in.ID, "address": host, "port": number, "serviceType": "PERMANENT", "payload": map[string]any{"metadata": metadata},
		})
		require.NoError(t, err)
		path := "/services/" + service + "/" + in.ID
		now[path] = string(data)
		before, ok := e.listed[service][path]
		if before == string(data) {
			continue
		}
		try(t, func() error {
			if ok {
				_, err := e.direct.Set(path, data, -1)
				return err
			}
			_, err := e.direct.Create(path, data, 0, zk.WorldACL(zk.PermAll))
			if errors.Is(err, zk.ErrNodeExists) {
				return nil
			}
			return err
		})
	}
	for path := range e.listed[service] {
		if _, ok := now[path]; !ok {
			try(t, func() error {
				err := e.direct.Delete(path, -1)
				if errors.Is(err, zk.ErrNoNode) {
					return nil
				}
				return err
			})
		}
	}
	e.listed[service] = now
}

// revoke lets nobody but the test itself read what is listed, or everybody
// again.
func (e *ensemble) revoke(t testing.TB, revoked bool) {
	t.Helper()
	acl := zk.WorldACL(zk.PermAll)
	if revoked {
		acl = zk.DigestACL(zk.PermAll, "root", "secret")
		try(t, func() error { return e.direct.AddAuth("digest", []byte("root:secret")) })
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for service, nodes := range e.listed {
		for path := range nodes {
			try(t, func() error {
				_, err := e.direct.SetACL(path, acl, -1)
				return err
			})
		}
		try(t, func() error {
			_, err := e.direct.SetACL("/services/"+service, acl, -1)
			return err
		})
	}
}

func subject(t testing.TB) (*ensemble, *zookeeper.Client, registrytest.Subject) {
	t.Helper()
	e := startEnsemble(t)
	proxy := registrytest.NewProxy(t, e.addr)
	registry := zookeeper.New(proxy.Addr(), zookeeper.WithSessionTimeout(3*time.Second))
	t.Cleanup(registry.Close)
	return e, registry, registrytest.Subject{
		Watcher: registry, Registrar: registry, Server: e.server, Proxy: proxy, Revoke: e.revoke,
		Set: func(t testing.TB, service string, instances ...discovery.Instance) { e.set(t, service, instances...) },
	}
}

func harness() registrytest.Harness {
	return registrytest.Harness{New: func(t testing.TB) registrytest.Subject {
		_, _, s := subject(t)
		return s
	}}
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
	e := startEnsemble(t)
	for name, opts := range map[string][]zookeeper.Option{
		"Curator":     {zookeeper.WithRoot("deep/down/services")},
		"server sets": {zookeeper.WithRoot("/aurora"), zookeeper.WithServerSets()},
	} {
		h := discoverytest.Harness{
			New: func(t testing.TB) discoverytest.Subject {
				registry := zookeeper.New(e.addr, opts...)
				t.Cleanup(registry.Close)
				return discoverytest.Subject{Watcher: registry, Registrar: registry}
			},
			Strip: strip,
		}
		t.Run(name, func(t *testing.T) {
			t.Run("watcher", func(t *testing.T) { discoverytest.TestWatcher(t, h) })
			t.Run("registrar", func(t *testing.T) { discoverytest.TestRegistrar(t, h) })
		})
	}
}

// sizes returns a function that waits until a watch yields a set of a size.
func sizes(t *testing.T, w discovery.Watcher, service string) func(n int) []discovery.Instance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	sets := make(chan []discovery.Instance, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for set, err := range w.Watch(ctx, service) {
			if err == nil {
				sets <- set
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return func(n int) []discovery.Instance {
		t.Helper()
		timeout := time.After(time.Minute)
		for {
			select {
			case set := <-sets:
				if len(set) == n {
					return set
				}
			case <-timeout:
				require.FailNow(t, "not seen", "%d copies", n)
			}
		}
	}
}

// A session that is lost takes the copies with it, and they are announced again
// in the next.
func TestRealSessionLoss(t *testing.T) {
	_, registry, s := subject(t)
	observer := zookeeper.New(s.Proxy.Addr())
	defer observer.Close()
	registration, err := registry.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	until := sizes(t, registry, "orders")
	until(1)
	s.Proxy.Cut()
	time.Sleep(6 * time.Second) // the session is of 3 s
	s.Proxy.Heal()
	seen := sizes(t, registry, "orders")
	seen(1)
	require.NoError(t, registration.Close(t.Context()))
	seen(0)
}

// A node that was deleted is made again; one whose place another process has
// taken is left alone.
func TestRealForgotten(t *testing.T) {
	e, registry, _ := subject(t)
	other := zookeeper.New(e.addr)
	defer other.Close()
	first, err := registry.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	require.NoError(t, err)
	until := sizes(t, other, "orders")
	until(1)
	require.NoError(t, e.direct.Delete("/services/orders/a", -1))
	until(0)
	until(1)
	second, err := other.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.2:80"})
	require.NoError(t, err)
	require.NoError(t, first.Close(t.Context()))
	data, _, err := e.direct.Get("/services/orders/a")
	require.NoError(t, err)
	assert.Contains(t, string(data), "192.0.2.2")
	require.NoError(t, second.Close(t.Context()))
	until(0)
}

// A node that makes no sense is named, and hides no other.
func TestRealBadNode(t *testing.T) {
	e, registry, _ := subject(t)
	e.set(t, "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
	_, err := e.direct.Create("/services/orders/b", []byte("{"), 0, zk.WorldACL(zk.PermAll))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var said error
	n := 0
	for set, err := range registry.Watch(ctx, "orders") {
		if err != nil {
			said = err
			break
		}
		n = len(set)
	}
	assert.Equal(t, 1, n)
	assert.EqualError(t, said, `zookeeper: service "orders": node /services/orders/b: unexpected EOF`)
}

// With an ACL, nobody else may change what is announced, and who may not write
// is told so at once.
func TestRealACL(t *testing.T) {
	e, _, _ := subject(t)
	owner := zookeeper.New(e.addr, zookeeper.WithAuth("digest", "app:secret"), zookeeper.WithACL(zk.AuthACL(zk.PermAll)...), zookeeper.WithRoot("/guarded"))
	defer owner.Close()
	var registration discovery.Registration
	try(t, func() (err error) { // until it is authenticated
		registration, err = owner.Register(t.Context(), "orders", discovery.Instance{ID: "a", Addr: "192.0.2.1:80"})
		return err
	})
	stranger := zookeeper.New(e.addr, zookeeper.WithRoot("/guarded"))
	defer stranger.Close()
	_, err := stranger.Register(t.Context(), "orders", discovery.Instance{ID: "b", Addr: "192.0.2.1:80"})
	assert.ErrorIs(t, err, zk.ErrNoAuth)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, err := range stranger.Watch(ctx, "orders") {
		assert.ErrorIs(t, err, zk.ErrNoAuth)
		assert.False(t, strings.Contains(fmt.Sprint(err), "secret"))
		break
	}
	require.NoError(t, registration.Close(t.Context()))
}
