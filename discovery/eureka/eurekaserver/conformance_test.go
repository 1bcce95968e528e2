package eurekaserver_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// A testCase is one promise of the protocol, as seen on the wire.
type testCase struct {
	number int
	name   string
	holds  where
	run    func(t *testing.T, c caller)

	// differs says which foreign server keeps this differently, and why.
	differs map[string]difference

	// passes says that time passes. Our server is then run in a bubble, and
	// has nothing in it at first.
	passes bool
	// alone says that the server must have nothing in it at first.
	alone bool
	// opts are for our server, which then serves this case only.
	opts []eurekaserver.Option
}

// where tells which servers keep a promise.
type where bool

const (
	everywhere where = true  // a client may rely on it with any server
	here       where = false // our own
)

// A difference says why a server keeps a case in another way, and checks that
// way. Without a check, there is nothing to see on the wire.
type difference struct {
	why string
	run func(t *testing.T, c caller)
}

// The foreign servers that are known.
const (
	netflix = "netflix"
	spring  = "spring" // whatever says nothing but that something is wrong has a page about it: see [caller.nothing]
)

var cases = slices.Concat(routingCases, registrationCases, heartbeatCases, statusCases, queryCases, deltaCases, leaseCases, replicationCases)

// clientCases are the promises that a client keeps, with their tests in package
// eureka.
var clientCases = map[int][]string{
	57: {"TestDeltaTwiceIsHarmless"},
	58: {"TestHashMismatch"},
	59: {"TestNoDelta"},
	60: {"TestGapLongerThanDeltas"},
	71: {"TestFailoverWithinOneCall"},
	72: {"TestServerForgets"},
	73: {"TestNothingFollowsTheWithdrawal"},
	74: {"TestCredentials"},
	75: {"TestAllServersDown"},
	84: {"TestThreeAttempts", "TestQuarantineEndsWhenAllAreBad"},
	85: {"TestServerForgets"},
}

// TestConformance runs the cases against our server, over HTTP.
//
// With NAMESAKE_EUREKA_URL it runs them against another server instead, such
// as http://127.0.0.1:8761/eureka, and NAMESAKE_EUREKA_SERVER says what that
// is: netflix, spring, or one like ours if it is not set. The server should
// have just been started, and be set up to protect no leases, to evict every
// second, to cache no answers (useReadOnlyResponseCache), and to keep changes
// in deltas for no more than ten seconds, of which half may be too few. The
// cases take about half a minute then.
func TestConformance(t *testing.T) {
	if base := os.Getenv("NAMESAKE_EUREKA_URL"); base != "" {
		conform(t, target{base: strings.TrimRight(base, "/"), client: plainClient(nil), foreign: os.Getenv("NAMESAKE_EUREKA_SERVER")})
		return
	}
	for _, base := range []string{"/eureka/v2", "/eureka"} {
		t.Run(strings.ReplaceAll(base[1:], "/", " "), func(t *testing.T) {
			s := eurekaserver.New()
			defer s.Close()
			server := httptest.NewServer(middleware(s))
			defer server.Close()
			conform(t, target{base: server.URL + base, client: plainClient(nil)})
		})
	}
}

// conform runs the cases against a server.
func conform(t *testing.T, target target) {
	ordered := slices.Clone(cases)
	slices.SortStableFunc(ordered, func(a, b testCase) int { // while the server is empty
		return cmp.Compare(rank(a), rank(b))
	})
	for _, tc := range ordered {
		id := "c" + strconv.Itoa(tc.number) + "-i"
		c := caller{target: target, app: "C" + strconv.Itoa(tc.number), id: id}
		t.Run(strconv.Itoa(tc.number)+" "+tc.name, func(t *testing.T) {
			c.t = t
			switch {
			case c.foreign != "":
				tc.abroad(t, c)
			case tc.passes:
				bubble(t, func(t *testing.T, inside caller, _ *eurekaserver.Server) {
					inside.app, inside.id = c.app, c.id
					tc.run(t, inside)
				}, tc.opts...)
			case tc.alone || tc.opts != nil:
				s := eurekaserver.New(tc.opts...)
				defer s.Close()
				server := httptest.NewServer(middleware(s))
				defer server.Close()
				prefix := c.base[strings.Index(c.base, "/eureka"):]
				c.base = server.URL + prefix
				tc.run(t, c)
			default:
				tc.run(t, c)
			}
		})
	}
}

