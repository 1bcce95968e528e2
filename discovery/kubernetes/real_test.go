package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/kubernetes"
	"github.com/namesake-go/namesake/internal/registrytest"
)

func realHarness() registrytest.Harness {
	return registrytest.Harness{
		New: func(t testing.TB) registrytest.Subject {
			s := startRealServer(t)
			c, proxy := s.client(t)
			return registrytest.Subject{
				Watcher: c, Set: s.set, Server: s.server, Proxy: proxy, Revoke: s.revoke,
				Listed: listedAddr, Dial: dialListed, Strip: strip,
			}
		},
		Patience: patience,
	}
}

func TestReal(t *testing.T) { registrytest.TestFaults(t, realHarness()) }

func BenchmarkReal(b *testing.B) { registrytest.BenchmarkChange(b, realHarness()) }

func TestRealConformance(t *testing.T) {
	registrytest.Enabled(t)
	s := startRealServer(t)
	discoverytest.TestWatcher(t, discoverytest.Harness{
		New: func(tb testing.TB) discoverytest.Subject {
			c, _ := s.client(tb)
			return discoverytest.Subject{
				Watcher: c,
				Set:     func(service string, instances ...discovery.Instance) { s.set(tb, service, instances...) },
			}
		},
		Strip:    strip,
		Patience: patience,
	})
}

// What the real server accepts as slices, and how it tells of their changes.
func TestRealSlices(t *testing.T) {
	s := startRealServer(t)
	c, _ := s.client(t)
	w := see(t, c, "orders")
	w.set("")
	create := func(slice object) { t.Helper(); s.must(t, http.MethodPost, slicesPath, slice) }
	patch := func(name string, change object) {
		t.Helper()
		s.must(t, http.MethodPatch, slicesPath+"/"+name, change)
	}
	create(sliceOf("a", pod(1)))
	w.set(one)
	create(sliceOf("b", pod(2)))
	w.set(one + ", " + two)

	// A copy moves from one slice to another, and is in both for a while.
	patch("b", object{"endpoints": []object{pod(2), pod(1)}})
	patch("a", object{"endpoints": []object{}})
	patch("b", object{"endpoints": []object{pod(2), pod(1), pod(3)}})
	w.set(one + ", " + two + ", " + three)

	// A deployment ends: all copies are terminating, and some still serve.
	leaving := object{"ready": false, "serving": true, "terminating": true}
	patch("b", object{"endpoints": []object{with(pod(1), "conditions", leaving), pod(2)}})
	w.set(two)
	patch("b", object{"endpoints": []object{with(pod(1), "conditions", leaving), with(pod(2), "conditions", object{"ready": false, "serving": false, "terminating": true})}})
	w.set(one)
	patch("b", object{"endpoints": []object{}})
	w.set("")

	// Both families, and names.
	patch("a", object{"endpoints": []object{pod(1)}})
	create(with(sliceOf("six", with(pod(1), "addresses", []string{"2001:db8::1"}), with(pod(2), "addresses", []string{"2001:db8::2"})), "addressType", "IPv6"))
	w.set("uid-1 10.0.0.1:8080, uid-2 [2001:db8::2]:8080")
	create(with(sliceOf("name", object{"addresses": []string{"db.example.com"}}), "addressType", "FQDN"))
	w.set("db.example.com:8080, uid-1 10.0.0.1:8080, uid-2 [2001:db8::2]:8080")

	// A slice is given to another service.
	patch("six", object{"metadata": object{"labels": object{"kubernetes.io/service-name": "other"}}})
	w.set("db.example.com:8080, uid-1 10.0.0.1:8080")
	for _, name := range []string{"name", "a"} {
		s.must(t, http.MethodDelete, slicesPath+"/"+name, nil)
	}
	w.set("")
	assert.Empty(t, w.errs)

	// Why the suite of faults maps addresses.
	code, _, err := s.ask(t.Context(), http.MethodPost, slicesPath, sliceOf("loop", with(pod(1), "addresses", []string{"127.0.0.1"})))
	require.Error(t, err)
	assert.Equal(t, http.StatusUnprocessableEntity, code)
}

