package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
)

// A list that changes one instance at a time need not be written anew each
// time: its instances are marshaled one by one and kept, and put together
// here. What comes out is what [MarshalApplications] writes, byte by byte.

// A Part is an application whose instances have been written by
// [MarshalElement].
type Part struct {
	Name      string
	Instances [][]byte
}

// MarshalElement writes an instance as lists hold it.
func MarshalElement(in Instance, f Format) ([]byte, error) {
	var doc any = writeInstance(in)
	if f.isCompact() {
		doc = writeCompact(in)
	}
	var b bytes.Buffer
	switch f {
	case JSON, CompactJSON:
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(doc); err != nil {
			return nil, fmt.Errorf("wire: write %s as JSON: %s", rootInstance, err.Error())
		}
		return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
	case XML, CompactXML:
		start := xml.StartElement{Name: xml.Name{Local: rootInstance}}
		if err := xml.NewEncoder(&b).EncodeElement(doc, start); err != nil {
			return nil, fmt.Errorf("wire: write %s as XML: %s", rootInstance, err.Error())
		}
		return bytes.Clone(b.Bytes()), nil
	}
	return nil, fmt.Errorf("wire: write %s: unknown format %v", rootInstance, f)
}

var comma = []byte(",")

// JoinApplications puts together a registry, or a part of one. It calls write
// with one piece after the other.
func JoinApplications(version, hash string, parts []Part, f Format, write func([]byte)) {
	if f.IsXML() {
		write([]byte("<applications><versions__delta>" + escapeXML(version) +
			"</versions__delta><apps__hashcode>" + escapeXML(hash) + "</apps__hashcode>"))
		for _, p := range parts {
			joinXML(p, write)
		}
		write([]byte("</applications>"))
		return
	}
	write([]byte(`{"applications":{"versions__delta":` + quoteJSON(version) +
		`,"apps__hashcode":` + quoteJSON(hash) + `,"application":[`))
	for i, p := range parts {
		if i > 0 {
			write(comma)
		}
		joinJSON(p, write)
	}
	write([]byte("]}}"))
}

// JoinApplication puts together one application, as [MarshalApplication] does.
func JoinApplication(p Part, f Format, write func([]byte)) {
	if f.IsXML() {
		joinXML(p, write)
		return
	}
	write([]byte(`{"application":`))
	joinJSON(p, write)
	write([]byte("}"))
}

func joinXML(p Part, write func([]byte)) {
	write([]byte("<application><name>" + escapeXML(p.Name) + "</name>"))
	for _, in := range p.Instances {
		write(in)
	}
	write([]byte("</application>"))
}

func joinJSON(p Part, write func([]byte)) {
	write([]byte(`{"name":` + quoteJSON(p.Name) + `,"instance":[`))
	for i, in := range p.Instances {
		if i > 0 {
			write(comma)
		}
		write(in)
	}
	write([]byte("]}"))
}

func escapeXML(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes everything
	return b.String()
}

func quoteJSON(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
