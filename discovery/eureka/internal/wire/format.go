package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
)

// A Format is a way of writing a document.
type Format int

// The formats. The compact ones leave out what a caller does not need, above
// all metadata and leases, and only exist for lists: an instance by itself is
// whole in any format. Readers take either form in either format.
const (
	JSON Format = iota
	XML
	CompactJSON
	CompactXML

	Formats // how many there are
)

// Compact returns the format that writes as f does, but reduced.
func (f Format) Compact() Format {
	switch f {
	case JSON:
		return CompactJSON
	case XML:
		return CompactXML
	}
	return f
}

// IsXML reports whether documents are XML, and not JSON.
func (f Format) IsXML() bool { return f == XML || f == CompactXML }

func (f Format) isCompact() bool { return f == CompactJSON || f == CompactXML }

// String returns the format's name.
func (f Format) String() string {
	switch f {
	case JSON:
		return "JSON"
	case XML:
		return "XML"
	case CompactJSON:
		return "compact JSON"
	case CompactXML:
		return "compact XML"
	}
	return fmt.Sprintf("Format(%d)", int(f))
}

// The names of the three kinds of documents.
const (
	rootApplications = "applications"
	rootApplication  = "application"
	rootInstance     = "instance"
)

// MarshalApplications writes a registry, or a part of one.
func MarshalApplications(a Applications, f Format) ([]byte, error) {
	if f.isCompact() {
		return marshal(rootApplications, writeApplications(a, writeCompact), f)
	}
	return marshal(rootApplications, writeApplications(a, writeInstance), f)
}

// MarshalApplication writes one application.
func MarshalApplication(a Application, f Format) ([]byte, error) {
	if f.isCompact() {
		return marshal(rootApplication, writeApplication(a, writeCompact), f)
	}
	return marshal(rootApplication, writeApplication(a, writeInstance), f)
}

// MarshalInstance writes one instance.
func MarshalInstance(in Instance, f Format) ([]byte, error) {
	return marshal(rootInstance, writeInstance(in), f)
}

// UnmarshalApplications reads a registry, or a part of one.
func UnmarshalApplications(data []byte, f Format) (Applications, error) {
	doc, err := unmarshal[applicationsIn](rootApplications, data, f)
	if err != nil {
		return Applications{}, err
	}
	return doc.read(), nil
}

// UnmarshalApplication reads one application.
func UnmarshalApplication(data []byte, f Format) (Application, error) {
	doc, err := unmarshal[applicationIn](rootApplication, data, f)
	if err != nil {
		return Application{}, err
	}
	return doc.read(), nil
}

// UnmarshalInstance reads one instance.
func UnmarshalInstance(data []byte, f Format) (Instance, error) {
	doc, err := unmarshal[instanceIn](rootInstance, data, f)
	if err != nil {
		return Instance{}, err
	}
	return doc.read()
}

func marshal(root string, doc any, f Format) ([]byte, error) {
	var b bytes.Buffer
	switch f {
	case JSON, CompactJSON:
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{root: doc}); err != nil {
			return nil, fmt.Errorf("wire: write %s as JSON: %s", root, err.Error())
		}
		return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
	case XML, CompactXML:
		start := xml.StartElement{Name: xml.Name{Local: root}}
		if err := xml.NewEncoder(&b).EncodeElement(doc, start); err != nil {
			return nil, fmt.Errorf("wire: write %s as XML: %s", root, err.Error())
		}
		return b.Bytes(), nil
	}
	return nil, fmt.Errorf("wire: write %s: unknown format %v", root, f)
}

func unmarshal[T any](root string, data []byte, f Format) (*T, error) {
	switch f {
	case JSON, CompactJSON:
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(data, &doc); err != nil {
			return nil, jsonError(root, err)
		}
		body, ok := doc[root]
		if !ok {
			return nil, fmt.Errorf("wire: read %s: no member of that name at the root", root)
		}
		if string(body) == "null" {
			return nil, fmt.Errorf("wire: read %s: null", root)
		}
		v := new(T)
		if err := json.Unmarshal(body, v); err != nil {
			return nil, jsonError(root, err)
		}
		return v, nil
	case XML, CompactXML:
		v := new(T)
		d := xml.NewDecoder(bytes.NewReader(data))
		start, err := rootElement(d)
		if err != nil {
			return nil, xmlError(root, d, err)
		}
		if start.Name.Local != root {
			return nil, fmt.Errorf("wire: read %s: the root is %.40q", root, start.Name.Local)
		}
		if err := d.DecodeElement(v, &start); err != nil {
			return nil, xmlError(root, d, err)
		}
		return v, nil
	}
	return nil, fmt.Errorf("wire: read %s: unknown format %v", root, f)
}

func rootElement(d *xml.Decoder) (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return start, nil
		}
	}
}

func jsonError(root string, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("wire: read %s: unexpected %s", root, wrong.Value)
		}
		return fmt.Errorf("wire: read %s: %s: unexpected %s", root, wrong.Field, wrong.Value)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("wire: read %s: byte %d: %s", root, syntax.Offset, syntax.Error())
	}
	return fmt.Errorf("wire: read %s: %s", root, err.Error())
}

func xmlError(root string, d *xml.Decoder, err error) error {
	return fmt.Errorf("wire: read %s: byte %d: %s", root, d.InputOffset(), err.Error())
}
