package dns

import (
	"errors"
	"fmt"
	"strings"
)

var errNoPort = errors.New("dns: port 0: addresses of a name need the port at which the copies listen")

// maxName is how long a name may be without the dot at its end: 255 octets on
// the wire.
const maxName = 253

// A pattern makes names of services.
type pattern struct {
	text     string
	srv      bool  // for SRV records
	unusable error // nil if it can be used
}

func newPattern(text string, srv bool) pattern {
	p := pattern{text: strings.ToLower(text), srv: srv}
	trial := strings.ReplaceAll(p.text, "%s", "x")
	if err := checkName(trial); err != nil {
		p.unusable = fmt.Errorf("dns: pattern %q: %w", text, err)
	}
	return p
}

// name returns the absolute name of a service, with the dot at its end.
func (p pattern) name(service string) (string, error) {
	if p.unusable != nil {
		return "", p.unusable
	}
	if err := checkName(service); err != nil {
		return "", fmt.Errorf("dns: service %q: %w", service, err)
	}
	name := strings.ReplaceAll(p.text, "%s", strings.TrimSuffix(service, "."))
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("dns: service %q: name %q: %w", service, name, err)
	}
	return strings.TrimSuffix(name, ".") + ".", nil
}

// checkName reports what keeps a name from being one that hosts and services
// have: labels of 1 to 63 letters, digits, hyphens and underscores. DNS itself
// would allow any octets, but a name here comes from a URL, or goes into one.
func checkName(name string) error {
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxName {
		return fmt.Errorf("longer than %d characters", maxName)
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return errors.New("an empty label")
		case len(label) > 63:
			return fmt.Errorf("label %q is longer than 63 characters", label)
		case strings.ContainsFunc(label, notInNames):
			return fmt.Errorf("label %q has other characters than letters, digits, hyphens and underscores", label)
		}
	}
	return nil
}

func notInNames(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
