package discovery_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
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

func TestCleanSetLeavesOutAndNames(t *testing.T) {
	set, err := discovery.CleanSet([]discovery.Instance{
		{ID: "z", Addr: "10.0.0.1"},
		{ID: "good", Addr: "10.0.0.7:80"},
		{ID: "bad", Addr: "10.0.0.8"},
	})
	assert.Equal(t, []discovery.Instance{{ID: "good", Addr: "10.0.0.7:80"}}, set)
	assert.EqualError(t, err, `discovery: instance "bad": address "10.0.0.8" is not host:port
discovery: instance "z": address "10.0.0.1" is not host:port`)

	set, err = discovery.CleanSet([]discovery.Instance{{ID: "bad", Addr: "10.0.0.8"}})
	assert.Nil(t, set)
	assert.EqualError(t, err, `discovery: instance "bad": address "10.0.0.8" is not host:port`)

	// An address serves as the key where there is no ID.
	set, err = discovery.CleanSet([]discovery.Instance{{ID: "10.0.0.7:80", Addr: "10.0.0.8:80"}, {Addr: "10.0.0.7:80"}})
	assert.Equal(t, discovery.Addrs("10.0.0.7:80"), set)
	assert.EqualError(t, err, `discovery: instance "10.0.0.7:80" is listed twice: at 10.0.0.7:80, which is used, and at 10.0.0.8:80`)
}

// Which of several is kept must not depend on the order in which a registry
// lists them, or sets would change with it.
func TestCleanSetKeepsTheSameOne(t *testing.T) {
	in := func(addr, scheme string, metadata map[string]string) discovery.Instance {
		return discovery.Instance{ID: "a", Addr: addr, Scheme: scheme, Metadata: metadata}
	}
	kept := in("10.0.0.7:80", "", map[string]string{"k": "v", "version": "1"})
	given := []discovery.Instance{
		in("10.0.0.7", "", nil), // takes nobody's place
		in("10.0.0.7:80", "http", nil),
		in("10.0.0.7:80", "", map[string]string{"k": "v", "version": "2"}),
		in("10.0.0.9:80", "", nil),
		kept,
		{ID: "b", Addr: "10.0.0.8:80"},
	}
	_, want := discovery.CleanSet(given)
	require.Error(t, want)
	assert.Equal(t, 4, strings.Count(want.Error(), `instance "a"`))
	for range 50 {
		rand.Shuffle(len(given), func(i, j int) { given[i], given[j] = given[j], given[i] })
		set, err := discovery.CleanSet(given)
		assert.Equal(t, []discovery.Instance{kept, {ID: "b", Addr: "10.0.0.8:80"}}, set)
		assert.EqualError(t, err, want.Error())
	}
}

func FuzzCleanSet(f *testing.F) {
	f.Add("a", "10.0.0.7:80", "a", "10.0.0.8:80", "", "a.example:1")
	f.Add("a", "10.0.0.7:80", "", "a", "10.0.0.7:80", "b:2")
	f.Fuzz(func(t *testing.T, id1, addr1, id2, addr2, id3, addr3 string) {
		given := []discovery.Instance{{ID: id1, Addr: addr1}, {ID: id2, Addr: addr2}, {ID: id3, Addr: addr3}}
		set, err := discovery.CleanSet(given)
		assert.Equal(t, len(set) < len(given), err != nil, "an error exactly if something is left out")
		again, err := discovery.CleanSet(set)
		assert.NoError(t, err)
		assert.Equal(t, set, again)
		usable := make(map[string]bool)
		for _, in := range given {
			if in.Validate() == nil {
				usable[in.Key()] = true
			}
		}
		assert.Len(t, set, len(usable), "what can be used is there, each key once")
	})
}

func ExampleCleanSet() {
	set, _ := discovery.CleanSet(discovery.Addrs("10.0.0.8:80", "10.0.0.7:80"))
	fmt.Println(set[0].Addr, set[1].Addr)

	set, err := discovery.CleanSet(discovery.Addrs("10.0.0.7:80", "10.0.0.7:http"))
	fmt.Println(len(set), err)
	// Output:
	// 10.0.0.7:80 10.0.0.8:80
	// 1 discovery: instance "": address "10.0.0.7:http" has no port between 1 and 65535
}
