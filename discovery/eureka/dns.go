package eureka

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// maxZones and maxHosts bound what DNS can make of a client.
const (
	maxZones = 50
	maxHosts = 500 // of all zones
)

// A DNS finds servers by TXT records, in the scheme of Netflix's clients: the
// record of txt.<region>.<domain> lists zones, each as <zone>.<domain>, and
// that of txt.<zone>.<domain> lists the host names of its servers, separated
// by spaces. For use with [WithServers]; the zones are those of [WithZone].
type DNS struct {
	// Domain is where the records are, such as "eureka.example.org".
	Domain string

	// Region is the name below which the zones are listed, such as
	// "eu-west-1".
	Region string

	// URL is what a server's URL is made of: its host is replaced by the name
	// found, and the port is kept, as are user and password. Empty means
	// "http://host:8761/eureka".
	URL string

	// LookupTXT asks for records. Nil means that of [net.DefaultResolver]; a
	// [net.Resolver] of your own has the same method.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
}

// Servers returns the servers found, by zone. A zone whose record cannot be
// read is left out if there are others.
func (d DNS) Servers(ctx context.Context) (map[string]string, error) {
	base, err := parseServer(cmp.Or(d.URL, "http://host:8761/eureka"))
	if err != nil {
		return nil, fmt.Errorf("eureka: DNS.URL %w", err)
	}
	zones, err := d.names(ctx, d.Region+"."+d.Domain)
	if err != nil {
		return nil, err
	}
	lists := make(map[string]string)
	left := maxHosts
	for _, name := range zones[:min(len(zones), maxZones)] {
		hosts, err2 := d.names(ctx, name)
		if err2 != nil {
			err = err2
			continue
		}
		zone, _, _ := strings.Cut(name, ".")
		hosts = hosts[:min(len(hosts), left)]
		left -= len(hosts)
		urls := make([]string, len(hosts))
		for i, host := range hosts {
			urls[i] = base.at(host)
		}
		if len(urls) > 0 {
			lists[zone] = strings.Join(urls, ",")
		}
	}
	if len(lists) == 0 {
		return nil, err // the last one; there is one
	}
	return lists, nil
}

// names returns what the record of txt.<name> lists. It lists something.
func (d DNS) names(ctx context.Context, name string) ([]string, error) {
	lookup := d.LookupTXT
	if lookup == nil {
		lookup = net.DefaultResolver.LookupTXT
	}
	records, err := lookup(ctx, "txt."+name)
	if err != nil {
		return nil, fmt.Errorf("eureka: DNS: %w", err)
	}
	var names []string
	for _, record := range records {
		for field := range strings.FieldsSeq(strings.ReplaceAll(record, `"`, " ")) {
			field = strings.TrimSuffix(field, ".")
			if !isHostName(field) {
				return nil, fmt.Errorf("eureka: DNS: txt.%s lists %q, which is no host name", name, field)
			}
			names = append(names, field)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("eureka: DNS: txt.%s lists nothing", name)
	}
	slices.Sort(names) // DNS answers in any order, which would look like a change
	return slices.Compact(names), nil
}

// at returns the URL of the server with another host, credentials included.
func (s *server) at(host string) string {
	u, err := url.Parse(s.base)
	if err != nil { // it has been parsed before
		return ""
	}
	if port := u.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	u.Host, u.User = host, s.user
	return u.String()
}

// isHostName reports whether s can stand for a host in a URL, and for nothing
// else.
func isHostName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}
