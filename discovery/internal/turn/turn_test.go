package turn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/internal/turn"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines turn.Lines[string, string]
		a, b, other := lines.Join("x"), lines.Join("x"), lines.Join("y")
		require.NoError(t, a.Enter(t.Context()))
		require.NoError(t, other.Enter(t.Context()), "another line")
		second := make(chan error)
		go func() { second <- b.Enter(t.Context()) }() // ended by Exit
		synctest.Wait()
		select {
		case err := <-second:
			t.Fatal("two have the turn", err)
		default:
		}
		name := "first"
		a.Owner = &name
		a.Exit()
		require.NoError(t, <-second)
		assert.Same(t, &name, b.Owner)

		cause := errors.New("given up")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		assert.ErrorIs(t, a.Enter(ctx), cause)
		b.Exit()
		assert.ErrorIs(t, a.Enter(ctx), cause, "even if it is free")
	})
}

// A line is forgotten when the last has left it.
func TestLeave(t *testing.T) {
	var lines turn.Lines[string, string]
	a, b := lines.Join("x"), lines.Join("x")
	assert.Same(t, a, b)
	a.Leave()
	assert.Same(t, b, lines.Join("x"))
	b.Leave()
	b.Leave()
	assert.NotSame(t, b, lines.Join("x"))
}
