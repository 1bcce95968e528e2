package wire

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The escape that makes an element name of any string: "_" is written "__",
// "$" is written "_-", and what a name cannot hold is written "_." and four
// hex digits for each UTF-16 unit.

// encodeName returns the element name for a key.
func encodeName(key string) string {
	var b strings.Builder
	for i, r := range key {
		switch {
		case r == '_':
			b.WriteString("__")
		case r == '$':
			b.WriteString("_-")
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z',
			i > 0 && ('0' <= r && r <= '9' || r == '-' || r == '.'):
			b.WriteRune(r)
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, "_.%04x", unit)
			}
		}
	}
	return b.String()
}

// decodeName returns the key for an element name. Escapes that are none stand
// for themselves.
func decodeName(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	units := make([]uint16, 0, len(name))
	for name != "" {
		switch {
		case strings.HasPrefix(name, "__"):
			units, name = append(units, '_'), name[2:]
			continue
		case strings.HasPrefix(name, "_-"):
			units, name = append(units, '$'), name[2:]
			continue
		case strings.HasPrefix(name, "_.") && len(name) >= 6:
			if unit, err := strconv.ParseUint(name[2:6], 16, 16); err == nil {
				units, name = append(units, uint16(unit)), name[6:]
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(name)
		units, name = utf16.AppendRune(units, r), name[size:]
	}
	return string(utf16.Decode(units))
}
