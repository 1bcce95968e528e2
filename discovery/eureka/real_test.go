package eureka_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// realRegistry runs examples/registry in a process of its own, which forgets
// everything when it is killed, and follows it through a proxy.
func realRegistry(t testing.TB) registrytest.Subject {
	t.Helper()
	registrytest.Enabled(t)
	program := filepath.Join(t.TempDir(), "registry")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../examples/registry").CombinedOutput()
	require.NoError(t, err, string(out))
	addr := fmt.Sprintf("127.0.0.1:%d", registrytest.Ports(t, 1)[0])
	server := registrytest.Start(t, func() *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(t.Context()), program, "-addr", addr)
	}, registrytest.Dialed(addr))
	proxy := registrytest.NewProxy(t, addr)
	client := eureka.New("http://"+proxy.Addr()+"/eureka", eureka.WithLease(time.Second, 3*time.Second), eureka.WithPollInterval(time.Second))
	t.Cleanup(client.Close)
	return registrytest.Subject{Watcher: client, Registrar: client, Server: server, Proxy: proxy, Forgets: true}
}

func TestRealRegistry(t *testing.T) {
	registrytest.TestFaults(t, registrytest.Harness{New: realRegistry, Patience: time.Minute})
}

func BenchmarkRealRegistry(b *testing.B) {
	registrytest.BenchmarkChange(b, registrytest.Harness{New: realRegistry})
}
