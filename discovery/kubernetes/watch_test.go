package kubernetes_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/kubernetes"
)

const (
	one   = "uid-1 10.0.0.1:8080"
	two   = "uid-2 10.0.0.2:8080"
	three = "uid-3 10.0.0.3:8080"
)

func TestChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.client(), "orders.shop")
		assert.Equal(t, []string{one}, s.news())
		for _, change := range []struct {
			do  func()
			see string
		}{
			{func() { r.api.put(sliceOf("a", pod(1), pod(2))) }, one + ", " + two},
			{func() { r.api.put(sliceOf("b", pod(3))) }, one + ", " + two + ", " + three},
			{func() { r.api.remove("shop", "a") }, three},
			{func() { r.api.put(sliceOf("b", with(pod(3), "conditions", object{"ready": false}))) }, ""},
			{func() { r.api.put(sliceOf("b", pod(3))) }, three},
			{func() { r.api.remove("shop", "b") }, ""},
			{func() { r.api.put(sliceOf("c", pod(1))) }, one},
		} {
			wait(42 * time.Second)
			at := r.since()
			change.do()
			assert.Equal(t, []string{change.see}, s.news())
			assert.Equal(t, at, s.at, "no time has passed")
		}
		assert.Equal(t, []string{"list", "watch 101"}, r.api.seen())
		assert.Empty(t, s.errors())
	})
}

func TestWhatIsSaidTwiceIsNoNews(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.client(), "orders")
		assert.Equal(t, []string{one}, s.news())
		r.api.put(sliceOf("a", pod(1)))
		r.api.put(with(sliceOf("b", pod(1)), "kind", ""))
		r.api.remove("shop", "a")
		assert.Empty(t, s.news(), "the endpoint has moved to another slice")
	})
}

func TestOneRequestForWatchesOfOneService(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		slice := sliceOf("a", pod(1))
		slice["ports"] = []object{{"name": "http", "port": 8080}, {"name": "grpc", "port": 9090}}
		r.api.put(slice)
		c := r.client()
		first := r.follow(c, "orders")
		second := r.follow(c, "Orders.shop.svc.cluster.local.:grpc")
		third := r.follow(c, "orders.shop:9090")
		assert.Equal(t, []string{one}, first.news())
		assert.Equal(t, []string{"uid-1 10.0.0.1:9090"}, second.news())
		assert.Equal(t, []string{"uid-1 10.0.0.1:9090"}, third.news())
		assert.Equal(t, []string{"list", "watch 101"}, r.api.seen())
		assert.Equal(t, 1, r.net.Open("api:80"))

		first.stop()
		third.stop()
		r.api.put(with(slice, "endpoints", []object{pod(2)}))
		assert.Equal(t, []string{"uid-2 10.0.0.2:9090"}, second.news())
		second.stop()
		synctest.Wait()
		assert.Equal(t, 0, r.net.Open("api:80"), "the last watch has ended the request")

		r.api.put(with(slice, "endpoints", []object{pod(3)}))
		assert.Equal(t, []string{three}, r.follow(c, "orders").news())
		assert.Equal(t, []string{"list", "watch 103"}, r.api.seen())
	})
}

func TestUnknownPort(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		s := r.follow(r.client(), "orders:grpc")
		errs := s.errors()
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], discovery.ErrUnknownService)
		assert.EqualError(t, errs[0], `kubernetes: endpoint slices of shop/orders: no TCP port "grpc": its endpoint slices list "http 8080": discovery: unknown service`)
		assert.Empty(t, s.news())
		r.api.put(sliceOf("a", pod(1), pod(2)))
		assert.Empty(t, s.errors(), "it has been said")
		r.api.put(with(sliceOf("a", pod(1)), "ports", []object{{"name": "grpc", "port": 9090}}))
		assert.Equal(t, []string{"uid-1 10.0.0.1:9090"}, s.news())
	})
}

