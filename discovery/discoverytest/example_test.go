package discoverytest_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
)

// A watcher that needs no sockets is tested in virtual time.
func ExampleTestWatcher() {
	test := func(t *testing.T) { // func TestWatcher(t *testing.T) in a file of tests
		discoverytest.TestWatcher(t, discoverytest.Harness{
			Run: synctest.Test,
			New: func(testing.TB) discoverytest.Subject {
				registry := new(discovery.Memory)
				return discoverytest.Subject{Watcher: discovery.Share(registry), Set: registry.Set}
			},
		})
	}
	examples = append(examples, test)
	// Output:
}

// One that talks to a real registry is tested in real time. Without Set, the
// suite changes sets by registering copies.
func ExampleTestRegistrar() {
	test := func(t *testing.T) { // func TestRegistrar(t *testing.T) in a file of tests
		discoverytest.TestRegistrar(t, discoverytest.Harness{
			New: func(testing.TB) discoverytest.Subject {
				registry := new(discovery.Memory) // or whatever talks to the registry; close it with t.Cleanup
				return discoverytest.Subject{
					Watcher:   registry,
					Registrar: registry,
					Fail: func(failing bool) {
						if failing {
							registry.Fail(errors.New("registry: connection refused"))
						} else {
							registry.Fail(nil)
						}
					},
				}
			},
			// This registry carries no priorities.
			Strip: func(in discovery.Instance) discovery.Instance {
				in.Priority = 0
				return in
			},
		})
	}
	examples = append(examples, test)
	// Output:
}

var examples []func(t *testing.T)

// The examples hold.
func TestExamples(t *testing.T) {
	ExampleTestWatcher()
	ExampleTestRegistrar()
	for _, example := range examples {
		example(t)
	}
}
