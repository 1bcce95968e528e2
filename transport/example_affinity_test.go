package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// threeCopies starts three copies of a service, which answer with their names.
func threeCopies() (set []discovery.Instance, stop func()) {
	var servers []*httptest.Server
	for _, name := range []string{"orders-0", "orders-1", "orders-2"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, name)
		}))
		servers = append(servers, server)
		set = append(set, discovery.Instance{ID: name, Addr: server.Listener.Addr().String()})
	}
	return set, func() {
		for _, s := range servers {
			s.Close()
		}
	}
}

// All calls for a user go to the same copy, from every client, so that it has in
// its cache what the user needs.
func ExampleWithKey() {
	set, stop := threeCopies()
	defer stop()
	t := transport.New(discovery.Static{"orders": set},
		transport.WithPolicy(balancer.RingHash(balancer.RingHashConfig{})),
		transport.WithKey(transport.HeaderKey("X-User")),
	)
	defer t.Close()
	client := &http.Client{Transport: t}

	for _, user := range []string{"alice", "bob", "carol", "alice", "bob", "carol"} {
		req, err := http.NewRequest(http.MethodGet, "http://orders/v1/orders", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("X-User", user)
		resp, err := client.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		copy, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Println(user, "at", string(copy))
	}
	// Output:
	// alice at orders-1
	// bob at orders-0
	// carol at orders-0
	// alice at orders-1
	// bob at orders-0
	// carol at orders-0
}

// A client that keeps cookies stays at one copy, which none of its servers has
// to do anything for.
func ExampleWithStickyCookie() {
	set, stop := threeCopies()
	defer stop()
	t := transport.New(discovery.Static{"orders": set},
		transport.WithPolicy(balancer.RingHash(balancer.RingHashConfig{})),
		transport.WithStickyCookie(transport.StickyCookieConfig{}),
	)
	defer t.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: t, Jar: jar}

	copies := make(map[string]int)
	for range 10 {
		resp, err := client.Get("http://orders/cart")
		if err != nil {
			fmt.Println(err)
			return
		}
		copy, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		copies[string(copy)]++
	}
	fmt.Println("copies that the session has been at:", len(copies))
	// Output: copies that the session has been at: 1
}

// An export costs a hundred times what a lookup does. Whoever has one to work on
// is busy, not slow.
func ExampleWithClass() {
	set, stop := threeCopies()
	defer stop()
	t := transport.New(discovery.Static{"orders": set},
		transport.WithClass(func(req *http.Request) string {
			if req.URL.Path == "/v1/export" {
				return "export"
			}
			return "" // all others are alike
		}),
	)
	defer t.Close()
	client := &http.Client{Transport: t}

	resp, err := client.Get("http://orders/v1/export")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}
