package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/kubernetes"
	"github.com/namesake-go/namesake/internal/registrytest"
)

// Two users that the server knows by their tokens: one may do everything, the
// other what a RoleBinding says.
const (
	adminToken  = "admin-token"
	callerToken = "caller-token"
)

// A realServer is a kube-apiserver over an etcd. Nothing else of a cluster runs,
// so that the slices are ours.
type realServer struct {
	addr   string // host:port
	folder string
	etcd   string // URL
	server *registrytest.Server
	http   *http.Client

	mu     sync.Mutex        // guards listed
	listed map[string]string // slices that have been set, as JSON, by name
}

func startRealServer(t testing.TB) *realServer {
	t.Helper()
	program := registrytest.Built(t, "kube-apiserver")
	store := registrytest.Program(t, "etcd", "etcd-server")
	ports := registrytest.Ports(t, 3)
	s := &realServer{
		addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), etcd: fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		folder: t.TempDir(), listed: make(map[string]string),
	}
	peers := fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	registrytest.Start(t, func() *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(t.Context()), store, "--data-dir", filepath.Join(s.folder, "etcd"), "--unsafe-no-fsync",
			"--listen-client-urls", s.etcd, "--advertise-client-urls", s.etcd, "--listen-peer-urls", peers,
			"--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers, "--log-level", "error")
	}, registrytest.Dialed(strings.TrimPrefix(s.etcd, "http://")))

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	s.write(t, "sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	s.write(t, "sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	s.write(t, "tokens.csv", []byte(adminToken+",admin,1,\"system:masters\"\n"+callerToken+",caller,2\n"))
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}, ForceAttemptHTTP2: true}}
	t.Cleanup(s.http.CloseIdleConnections)
	s.server = registrytest.Start(t, func() *exec.Cmd {
		return exec.CommandContext(context.WithoutCancel(t.Context()), program, "--etcd-servers="+s.etcd,
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]), "--cert-dir="+filepath.Join(s.folder, "certs"),
			"--service-account-key-file="+s.file("sa.pub"), "--service-account-signing-key-file="+s.file("sa.key"),
			"--service-account-issuer=https://kubernetes.default.svc", "--token-auth-file="+s.file("tokens.csv"),
			"--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none",
			"--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false", "--profiling=false")
	}, s.ready)
	s.grant(t, "list", "watch")
	return s
}

func (s *realServer) file(name string) string { return filepath.Join(s.folder, name) }

func (s *realServer) write(t testing.TB, name string, text []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(s.file(name), text, 0o600))
	return s.file(name)
}

// ca is where the server's certificate is, which signs itself.
func (s *realServer) ca() string { return s.file("certs/apiserver.crt") }

