package etcd

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/facts"
)

// A record is the value of a key, in the format of etcd's naming package:
// go.etcd.io/etcd/client/v3/naming/endpoints.
type record struct {
	Op       uint8 // 0: it is there
	Addr     string
	Metadata any
}

// marshal writes an instance, without its ID, which is the key's.
func marshal(in discovery.Instance) ([]byte, error) {
	metadata := facts.Carry(in)
	r := record{Addr: in.Addr}
	if len(metadata) > 0 {
		r.Metadata = metadata
	}
	return json.Marshal(r)
}

// unmarshal reads what this package, or any program that uses etcd's, has
// written. Metadata counts as far as it is an object, and of that what is text,
// a number or a truth value.
func unmarshal(id string, value []byte) (discovery.Instance, error) {
	var r record
	d := json.NewDecoder(strings.NewReader(string(value)))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return discovery.Instance{}, err
	}
	if d.More() {
		return discovery.Instance{}, fmt.Errorf("more than one value")
	}
	in := discovery.Instance{ID: id, Addr: r.Addr}
	object, _ := r.Metadata.(map[string]any)
	facts.Apply(&in, object)
	return in, nil
}
