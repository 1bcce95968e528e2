// Package facts carries the facts of an instance as metadata, for registries
// that have no other place for them.
package facts

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery"
)

const (
	keyScheme   = "scheme"
	keyZone     = "zone"
	keyWeight   = "weight"
	keyPriority = "priority"
)

// Carry returns the metadata of an instance with its other facts, under
// "scheme", "zone", "weight" and "priority"; what is empty or zero is left out,
// even if the metadata has such a key. It is a copy, and never nil.
func Carry(in discovery.Instance) map[string]string {
	metadata := maps.Clone(in.Metadata)
	if metadata == nil {
		metadata = make(map[string]string)
	}
	for key, value := range map[string]string{
		keyScheme: in.Scheme, keyZone: in.Zone, keyWeight: number(in.Weight), keyPriority: number(in.Priority),
	} {
		if value == "" {
			delete(metadata, key)
		} else {
			metadata[key] = value
		}
	}
	return metadata
}

// Apply takes over metadata that was read as JSON, with numbers as
// [json.Number]: what is text, a number or a truth value. Of that it takes the
// other facts, as far as they make sense.
func Apply(in *discovery.Instance, metadata map[string]any) {
	for key, value := range metadata {
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
}

// number writes what is not zero.
func number(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

// parseNumber reads a number, and takes what is none for zero.
func parseNumber(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
