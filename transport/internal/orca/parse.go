package orca

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Parse reads a header's value: text or JSON with its prefix, or the list that
// older servers send without one. Whatever is wrong, all of it is refused.
func Parse(value string) (Report, error) {
	if len(value) > MaxLength {
		return Report{}, errTooLong
	}
	var b builder
	var err error
	switch format, rest, found := strings.Cut(value, " "); {
	case found && format+" " == textPrefix:
		err = b.text(rest)
	case found && format+" " == jsonPrefix:
		err = b.json(rest)
	case found && !strings.ContainsAny(format, ",:="):
		err = errFormat
	default:
		err = b.text(value)
	}
	if err != nil {
		return Report{}, err
	}
	return b.Report, nil
}

// text reads a list such as "cpu_utilization=0.3, named_metrics.rif=7".
func (b *builder) text(list string) error {
	for pair := range strings.SplitSeq(list, ",") {
		i := strings.IndexAny(pair, "=:")
		if i < 0 {
			return errSyntax
		}
		name, text := strings.TrimSpace(pair[:i]), strings.TrimSpace(pair[i+1:])
		value, err := parseNumber(text)
		if err != nil {
			return err
		}
		if own, ok := strings.CutPrefix(name, namedPrefix); ok {
			err = b.putNamed(own, value)
		} else {
			err = b.put(name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseNumber reads what JSON has for a number, too: no hexadecimal, no
// underscores. Infinities and NaN are refused later.
func parseNumber(text string) (float64, error) {
	if strings.ContainsAny(text, "xX_") {
		return 0, errNumber
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errNumber
	}
	return value, nil
}

// json reads an object. Names may be in lower camel case as well, as protocol
// buffers have it.
func (b *builder) json(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := object(d, func(name string) error {
		switch name {
		case "named_metrics", "namedMetrics":
			return object(d, func(name string) error {
				value, err := jsonNumber(d)
				if err != nil {
					return err
				}
				return b.putNamed(name, value)
			})
		case "applicationUtilization":
			name = nameApplication
		case "cpuUtilization":
			name = nameCPU
		case "memUtilization":
			name = nameMemory
		case "rpsFractional":
			name = nameRate
		}
		value, err := jsonNumber(d)
		if err != nil {
			return err
		}
		return b.put(name, value)
	})
	if err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errSyntax
	}
	return nil
}

// object reads an object of which f reads the values.
func object(d *json.Decoder, f func(name string) error) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errSyntax
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return errSyntax
		}
		if err := f(name); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errSyntax
	}
	return nil
}

func jsonNumber(d *json.Decoder) (float64, error) {
	t, err := d.Token()
	if err != nil {
		return 0, errSyntax
	}
	n, ok := t.(json.Number)
	if !ok {
		return 0, errNumber
	}
	return parseNumber(n.String())
}
