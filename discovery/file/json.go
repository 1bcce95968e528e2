package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// parseJSON reads the built-in format.
func parseJSON(path string, content []byte) (services, error) {
	p := &parser{path: path, content: content, tokens: json.NewDecoder(bytes.NewReader(content))}
	p.tokens.UseNumber()
	if !utf8.Valid(content) {
		return nil, p.fault(validUTF8(content), "not UTF-8")
	}
	return p.document()
}

// validUTF8 returns how many bytes at the beginning are valid.
func validUTF8(content []byte) int {
	at := 0
	for at < len(content) {
		r, size := utf8.DecodeRune(content[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// A parser reads a file token by token, so as to know where it is, to notice
// what is there twice, and to go no deeper than the format does.
type parser struct {
	path    string
	content []byte
	tokens  *json.Decoder
	at      int // where the last token begins

	counted, line, column int // of the last place asked for, from 0
}

func (p *parser) document() (services, error) {
	all := make(services)
	err := p.object("an object with a list for each service", func(service string) error {
		if service == "" {
			return p.fault(p.at, "a service without a name")
		}
		list, err := p.list()
		all[service] = list
		return err
	})
	if err != nil {
		return nil, err
	}
	end := p.skip(" \t\r\n")
	if _, err := p.tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, p.fault(end, "something follows the object")
	}
	return all, nil
}

func (p *parser) list() ([]listing, error) {
	if err := p.delim('[', "a list of instances"); err != nil {
		return nil, err
	}
	list := []listing{}
	for p.tokens.More() {
		l, err := p.listing()
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	_, err := p.next()
	return list, err
}

func (p *parser) listing() (l listing, err error) {
	token, err := p.next()
	if err != nil {
		return l, err
	}
	l.place = p.place(p.at)
	switch token := token.(type) {
	case string:
		l.Addr = token
		return l, nil
	case json.Delim:
		if token == '{' {
			return l, p.members(func(name string) error { return p.fact(&l, name) })
		}
	}
	return l, p.fault(p.at, "want an instance or its address, got %s", describe(token))
}

// fact reads the value of one member of an instance.
func (p *parser) fact(l *listing, name string) (err error) {
	switch name {
	case "addr":
		l.Addr, err = p.text()
	case "id":
		l.ID, err = p.text()
	case "scheme":
		l.Scheme, err = p.text()
	case "zone":
		l.Zone, err = p.text()
	case "weight":
		l.Weight, err = p.number()
	case "priority":
		l.Priority, err = p.number()
	case "metadata":
		l.Metadata = make(map[string]string)
		return p.object("an object of strings", func(name string) error {
			l.Metadata[name], err = p.text()
			return err
		})
	default:
		return p.fault(p.at, "unknown member %q", shorten(name))
	}
	return err
}

func (p *parser) text() (string, error) {
	token, err := p.next()
	if err != nil {
		return "", err
	}
	text, ok := token.(string)
	if !ok {
		return "", p.fault(p.at, "want a string, got %s", describe(token))
	}
	return text, nil
}

func (p *parser) number() (uint32, error) {
	token, err := p.next()
	if err != nil {
		return 0, err
	}
	number, ok := token.(json.Number)
	if !ok {
		return 0, p.fault(p.at, "want a number, got %s", describe(token))
	}
	n, err := strconv.ParseUint(number.String(), 10, 32)
	if err != nil {
		return 0, p.fault(p.at, "%s is not a whole number from 0 to 4294967295", shorten(number.String()))
	}
	return uint32(n), nil
}

// object reads an object.
func (p *parser) object(what string, member func(name string) error) error {
	if err := p.delim('{', what); err != nil {
		return err
	}
	return p.members(member)
}

// members reads the rest of an object. The function reads the value of one.
func (p *parser) members(member func(name string) error) error {
	seen := make(map[string]bool)
	for p.tokens.More() {
		name, err := p.text()
		if err != nil {
			return err
		}
		if seen[name] {
			return p.fault(p.at, "the member %q is there twice", shorten(name))
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := p.next()
	return err
}

func (p *parser) delim(want json.Delim, what string) error {
	token, err := p.next()
	if err != nil {
		return err
	}
	if token != want {
		return p.fault(p.at, "want %s, got %s", what, describe(token))
	}
	return nil
}

func (p *parser) next() (json.Token, error) {
	p.at = p.skip(" \t\r\n,:")
	token, err := p.tokens.Token()
	switch {
	case err == nil:
		return token, nil
	case errors.Is(err, io.EOF) && len(bytes.TrimSpace(p.content)) == 0:
		return nil, p.fault(0, "the file is empty")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, p.fault(len(p.content), "the file ends in the middle")
	default:
		return nil, p.fault(p.skip(" \t\r\n"), "%w", err)
	}
}

// skip returns the offset of the next byte that is none of these.
func (p *parser) skip(these string) int {
	at := int(p.tokens.InputOffset())
	return len(p.content) - len(bytes.TrimLeft(p.content[at:], these))
}

func (p *parser) fault(at int, format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{p.place(at)}, args...)...)
}

// place returns where an offset is. It counts on from the last one asked for,
// so that all together cost no more than one pass.
func (p *parser) place(at int) place {
	if at < p.counted {
		p.counted, p.line, p.column = 0, 0, 0
	}
	between := p.content[p.counted:at]
	if lines := bytes.Count(between, []byte("\n")); lines > 0 {
		p.line += lines
		p.column = 0
		between = between[bytes.LastIndexByte(between, '\n')+1:]
	}
	p.column += utf8.RuneCount(between)
	p.counted = at
	return place{p.path, p.line + 1, p.column + 1}
}

func describe(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return "a list"
		}
		return "an object"
	case string:
		return strconv.Quote(shorten(token))
	case nil:
		return "null"
	default:
		return shorten(fmt.Sprint(token))
	}
}

// shorten keeps what a file says from filling an error.
func shorten(text string) string {
	const enough = 60
	if utf8.RuneCountInString(text) <= enough {
		return text
	}
	return string([]rune(text)[:enough]) + "..."
}
