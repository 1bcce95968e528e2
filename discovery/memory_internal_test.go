package discovery

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Names may come from outside, as those of a proxy do.
func TestMemoryForgetsNames(t *testing.T) {
	m := new(Memory)
	ask := func(service string) {
		for _, err := range m.Watch(t.Context(), service) {
			_ = err // or a set
			break
		}
	}
	ask("nobody")
	assert.Empty(t, m.services, "a watch leaves nothing")

	for _, err := range m.Watch(t.Context(), "orders") {
		require.NoError(t, err)
		r, err := m.Register(t.Context(), "orders", Instance{Addr: "10.0.0.7:80"})
		require.NoError(t, err)
		ask("orders")
		require.NoError(t, r.Close(t.Context()))
		assert.Len(t, m.services, 1, "it is still watched")
		break
	}
	assert.Empty(t, m.services)

	r, err := m.Register(t.Context(), "orders", Instance{Addr: "10.0.0.7:80"})
	require.NoError(t, err)
	require.NoError(t, r.Close(t.Context()))
	assert.Empty(t, m.services, "nobody watches, and the last copy has left")

	m.Set("orders", Addrs("10.0.0.7:80")...)
	ask("orders")
	assert.Len(t, m.services, 1, "it has a copy")
	m.Set("orders")
	assert.Empty(t, m.services)
	m.Set("orders", Addrs("bad")...)
	ask("orders")
	assert.Len(t, m.services, 1, "watches are to see what is wrong")
}
