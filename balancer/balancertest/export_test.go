package balancertest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/namesake-go/namesake/balancer"
)

// Failures runs the named checks, or all, and returns the complaints of each
// that had any. A panic is a complaint.
func Failures(policy balancer.Policy, names ...string) map[string][]string {
	failures := map[string][]string{}
	for _, c := range checks {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		r := &recorder{}
		func() {
			defer func() {
				if p := recover(); p != nil {
					r.Errorf("panic: %v", p)
				}
			}()
			c.run(r, policy)
		}()
		if len(r.complaints) > 0 {
			failures[c.name] = r.complaints
		}
	}
	return failures
}

type recorder struct {
	mu         sync.Mutex
	complaints []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}
