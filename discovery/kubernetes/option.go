package kubernetes

import (
	"log/slog"
	"net/http"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithCluster sets where the API server is and how to get in. The default is
// [InCluster].
func WithCluster(cluster Cluster) Option {
	return optionFunc(func(c *config) { c.cluster = cluster })
}

// WithNamespace sets the namespace of services whose names have none. The
// default, and "", is the cluster's ([Cluster.Namespace]).
func WithNamespace(namespace string) Option {
	return optionFunc(func(c *config) { c.namespace = namespace })
}

// WithPort sets the port of services whose names have none: its name in the
// Service, or the number that the pods listen at. The default, and "", is the
// port named "http" or, without one, the one named "https" or, without either,
// the Service's first.
func WithPort(port string) Option {
	return optionFunc(func(c *config) { c.port = port })
}

// WithIPv6 makes watches prefer the IPv6 address of an endpoint that has both
// kinds. The default is IPv4. An endpoint that has one address is listed with
// that, whatever its kind.
func WithIPv6() Option {
	return optionFunc(func(c *config) { c.ipv6 = true })
}

// WithHTTPClient sets what carries the requests, for tunnels, proxies and
// special TLS settings. The default has a transport of its own: no proxy, 5 s
// to connect, HTTP/2 where TLS is used, and a ping over connections that have
// been silent for 10 s. Nil means the default.
//
// The client is copied. Its Timeout is not used, since each request has a
// bound, and neither is its CheckRedirect, since redirects are never followed.
// It verifies the server and shows certificates in its own way: of the
// [Cluster], the certificates and the server name are not used, the token is.
// It is not closed with the [Client].
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *config) { c.httpClient = client })
}

// WithLogger sets where the client reports that slices cannot be read, and can
// be read again, and at debug level each end of a watch. The default, and nil,
// is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

type config struct {
	cluster    Cluster
	namespace  string
	port       string
	ipv6       bool
	httpClient *http.Client
	log        *slog.Logger
}

func newConfig(opts []Option) config {
	c := config{cluster: InCluster()}
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}
