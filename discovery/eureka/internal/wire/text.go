package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"unicode/utf8"
)

// text is a scalar of any kind, as it is written: in JSON a string, a number
// or a boolean. Null is absence.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case 'n':
	case '"':
		inner := data[1 : len(data)-1]
		if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			*t = text(inner)
			return nil
		}
		return json.Unmarshal(data, (*string)(t))
	case '{', '[':
		return unexpected[string](data)
	default:
		*t = text(data)
	}
	return nil
}

// list is a list of which the document may give the only element bare, and
// for which no element may be null or an empty string.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(data []byte) error {
	switch {
	case data[0] == '[':
		return json.Unmarshal(data, (*[]T)(l))
	case data[0] == '{':
		*l = make(list[T], 1)
		return json.Unmarshal(data, &(*l)[0])
	case string(data) == `""` || string(data) == "null":
		*l = nil
		return nil
	}
	return unexpected[[]T](data)
}

// unexpected returns the error for a value of the wrong kind, to which
// encoding/json adds where it stands.
func unexpected[T any](data []byte) error {
	kind := "number"
	switch data[0] {
	case '{':
		kind = "object"
	case '[':
		kind = "array"
	case '"':
		kind = "string"
	case 't', 'f':
		kind = "bool"
	}
	return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[T]()}
}
