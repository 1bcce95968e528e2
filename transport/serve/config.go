package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// The defaults of a [Config]. Those of the end add up to 28 s, since Kubernetes
// kills what has not stopped after 30 s.
const (
	// DefaultStartTimeout is long enough for a registry to be restarted, and
	// short enough for a supervisor to notice that a copy never gets ready.
	DefaultStartTimeout = time.Minute

	// DefaultWithdrawTimeout lets one registry server be found dead and
	// another be told.
	DefaultWithdrawTimeout = 3 * time.Second

	// DefaultLameDuck is far more than a registry needs that tells its callers,
	// and than a load balancer needs that asks for readiness every second. The
	// package's documentation says what it means to others.
	DefaultLameDuck = 5 * time.Second

	// DefaultDrain is longer than busy callers leave a connection unused.
	DefaultDrain = 5 * time.Second

	// DefaultShutdownTimeout is for calls in flight.
	DefaultShutdownTimeout = 15 * time.Second

	// DefaultReadHeaderTimeout is above the 30 s after which package transport
	// gives up connections that it does not use. It counts from the beginning
	// of a connection, and callers keep some that they have opened in advance;
	// one that the server closes first can fail a POST.
	DefaultReadHeaderTimeout = time.Minute

	// DefaultIdleTimeout is above the 90 s after which clients of net/http
	// give up idle connections, for the same reason.
	DefaultIdleTimeout = 2 * time.Minute
)

// A Config says how a copy is run. The zero value listens on any free port,
// which callers learn from the registry.
type Config struct {
	// Addr is where to listen, as for [net.Listen]. Default ":0". It is not
	// used if there is a Listener.
	Addr string

	// Listener is where to listen instead. Run closes it.
	Listener net.Listener

	// Instance is what to announce, such as a Zone or a Weight.
	//
	// Its Addr is where callers can reach the copy, for those who do not
	// reach it where it listens, as behind address translation; port 0 means
	// the port of the listener. Empty means the listener's address. If that
	// has no particular host, as in ":8080", the host is the IP address that
	// the routing table gives to connections to the outside. Nothing is sent
	// to find out. If there is none, Run fails. A loopback address is announced
	// only if it is the one to listen at.
	//
	// An empty Scheme means "https" if the Server has a TLSConfig, and "http"
	// if not.
	Instance discovery.Instance

	// Server is what serves, for those who need settings of their own. Run
	// sets its Handler, and those of ReadHeaderTimeout (1 min, unless there is
	// a ReadTimeout) and IdleTimeout (2 min) that are zero; negative means
	// none. With a TLSConfig, which must have a certificate, it speaks TLS. It
	// must be new, and cannot be used afterwards; what it has been given by
	// RegisterOnShutdown may be called more than once. Nil means one with
	// these settings. There is no timeout for a whole request or response by
	// default, because no number fits every handler.
	Server *http.Server

	// Health is told when the copy is ready and when it is not any more. Nil
	// means that nobody asks.
	Health *Health

	// Ready returns when the copy is able to answer calls: caches are filled,
	// databases connected. It is called once, after the server has begun to
	// listen, and must return when ctx is done. An error ends Run. Nil means
	// that the copy is able at once.
	Ready func(ctx context.Context) error

	// StartTimeout bounds Ready and the announcement together. Default 1 min;
	// negative: they take as long as they take.
	StartTimeout time.Duration

	// WithdrawTimeout bounds the withdrawal from the registry. Default 3 s.
	WithdrawTimeout time.Duration

	// LameDuck is how long the copy goes on as ever after it has withdrawn,
	// until callers have learnt of it. Default 5 s; negative: not at all.
	LameDuck time.Duration

	// Drain is how long, after that, the copy goes on answering over the
	// connections that there are, and asks for them back. Default 5 s;
	// negative: not at all.
	Drain time.Duration

	// ShutdownTimeout bounds the time that calls in flight have in the end.
	// Default 15 s; negative: they are broken off.
	ShutdownTimeout time.Duration

	// Logger is told of each step at level Info. Nil means silence: what goes
	// wrong is in the error that Run returns.
	Logger *slog.Logger
}

// normal fills in the defaults.
func (c Config) normal() Config {
	if c.Addr == "" {
		c.Addr = ":0"
	}
	if c.Server == nil {
		c.Server = new(http.Server)
	}
	if c.Server.ReadHeaderTimeout == 0 && c.Server.ReadTimeout == 0 {
		c.Server.ReadHeaderTimeout = DefaultReadHeaderTimeout
	}
	if c.Server.IdleTimeout == 0 {
		c.Server.IdleTimeout = DefaultIdleTimeout
	}
	if c.Health == nil {
		c.Health = new(Health)
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	if c.WithdrawTimeout <= 0 {
		c.WithdrawTimeout = DefaultWithdrawTimeout
	}
	if c.LameDuck == 0 {
		c.LameDuck = DefaultLameDuck
	}
	c.LameDuck = max(c.LameDuck, 0)
	if c.Drain == 0 {
		c.Drain = DefaultDrain
	}
	c.Drain = max(c.Drain, 0)
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	c.ShutdownTimeout = max(c.ShutdownTimeout, 0)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
