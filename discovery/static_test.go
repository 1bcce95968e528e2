package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
)

func TestStatic(t *testing.T) {
	static := discovery.Static{
		"orders":   discovery.Addrs("10.0.0.8:80", "10.0.0.7:80"),
		"empty":    nil,
		"invalid":  {{ID: "good", Addr: "10.0.0.7:80"}, {ID: "bad", Addr: "10.0.0.8"}},
		"repeated": discovery.Addrs("10.0.0.7:80", "10.0.0.7:80"),
		"useless":  discovery.Addrs("10.0.0.7"),
	}
	for service, want := range map[string][]string{
		"orders":  {"[10.0.0.7:80 10.0.0.8:80]"},
		"empty":   {"[]"},
		"unknown": {`error: discovery: unknown service: "unknown"`},
		"invalid": {"[good]",
			`error: discovery: set of "invalid": discovery: instance "bad": address "10.0.0.8" is not host:port`},
		"repeated": {"[10.0.0.7:80]",
			`error: discovery: set of "repeated": discovery: instance "10.0.0.7:80" is listed twice: at 10.0.0.7:80, which is used, and at 10.0.0.7:80`},
		"useless": {`error: discovery: set of "useless": discovery: instance "": address "10.0.0.7" is not host:port`},
	} {
		t.Run(service, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var got []string
				for set, err := range static.Watch(ctx, service) {
					got = append(got, line(set, err))
				}
				assert.Equal(t, want, got)
				assert.Equal(t, time.Hour, time.Since(began), "the watch ends with its context")
			})
		})
	}
}

func TestStaticContextDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, "nothing", first(ctx, discovery.Static{"orders": nil}, "orders"))
}

func TestStaticBreak(t *testing.T) {
	// A reader that breaks off at the set is not given the error.
	assert.Equal(t, "[10.0.0.7:80]", first(t.Context(), discovery.Static{"orders": discovery.Addrs("10.0.0.7:80", "bad")}, "orders"))
}

func TestStaticNil(t *testing.T) {
	for set, err := range discovery.Static(nil).Watch(t.Context(), "orders") {
		assert.Nil(t, set)
		assert.ErrorIs(t, err, discovery.ErrUnknownService)
		break
	}
}

func ExampleStatic() {
	static := discovery.Static{
		"orders": discovery.Addrs("10.0.0.7:8080", "10.0.0.8:8080"),
		"payments": {
			{ID: "payments-1", Addr: "10.0.1.7:8443", Scheme: "https", Zone: "eu-1a", Weight: 3},
			{ID: "payments-2", Addr: "10.0.1.8:8443", Scheme: "https", Zone: "eu-1b"},
		},
	}
	for _, service := range []string{"orders", "payments", "invoices"} {
		for set, err := range static.Watch(context.Background(), service) {
			if errors.Is(err, discovery.ErrUnknownService) {
				fmt.Println(err)
				break
			}
			fmt.Println(service, "has", len(set), "copies, one at", set[0].Addr)
			break // a watch goes on until its context is done, or its reader breaks
		}
	}
	// Output:
	// orders has 2 copies, one at 10.0.0.7:8080
	// payments has 2 copies, one at 10.0.1.7:8443
	// discovery: unknown service: "invoices"
}
