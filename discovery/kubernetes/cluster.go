package kubernetes

import (
	"net"
	"os"
)

// Where the kubelet puts what a pod needs to know.
const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	caFile         = serviceAccount + "/ca.crt"
	tokenFile      = serviceAccount + "/token"
	namespaceFile  = serviceAccount + "/namespace"
)

// A Cluster says where an API server is and how to get in. Of each pair of a
// file and its content, the content is used if both are given. Files are read
// again for every request, or connection, so that they may be replaced at any
// time.
//
// A Cluster holds secrets. Its String names the server alone.
type Cluster struct {
	// Server is the URL of the API server, such as "https://10.0.0.1:6443".
	// Required. With plain http there can be no token, unless the server is on
	// a loopback address: `kubectl proxy` is.
	Server string

	// ServerName is the name that the server's certificate must be for. Empty
	// means the host of Server.
	ServerName string

	// CA, or CAFile, holds the certificates that the server's must be signed
	// by, as PEM. Without either, those of the operating system count.
	CA     []byte
	CAFile string

	// Token, or TokenFile, is sent with each request, as a bearer token.
	// Without either, none is.
	Token     string `json:"-"`
	TokenFile string

	// Cert and Key, or CertFile and KeyFile, are shown to the server, as PEM.
	// Without either, none is shown.
	Cert     []byte
	CertFile string
	Key      []byte `json:"-"`
	KeyFile  string

	// Namespace, or the content of NamespaceFile, is that of services whose
	// names have none. Without either, it is "default".
	Namespace     string
	NamespaceFile string
}

// InCluster returns the settings for a program in a pod: the server that the
// environment variables KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT
// name, and the credentials of the pod's service account. Outside of a cluster
// Server is empty. It reads no file.
func InCluster() Cluster {
	c := Cluster{CAFile: caFile, TokenFile: tokenFile, NamespaceFile: namespaceFile}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host != "" && port != "" {
		c.Server = "https://" + net.JoinHostPort(host, port)
	}
	return c
}

// String returns where the server is, and no secrets.
func (c Cluster) String() string {
	server, err := parseServer(c.Server)
	if err != nil {
		return "kubernetes.Cluster(unusable)"
	}
	return server.String()
}

// GoString returns what String does.
func (c Cluster) GoString() string { return c.String() }
