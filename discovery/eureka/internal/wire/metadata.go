package wire

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"slices"
	"strings"
)

// classKey is the member by which Java's serializers name the type of a map.
// It is never an entry.
const classKey = "@class"

const classEmptyMap = "java.util.Collections$EmptyMap"

// metadata is a map of strings whose keys are element names in XML.
type metadata map[string]string

func (m metadata) MarshalJSON() ([]byte, error) {
	entries := maps.Clone(map[string]string(m))
	delete(entries, classKey)
	if len(entries) == 0 {
		entries = map[string]string{classKey: classEmptyMap}
	}
	return json.Marshal(entries)
}

func (m *metadata) UnmarshalJSON(data []byte) error {
	*m = nil
	if data[0] != '{' {
		return nil // null, or the "" that stands for an empty map
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	for key, raw := range values {
		if key == classKey || raw[0] == '{' || raw[0] == '[' {
			continue
		}
		var value text
		if err := value.UnmarshalJSON(raw); err != nil {
			return err
		}
		m.set(key, string(value))
	}
	return nil
}

func (m metadata) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(key string) bool {
		return key == "" || key == classKey // neither can be an element
	})
	if len(keys) == 0 {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "class"}, Value: classEmptyMap}}
	}
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, key := range keys {
		entry := xml.StartElement{Name: xml.Name{Local: encodeName(key)}}
		if err := e.EncodeElement(m[key], entry); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

func (m *metadata) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	*m = nil
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			value, err := readText(d)
			if err != nil {
				return err
			}
			name := t.Name.Local
			if t.Name.Space != "" {
				name = t.Name.Space + ":" + name
			}
			if key := decodeName(name); key != "" && key != classKey {
				m.set(key, value)
			}
		case xml.EndElement:
			return nil
		}
	}
}

// readText returns the text of the element whose start d has just passed, and
// skips the elements inside it.
func readText(d *xml.Decoder) (string, error) {
	var b strings.Builder
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			if err := d.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return b.String(), nil
		}
	}
}

func (m *metadata) set(key, value string) {
	if *m == nil {
		*m = metadata{}
	}
	(*m)[key] = value
}
