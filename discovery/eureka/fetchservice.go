package eureka

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// fetchService reads the one service of the feed from s: the application with
// its name or, if there is none, those with its virtual address.
func (f *feed) fetchService(ctx context.Context, s *server) error {
	if f.service == "" || dots(f.service) { // which is nobody's name
		return f.replace(s, "", nil)
	}
	apps, err := f.fetchApplication(ctx, s)
	for _, kind := range []string{"/vips/", "/svips/"} {
		if err == nil && len(apps) == 0 {
			apps, err = f.fetchVIP(ctx, s, kind)
		}
	}
	if err != nil {
		return err
	}
	return f.replace(s, "", apps)
}

func (f *feed) fetchApplication(ctx context.Context, s *server) ([]wire.Application, error) {
	a, err := f.get(ctx, s, "/apps/"+url.PathEscape(strings.ToUpper(f.service)))
	switch {
	case err != nil:
		return nil, err
	case a.code == http.StatusNotFound:
		return nil, nil
	case a.code != http.StatusOK:
		return nil, statusError(s, a)
	}
	app, err := wire.UnmarshalApplication(a.body, wire.JSON)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return []wire.Application{app}, nil
}

// fetchVIP reads those with a virtual address. Servers answer with an empty
// list where there are none; a 404 comes from something else than a registry.
func (f *feed) fetchVIP(ctx context.Context, s *server, kind string) ([]wire.Application, error) {
	a, err := f.get(ctx, s, kind+url.PathEscape(f.service))
	if err != nil {
		return nil, err
	}
	if a.code != http.StatusOK {
		return nil, statusError(s, a)
	}
	doc, err := parse(s, a)
	return doc.Applications, err
}