// A part that cannot be used does not hide the rest, and is said once.
func TestPartlyUsable(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		bad := with(pod(2), "addresses", []string{"not an address"})
		r.api.put(sliceOf("a", pod(1), bad))
		s := r.follow(r.client(), "orders")
		assert.Equal(t, []string{one}, s.news())
		errs := s.errors()
		require.Len(t, errs, 1)
		assert.ErrorContains(t, errs[0], `kubernetes: endpoint slices of shop/orders: discovery: instance "uid-2": address "not an address:8080"`)
		r.api.put(sliceOf("b", pod(1)))
		assert.Empty(t, s.news())
		assert.Empty(t, s.errors())
		r.api.put(sliceOf("a", bad))
		r.api.remove("shop", "b")
		assert.Empty(t, s.news(), "the last set stands")
		r.api.put(sliceOf("a", pod(1)))
		assert.Equal(t, []string{one}, s.news(), "the error is over")
		assert.Empty(t, s.errors())
	})
}

func TestNames(t *testing.T) {
	for text, want := range map[string][3]string{
		"orders":                             {"", "orders", ""},
		"orders.shop":                        {"shop", "orders", ""},
		"orders.shop:http":                   {"shop", "orders", "http"},
		"orders:8080":                        {"", "orders", "8080"},
		"orders.shop.svc":                    {"shop", "orders", ""},
		"orders.shop.svc.cluster.local.:web": {"shop", "orders", "web"},
		"1-x.y-2":                            {"y-2", "1-x", ""},
	} {
		namespace, service, port, err := kubernetes.ParseName(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, [3]string{namespace, service, port}, text)
	}
	for text, why := range map[string]string{
		"":                 `kubernetes: name "" has an invalid service: discovery: unknown service`,
		"www.example.com":  `kubernetes: name "www.example.com" is neither service nor service.namespace: discovery: unknown service`,
		"orders:":          `kubernetes: name "orders:" has no port behind its colon: discovery: unknown service`,
		"a:b:c":            `kubernetes: name "a:b:c" has no port behind its colon: discovery: unknown service`,
		"orders..svc":      `kubernetes: name "orders..svc" has an invalid namespace: discovery: unknown service`,
		"orders/../x":      `kubernetes: name "orders/../x" is neither service nor service.namespace: discovery: unknown service`,
		"orders,a=b":       `kubernetes: name "orders,a=b" has an invalid service: discovery: unknown service`,
		"orders.shop?x=1":  `kubernetes: name "orders.shop?x=1" has an invalid namespace: discovery: unknown service`,
		"-orders":          `kubernetes: name "-orders" has an invalid service: discovery: unknown service`,
		"[2001:db8::1]:80": `kubernetes: name "[2001:db8::1]:80" has no port behind its colon: discovery: unknown service`,
	} {
		_, _, _, err := kubernetes.ParseName(text)
		require.EqualError(t, err, why)
		assert.ErrorIs(t, err, discovery.ErrUnknownService)
	}
}

func TestNameThatCannotBe(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.follow(r.client(), "www.example.com")
		wait(time.Hour)
		errs := s.errors()
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], discovery.ErrUnknownService)
		assert.Empty(t, r.api.seen())
		s.stop()
	})
}

func TestDefaultNamespace(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		file := filepath.Join(t.TempDir(), "namespace")
		c := r.client(kubernetes.WithCluster(kubernetes.Cluster{Server: "http://api", NamespaceFile: file}))
		s := r.follow(c, "orders")
		errs := s.errors()
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], os.ErrNotExist)
		require.ErrorContains(t, errs[0], "kubernetes: default namespace: open "+file)
		require.NoError(t, os.WriteFile(file, []byte("Not Valid"), 0o600))
		wait(5 * time.Second)
		errs = s.errors()
		require.NotEmpty(t, errs)
		require.ErrorContains(t, errs[0], `kubernetes: default namespace "Not Valid" is not valid`)
		require.NoError(t, os.WriteFile(file, []byte("shop\n"), 0o600))
		r.api.put(sliceOf("a", pod(1)))
		wait(time.Minute)
		assert.Equal(t, []string{one}, s.news())

		elsewhere := r.client(kubernetes.WithNamespace("attic"))
		assert.Equal(t, []string{""}, r.follow(elsewhere, "orders").news())
		assert.Equal(t, []string{one}, r.follow(elsewhere, "orders.shop").news())
	})
}

