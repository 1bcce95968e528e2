package file_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/file"
)

// news is what one watch yields in real time.
type news struct {
	t     *testing.T
	lines chan string
}

func follow(t *testing.T, w discovery.Watcher) news {
	ctx, cancel := context.WithCancel(context.Background())
	n := news{t, make(chan string, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for set, err := range w.Watch(ctx, "orders") {
			n.lines <- line(set, err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return n
}

// await waits for a set, whatever comes before.
func (n news) await(want string) {
	n.t.Helper()
	last := "nothing"
	deadline := time.After(30 * time.Second)
	for last != want {
		select {
		case last = <-n.lines:
		case <-deadline:
			require.Fail(n.t, "it did not come", "want %s, last was %s", want, last)
		}
	}
}

// Addresses in a file serve while a real registry is down, and while it lists
// nothing.
func TestFallbackFromEureka(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.json")
	replace(t, path, `{"orders": ["configured.example:80"]}`)
	registry := eurekaserver.New()
	defer registry.Close()
	server := httptest.NewUnstartedServer(registry) // listens, and does not answer
	defer server.Close()
	client := eureka.New("http://" + server.Listener.Addr().String() + "/eureka")
	defer client.Close()

	n := follow(t, discovery.Fallback(client, file.New(path, file.WithInterval(10*time.Millisecond))))
	n.await("[configured.example:80]")
	server.Start()
	registration, err := client.Register(t.Context(), "orders", discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:80"})
	require.NoError(t, err)
	n.await("[orders-1]")
	replace(t, path, `{"orders": ["another.example:80"]}`)
	require.NoError(t, registration.Close(t.Context()))
	n.await("[another.example:80]")
}

// A file says that it does not know a service before Eureka can answer, and
// loses it afterwards.
func TestMergeWithEureka(t *testing.T) {
	path := filepath.Join(t.TempDir(), "services.json")
	replace(t, path, `{}`)
	registry := eurekaserver.New()
	defer registry.Close()
	server := httptest.NewServer(registry)
	defer server.Close()
	client := eureka.New(server.URL + "/eureka")
	defer client.Close()
	_, err := client.Register(t.Context(), "orders", discovery.Instance{ID: "orders-1", Addr: "10.0.0.7:80", Scheme: "http"})
	require.NoError(t, err)

	files := file.New(path, file.WithInterval(10*time.Millisecond))
	n := follow(t, discovery.Merge(discovery.ByAddr(files), discovery.ByAddr(client)))
	require.Equal(t, "[10.0.0.7:80]", <-n.lines, "the first that is heard of the service")
	replace(t, path, `{"orders": [{"addr": "10.0.0.7:80", "zone": "a"}, "10.0.0.8:80"]}`)
	n.await("[10.0.0.7:80 10.0.0.8:80]")
	replace(t, path, `{}`)
	n.await("[10.0.0.7:80]")
	require.Empty(t, n.lines)
}
