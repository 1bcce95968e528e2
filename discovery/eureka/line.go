package eureka

import "github.com/namesake-go/namesake/discovery/internal/turn"

// A copyKey tells a copy from all others of a cluster.
type copyKey struct{ app, id string }

// A line is those who speak for one copy, heartbeats included. Who has the turn
// is alone with everything of the registrations in it.
type line = turn.Line[copyKey, Registration]