// ready returns nil when the server serves and has the namespace of the tests.
func (s *realServer) ready(ctx context.Context) error {
	ca, err := os.ReadFile(s.ca())
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	s.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
	if _, _, err := s.ask(ctx, http.MethodGet, "/readyz", nil); err != nil {
		return err
	}
	code, _, err := s.ask(ctx, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": "shop"}})
	if code == http.StatusConflict {
		return nil
	}
	return err
}

// ask asks the server with all rights. An answer that is not 2xx is an error.
func (s *realServer) ask(ctx context.Context, method, path string, body any) (code int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+s.addr+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	answer, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return resp.StatusCode, answer, err
}

// must asks, and ends the test if that fails.
func (s *realServer) must(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	_, answer, err := s.ask(context.WithoutCancel(t.Context()), method, path, body)
	require.NoError(t, err)
	return answer
}

const (
	slicesPath   = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
	rolesPath    = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles"
	bindingsPath = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings"
	accountsPath = "/api/v1/namespaces/shop/serviceaccounts"
)

// grant gives the caller, and the service account of that name, these rights
// and no others.
func (s *realServer) grant(t testing.TB, verbs ...string) {
	t.Helper()
	role := object{"metadata": object{"name": "caller"}, "rules": []object{
		{"apiGroups": []string{"discovery.k8s.io"}, "resources": []string{"endpointslices"}, "verbs": verbs},
	}}
	if code, _, _ := s.ask(t.Context(), http.MethodGet, rolesPath+"/caller", nil); code == http.StatusOK {
		s.must(t, http.MethodPut, rolesPath+"/caller", role)
		return
	}
	s.must(t, http.MethodPost, rolesPath, role)
	s.must(t, http.MethodPost, bindingsPath, object{
		"metadata": object{"name": "caller"},
		"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "caller"},
		"subjects": []object{
			{"kind": "User", "name": "caller", "apiGroup": "rbac.authorization.k8s.io"},
			{"kind": "ServiceAccount", "name": "caller", "namespace": "shop"},
		},
	})
}

// revoke takes all rights from the caller, or gives them back.
func (s *realServer) revoke(t testing.TB, revoked bool) {
	t.Helper()
	if revoked {
		s.must(t, http.MethodDelete, rolesPath+"/caller", nil)
		s.must(t, http.MethodDelete, bindingsPath+"/caller", nil)
	} else {
		s.grant(t, "list", "watch")
	}
}

// compact makes the store forget its past.
func (s *realServer) compact(t testing.TB, version string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), registrytest.Program(t, "etcdctl", "etcd-client"), "--endpoints", s.etcd, "compact", "--physical", version)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// perSlice is how many endpoints the controller puts into a slice.
const perSlice = 100

// set makes these copies the slices of a service: of each port as many as it
// takes, the new before the old is removed.
func (s *realServer) set(t testing.TB, service string, instances ...discovery.Instance) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]object{}
	for i := 0; i < len(instances); i += perSlice {
		for name, slice := range slicesOf(service, instances[i:min(i+perSlice, len(instances))]) {
			name = fmt.Sprintf("%s-%d", name, i/perSlice)
			slice["metadata"].(object)["name"] = name
			wanted[name] = slice
		}
	}
	for name, slice := range wanted {
		text, err := json.Marshal(slice)
		require.NoError(t, err)
		switch old, ok := s.listed[name]; {
		case !ok:
			s.must(t, http.MethodPost, slicesPath, slice)
		case old != string(text):
			s.must(t, http.MethodPatch, slicesPath+"/"+name, slice)
		}
		s.listed[name] = string(text)
	}
	for name := range s.listed {
		if strings.HasPrefix(name, service+"-") && wanted[name] == nil {
			s.must(t, http.MethodDelete, slicesPath+"/"+name, nil)
			delete(s.listed, name)
		}
	}
}

// client returns a client with the caller's rights that connects through a
// proxy.
func (s *realServer) client(t testing.TB, opts ...kubernetes.Option) (*kubernetes.Client, *registrytest.Proxy) {
	t.Helper()
	proxy := registrytest.NewProxy(t, s.addr)
	c := kubernetes.New(append([]kubernetes.Option{kubernetes.WithCluster(kubernetes.Cluster{
		Server: "https://" + proxy.Addr(), CAFile: s.ca(), TokenFile: s.write(t, "token", []byte(callerToken)), Namespace: "shop",
	})}, opts...)...)
	t.Cleanup(c.Close)
	return c, proxy
}

// The real server refuses addresses on loopback. So a copy at 127.0.0.1 is
// listed with another address, and dialed where it is.
const listedHost = "10.255.0.1"

func listedAddr(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(listedHost, port)
}

func dialListed(ctx context.Context, network, addr string) (net.Conn, error) {
	if _, port, err := net.SplitHostPort(addr); err == nil {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// versionOf returns the version of an answer, and that of all slices.
func versionOf(t testing.TB, answer []byte) string {
	t.Helper()
	var o struct {
		Metadata struct{ ResourceVersion string }
	}
	require.NoError(t, json.Unmarshal(answer, &o))
	_, err := strconv.Atoi(o.Metadata.ResourceVersion)
	require.NoError(t, err)
	return o.Metadata.ResourceVersion
}
