package resilience

import "fmt"

// A State is the state of a [Breaker].
type State uint8

const (
	// Closed means that calls pass and their outcomes are counted.
	Closed State = iota
	// Open means that calls should go elsewhere.
	Open
	// HalfOpen means that the time of rest is over, and a trial decides.
	HalfOpen
)

// String returns "closed", "open" or "half-open".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	default:
		return fmt.Sprintf("state %d", uint8(s))
	}
}
