package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// access says who may do what, or nothing if everybody may do everything.
func (c *config) access() ([]eurekaserver.Option, error) {
	var all []eurekaserver.Authenticator
	if c.users != "" {
		entries, err := readEntries(c.users, true)
		if err != nil {
			return nil, err
		}
		users := make([]eurekaserver.User, len(entries))
		for i, e := range entries {
			users[i] = eurekaserver.User{Caller: e.Caller, Password: e.secret}
		}
		all = append(all, eurekaserver.BasicAuth(users...))
	}
	if c.tokens != "" {
		entries, err := readEntries(c.tokens, true)
		if err != nil {
			return nil, err
		}
		tokens := make([]eurekaserver.Token, len(entries))
		for i, e := range entries {
			tokens[i] = eurekaserver.Token{Caller: e.Caller, Token: e.secret}
		}
		all = append(all, eurekaserver.BearerTokens(tokens...))
	}
	if c.callers != "" {
		entries, err := readEntries(c.callers, false)
		if err != nil {
			return nil, err
		}
		callers := make([]eurekaserver.Caller, len(entries))
		for i, e := range entries {
			callers[i] = e.Caller
		}
		all = append(all, eurekaserver.ClientCertificates(callers...))
	}
	if len(all) == 0 && !c.readOpen {
		return nil, nil
	}
	if c.readOpen {
		all = append(all, eurekaserver.Anyone(eurekaserver.Read))
	}
	return []eurekaserver.Option{eurekaserver.WithAccess(all...)}, nil
}

// An entry is a line of a file.
type entry struct {
	eurekaserver.Caller
	secret string
}

// readEntries reads a file: see the comment of the program. Errors name the
// line and show nothing of it, as it may hold a secret.
func readEntries(path string, secrets bool) (entries []entry, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	defer func() { _ = file.Close() }() // it has only been read
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		e, problem := parseEntry(fields, secrets)
		if problem != "" {
			return nil, fmt.Errorf("registry: %s, line %d: %s", path, n, problem)
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("registry: %s: %w", path, err)
	}
	return entries, nil
}

var grants = map[string]eurekaserver.Grant{
	"read": eurekaserver.Read, "write": eurekaserver.Write, "operate": eurekaserver.Operate,
	"peer": eurekaserver.Peer, "all": eurekaserver.All,
}

func parseEntry(fields []string, secrets bool) (e entry, problem string) {
	columns := "name, grants and applications"
	if secrets {
		columns = "name, secret, grants and applications"
	}
	e.Name, fields = fields[0], fields[1:]
	if secrets && len(fields) > 0 {
		e.secret, fields = fields[0], fields[1:]
	}
	if len(fields) == 0 || len(fields) > 2 {
		return entry{}, "want " + columns + ", of which the last may be missing"
	}
	for word := range strings.SplitSeq(fields[0], ",") {
		g, ok := grants[word]
		if !ok {
			return entry{}, "a grant is none of read, write, operate, peer and all"
		}
		e.Grant |= g
	}
	if len(fields) == 2 {
		e.Apps = strings.Split(fields[1], ",")
	}
	return e, ""
}
