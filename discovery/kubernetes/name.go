package kubernetes

import (
	"fmt"
	"strings"

	"github.com/namesake-go/namesake/discovery"
)

// A name tells a Service from all others of a cluster.
type name struct{ namespace, service string }

func (n name) String() string { return n.namespace + "/" + n.service }

// parseName takes a service's name apart: service, service.namespace, or the
// longer forms that the cluster's DNS has; and a port behind a colon. What it
// does not say is "".
func parseName(text string) (n name, port string, err error) {
	host, port, hasPort := strings.Cut(text, ":")
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch {
	case len(labels) > 2 && labels[2] != "svc":
		return n, "", nameError(text, "is neither service nor service.namespace")
	case hasPort && !isLabel(port):
		return n, "", nameError(text, "has no port behind its colon")
	}
	n.service = labels[0]
	if len(labels) > 1 {
		n.namespace = labels[1]
		if !isLabel(n.namespace) {
			return n, "", nameError(text, "has an invalid namespace")
		}
	}
	if !isLabel(n.service) {
		return n, "", nameError(text, "has an invalid service")
	}
	return n, port, nil
}

// nameError says that there can be no such service.
func nameError(text, why string) error {
	return fmt.Errorf("kubernetes: name %q %s: %w", text, why, discovery.ErrUnknownService)
}

// isLabel reports whether s may be the name of a Service, a namespace or a port
// (RFC 1123).
func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
