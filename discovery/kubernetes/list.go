package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
)

const (
	pageSlices = 100 // asked for in a page of a list
	maxPages   = 100
	maxSlices  = pageSlices * maxPages // of a service
)

// list reads all slices of a service, and the version from which on to watch
// for changes.
func (c *Client) list(ctx context.Context, n name) (map[string]*slice, string, error) {
	all := make(map[string]*slice)
	next := ""
	for range maxPages {
		p, err := c.listPage(ctx, n, next)
		if err != nil {
			return nil, "", err
		}
		for _, s := range p.Items {
			all[s.Metadata.Name] = &s
		}
		if len(all) > maxSlices {
			return nil, "", c.tooMany()
		}
		if next = p.Metadata.Continue; next == "" {
			return all, p.Metadata.ResourceVersion, nil
		}
	}
	return nil, "", fmt.Errorf("%s: the list goes on after %d pages and %d slices", c.access.server, maxPages, len(all))
}

func (c *Client) tooMany() error {
	return fmt.Errorf("%s: more than %d endpoint slices", c.access.server, maxSlices)
}

func (c *Client) listPage(ctx context.Context, n name, next string) (page, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listTimeout, fmt.Errorf("no whole answer within %v", listTimeout))
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(pageSlices)}}
	if next != "" {
		query.Set("continue", next)
	}
	resp, err := c.get(ctx, n, "list", query)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read, or its connection is given up
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPageBytes+1))
	if err == nil && len(text) > maxPageBytes {
		err = fmt.Errorf("answer is longer than %d bytes", maxPageBytes)
	}
	var p page
	if err == nil {
		p, err = parsePage(text)
	}
	if err != nil {
		return page{}, fmt.Errorf("%s: %w", c.access.server, cause(ctx, err))
	}
	return p, nil
}
