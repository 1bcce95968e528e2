package transport_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/transport"
)

// childVariable names what a process of its own runs in place of the tests:
// for what can be seen only when a process starts.
const childVariable = "NAMESAKE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVariable) {
	case "":
		os.Exit(m.Run())
	case "idle":
		_, _ = os.Stdout.WriteString(strconv.Itoa(runtime.NumGoroutine()))
	case "proxy":
		if err := callPastProxies(os.Getenv("PLAIN"), os.Getenv("SECURE")); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
	}
}

// child runs this program once more.
func child(t *testing.T, what string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, childVariable+"="+what)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &complaints)
	return string(out)
}

// S80: the packages of the library start no goroutine, not even a timer's, when
// they are imported, and what they do not import they cannot ask: neither the
// environment nor files.
func TestImportingDoesNothing(t *testing.T) {
	assert.Equal(t, "1", child(t, "idle"), "the main goroutine")
	for _, folder := range []string{".", "../balancer", "../resilience", "../discovery"} {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, paths)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, imported := range file.Imports {
				name, err := strconv.Unquote(imported.Path.Value)
				require.NoError(t, err)
				if name == "os" && filepath.Base(path) == "snapshotstore.go" {
					continue // discovery.Snapshot keeps files, in the folder that it is given
				}
				assert.NotContains(t, []string{"os", "os/exec", "os/signal", "io/ioutil", "embed", "flag", "expvar"}, name, path)
			}
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
					assert.NotEqual(t, "init", f.Name.Name, path)
				}
			}
		}
	}
}

// S17: services are called directly, whatever proxies the environment names;
// hosts that pass through are called as their base does.
func TestProxiesOfTheEnvironment(t *testing.T) {
	var mu sync.Mutex
	var direct, proxied []string
	note := func(list *[]string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			*list = append(*list, r.Method+" "+r.RequestURI+" "+r.Host)
		}
	}
	proxy := httptest.NewServer(note(&proxied))
	defer proxy.Close()
	plain := httptest.NewServer(note(&direct))
	defer plain.Close()
	secure := httptest.NewTLSServer(note(&direct))
	defer secure.Close()

	child(t, "proxy", "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "http_proxy=", "https_proxy=", "NO_PROXY=", "no_proxy=",
		"PLAIN="+plain.Listener.Addr().String(), "SECURE="+secure.Listener.Addr().String())
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(direct)
	slices.Sort(proxied)
	assert.Equal(t, []string{"GET /plain orders", "GET /secure payments"}, direct)
	assert.Equal(t, []string{"CONNECT outside.example:443 outside.example:443", "GET http://outside.example/plain outside.example"}, proxied)
}

func callPastProxies(plain, secure string) error {
	rt := transport.New(discovery.Static{"orders": discovery.Addrs(plain), "payments": discovery.Addrs(secure)},
		transport.WithLogger(nil),
		transport.WithTLS(&tls.Config{InsecureSkipVerify: true}), //nolint:gosec // who answers is not the question
		transport.WithPassThrough(http.DefaultTransport, "outside.example"))
	defer rt.Close()
	client := &http.Client{Transport: rt}
	for url, reachable := range map[string]bool{
		"http://orders/plain": true, "https://payments/secure": true,
		"http://outside.example/plain":   true,
		"https://outside.example/secure": false, // this proxy is no tunnel
	} {
		resp, err := client.Get(url)
		if err == nil {
			err = resp.Body.Close()
		}
		if reachable != (err == nil) {
			return errors.Join(fmt.Errorf("%s", url), err)
		}
	}
	return nil
}