func rank(tc testCase) int {
	if tc.alone {
		return 0
	}
	return 1
}

// abroad runs a case against a foreign server.
func (tc testCase) abroad(t *testing.T, c caller) {
	d, differs := tc.differs[c.foreign]
	switch {
	case differs && d.run == nil:
		t.Skipf("DIFFERS in %s: %s", c.foreign, d.why)
	case differs:
		t.Logf("DIFFERS in %s: %s", c.foreign, d.why)
		d.run(t, c)
	case tc.holds == here:
		t.Skip("ours alone")
	case tc.alone && len(c.applications("/apps").Applications) > 0:
		t.Skip("the server is not empty")
	default:
		tc.run(t, c)
	}
}

// middleware is what programs put before a server: it sees every answer, and
// must not change any.
func middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "panic", http.StatusInternalServerError)
			}
		}()
		recorder := &statusRecorder{ResponseWriter: w}
		next.ServeHTTP(recorder, r)
		if recorder.status == 0 {
			http.Error(w, "no status", http.StatusInternalServerError)
		}
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Every promise has its place.
func TestCasesAreComplete(t *testing.T) {
	seen := make(map[int]bool)
	for _, tc := range cases {
		assert.False(t, seen[tc.number], "case %d twice", tc.number)
		seen[tc.number] = true
	}
	for folder, tests := range map[string]map[int][]string{"..": clientCases, ".": peerCases} {
		files, err := filepath.Glob(folder + "/*_test.go")
		require.NoError(t, err)
		var source strings.Builder
		for _, name := range files {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			source.Write(text)
		}
		for number, names := range tests {
			assert.False(t, seen[number], "case %d twice", number)
			seen[number] = true
			for _, name := range names {
				assert.Regexp(t, regexp.MustCompile(`(?m)^func `+name+`\(`), source.String(), "case %d", number)
			}
		}
	}
	for number := 1; number <= 85; number++ {
		assert.True(t, seen[number], "case %d", number)
	}
}

// ours reports whether promises beyond the protocol's hold.
func (c caller) ours() bool { return c.foreign == "" }

// with returns the caller for another instance of the same application.
func (c caller) with(suffix string) caller {
	c.id += suffix
	return c
}

// path returns the path of the case's instance, and of what is below.
func (c caller) path(below string) string { return "/apps/" + c.app + "/" + c.id + below }

// body returns a registration of the case's instance.
func (c caller) body(edits ...edit) string {
	return body(c.app, append([]edit{{"instanceId": c.id}}, edits...)...)
}

// join registers the case's instance.
func (c caller) join(edits ...edit) {
	c.t.Helper()
	got := c.post(c.body(edits...), asJSON)
	require.Equal(c.t, 204, got.status, got.body)
	require.Empty(c.t, got.body)
}

// post registers what is in a body.
func (c caller) post(body string, headers ...string) answer {
	c.t.Helper()
	if c.foreign != "" { // where an instance could get in the way of other cases
		c.t.Cleanup(func() {
			req, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), "DELETE", c.base+c.path(""), nil)
			require.NoError(c.t, err)
			resp, err := c.client.Do(req)
			require.NoError(c.t, err)
			assert.NoError(c.t, resp.Body.Close())
		})
	}
	return c.do("POST", "/apps/"+c.app, body, headers...)
}

// shown returns the case's instance as the server shows it.
func (c caller) shown() wire.Instance {
	c.t.Helper()
	return c.instance(c.app, c.id)
}

// eventually waits until something holds, for a minute at most.
func (c caller) eventually(what string, holds func() bool) {
	c.t.Helper()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-timeout.C:
			require.Fail(c.t, "not within a minute", what)
		}
	}
}
