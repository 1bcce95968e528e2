package eurekaserver

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// peerState is what servers of this package tell each other of an instance
// beside what every server does.
type peerState struct {
	Versions string      `json:"v"`
	Own      wire.Status `json:"own,omitempty"` // the status but for the override
	Age      int64       `json:"age,omitempty"` // of the lease, in milliseconds since it was renewed

	// Override is that of an instance that is gone: should it come back, the
	// operator may have spoken since.
	Override wire.Status `json:"override,omitempty"`
}

func writeState(r *replica) json.RawMessage {
	st := peerState{Versions: r.versions.String()}
	switch {
	case !r.living:
		st.Override = r.info.OverriddenStatus
	default:
		st.Own, st.Age = r.own, max(r.age.Milliseconds(), 0)
	}
	data, err := json.Marshal(st)
	if err != nil {
		return nil // strings and a number
	}
	return data
}

// replicaItem returns what to tell a server of this package: that the lease was
// renewed, or all that is known.
func replicaItem(r *replica, beat bool) wire.Item {
	it := wire.Item{App: r.key.app, ID: r.key.id, Action: wire.ActionCancel, State: writeState(r)}
	if !r.living {
		return it
	}
	it.LastDirty, it.Status = r.info.LastDirty, r.info.Status
	if r.info.OverriddenStatus != wire.Unknown {
		it.OverriddenStatus = r.info.OverriddenStatus
	}
	it.Action = wire.ActionHeartbeat
	if !beat {
		it.Action, it.Instance = wire.ActionRegister, &r.info
	}
	return it
}

// errReplica says that an instance of a peer cannot be used.
var errReplica = errors.New("eurekaserver: instance of a peer makes no sense")

// readState reads what another server of this package says of an instance
// beside the instance itself.
func readState(k key, state json.RawMessage, now time.Time) (replica, error) {
	var st peerState
	if err := json.Unmarshal(state, &st); err != nil {
		return replica{}, errReplica
	}
	v, err := parseVersions(st.Versions, now)
	if err != nil {
		return replica{}, err
	}
	if st.Age < 0 || st.Age > maxLeaseAge.Milliseconds() {
		return replica{}, errReplica
	}
	r := replica{key: k, versions: v, own: st.Own, age: time.Duration(st.Age) * time.Millisecond}
	if known(st.Override) {
		r.info.OverriddenStatus = st.Override
	}
	return r, nil
}

// readReplica reads what another server of this package knows of an instance,
// which is gone if there is none.
func readReplica(k key, in *wire.Instance, state json.RawMessage, now time.Time) (replica, error) {
	r, err := readState(k, state, now)
	if err != nil || in == nil {
		return r, err
	}
	admitted, objection := admit(k.app, *in)
	if objection != "" || admitted.ID() != k.id || !known(r.own) {
		return replica{}, errReplica
	}
	r.living, r.info = true, admitted
	return r, nil
}

// maxLeaseAge bounds what a peer may say of a lease. An instance may declare
// any duration that fits into 32 bits of seconds.
const maxLeaseAge = 1 << 31 * time.Second
