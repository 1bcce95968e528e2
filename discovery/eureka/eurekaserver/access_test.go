package eurekaserver_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// what each kind of request needs.
var guarded = []struct {
	method, path string
	replication  bool
	need         eurekaserver.Grant
}{
	{"GET", "/apps", false, eurekaserver.Read},
	{"HEAD", "/apps", false, eurekaserver.Read},
	{"GET", "/apps/delta", false, eurekaserver.Read},
	{"GET", "/apps/APP", false, eurekaserver.Read},
	{"GET", "/v2/apps/APP/i1", false, eurekaserver.Read},
	{"GET", "/apps/APP/i1", true, eurekaserver.Read},
	{"GET", "/instances/i1", false, eurekaserver.Read},
	{"GET", "/vips/x", false, eurekaserver.Read},
	{"GET", "/svips/x", false, eurekaserver.Read},
	{"GET", "/status", false, eurekaserver.Read},
	{"POST", "/apps/APP", false, eurekaserver.Write},
	{"PUT", "/apps/APP/i1", false, eurekaserver.Write},
	{"PUT", "/apps/APP/i1/metadata?a=1", false, eurekaserver.Write},
	{"DELETE", "/apps/APP/none", false, eurekaserver.Write},
	{"PUT", "/apps/APP/i1/status?value=UP", false, eurekaserver.Operate},
	{"DELETE", "/apps/APP/i1/status", false, eurekaserver.Operate},
	{"POST", "/apps/APP", true, eurekaserver.Peer},
	{"PUT", "/apps/APP/i1", true, eurekaserver.Peer},
	{"PUT", "/apps/APP/i1/status?value=UP", true, eurekaserver.Peer},
	{"POST", "/peerreplication/batch", false, eurekaserver.Peer},
	{"POST", "/peerreplication/digest", false, eurekaserver.Peer},
	{"POST", "/peerreplication/fetch", false, eurekaserver.Peer},
	{"POST", "/v2//peerreplication/batch/", true, eurekaserver.Peer},
}

// Nothing that the server has is missing in the list above.
func TestGuardedIsComplete(t *testing.T) {
	s := eurekaserver.New()
	defer s.Close()
	counted := make(map[string]bool)
	for _, g := range guarded {
		bearer(s, "", g.method, g.path, g.replication)
		for _, c := range s.Stats().Requests {
			counted[c.Method+" "+c.Resource] = true
		}
	}
	assert.Len(t, counted, 17)
	assert.NotContains(t, counted, "GET other")
}

