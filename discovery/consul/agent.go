package consul

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// An agent is where requests go: a Consul agent or server.
type agent struct {
	base string // URL without a trailing slash
}

// String returns the agent's URL.
func (a *agent) String() string { return a.base }

// parseAgents reads a comma-separated list of URLs.
func parseAgents(list string) ([]*agent, error) {
	var agents []*agent
	for raw := range strings.SplitSeq(list, ",") {
		raw = strings.TrimSpace(raw)
		if raw == "" {
			continue
		}
		u, err := url.Parse(raw)
		switch {
		case err != nil:
			return nil, fmt.Errorf("consul: %q is not a URL", raw)
		case u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("consul: URL %q begins with neither http:// nor https://", u.Redacted())
		case u.Hostname() == "":
			return nil, fmt.Errorf("consul: URL %q has no host", u.Redacted())
		case u.User != nil:
			return nil, fmt.Errorf("consul: URL %q has credentials; use WithToken", u.Scheme+"://"+u.Host)
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return nil, fmt.Errorf("consul: URL %q has a query or a fragment", u.Scheme+"://"+u.Host)
		}
		agents = append(agents, &agent{base: u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")})
	}
	if len(agents) == 0 {
		return nil, errors.New("consul: no URL")
	}
	return agents, nil
}
