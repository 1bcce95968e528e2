package fault_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
	"github.com/namesake-go/namesake/transport/fault"
)

// copies starts two copies of a service that answer with their number, and
// returns their addresses.
func copies() (addrs [2]string, stop func()) {
	var servers [2]*httptest.Server
	for i := range servers {
		servers[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "copy ", i+1)
		}))
		addrs[i] = servers[i].Listener.Addr().String()
	}
	return addrs, func() { servers[0].Close(); servers[1].Close() }
}

// A drill: 10 % of the calls of a service take 300 ms longer, wherever they
// go. Does the caller's deadline allow for that?
func Example_delay() {
	addrs, stop := copies()
	defer stop()
	faults := fault.New(9, fault.Rule{ // the seed: each run hits the same ones
		Name:    "slow orders",
		Host:    "orders",
		Percent: 10,
		Fault:   fault.Delay(300*time.Millisecond, 0),
	})
	t := transport.New(discovery.Static{"orders": discovery.Addrs(addrs[:]...)},
		transport.WithEndpointBase(faults.EndpointBase))
	defer t.Close()
	client := &http.Client{Transport: t}

	var total time.Duration
	for range 50 {
		start := time.Now()
		resp, err := client.Get("http://orders/")
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = resp.Body.Close()
		total += time.Since(start)
	}
	drill := faults.Stats()[0]
	fmt.Println(drill.Name, drill.Injected, "of", drill.Matched)
	fmt.Println(total >= time.Duration(drill.Injected)*300*time.Millisecond)
	// Output:
	// slow orders 5 of 50
	// true
}

// A drill: one copy aborts all that it gets. Callers do not notice, and after
// five failures in a row it gets nothing any more.
func Example_oneCopy() {
	addrs, stop := copies()
	defer stop()
	faults := new(fault.Injector)
	t := transport.New(discovery.Static{"orders": discovery.Addrs(addrs[:]...)},
		transport.WithEndpointBase(faults.EndpointBase), transport.WithPolicy(balancer.RoundRobin), transport.WithLogger(nil),
		transport.WithHooks(transport.Hooks{
			EndpointEjected: func(e transport.EndpointEvent) { fmt.Println("copy 1 is ejected:", e.Endpoint.Addr() == addrs[0]) },
		}))
	defer t.Close()
	client := &http.Client{Transport: t}

	faults.Set(fault.Rule{Addr: addrs[0], Fault: fault.Status(http.StatusServiceUnavailable, nil, "a drill\n")})
	answers := make(map[string]int)
	for range 100 {
		resp, err := client.Get("http://orders/")
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		answers[string(text)]++
	}
	fmt.Println(answers)
	fmt.Println("aborted:", faults.Stats()[0].Injected)
	faults.Set() // the drill is over
	// Output:
	// copy 1 is ejected: true
	// map[copy 2:100]
	// aborted: 5
}

// Around the base of any client, ours or not.
func ExampleInjector_Around() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a report of some length")
	}))
	defer server.Close()
	faults := fault.New(1,
		fault.Rule{Method: http.MethodPost, Fault: fault.Refuse()},
		fault.Rule{PathPrefix: "/report", Fault: fault.TruncateBody(8)},
	)
	client := &http.Client{Transport: faults.Around(http.DefaultTransport)}
	defer client.CloseIdleConnections()

	_, err := client.Post(server.URL, "text/plain", nil) //nolint:bodyclose // fails
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))

	resp, err := client.Get(server.URL + "/report")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	fmt.Printf("%q, %v\n", text, err)
	// Output:
	// true
	// "a report", unexpected EOF
}

// A fault of one's own: the server says what it is not asked for.
func ExampleFault() {
	garbled := func(req *http.Request, next http.RoundTripper, _ float64) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader("{")), 1
		return resp, nil
	}
	addrs, stop := copies()
	defer stop()
	faults := fault.New(1, fault.Rule{Fault: garbled})
	resp, err := (&http.Client{Transport: faults.Around(http.DefaultTransport)}).Get("http://" + addrs[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	fmt.Println(string(text))
	// Output: {
}