func bearer(s *eurekaserver.Server, token, method, path string, replication bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/eureka"+path, strings.NewReader(body("APP")))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if replication {
		r.Header.Set("x-netflix-discovery-replication", "true")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestGrants(t *testing.T) {
	names := map[eurekaserver.Grant]string{
		eurekaserver.Read: "read", eurekaserver.Write: "write", eurekaserver.Operate: "operate", eurekaserver.Peer: "peer", eurekaserver.All: "all",
	}
	var tokens []eurekaserver.Token
	for g, name := range names {
		tokens = append(tokens, eurekaserver.Token{Caller: eurekaserver.Caller{Name: name, Grant: g}, Token: name})
	}
	s := eurekaserver.New(eurekaserver.WithAccess(eurekaserver.BearerTokens(tokens...)))
	defer s.Close()
	assert.Equal(t, 204, bearer(s, "all", "POST", "/apps/APP", false).Code)
	for _, g := range guarded {
		for grant, token := range names {
			w := bearer(s, token, g.method, g.path, g.replication)
			if grant&g.need != 0 {
				assert.NotContains(t, []int{401, 403}, w.Code, "%+v as %s", g, token)
				continue
			}
			assert.Equal(t, 403, w.Code, "%+v as %s", g, token)
			assert.Empty(t, w.Body.String())
			assert.Equal(t, "0", w.Header().Get("Content-Length"))
		}
		for _, token := range []string{"", "wrong", "al", "all2"} {
			w := bearer(s, token, g.method, g.path, g.replication)
			assert.Equal(t, 401, w.Code, "%+v as %s", g, token)
			assert.Equal(t, []string{`Bearer realm="registry"`}, w.Header().Values("WWW-Authenticate"))
			assert.Empty(t, w.Body.String())
		}
	}
}

func TestOwnApplications(t *testing.T) {
	s := eurekaserver.New(eurekaserver.WithAccess(eurekaserver.BearerTokens(
		eurekaserver.Token{Token: "t", Caller: eurekaserver.Caller{Grant: eurekaserver.All, Apps: []string{"app"}}},
		eurekaserver.Token{Token: "none", Caller: eurekaserver.Caller{Grant: eurekaserver.All, Apps: []string{}}},
	)))
	defer s.Close()
	assert.Equal(t, 204, bearer(s, "t", "POST", "/apps/APP", false).Code)
	assert.Equal(t, 200, bearer(s, "t", "PUT", "/apps/App/i1", false).Code)
	assert.Equal(t, 403, bearer(s, "t", "POST", "/apps/OTHER", false).Code)
	assert.Equal(t, 403, bearer(s, "t", "DELETE", "/apps/OTHER/i1", false).Code)
	assert.Equal(t, 403, bearer(s, "t", "PUT", "/apps/OTHER/i1/status?value=UP", false).Code)
	assert.Equal(t, 403, bearer(s, "none", "PUT", "/apps/APP/i1", false).Code)
	assert.Equal(t, 404, bearer(s, "t", "GET", "/apps/OTHER", false).Code)
}

func TestBasicAuth(t *testing.T) {
	var log strings.Builder
	s := eurekaserver.New(
		eurekaserver.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		eurekaserver.WithAccess(
			eurekaserver.BasicAuth(
				eurekaserver.User{Caller: eurekaserver.Caller{Name: "reader", Grant: eurekaserver.Read}, Password: "pass:word"},
				eurekaserver.User{Caller: eurekaserver.Caller{Name: "nobody", Grant: eurekaserver.All}},
			),
			eurekaserver.BearerTokens(eurekaserver.Token{Caller: eurekaserver.Caller{Grant: eurekaserver.All}}),
		),
	)
	defer s.Close()
	for user, want := range map[string]int{
		"reader:pass:word": 200, "reader:pass": 401, "reader:": 401, ":pass:word": 401, "nobody:": 401, ":": 401, "\x00": 401, "reader": 401,
	} {
		r := httptest.NewRequest("GET", "/eureka/apps", nil)
		name, password, _ := strings.Cut(user, ":")
		r.SetBasicAuth(name, password)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, user)
		if want == 401 {
			assert.Len(t, w.Header().Values("WWW-Authenticate"), 2)
		}
	}
	assert.Equal(t, 401, bearer(s, "", "GET", "/apps", false).Code)
	assert.Equal(t, 401, bearer(s, " ", "GET", "/apps", false).Code)
	assert.Contains(t, log.String(), `msg="request refused"`)
	assert.NotContains(t, log.String(), "pass")
	assert.Equal(t, 1, strings.Count(log.String(), "refused\""), "one a second")
}