func TestPortOfNamesWithout(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		slice := sliceOf("a", pod(1))
		slice["ports"] = []object{{"name": "http", "port": 8080}, {"name": "grpc", "port": 9090}}
		r.api.put(slice)
		c := r.client(kubernetes.WithPort("grpc"))
		assert.Equal(t, []string{"uid-1 10.0.0.1:9090"}, r.follow(c, "orders").news())
		assert.Equal(t, []string{one}, r.follow(c, "orders:http").news())
	})
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		file := filepath.Join(t.TempDir(), "missing")
		c := r.client()
		lost := r.client(kubernetes.WithCluster(kubernetes.Cluster{Server: "http://api", NamespaceFile: file}))
		running := r.follow(c, "orders")
		resting := r.follow(c, "a.b.c")
		waiting := r.follow(lost, "orders")
		assert.Len(t, resting.errors(), 1)
		assert.Len(t, waiting.errors(), 1)
		c.Close()
		lost.Close()
		c.Close()
		assert.Equal(t, []error{kubernetes.ErrClosed}, running.errors())
		assert.Equal(t, []error{kubernetes.ErrClosed}, resting.errors())
		assert.Equal(t, []error{kubernetes.ErrClosed}, waiting.errors())
		assert.Equal(t, []error{kubernetes.ErrClosed}, r.follow(c, "orders").errors())
		assert.Equal(t, []error{kubernetes.ErrClosed}, r.follow(c, "a.b.c").errors())
	})
}

func TestSettingsThatCannotWork(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for want, cluster := range map[string]kubernetes.Cluster{
		"kubernetes: no server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as in a pod, and WithCluster names none": kubernetes.InCluster(),
		"kubernetes: the server's URL cannot be parsed":                                 {Server: "10.0.0.1:6443"},
		`kubernetes: server URL "ftp://api" begins with neither http:// nor https://`:   {Server: "ftp://api"},
		`kubernetes: server URL "https:///x" has no host`:                               {Server: "https:///x"},
		"kubernetes: the URL of server api has a user, a query or a fragment":           {Server: "https://user:secret@api"},
		"kubernetes: http://api: a token is not sent in the clear; use https":           {Server: "http://api", Token: "secret"},
		"kubernetes: http://10.0.0.1:8001: a token is not sent in the clear; use https": {Server: "http://10.0.0.1:8001/", TokenFile: "token"},
	} {
		c := kubernetes.New(kubernetes.WithCluster(cluster))
		next, stop := pull(t, c, "orders")
		_, err := next()
		require.EqualError(t, err, want)
		stop()
		c.Close()
	}
}

// pull returns the pieces of news of a watch one by one.
func pull(t *testing.T, c *kubernetes.Client, service string) (next func() ([]discovery.Instance, error), stop func()) {
	type item struct {
		set []discovery.Instance
		err error
	}
	ctx, cancel := context.WithCancel(t.Context())
	news := make(chan item)
	done := make(chan struct{})
	go func() { // until stop
		defer close(done)
		for set, err := range c.Watch(ctx, service) {
			select {
			case news <- item{set, err}:
			case <-ctx.Done():
			}
		}
	}()
	next = func() ([]discovery.Instance, error) {
		it := <-news
		return it.set, it.err
	}
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return next, stop
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "http://elsewhere/", http.StatusFound)
		})
		s := r.follow(r.client(), "orders")
		errs := s.errors()
		require.Len(t, errs, 1)
		assert.EqualError(t, errs[0], `kubernetes: endpoint slices of shop/orders not read yet: http://api: list endpointslices.discovery.k8s.io in namespace "shop": answered 302 Found, and redirects are not followed`)
		assert.Zero(t, r.net.Dials("elsewhere:80"))
	})
}
