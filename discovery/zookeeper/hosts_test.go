package zookeeper

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Names are handed out as such, and it is said when all have been tried in
// vain.
func TestHosts(t *testing.T) {
	var h hosts
	require.NoError(t, h.Init([]string{"a.invalid:1", "b.invalid:2"}))
	assert.Equal(t, 2, h.Len())
	next := func(want string, again bool) {
		t.Helper()
		server, vain := h.Next()
		assert.Equal(t, want, server)
		assert.Equal(t, again, vain, server)
	}
	next("a.invalid:1", false)
	next("b.invalid:2", false)
	next("a.invalid:1", true)
	next("b.invalid:2", false)
	h.Connected()
	next("a.invalid:1", false)
	next("b.invalid:2", false)
	next("a.invalid:1", true)
}
