package balancer

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211

	// golden is 2^64 over the golden ratio, the step of splitmix64.
	golden = 0x9e3779b97f4a7c15
)

// hashOf hashes a name to 64 bits, the same in every process, on every machine
// and in every version: clients agree by it on who serves which key. It is
// FNV-1a, whose bits depend too little on a short name's last letters, with the
// finalizer of splitmix64 behind. It costs about a nanosecond a byte.
func hashOf(name string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * fnvPrime
	}
	return mix(h)
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood, "Fast Splittable
// Pseudorandom Number Generators", 2014): each bit of x changes each bit of the
// result with a probability of about a half, and no two results are the same.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// rehash returns the nth of a sequence of hashes that is different for each h. The
// 0th is h itself.
func rehash(h uint64, n int) uint64 {
	if n == 0 {
		return h
	}
	return mix(h + uint64(n)*golden)
}
