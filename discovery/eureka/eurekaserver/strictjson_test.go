package eurekaserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// strictJSON reports what the strictest reader would not take.
func strictJSON(data []byte, compact bool) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var doc map[string]any
	if err := decoder.Decode(&doc); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	var found []error
	fail := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	for root, value := range doc {
		switch root {
		case "applications":
			jsonApplications(fail, value, compact)
		case "application":
			jsonApplication(fail, value, compact)
		case "instance":
			jsonInstance(fail, "instance", value, false)
		case "responseList":
			jsonResults(fail, value)
		case "generalStats", "applicationStats", "instanceInfo", "isHeathly": // a page of figures
		default:
			fail("unknown document %s", root)
		}
	}
	return errors.Join(found...)
}

type failure func(format string, args ...any)

// object returns a value as one with exactly the members wanted.
func object(fail failure, at string, value any, wanted ...string) map[string]any {
	in, ok := value.(map[string]any)
	if !ok {
		fail("%s is no object: %v", at, value)
	}
	for name := range in {
		if !slices.Contains(wanted, name) {
			fail("%s has an unknown member %s", at, name)
		}
	}
	for _, name := range wanted {
		if _, ok := in[name]; !ok {
			fail("%s has no member %s", at, name)
		}
	}
	return in
}

func array(fail failure, at string, value any) []any {
	elements, ok := value.([]any)
	if !ok {
		fail("%s is no array: %v", at, value)
	}
	return elements
}

func str(fail failure, at string, value any, pattern *regexp.Regexp) {
	if s, ok := value.(string); !ok || !pattern.MatchString(s) {
		fail("%s is no string like %s: %#v", at, pattern, value)
	}
}

func num(fail failure, at string, value any) {
	if n, ok := value.(json.Number); !ok || !digits.MatchString(n.String()) {
		fail("%s is no number: %#v", at, value)
	}
}

func jsonApplications(fail failure, value any, compact bool) {
	doc := object(fail, "applications", value, "versions__delta", "apps__hashcode", "application")
	str(fail, "versions__delta", doc["versions__delta"], version)
	str(fail, "apps__hashcode", doc["apps__hashcode"], hash)
	for _, app := range array(fail, "applications.application", doc["application"]) {
		jsonApplication(fail, app, compact)
	}
}

// jsonResults: what a peer is told about each item that it sent.
func jsonResults(fail failure, value any) {
	for i, result := range array(fail, "responseList", value) {
		at := fmt.Sprintf("responseList[%d]", i)
		wanted := []string{"statusCode"}
		in, _ := result.(map[string]any)
		if entity, ok := in["responseEntity"]; ok {
			wanted = append(wanted, "responseEntity")
			jsonInstance(fail, at+".responseEntity", entity, false)
		}
		object(fail, at, result, wanted...)
		num(fail, at+".statusCode", in["statusCode"])
	}
}

func jsonApplication(fail failure, value any, compact bool) {
	app := object(fail, "application", value, "name", "instance")
	str(fail, "application.name", app["name"], patterns[text])
	for _, in := range array(fail, "application.instance", app["instance"]) {
		jsonInstance(fail, fmt.Sprintf("instance of %v", app["name"]), in, compact)
	}
}

func jsonInstance(fail failure, at string, value any, compact bool) {
	in, ok := value.(map[string]any)
	if !ok {
		fail("%s is no object", at)
		return
	}
	var wanted []string
	for _, m := range fields(compact) {
		if _, ok := in[m.json]; ok || !m.optional {
			wanted = append(wanted, m.json)
		}
	}
	object(fail, at, in, wanted...)
	for _, m := range fields(compact) {
		v, ok := in[m.json]
		if !ok {
			continue
		}
		at := at + "." + m.json
		switch m.kind {
		case number:
			num(fail, at, v)
		case port:
			p := object(fail, at, v, "$", "@enabled")
			num(fail, at+".$", p["$"])
			str(fail, at+".@enabled", p["@enabled"], trueFalse)
		case leaseInfo:
			l := object(fail, at, v, leaseFields...)
			for _, name := range leaseFields {
				num(fail, at+"."+name, l[name])
			}
		case dataCenter:
			jsonDataCenter(fail, at, v)
		case metadata:
			jsonMetadata(fail, at, v)
		default:
			str(fail, at, v, patterns[m.kind])
		}
	}
}

func jsonDataCenter(fail failure, at string, value any) {
	wanted := []string{"@class", "name"}
	in, _ := value.(map[string]any)
	if in["name"] == "Amazon" {
		wanted = append(wanted, "metadata")
		jsonMetadata(fail, at+".metadata", in["metadata"])
	}
	object(fail, at, value, wanted...)
	str(fail, at+".@class", in["@class"], classes)
	str(fail, at+".name", in["name"], regexp.MustCompile(`^(Netflix|Amazon|MyOwn)$`))
	if class, _ := in["@class"].(string); strings.HasSuffix(class, "AmazonInfo") != (in["name"] == "Amazon") {
		fail("%s: %v has the class %s", at, in["name"], class)
	}
}

func jsonMetadata(fail failure, at string, value any) {
	entries, ok := value.(map[string]any)
	if !ok {
		fail("%s is no object: %#v", at, value)
	}
	for name, v := range entries {
		if _, ok := v.(string); !ok || name == "@class" && (v != emptyMap || len(entries) > 1) {
			fail("%s.%s is %#v", at, name, v)
		}
	}
}
