package wire

import (
	"bytes"
	"encoding/json"
	"iter"
)

// Elements returns the elements of an array, or the members of an object, one
// after the other: so that a list that is too long can be refused before it
// costs anything. The data must be valid JSON, as what UnmarshalJSON is given.
func Elements(data []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		depth, start, quoted := 0, 0, false
		for i := 0; i < len(data); i++ {
			c := data[i]
			switch {
			case quoted && c == '\\':
				i++
				continue
			case c == '"':
				quoted = !quoted
				continue
			case quoted:
				continue
			case c == '[' || c == '{':
				if depth++; depth == 1 {
					start = i + 1
				}
				continue
			case c == ']' || c == '}':
				depth--
			}
			end := depth == 0 && (c == ']' || c == '}')
			if !end && (depth != 1 || c != ',') {
				continue
			}
			if element := bytes.TrimSpace(data[start:i]); len(element) > 0 && !yield(json.RawMessage(element)) || end {
				return
			}
			start = i + 1
		}
	}
}
