package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
)

func TestParse(t *testing.T) {
	const text = `{
	"orders": [
		{"addr": "[2001:db8::7]:8080", "id": "orders-1", "scheme": "https", "zone": "eu-1a",
		 "weight": 4294967295, "priority": 1, "metadata": {"version": "1.4", "": "\u00fc"}},
		{"addr": "b.example:80"}, "c.example:80"
	],
	"billing": []
}
`
	got, err := parseJSON("a.json", []byte(text))
	require.NoError(t, err)
	assert.Equal(t, services{
		"orders": {
			{discovery.Instance{
				Addr: "[2001:db8::7]:8080", ID: "orders-1", Scheme: "https", Zone: "eu-1a", Weight: 4294967295, Priority: 1,
				Metadata: map[string]string{"version": "1.4", "": "ü"},
			}, place{"a.json", 3, 3}},
			{discovery.Instance{Addr: "b.example:80"}, place{"a.json", 5, 3}},
			{discovery.Instance{Addr: "c.example:80"}, place{"a.json", 5, 29}},
		},
		"billing": {},
	}, got)
	got, err = parseJSON("a.json", []byte("{}"))
	require.NoError(t, err)
	assert.Equal(t, services{}, got)
}

func TestParseFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "1:1: the file is empty",
		" \n\t\n":                          "1:1: the file is empty",
		"{":                                "1:2: the file ends in the middle",
		`{"orders": ["a:1"]` + "\n":        "2:1: the file ends in the middle",
		`{"orders": ["a:`:                  "1:16: the file ends in the middle",
		"[]":                               "1:1: want an object with a list for each service, got a list",
		"null":                             "1:1: want an object with a list for each service, got null",
		`"orders"`:                         `1:1: want an object with a list for each service, got "orders"`,
		"{} {}":                            "1:4: something follows the object",
		"{}\x00":                           "1:3: something follows the object",
		"\xef\xbb\xbf{}":                   "1:1: invalid character 'ï' looking for beginning of value",
		"{\"ü\xff\": []}":                  "1:4: not UTF-8",
		`{"": []}`:                         "1:2: a service without a name",
		"{\"a\": [],\n\"a\": []}":          `2:1: the member "a" is there twice`,
		`{"a": {}}`:                        "1:7: want a list of instances, got an object",
		`{"a": null}`:                      "1:7: want a list of instances, got null",
		`{"a": [],}`:                       "1:10: invalid character '}'",
		`{"a": [] "b": []}`:                "1:10: invalid character '\"' after object key:value pair",
		`{"a": ["a:1",]}`:                  "1:14: invalid character ']' looking for beginning of value",
		`{"a": [7]}`:                       "1:8: want an instance or its address, got 7",
		`{"a": [[]]}`:                      "1:8: want an instance or its address, got a list",
		`{"a": [null]}`:                    "1:8: want an instance or its address, got null",
		`{"a": [{"adr": "a:1"}]}`:          `1:9: unknown member "adr"`,
		`{"a": [{"Addr": "a:1"}]}`:         `1:9: unknown member "Addr"`,
		`{"a": [{"addr": 1}]}`:             "1:17: want a string, got 1",
		`{"a": [{"addr" "a:1"}]}`:          "1:16: invalid character '\"' after object key",
		`{"a": [{"zone": true}]}`:          "1:17: want a string, got true",
		`{"a": [{"id": "x", "id": "x"}]}`:  `1:20: the member "id" is there twice`,
		`{"a": [{"weight": "1"}]}`:         `1:19: want a number, got "1"`,
		`{"a": [{"weight": -1}]}`:          "1:19: -1 is not a whole number from 0 to 4294967295",
		`{"a": [{"weight": 1.5}]}`:         "1:19: 1.5 is not a whole number from 0 to 4294967295",
		`{"a": [{"priority": 1e3}]}`:       "1:21: 1e3 is not a whole number from 0 to 4294967295",
		`{"a": [{"weight": 4294967296}]}`:  "1:19: 4294967296 is not a whole number from 0 to 4294967295",
		`{"a": [{"metadata": "x"}]}`:       `1:21: want an object of strings, got "x"`,
		`{"a": [{"metadata": {"x": 1}}]}`:  "1:27: want a string, got 1",
		`{"a": [{"metadata": {"x": {}}}]}`: "1:27: want a string, got an object",
		"{\n\n \"ü\": [\"a\n\"]}":          "3:8: invalid character '\\n' in string literal",
		"{ // no comments\n}":              "1:3: invalid character '/'",
	} {
		got, err := parseJSON("a.json", []byte(text))
		assert.Nil(t, got, text)
		assert.ErrorContains(t, err, "a.json:"+want, text)
	}
}

// What a file says does not fill the log.
func TestFaultsAreShort(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for _, format := range []string{`%q`, `{"a": [{%q: 1}]}`, `{"a": [{"weight": %q}]}`, `{%q: [], %[1]q: []}`} {
		_, err := parseJSON("a.json", fmt.Appendf(nil, format, long))
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 200)
	}
	_, err := parseJSON("a.json", []byte(`{"a": [{"weight": 1`+strings.Repeat("0", 1<<16)+`}]}`))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 200)
}

// FuzzJSON checks that what is accepted is valid JSON and says the same when it
// is written and read again, and that what is not has an error with a place in
// the file.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"orders": [{"addr": "a:1", "id": "x", "scheme": "https", "zone": "z", "weight": 2, "priority": 1, "metadata": {"k": "v"}}, "b:2"]}`,
		`{"orders": []}`, `{`, `{"a": [{"adr": ""}]}`, "{\"a\":\n[\"\xff\"]}", `{"a": [1e9]}`, "[[[[", "{} {}", `{"a": ["\ud800"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := parseJSON("a.json", content)
		if err != nil {
			assert.Nil(t, got)
			var line, column int
			_, scanErr := fmt.Sscanf(err.Error(), "a.json:%d:%d: ", &line, &column)
			require.NoError(t, scanErr, err.Error())
			lines := strings.Split(string(content), "\n")
			require.LessOrEqual(t, line, len(lines))
			require.LessOrEqual(t, column, utf8.RuneCountInString(lines[line-1])+1)
			return
		}
		require.True(t, json.Valid(content))
		require.NotNil(t, got)
		written, err := json.Marshal(plain(got))
		require.NoError(t, err)
		again, err := parseJSON("a.json", written)
		require.NoError(t, err)
		require.Equal(t, plain(got), plain(again))

		c := catalog{docs: []*document{{services: got}}}
		for service := range got {
			if a := c.answer(service); a.known {
				clean, err := discovery.CleanSet(a.set)
				require.NoError(t, err)
				require.Len(t, clean, len(a.set))
			} else {
				require.Error(t, a.err)
				require.False(t, errors.Is(a.err, discovery.ErrUnknownService))
			}
		}
	})
}

// plain returns services as encoding/json writes them.
func plain(all services) map[string][]map[string]any {
	out := make(map[string][]map[string]any)
	for service, list := range all {
		out[service] = []map[string]any{}
		for _, l := range list {
			out[service] = append(out[service], map[string]any{
				"addr": l.Addr, "id": l.ID, "scheme": l.Scheme, "zone": l.Zone,
				"weight": l.Weight, "priority": l.Priority, "metadata": orEmpty(l.Metadata),
			})
		}
	}
	return out
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
