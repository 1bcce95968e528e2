package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery"
)

// choose returns the port that is wanted, by name or number; or, if none is
// wanted, the one named http, else the one named https, else the first. Ports that do
// not speak TCP, or have no number, do not count.
func choose(ports []port, wanted string) (port, bool) {
	best, rank := port{}, 4
	for _, p := range ports {
		if !p.usable() {
			continue
		}
		r := 3
		switch {
		case wanted != "":
			if p.Name != wanted && strconv.Itoa(int(*p.Port)) != wanted {
				continue
			}
		case p.Name == "http":
			r = 1
		case p.Name == "https":
			r = 2
		}
		if r < rank {
			best, rank = p, r
		}
	}
	return best, rank < 4
}

func (p port) usable() bool {
	return p.Port != nil && *p.Port > 0 && *p.Port <= 65535 && (p.Protocol == "" || p.Protocol == "TCP")
}

// scheme returns what the port speaks, or "" if it does not say.
func (p port) scheme() string {
	switch strings.ToLower(p.AppProtocol) {
	case "https", "kubernetes.io/wss":
		return "https"
	case "http", "kubernetes.io/h2c", "kubernetes.io/ws":
		return "http"
	case "":
		if p.Name == "https" || strings.HasPrefix(p.Name, "https-") {
			return "https"
		}
	}
	return ""
}

// maxPortsNamed bounds the ports that an error names.
const maxPortsNamed = 10

// noPort says that slices list endpoints, but none with the port that is
// wanted.
func noPort(of []*slice, wanted string) error {
	var names []string
	for _, s := range of {
		for _, p := range s.Ports {
			text := cmp.Or(p.Name, "unnamed")
			if p.Port != nil {
				text += " " + strconv.Itoa(int(*p.Port))
			}
			if p.Protocol != "" && p.Protocol != "TCP" {
				text += "/" + p.Protocol
			}
			names = append(names, text)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxPortsNamed {
		names = append(names[:maxPortsNamed], "more")
	}
	has := "its endpoint slices list none"
	if len(names) > 0 {
		has = fmt.Sprintf("its endpoint slices list %.400q", strings.Join(names, ", "))
	}
	if wanted == "" {
		return fmt.Errorf("no TCP port: %s: %w", has, discovery.ErrUnknownService)
	}
	return fmt.Errorf("no TCP port %q: %s: %w", wanted, has, discovery.ErrUnknownService)
}
