package laboratory

import (
	"hash/fnv"
	"math/rand/v2"
)

// stream returns a source of chance of its own for one purpose. Streams of the
// same seed, purpose and number are the same; others have nothing in common.
func stream(seed uint64, purpose string, number int) *rand.PCG {
	return rand.NewPCG(mix(seed^mix(hash(purpose))), mix(uint64(number)+1))
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood, 2014): similar numbers
// become unlike ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
