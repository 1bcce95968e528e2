package discovery_test

import (
	"fmt"
	"testing"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCleanSet(t *testing.T) {
	given := named("c", "a", "b")
	set, err := discovery.CleanSet(given)
	require.NoError(t, err)
	assert.Equal(t, named("a", "b", "c"), set)
	assert.Equal(t, named("c", "a", "b"), given, "the argument is left alone")

	set, err = discovery.CleanSet(nil)
	assert.NoError(t, err)
	assert.Empty(t, set)
}

func TestCleanSetNamesTheCulprit(t *testing.T) {
	_, err := discovery.CleanSet([]discovery.Instance{{ID: "good", Addr: "10.0.0.7:80"}, {ID: "bad", Addr: "10.0.0.8"}})
	assert.EqualError(t, err, `discovery: instance "bad": address "10.0.0.8" is not host:port`)

	_, err = discovery.CleanSet([]discovery.Instance{
		{ID: "a", Addr: "10.0.0.7:80"},
		{ID: "b", Addr: "10.0.0.8:80"},
		{ID: "a", Addr: "10.0.0.9:80"},
	})
	assert.EqualError(t, err, `discovery: instances at 10.0.0.7:80 and 10.0.0.9:80 share the key "a"`)

	// An address serves as the key where there is no ID.
	_, err = discovery.CleanSet([]discovery.Instance{{ID: "10.0.0.7:80", Addr: "10.0.0.8:80"}, {Addr: "10.0.0.7:80"}})
	assert.EqualError(t, err, `discovery: instances at 10.0.0.8:80 and 10.0.0.7:80 share the key "10.0.0.7:80"`)
}

func ExampleCleanSet() {
	set, _ := discovery.CleanSet(discovery.Addrs("10.0.0.8:80", "10.0.0.7:80"))
	fmt.Println(set[0].Addr, set[1].Addr)

	_, err := discovery.CleanSet(discovery.Addrs("10.0.0.7:80", "10.0.0.7:http"))
	fmt.Println(err)
	// Output:
	// 10.0.0.7:80 10.0.0.8:80
	// discovery: instance "": address "10.0.0.7:http" has no port between 1 and 65535
}
