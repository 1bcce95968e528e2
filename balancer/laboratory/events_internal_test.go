package laboratory

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Events come by time, and at the same time in the order in which they were
// planned, whatever is planned in between.
func TestEventsInOrder(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	var q events
	var want, got []event
	for i := range 5000 {
		e := event{at: time.Duration(chance.IntN(500)), a: int32(i)}
		if len(got) > 0 {
			e.at += got[len(got)-1].at // never in the past
		}
		e.sequence = uint64(i)
		want = append(want, e)
		q.push(e)
		for chance.IntN(3) == 0 && len(q.heap) > 0 {
			got = append(got, q.pop())
		}
	}
	for len(q.heap) > 0 {
		got = append(got, q.pop())
	}
	slices.SortFunc(want, func(a, b event) int {
		if a.before(&b) {
			return -1
		}
		return 1
	})
	assert.Equal(t, want, got)
}

func TestEventsAllocateNothing(t *testing.T) {
	var q events
	for range 100 {
		q.push(event{})
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { q.push(event{at: q.pop().at + 1}) }))
}
