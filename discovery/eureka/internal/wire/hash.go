package wire

import (
	"maps"
	"slices"
	"strconv"
)

// HashOf returns the hash of a registry that holds apps: how many instances
// have which status, as in "DOWN_1_UP_2_", ordered by status. It is empty
// when there are no instances.
func HashOf(apps []Application) string {
	counts := make(map[Status]int)
	for _, app := range apps {
		for i := range app.Instances {
			counts[app.Instances[i].Status]++
		}
	}
	return Hash(counts)
}

// Hash returns the hash of a registry with the given number of instances of
// each status.
func Hash(counts map[Status]int) string {
	var b []byte
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		if counts[status] <= 0 {
			continue
		}
		b = append(b, status...)
		b = append(b, '_')
		b = strconv.AppendInt(b, int64(counts[status]), 10)
		b = append(b, '_')
	}
	return string(b)
}