func TestClientCertificates(t *testing.T) {
	id, err := url.Parse("spiffe://example.org/registry")
	assert.NoError(t, err)
	s := eurekaserver.New(eurekaserver.WithAccess(
		eurekaserver.ClientCertificates(
			eurekaserver.Caller{Name: "spiffe://example.org/registry", Grant: eurekaserver.Read},
			eurekaserver.Caller{Name: "peer.example.org", Grant: eurekaserver.Read},
		),
		eurekaserver.BearerTokens(eurekaserver.Token{Caller: eurekaserver.Caller{Grant: eurekaserver.Read}, Token: "t"}),
	))
	defer s.Close()
	certificate := func(dns string, uris ...*url.URL) *tls.ConnectionState {
		leaf := &x509.Certificate{DNSNames: []string{dns}, URIs: uris}
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	}
	unverified := certificate("peer.example.org")
	unverified.VerifiedChains = nil
	for _, tt := range []struct {
		name  string
		state *tls.ConnectionState
		token string
		want  int
	}{
		{"by name", certificate("peer.example.org"), "", 200},
		{"by id", certificate("", id), "", 200},
		{"not verified", unverified, "", 401},
		{"somebody else", certificate("other.example.org"), "", 401},
		{"below the name", certificate("a.peer.example.org"), "", 401},
		{"without TLS", nil, "", 401},
		{"with a token instead", certificate("other.example.org"), "t", 200},
	} {
		r := httptest.NewRequest("GET", "/eureka/apps", nil)
		r.TLS = tt.state
		if tt.token != "" {
			r.Header.Set("Authorization", "bearer "+tt.token)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		assert.Equal(t, tt.want, w.Code, tt.name)
	}
}

func TestAccessFailsClosed(t *testing.T) {
	for name, option := range map[string]eurekaserver.Option{
		"no authenticators":  eurekaserver.WithAccess(),
		"an empty one":       eurekaserver.WithAccess(eurekaserver.Authenticator{}),
		"an error":           eurekaserver.WithAccess(eurekaserver.AuthenticatorFunc("", fail), eurekaserver.Anyone(eurekaserver.All)),
		"nobody in it":       eurekaserver.WithAccess(eurekaserver.BasicAuth(), eurekaserver.BearerTokens(), eurekaserver.ClientCertificates()),
		"no credentials too": eurekaserver.WithAccess(eurekaserver.AuthenticatorFunc("", none)),
	} {
		s := eurekaserver.New(option)
		for _, g := range guarded {
			assert.Equal(t, 401, bearer(s, "x", g.method, g.path, g.replication).Code, name)
		}
		s.Close()
	}
	s := eurekaserver.New(eurekaserver.WithAccess(eurekaserver.Anyone(0)))
	defer s.Close()
	assert.Equal(t, 403, bearer(s, "", "GET", "/apps", false).Code)
}

func fail(*http.Request) (eurekaserver.Caller, error) {
	return eurekaserver.Caller{Grant: eurekaserver.All}, errors.New("out of order")
}

func none(*http.Request) (eurekaserver.Caller, error) {
	return eurekaserver.Caller{Grant: eurekaserver.All}, fmt.Errorf("mine: %w", eurekaserver.ErrNoCredentials)
}

func TestAnyoneMayRead(t *testing.T) {
	s := eurekaserver.New(eurekaserver.WithAccess(
		eurekaserver.BearerTokens(eurekaserver.Token{Caller: eurekaserver.Caller{Grant: eurekaserver.Write}, Token: "t"}),
		eurekaserver.Anyone(eurekaserver.Read),
	))
	defer s.Close()
	assert.Equal(t, 200, bearer(s, "", "GET", "/apps", false).Code)
	assert.Equal(t, 403, bearer(s, "", "POST", "/apps/APP", false).Code)
	assert.Equal(t, 204, bearer(s, "t", "POST", "/apps/APP", false).Code)
	assert.Equal(t, 401, bearer(s, "wrong", "GET", "/apps", false).Code)
}

// Case 82: whatever stands in front, a heartbeat of nobody is answered with
// nothing.
func TestRawHeartbeat(t *testing.T) {
	s := eurekaserver.New(
		eurekaserver.WithAccess(eurekaserver.BearerTokens(eurekaserver.Token{Caller: eurekaserver.Caller{Grant: eurekaserver.All}, Token: "t"})),
		eurekaserver.WithLimits(eurekaserver.Limits{Registrations: eurekaserver.Rate{PerSecond: 1}, Lists: eurekaserver.Rate{PerSecond: 1}}),
	)
	defer s.Close()
	for range 10 {
		r := httptest.NewRequest("PUT", "/eureka/apps/APP/none", strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		assert.Equal(t, 404, w.Code)
		assert.Equal(t, http.Header{"Content-Length": {"0"}}, w.Header())
		assert.Empty(t, w.Body.Bytes())
	}
}