// The store forgets the version at which a watch broke off.
func TestRealExpired(t *testing.T) {
	s := startRealServer(t)
	var log lockedBuffer
	c, proxy := s.client(t, kubernetes.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	s.must(t, http.MethodPost, slicesPath, sliceOf("a", pod(1)))
	s.must(t, http.MethodPost, slicesPath, sliceOf("b", pod(2)))
	w := see(t, c, "orders")
	w.set(one + ", " + two)

	proxy.Cut()
	s.must(t, http.MethodDelete, slicesPath+"/a", nil)
	version := versionOf(t, s.must(t, http.MethodPost, slicesPath, sliceOf("c", pod(3))))
	s.compact(t, version)
	s.server.Kill() // or its cache would still know
	s.server.Restart()
	proxy.Heal()
	w.set(two + ", " + three)
	assert.Contains(t, log.String(), "endpoint slices are listed again")
	t.Logf("log:\n%s", log.String())
}

// Bookmarks carry the version on while other services change, about once a
// minute.
func TestRealBookmarks(t *testing.T) {
	s := startRealServer(t)
	proxy := registrytest.NewProxy(t, s.addr)
	versions := make(chan int, 100)
	base := s.http.Transport
	c := kubernetes.New(
		kubernetes.WithCluster(kubernetes.Cluster{Server: "https://" + proxy.Addr(), Token: callerToken, Namespace: "shop"}),
		kubernetes.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if version, err := strconv.Atoi(r.URL.Query().Get("resourceVersion")); err == nil {
				versions <- version
			}
			return base.RoundTrip(r)
		})}))
	t.Cleanup(c.Close)
	see(t, c, "orders").set("")
	first := <-versions
	other := sliceOf("other", pod(1))
	other["metadata"].(object)["labels"] = object{"kubernetes.io/service-name": "other"}
	changed, err := strconv.Atoi(versionOf(t, s.must(t, http.MethodPost, slicesPath, other)))
	require.NoError(t, err)
	assert.Greater(t, changed, first)
	time.Sleep(70 * time.Second)
	proxy.Cut()
	proxy.Heal()
	assert.GreaterOrEqual(t, <-versions, changed)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Rights that are missing are named, and used as soon as they are there.
func TestRealRights(t *testing.T) {
	s := startRealServer(t)
	s.must(t, http.MethodPost, slicesPath, sliceOf("a", pod(1)))
	c, proxy := s.client(t)
	attic := see(t, c, "orders.attic")
	err := attic.err()
	t.Log(err)
	assert.ErrorContains(t, err, `list endpointslices.discovery.k8s.io in namespace "attic": answered 403 Forbidden, a Role and a RoleBinding must allow it: "endpointslices.discovery.k8s.io is forbidden: User \"caller\" cannot list`)

	s.grant(t, "list")
	w := see(t, c, "orders")
	err = w.err()
	t.Log(err)
	assert.ErrorContains(t, err, `watch endpointslices.discovery.k8s.io in namespace "shop": answered 403 Forbidden`)
	w.set(one)
	s.grant(t, "list", "watch")
	w.set(one)
	s.must(t, http.MethodPost, slicesPath, sliceOf("b", pod(2)))
	w.set(one + ", " + two)

	s.revoke(t, true)
	proxy.Cut()
	proxy.Heal()
	assert.Equal(t, http.StatusForbidden, w.refusal().Code)
	s.must(t, http.MethodDelete, slicesPath+"/b", nil)
	s.revoke(t, false)
	w.set(one)
}

// The token of a service account is revoked with it, and replaced in its file.
func TestRealTokens(t *testing.T) {
	s := startRealServer(t)
	s.must(t, http.MethodPost, slicesPath, sliceOf("a", pod(1)))
	c, proxy := s.client(t)
	account := func() {
		t.Helper()
		s.must(t, http.MethodPost, accountsPath, object{"metadata": object{"name": "caller"}})
		var request struct{ Status struct{ Token string } }
		answer := s.must(t, http.MethodPost, accountsPath+"/caller/token", object{"spec": object{"expirationSeconds": 600}})
		require.NoError(t, json.NewDecoder(bytes.NewReader(answer)).Decode(&request))
		require.NotEmpty(t, request.Status.Token)
		s.write(t, "token", []byte(request.Status.Token+"\n"))
	}
	account()
	w := see(t, c, "orders")
	w.set(one)
	s.must(t, http.MethodDelete, accountsPath+"/caller", nil)

	// The server goes by what it knew of a token for ten seconds, and never
	// asks for it again while a watch runs.
	var refused *kubernetes.StatusError
	for begin := time.Now(); refused == nil; {
		require.Less(t, time.Since(begin), patience)
		proxy.Cut()
		proxy.Heal()
		select {
		case err := <-w.errs:
			refused, _ = errors.AsType[*kubernetes.StatusError](err)
		case <-time.After(2 * time.Second):
		}
	}
	t.Log(refused)
	assert.Equal(t, http.StatusUnauthorized, refused.Code)
	account()
	w.set(one)
}

// Lists come in pages, and there are more watches than the 250 streams that
// the server allows on a connection.
func TestRealSize(t *testing.T) {
	s := startRealServer(t)
	const slices, services = 230, 300
	numbers := make(chan int)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for n := range numbers {
				slice := sliceOf(fmt.Sprintf("s-%d", n), with(pod(n), "addresses", []string{fmt.Sprintf("10.0.1.%d", n)}))
				_, _, err := s.ask(t.Context(), http.MethodPost, slicesPath, slice)
				assert.NoError(t, err)
			}
		})
	}
	for n := range slices {
		numbers <- n
	}
	close(numbers)
	writers.Wait()
	c, _ := s.client(t)
	assert.Len(t, <-see(t, c, "orders").sets, slices)

	var all []*seen
	for i := range services {
		all = append(all, see(t, c, fmt.Sprintf("other-%d", i)))
	}
	for _, w := range all {
		w.set("")
	}
	last := sliceOf("last", pod(1))
	last["metadata"].(object)["labels"] = object{"kubernetes.io/service-name": fmt.Sprintf("other-%d", services-1)}
	s.must(t, http.MethodPost, slicesPath, last)
	all[services-1].set(one)
}
