package eurekaserver_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
)

// A node is an element of XML.
type node struct {
	name     string
	attrs    map[string]string
	children []node
	text     string
}

// strictXML reports what the strictest reader would not take.
func strictXML(data []byte, compact bool) error {
	decoder := xml.NewDecoder(bytes.NewReader(data))
	document := node{}
	if err := document.read(decoder); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(document.children) != 1 || !bytes.HasPrefix(data, []byte("<"+document.children[0].name)) {
		return errors.New("not one element and nothing else")
	}
	root := document.children[0]
	var found []error
	fail := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	switch root.name {
	case "applications":
		xmlApplications(fail, root, compact)
	case "application":
		xmlApplication(fail, root, compact)
	case "instance":
		xmlInstance(fail, root, false)
	case "status", "com.netflix.eureka.util.StatusInfo": // a page of figures
	default:
		fail("unknown document %s", root.name)
	}
	return errors.Join(found...)
}

// read reads up to the end of an element.
func (n *node) read(decoder *xml.Decoder) error {
	for {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			child := node{name: token.Name.Local, attrs: make(map[string]string)}
			if token.Name.Space != "" {
				return fmt.Errorf("%s is in a namespace", token.Name.Local)
			}
			for _, a := range token.Attr {
				child.attrs[a.Name.Local] = a.Value
			}
			if err := child.read(decoder); err != nil {
				return err
			}
			n.children = append(n.children, child)
		case xml.EndElement:
			return nil
		case xml.CharData:
			n.text += string(token)
		default:
			return fmt.Errorf("%T", token)
		}
	}
}

// leaves returns the children of an element by name: those wanted and no
// others, each once. Of those that are repeated it returns none.
func (n node) leaves(fail failure, wanted []string, repeated string) map[string]node {
	found := make(map[string]node)
	for _, child := range n.children {
		if child.name == repeated {
			continue
		}
		if !slices.Contains(wanted, child.name) {
			fail("%s has an unknown element %s", n.name, child.name)
		}
		if _, ok := found[child.name]; ok {
			fail("%s has several elements %s", n.name, child.name)
		}
		found[child.name] = child
	}
	for _, name := range wanted {
		if _, ok := found[name]; !ok {
			fail("%s has no element %s", n.name, name)
		}
	}
	return found
}

func (n node) matches(fail failure, pattern *regexp.Regexp, attrs ...string) {
	if !pattern.MatchString(n.text) || len(n.children) > 0 {
		fail("%s is not like %s: %q", n.name, pattern, n.text)
	}
	for name := range n.attrs {
		if !slices.Contains(attrs, name) {
			fail("%s has an unknown attribute %s", n.name, name)
		}
	}
}

func xmlApplications(fail failure, root node, compact bool) {
	leaves := root.leaves(fail, []string{"versions__delta", "apps__hashcode"}, "application")
	leaves["versions__delta"].matches(fail, version)
	leaves["apps__hashcode"].matches(fail, hash)
	for _, app := range root.children {
		if app.name == "application" {
			xmlApplication(fail, app, compact)
		}
	}
}

func xmlApplication(fail failure, app node, compact bool) {
	app.leaves(fail, []string{"name"}, "instance")["name"].matches(fail, patterns[text])
	for _, in := range app.children {
		if in.name == "instance" {
			xmlInstance(fail, in, compact)
		}
	}
}

func xmlInstance(fail failure, in node, compact bool) {
	present := make(map[string]bool)
	for _, child := range in.children {
		present[child.name] = true
	}
	var wanted []string
	for _, m := range fields(compact) {
		if present[m.xml] || !m.optional {
			wanted = append(wanted, m.xml)
		}
	}
	leaves := in.leaves(fail, wanted, "")
	for _, m := range fields(compact) {
		child, ok := leaves[m.xml]
		if !ok {
			continue
		}
		switch m.kind {
		case port:
			child.matches(fail, digits, "enabled")
			if !trueFalse.MatchString(child.attrs["enabled"]) {
				fail("%s enabled=%q", m.xml, child.attrs["enabled"])
			}
		case leaseInfo:
			for _, leaf := range child.leaves(fail, leaseFields, "") {
				leaf.matches(fail, digits)
			}
		case dataCenter:
			if !classes.MatchString(child.attrs["class"]) {
				fail("%s class=%q", m.xml, child.attrs["class"])
			}
			child.leaves(fail, []string{"name"}, "metadata")["name"].matches(fail, patterns[text])
		case metadata:
			if class, ok := child.attrs["class"]; ok && (class != emptyMap || len(child.children) > 0) {
				fail("%s class=%q", m.xml, class)
			}
			for _, leaf := range child.children {
				leaf.matches(fail, regexp.MustCompile(``))
			}
		default:
			child.matches(fail, patterns[m.kind])
		}
	}
}
