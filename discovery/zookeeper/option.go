package zookeeper

import (
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// WithRoot sets the path of the node under which services are. The default is
// "/services".
func WithRoot(path string) Option {
	return optionFunc(func(c *config) { c.root = "/" + strings.Trim(path, "/") })
}

// WithServerSets uses the layout of server sets, as Finagle and Aurora do, in
// place of Curator's.
func WithServerSets() Option {
	return optionFunc(func(c *config) { c.layout = serverSets{endpoint: c.endpoint} })
}

// WithEndpoint uses an additional endpoint of server sets by its name, such as
// "http-admin". Copies that lack it are left out. Copies are announced with
// both.
func WithEndpoint(name string) Option {
	return optionFunc(func(c *config) {
		c.endpoint = name
		c.layout = serverSets{endpoint: name}
	})
}

// WithSessionTimeout sets how long after the last sign of life of this process
// the servers end its session, and with it what it has announced. They have
// bounds of their own. The default, and zero, is 10 s; at least 1 s.
func WithSessionTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.session = d })
}

// WithAuth authenticates with a scheme, such as "digest" and "user:password".
func WithAuth(scheme, credentials string) Option {
	return optionFunc(func(c *config) { c.scheme, c.credentials = scheme, credentials })
}

// WithACL sets the access that nodes allow which are made here, such as
// zk.AuthACL(zk.PermAll) after [WithAuth]. The default, and none, allow
// everybody everything.
func WithACL(acl ...zk.ACL) Option {
	return optionFunc(func(c *config) { c.acl = acl })
}

// WithDialer sets what connects to servers, for TLS: to an address as it was
// given, a name being left to be looked up. The default, and nil, is plain TCP.
func WithDialer(dial func(network, address string, timeout time.Duration) (net.Conn, error)) Option {
	return optionFunc(func(c *config) { c.dial = dial })
}

// WithLogger sets where the client reports what nobody else gets to know:
// copies that cannot be announced again, or were forgotten. The default, and
// nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

type config struct {
	root        string
	layout      layout
	endpoint    string
	session     time.Duration
	scheme      string
	credentials string
	acl         []zk.ACL
	dial        func(network, address string, timeout time.Duration) (net.Conn, error)
	log         *slog.Logger
}

const (
	defaultSession = 10 * time.Second
	minSession     = time.Second
	maxSession     = time.Hour
)

func newConfig(opts []Option) config {
	c := config{root: "/services", layout: curator{}}
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.root == "/" {
		c.root = ""
	}
	if c.session <= 0 {
		c.session = defaultSession
	}
	c.session = min(max(c.session, minSession), maxSession)
	if len(c.acl) == 0 {
		c.acl = zk.WorldACL(zk.PermAll)
	}
	if c.dial == nil {
		c.dial = net.DialTimeout
	}
	return c
}
