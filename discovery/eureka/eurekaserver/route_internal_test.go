package eurekaserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Whoever adds a route says in the tests of access what it needs.
func TestEveryRouteIsGuarded(t *testing.T) {
	n := 0
	for _, res := range resources {
		n += len(res.methods)
	}
	assert.Equal(t, 17, n, "extend guarded, and this figure")
}
