package balancer

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Published values: FNV-1a of "" and "foobar" (the authors' test vectors), and
// the first output of SplitMix64 from the seed 0.
func TestHashes(t *testing.T) {
	assert.Equal(t, mix64(0xcbf29ce484222325), hash64(""))
	assert.Equal(t, mix64(0x85944171f73967e8), hash64("foobar"))
	assert.Equal(t, uint64(0xe220a8397b1dcdaf), mix64(golden))
}

func TestNth64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		numbers := make([]uint64, 1+r.IntN(50))
		for i := range numbers {
			numbers[i] = uint64(r.IntN(1 + r.IntN(50)))
		}
		sorted := slices.Sorted(slices.Values(numbers))
		n := r.IntN(len(numbers))
		require.Equal(t, sorted[n], nth64(slices.Clone(numbers), n))
	}
}

// The ring of the first n lots is that of all, without the others.
func TestRingsteady(t *testing.T) {
	assert.Equal(t, []uint64{0, 4, 2, 6, 1, 5, 3, 7}, ringsteady(0, 8))
	assert.Equal(t, []uint64{1, 5, 3, 7, 0, 4, 2, 6}, ringsteady(1, 8))
	assert.Equal(t, []uint64{2, 1, 3, 0, 4}, ringsteady(2, 5))
	assert.Equal(t, []uint64{0}, ringsteady(0, 1))
	assert.Equal(t, []uint64{0}, ringsteady(1, 1))
	for lots := 1; lots < 70; lots++ {
		for clients := range uint64(70) {
			ring := ringsteady(clients, lots)
			require.Len(t, ring, lots)
			from := bits.Reverse64(clients)
			for i := 1; i < lots; i++ { // distances from the start grow
				require.Less(t, bits.Reverse64(ring[i-1])-from, bits.Reverse64(ring[i])-from, "%d lots, %d", lots, clients)
			}
		}
	}
}
