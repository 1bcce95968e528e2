package eurekaserver

import (
	"sync/atomic"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A record is an instance as lists and deltas show it after a change. It is
// immutable, so that any number of snapshots share it, and remembers how it is
// encoded.
type record struct {
	wire.Instance
	id string

	encoded [wire.Formats]atomic.Pointer[[]byte]
}

func newRecord(id string, in wire.Instance) *record { return &record{Instance: in, id: id} }

// bytes returns the encoded instance. Two who ask for the first time at once
// both do the work, which is little.
func (r *record) bytes(f wire.Format) ([]byte, error) {
	if data := r.encoded[f].Load(); data != nil {
		return *data, nil
	}
	data, err := wire.MarshalElement(r.Instance, f)
	if err != nil {
		return nil, err
	}
	r.encoded[f].Store(&data)
	return data, nil
}
