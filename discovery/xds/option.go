package xds

import (
	"log/slog"
	"maps"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// An Option changes how a [Client] works. A later option overrides an earlier
// one of the same kind.
type Option interface {
	apply(*config)
}

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// A Node is what a client tells the control plane about itself. Planes decide
// by it what they send. The zero value says nothing.
type Node struct {
	ID      string // of this process, unique for the plane
	Cluster string // the name of the service that this process is a copy of

	Region, Zone, SubZone string // where it runs

	Metadata map[string]string // what else the plane wants to know
}

// WithNode sets what the client says about itself. The default is nothing but
// the name of this library.
func WithNode(node Node) Option {
	node.Metadata = maps.Clone(node.Metadata)
	return optionFunc(func(c *config) { c.node = node })
}

// WithDelta makes the client use the incremental variant of the protocol, in
// which the plane says what has changed and what is gone. The default is the
// state of the world, which every plane speaks.
func WithDelta() Option {
	return optionFunc(func(c *config) { c.delta = true })
}

// WithResourceName sets what services are called by the plane: in template,
// {service} stands for the name of a service, as in
// "outbound|80||{service}.prod.svc.cluster.local". The default, and empty, is
// "{service}". The name of a service that begins with "xdstp:" is a resource
// name already, and stays as it is.
func WithResourceName(template string) Option {
	return optionFunc(func(c *config) { c.template = template })
}

// WithResourceTimeout sets how long the plane may take to send a resource that
// it has been asked for, until the service counts as unknown. The default, and
// zero, is 15 s.
func WithResourceTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) { c.timeout = d })
}

// WithMetadataNamespace sets under which name endpoints carry the metadata
// that become those of instances. The default, and empty, is "envoy.lb".
func WithMetadataNamespace(name string) Option {
	return optionFunc(func(c *config) { c.namespace = name })
}

// WithLogger sets where the client reports what nobody else gets to know:
// resources that are rejected, those without a name included. The default, and
// nil, is silence.
func WithLogger(logger *slog.Logger) Option {
	return optionFunc(func(c *config) { c.log = logger })
}

type config struct {
	node      Node
	delta     bool
	template  string
	timeout   time.Duration
	namespace string
	log       *slog.Logger
}

const (
	placeholder      = "{service}"
	defaultTimeout   = 15 * time.Second
	defaultNamespace = "envoy.lb"
	newScheme        = "xdstp:" // of resource names that are URLs
	userAgent        = "namesake"

	// noOverprovisioning tells planes that they need not send a factor.
	noOverprovisioning = "envoy.lb.does_not_support_overprovisioning"
)

func newConfig(opts []Option) config {
	var c config
	for _, o := range opts {
		o.apply(&c)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.template == "" {
		c.template = placeholder
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.namespace == "" {
		c.namespace = defaultNamespace
	}
	return c
}

// resourceName returns what the plane calls a service.
func (c *config) resourceName(service string) string {
	if strings.HasPrefix(service, newScheme) {
		return service
	}
	return strings.ReplaceAll(c.template, placeholder, service)
}

// proto returns the node as the protocol has it.
func (n Node) proto() *corev3.Node {
	node := &corev3.Node{Id: n.ID, Cluster: n.Cluster, UserAgentName: userAgent, ClientFeatures: []string{noOverprovisioning}}
	if n.Region != "" || n.Zone != "" || n.SubZone != "" {
		node.Locality = &corev3.Locality{Region: n.Region, Zone: n.Zone, SubZone: n.SubZone}
	}
	if len(n.Metadata) > 0 {
		node.Metadata = &structpb.Struct{Fields: make(map[string]*structpb.Value, len(n.Metadata))}
		for k, v := range n.Metadata {
			node.Metadata.Fields[k] = structpb.NewStringValue(v)
		}
	}
	return node
}
