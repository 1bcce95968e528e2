//go:build !race

// Package race says whether the race detector is on, for tests of exact
// allocation counts, which it falsifies.
package race

// Enabled reports whether the race detector is on.
const Enabled = false
