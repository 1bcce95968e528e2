package eurekaserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// A Grant is a set of things that a caller may do. Add them up with |.
type Grant uint8

// What a caller may do.
const (
	// Read is to read the registry.
	Read Grant = 1 << iota

	// Write is to register instances, to send their heartbeats, to change
	// their metadata and to cancel them.
	Write

	// Operate is to set the status of an instance and to take that back.
	Operate

	// Peer is to speak as another server of the same registry: to send what
	// has the replication header, and all that servers send each other. A peer
	// usually needs Read as well.
	Peer

	// All is to do everything.
	All = Read | Write | Operate | Peer
)

// A Caller is who sent a request.
type Caller struct {
	// Name is for the log.
	Name string

	// Grant is what the caller may do.
	Grant Grant

	// Apps are the applications, in any case, to which Write and Operate are
	// restricted. Nil means that they are not.
	Apps []string
}

// ErrNoCredentials is what an [Authenticator] returns for a request that does
// not say who sent it in the way that the Authenticator knows. Then others are
// asked.
var ErrNoCredentials = errors.New("eurekaserver: no credentials")

// An Authenticator finds out who sent requests. Make one with [BasicAuth],
// [BearerTokens], [ClientCertificates], [Anyone] or [AuthenticatorFunc].
type Authenticator struct {
	challenge    string
	authenticate func(*http.Request) (Caller, error)
}

// AuthenticatorFunc returns an Authenticator that calls a function. It returns
// [ErrNoCredentials], or an error that wraps it, if the request has none of
// the kind, and any other error if they are wrong; the error's text is not
// shown to anybody. The function is called for every request, concurrently.
// The challenge says how to get in, as in WWW-Authenticate, such as
//
//	Bearer realm="registry"
//
// and is empty if there is nothing to say, as with certificates.
func AuthenticatorFunc(challenge string, f func(*http.Request) (Caller, error)) Authenticator {
	return Authenticator{challenge, f}
}

// Anyone returns an Authenticator that lets everybody do what is granted. Give
// it to [WithAccess] last, usually with [Read].
func Anyone(g Grant) Authenticator {
	return AuthenticatorFunc("", func(*http.Request) (Caller, error) { return Caller{Name: "anyone", Grant: g}, nil })
}

// A User is somebody with a password. A user with an empty password cannot get
// in.
type User struct {
	Caller
	Password string
}

// BasicAuth returns an Authenticator for HTTP's basic authentication, which
// all Eureka clients know: they have name and password in the URL of the
// registry. Passwords are compared in constant time. Use it with TLS, as they
// are sent in clear.
func BasicAuth(users ...User) Authenticator {
	known := make([]secret, 0, len(users))
	for _, u := range users {
		if u.Password != "" {
			known = append(known, newSecret(u.Name+"\x00"+u.Password, u.Caller))
		}
	}
	return AuthenticatorFunc(`Basic realm="registry", charset="UTF-8"`, func(r *http.Request) (Caller, error) {
		name, password, ok := r.BasicAuth()
		if !ok {
			return Caller{}, ErrNoCredentials
		}
		return find(known, name+"\x00"+password)
	})
}

// A Token is a secret that its bearer shows. An empty one lets nobody in.
type Token struct {
	Caller
	Token string
}

// BearerTokens returns an Authenticator for tokens that are sent as in
//
//	Authorization: Bearer 7Fjfp0ZBr1KtDRbnfVdmIw
//
// They are compared in constant time. Use it with TLS.
func BearerTokens(tokens ...Token) Authenticator {
	known := make([]secret, 0, len(tokens))
	for _, t := range tokens {
		if t.Token != "" {
			known = append(known, newSecret(t.Token, t.Caller))
		}
	}
	return AuthenticatorFunc(`Bearer realm="registry"`, func(r *http.Request) (Caller, error) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return Caller{}, ErrNoCredentials
		}
		return find(known, strings.TrimSpace(token))
	})
}

// ClientCertificates returns an Authenticator that knows callers by their
// certificates: those of which a Caller's Name is a DNS name or a URI, such as
// a SPIFFE ID, exactly. Only certificates that crypto/tls has verified count,
// so the server's tls.Config must have ClientAuth at
// tls.VerifyClientCertIfGiven or above. Where certificates are verified by
// other means, use [AuthenticatorFunc].
func ClientCertificates(callers ...Caller) Authenticator {
	known := make(map[string]Caller, len(callers))
	for _, c := range callers {
		known[c.Name] = c
	}
	return AuthenticatorFunc("", func(r *http.Request) (Caller, error) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
			return Caller{}, ErrNoCredentials
		}
		leaf := r.TLS.PeerCertificates[0]
		for _, uri := range leaf.URIs {
			if c, ok := known[uri.String()]; ok {
				return c, nil
			}
		}
		for _, name := range leaf.DNSNames {
			if c, ok := known[name]; ok {
				return c, nil
			}
		}
		return Caller{}, ErrNoCredentials // somebody's, but a password may help
	})
}

// A secret is kept as its hash, so that all are equally long and comparing
// them says nothing about them.
type secret struct {
	hash   [sha256.Size]byte
	caller Caller
}

func newSecret(text string, c Caller) secret { return secret{sha256.Sum256([]byte(text)), c} }

var errWrongCredentials = errors.New("eurekaserver: wrong credentials")

// find looks at all secrets, whichever it is.
func find(known []secret, text string) (Caller, error) {
	hash := sha256.Sum256([]byte(text))
	found := -1
	for i := range known {
		if subtle.ConstantTimeCompare(hash[:], known[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Caller{}, errWrongCredentials
	}
	return known[found].caller, nil
}

// grantFor returns what the sender of a request needs. What is not known to
// need less needs Peer.
func grantFor(method string, pattern []string, r *http.Request) Grant {
	switch {
	case fromPeer(r) && method != http.MethodGet:
		return Peer
	case method == http.MethodGet:
		return Read
	case pattern[0] != "apps":
		return Peer
	case pattern[len(pattern)-1] == "status":
		return Operate
	}
	return Write
}

// authorize reports whether the sender of a request may do what it takes, and
// answers if not: with 401 if it has not said who it is or has lied, and 403
// if it may not. The first argument is the application.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request, need Grant, args []string) bool {
	if s.settings.access == nil {
		return true
	}
	caller, err := s.authenticate(r)
	switch {
	case err != nil:
		for _, a := range s.settings.access {
			if a.challenge != "" {
				w.Header().Add("WWW-Authenticate", a.challenge)
			}
		}
		s.refused(r, "", "not authenticated")
		empty(w, http.StatusUnauthorized)
		return false
	case caller.Grant&need != need || need&(Write|Operate) != 0 && !caller.owns(args):
		s.refused(r, caller.Name, "not allowed")
		empty(w, http.StatusForbidden)
		return false
	}
	return true
}

// authenticate asks one Authenticator after the other. Who shows something
// wrong to one is not asked by the next.
func (s *Server) authenticate(r *http.Request) (Caller, error) {
	for _, a := range s.settings.access {
		if a.authenticate == nil {
			continue
		}
		caller, err := a.authenticate(r)
		if !errors.Is(err, ErrNoCredentials) {
			return caller, err
		}
	}
	return Caller{}, ErrNoCredentials
}

func (c *Caller) owns(args []string) bool {
	return c.Apps == nil || len(args) > 0 && slices.ContainsFunc(c.Apps, func(app string) bool { return strings.EqualFold(app, args[0]) })
}
