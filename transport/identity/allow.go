package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNotAllowed means that the peer is who it says, and nobody who is allowed.
var ErrNotAllowed = errors.New("not allowed")

// An Allow says which peers are the right ones. It is asked about each new
// connection, after the peer's certificate has been verified. The zero Allow is
// refused by [Client] and [Server]: nobody is allowed by an oversight.
type Allow struct {
	want   string           // for errors
	check  func(Peer) error // nil, or why not
	caller bool             // asks for the name called, which says nothing of who calls
	err    error            // in the arguments
}

// SPIFFE allows peers that have one of these SPIFFE IDs, such as
// spiffe://example.org/orders. There must be at least one.
func SPIFFE(ids ...string) Allow {
	allowed := make([]ID, 0, len(ids))
	for _, s := range ids {
		id, err := ParseID(s)
		if err == nil && id.path == "" {
			err = fmt.Errorf("identity: %s names a trust domain and no workload", id)
		}
		if err != nil {
			return Allow{err: err}
		}
		allowed = append(allowed, id)
	}
	return oneOf(ids, func(p Peer) bool { return slices.Contains(allowed, p.ID) })
}

// TrustDomain allows every peer whose SPIFFE ID is in one of these trust
// domains, such as example.org. There must be at least one. Subdomains are
// other domains.
func TrustDomain(names ...string) Allow {
	want := make([]string, 0, len(names))
	for _, name := range names {
		if err := checkTrustDomain(name); err != nil {
			return Allow{err: fmt.Errorf("identity: trust domain %s: %w", quote(name), err)}
		}
		want = append(want, scheme+name+"/...")
	}
	return oneOf(want, func(p Peer) bool { return slices.Contains(names, p.ID.domain) })
}

// DNS allows peers whose certificate is for one of these DNS names; it may
// have it as a wildcard. There must be at least one. Certificates with a SPIFFE
// ID are not allowed by DNS names.
//
// A client for several services that lists all their names takes each of them
// for any other: use one DNS per service, or [Called].
func DNS(names ...string) Allow {
	want := make([]string, 0, len(names))
	for _, name := range names {
		if strings.Trim(name, ".") == "" {
			return Allow{err: fmt.Errorf("identity: %s is no DNS name", quote(name))}
		}
		want = append(want, quote(name))
	}
	names = slices.Clone(names)
	return oneOf(want, func(p Peer) bool {
		return slices.ContainsFunc(names, func(name string) bool { return bears(p, name) })
	})
}

// Called allows the server whose certificate is for the DNS name that was
// called, the host of the URL or ServerName in the tls.Config: the ordinary
// rule of HTTPS. It is for clients only.
func Called() Allow {
	return Allow{want: "the name called", caller: true, check: func(p Peer) error {
		switch {
		case p.ServerName == "":
			return fmt.Errorf("%w: no DNS name was called", ErrNotAllowed)
		case !bears(p, p.ServerName):
			return fmt.Errorf("%w: %s was called", ErrNotAllowed, quote(p.ServerName))
		}
		return nil
	}}
}

// Func allows peers about whom check returns nil. Its error, which is wrapped,
// should say who was expected. Check is called concurrently, at each handshake:
// what it reads may change at any time, and counts for the next connection.
func Func(check func(Peer) error) Allow {
	if check == nil {
		return Allow{}
	}
	return Allow{check: func(p Peer) error {
		if err := check(p); err != nil {
			return fmt.Errorf("%w: %w", ErrNotAllowed, err)
		}
		return nil
	}}
}

// AnyOf allows peers that one of these allows. There must be at least one.
func AnyOf(allows ...Allow) Allow {
	want := make([]string, 0, len(allows))
	caller := false
	for _, a := range allows {
		if err := a.valid(); err != nil {
			return Allow{err: err}
		}
		caller = caller || a.caller
		if a.want != "" {
			want = append(want, a.want)
		}
	}
	if len(allows) == 0 {
		return Allow{}
	}
	allows = slices.Clone(allows)
	return Allow{want: strings.Join(want, " or "), caller: caller, check: func(p Peer) error {
		var err error
		for _, a := range allows {
			if err = a.check(p); err == nil {
				return nil
			}
		}
		return err
	}}
}

func oneOf(want []string, match func(Peer) bool) Allow {
	if len(want) == 0 {
		return Allow{}
	}
	return Allow{want: strings.Join(want, " or "), check: func(p Peer) error {
		if !match(p) {
			return ErrNotAllowed
		}
		return nil
	}}
}

// bears reports whether a certificate without a SPIFFE ID is for a name.
func bears(p Peer, name string) bool {
	return p.ID.IsZero() && p.Certificate.VerifyHostname(name) == nil
}

func (a Allow) valid() error {
	switch {
	case a.err != nil:
		return a.err
	case a.check == nil:
		return errors.New("identity: nobody is allowed")
	}
	return nil
}
