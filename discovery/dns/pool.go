package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/namesake-go/namesake/discovery"
)

// A pool is the servers to ask, and which of them was the last good one.
type pool struct {
	unusable error // why the servers of the options cannot be used
	conf     *resolvConf
	log      *slog.Logger

	mu      sync.Mutex // guards the rest
	servers []string
	good    int // index of the server to begin with
}

// newPool returns a pool of the servers or, if there are none, of those that a
// file names.
func newPool(servers []string, file string, log *slog.Logger) *pool {
	p := &pool{log: log}
	if len(servers) == 0 {
		p.conf = &resolvConf{path: file}
		return p
	}
	p.servers, p.unusable = parseServers(servers)
	return p
}

func parseServers(servers []string) ([]string, error) {
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addr, err := withPort(s)
		if err != nil {
			return nil, err
		}
		addrs[i] = addr
	}
	return addrs, nil
}

// withPort returns the host:port of a server.
func withPort(server string) (string, error) {
	addr := server
	if _, err := netip.ParseAddr(server); err == nil || !strings.Contains(server, ":") {
		addr = net.JoinHostPort(server, "53")
	}
	if err := (discovery.Instance{Addr: addr}).Validate(); err != nil {
		return "", fmt.Errorf("dns: server %q is no address such as 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:5353", server)
	}
	return addr, nil
}

// order returns the servers in the order in which to ask them.
func (p *pool) order(ctx context.Context) ([]string, error) {
	if p.conf != nil {
		servers, changed, err := p.conf.servers()
		if err != nil {
			return nil, err
		}
		if changed {
			p.log.InfoContext(ctx, "dns: servers", "file", p.conf.path, "servers", servers)
			p.replace(servers)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.servers[p.good:], p.servers[:p.good]), nil
}

func (p *pool) replace(servers []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.servers, p.good = servers, 0
}

// answered makes a server the first to ask from now on.
func (p *pool) answered(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.servers, server); i >= 0 { // not replaced meanwhile
		p.good = i
	}
}

// ask asks one server after the other, until one answers. Those that said
// nothing are asked once more, since datagrams and connections get lost.
func (c *Client) ask(ctx context.Context, q question) (*response, error) {
	servers, err := c.servers.order(ctx)
	if err != nil {
		return nil, err
	}
	failures := make([]error, len(servers))
	for round := range 2 {
		for i, server := range servers {
			if round > 0 && !errors.Is(failures[i], errSilence) {
				continue
			}
			r, err := c.exchange(ctx, server, q)
			if err == nil {
				c.servers.answered(server)
				c.report(ctx, q, servers, failures)
				return r, nil
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", q, context.Cause(ctx))
			}
			failures[i] = err
		}
	}
	return nil, fmt.Errorf("%s: %s", q, describe(servers, failures))
}

// report logs which servers failed before another answered.
func (c *Client) report(ctx context.Context, q question, servers []string, failures []error) {
	if text := describe(servers, failures); text != "" {
		c.log.WarnContext(ctx, "dns: another server answered", "question", q.String(), "failed", text)
	}
}

func describe(servers []string, failures []error) string {
	var parts []string
	for i, err := range failures {
		if err != nil {
			parts = append(parts, fmt.Sprintf("server %s: %v", servers[i], err))
		}
	}
	return strings.Join(parts, "; ")
}
