package etcd

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery"
)

// A record is the value of a key, in the format of etcd's naming package:
// go.etcd.io/etcd/client/v3/naming/endpoints.
type record struct {
	Op       uint8 // 0: it is there
	Addr     string
	Metadata any
}

// The keys of metadata under which facts travel that the format has no place
// for.
const (
	keyScheme   = "scheme"
	keyZone     = "zone"
	keyWeight   = "weight"
	keyPriority = "priority"
)

// marshal writes an instance, without its ID, which is the key's.
func marshal(in discovery.Instance) ([]byte, error) {
	metadata := maps.Clone(in.Metadata)
	carry := func(key, value string) {
		delete(metadata, key)
		if value == "" {
			return
		}
		if metadata == nil {
			metadata = make(map[string]string)
		}
		metadata[key] = value
	}
	carry(keyScheme, in.Scheme)
	carry(keyZone, in.Zone)
	carry(keyWeight, number(in.Weight))
	carry(keyPriority, number(in.Priority))
	r := record{Addr: in.Addr}
	if len(metadata) > 0 {
		r.Metadata = metadata
	}
	return json.Marshal(r)
}

// number writes what is not zero.
func number(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
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
	for key, value := range object {
		var text string
		switch value := value.(type) {
		case string:
			text = value
		case json.Number, bool:
			text = fmt.Sprint(value)
		default:
			continue
		}
		if in.Metadata == nil {
			in.Metadata = make(map[string]string)
		}
		in.Metadata[key] = text
	}
	if scheme := strings.ToLower(in.Metadata[keyScheme]); scheme == "http" || scheme == "https" {
		in.Scheme = scheme
	}
	in.Zone = in.Metadata[keyZone]
	in.Weight = parseNumber(in.Metadata[keyWeight])
	in.Priority = parseNumber(in.Metadata[keyPriority])
	return in, nil
}

// parseNumber reads a number, and takes what is none for zero.
func parseNumber(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
