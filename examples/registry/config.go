package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/transport/identity"
)

// config is what the command line says.
type config struct {
	addr, prefix, metrics, data, preservation string
	peers                                     []string
	users, tokens, callers                    string
	readOpen, operate                         bool
	title                                     string
	cert, key, clientCA                       string
	logFormat                                 string
	logLevel                                  slog.Level
}

func parseFlags(args []string, output io.Writer) (*config, error) {
	c := new(config)
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8761", "the `host:port` to listen at; port 0 chooses a free one")
	flags.StringVar(&c.prefix, "prefix", "/eureka", "the `path` under which clients find the registry")
	flags.StringVar(&c.metrics, "metrics", "", "the `host:port` to serve /metrics and /healthz at; empty for nowhere")
	flags.StringVar(&c.data, "data", "", "the `folder` to keep the registry in; empty for memory only")
	flags.StringVar(&c.preservation, "preservation", "namesake",
		"the `rules` that protect leases when many heartbeats stop: namesake, netflix, spring or off")
	flags.Func("peers", "the `URLs` of the other servers, separated by commas", func(s string) error {
		c.peers = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	})
	flags.StringVar(&c.users, "users", "", "a `file` with those who have a password")
	flags.StringVar(&c.tokens, "tokens", "", "a `file` with those who have a token")
	flags.StringVar(&c.callers, "callers", "", "a `file` with those who have a certificate")
	flags.BoolVar(&c.readOpen, "read-open", false, "let everybody read")
	flags.BoolVar(&c.operate, "operate", false, "have buttons on the page that take copies out of service and back")
	flags.StringVar(&c.title, "title", "", "the `name` of this registry on its page, such as a zone's")
	flags.StringVar(&c.cert, "tls-cert", "", "a `file` with the server's certificate")
	flags.StringVar(&c.key, "tls-key", "", "a `file` with the key of the certificate")
	flags.StringVar(&c.clientCA, "client-ca", "", "a `file` with the authorities of clients' certificates")
	flags.StringVar(&c.logFormat, "log-format", "text", "the `format` of the log: text or json")
	flags.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "the lowest `level` to log: debug, info, warn or error")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case strings.Contains(flags.Arg(0), "@"): // a peer's URL after a blank, perhaps with a password
		return nil, errors.New("registry: something with an @ is not an option: the URLs of -peers are one argument")
	case flags.NArg() > 0:
		return nil, fmt.Errorf("registry: %q is not an option", flags.Arg(0))
	case c.logFormat != "text" && c.logFormat != "json":
		return nil, fmt.Errorf("registry: -log-format: %q is neither text nor json", c.logFormat)
	case (c.cert == "") != (c.key == ""):
		return nil, errors.New("registry: -tls-cert and -tls-key go together")
	case c.clientCA != "" && c.cert == "":
		return nil, errors.New("registry: -client-ca needs -tls-cert and -tls-key")
	case c.callers != "" && c.clientCA == "":
		return nil, errors.New("registry: -callers needs -client-ca")
	}
	return c, nil
}

func (c *config) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// options are those of the registry.
func (c *config) options(logger *slog.Logger) ([]eurekaserver.Option, error) {
	options := []eurekaserver.Option{eurekaserver.WithLogger(logger), eurekaserver.WithPrefix(c.prefix)}
	switch c.preservation {
	case "namesake":
	case "off":
		options = append(options, eurekaserver.WithSelfPreservation(eurekaserver.PreservationConfig{Off: true}))
	case "netflix":
		options = append(options, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{}))
	case "spring":
		options = append(options, eurekaserver.WithNetflixRules(eurekaserver.NetflixConfig{ExpectedClients: 1}))
	default:
		return nil, fmt.Errorf("registry: -preservation: %q is none of namesake, netflix, spring and off", c.preservation)
	}
	if c.data != "" {
		options = append(options, eurekaserver.WithSnapshot(eurekaserver.SnapshotConfig{Path: filepath.Join(c.data, "registry.snapshot")}))
	}
	access, err := c.access()
	if err != nil {
		return nil, err
	}
	if len(c.peers) > 0 {
		client, err := c.peerClient(logger)
		if err != nil {
			return nil, err
		}
		options = append(options, eurekaserver.WithPeers(eurekaserver.PeersConfig{URLs: c.peers, HTTP: client}))
	}
	options = append(options, eurekaserver.WithPage(eurekaserver.PageConfig{Title: c.title, Operate: c.operate}))
	return append(options, access...), nil
}

// peerClient returns what calls the other servers with a certificate, or nil if
// there are none.
func (c *config) peerClient(logger *slog.Logger) (*http.Client, error) {
	if c.clientCA == "" {
		return nil, nil
	}
	files := identity.NewFiles(identity.FilesConfig{Cert: c.cert, Key: c.key, Roots: c.clientCA, Logger: logger})
	if _, err := files.Roots(""); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	return &http.Client{Transport: peerTransport(files)}, nil
}

// peerTransport returns what asks for the certificate and the authorities anew
// for each connection.
func peerTransport(source identity.Source) *http.Transport {
	netDialer := &net.Dialer{Timeout: 5 * time.Second} // for the handshake, too
	return &http.Transport{
		DialContext:     netDialer.DialContext,
		IdleConnTimeout: time.Minute,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			roots, err := source.Roots("")
			if err != nil {
				return nil, err
			}
			dialer := tls.Dialer{NetDialer: netDialer, Config: &tls.Config{
				MinVersion:           tls.VersionTLS12,
				RootCAs:              roots,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return source.Certificate() },
			}}
			return dialer.DialContext(ctx, network, addr)
		},
	}
}

// tls returns nil if there is none. The files are read at once, to fail early,
// and again when they have changed.
func (c *config) tls(logger *slog.Logger) (*tls.Config, error) {
	if c.cert == "" {
		return nil, nil
	}
	files := identity.NewFiles(identity.FilesConfig{Cert: c.cert, Key: c.key, Roots: c.clientCA, Logger: logger})
	current := func() (*tls.Config, error) {
		cert, err := files.Certificate()
		if err != nil {
			return nil, err
		}
		config := &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{*cert},
			NextProtos:   []string{"h2", "http/1.1"},
		}
		if c.clientCA != "" {
			config.ClientAuth = tls.VerifyClientCertIfGiven
			// A resumed session would speak for authorities of long ago.
			config.SessionTicketsDisabled = true
			config.ClientCAs, err = files.Roots("")
		}
		return config, err
	}
	config, err := current()
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return current() }
	return config, nil
}

// url returns what clients are given, and page what a browser is.
func (c *config) url(addr net.Addr) string {
	path := strings.Trim(c.prefix, "/")
	if path != "" {
		path += "/"
	}
	return c.page(addr) + path
}

func (c *config) page(addr net.Addr) string {
	scheme := "http"
	if c.cert != "" {
		scheme = "https"
	}
	return scheme + "://" + addr.String() + "/"
}

// open reports whether strangers may change the registry.
func (c *config) open() bool {
	host, _, err := net.SplitHostPort(c.addr)
	ip := net.ParseIP(host)
	local := err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
	return !local && c.users == "" && c.tokens == "" && c.callers == "" && !c.readOpen
}
