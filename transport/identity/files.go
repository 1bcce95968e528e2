package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// DefaultInterval is how often [Files] reads its files at most. A second is
// far below the time that issuers leave between a new certificate and the end
// of the old, and reading three small files costs about a tenth of a millisecond.
const DefaultInterval = time.Second

// FilesConfig says where the files are, in PEM. They may be symbolic links,
// but must lead to regular files of at most 1 MiB.
type FilesConfig struct {
	// Cert is the file with the own certificate, its intermediates after it,
	// and Key the file with its private key. If both are empty there is none,
	// which is for clients of servers that do not ask for one.
	Cert, Key string

	// Roots is the file with the authorities that vouch for peers. If Domains
	// is empty, it is for every DNS name and every SPIFFE ID in any trust
	// domain; otherwise for peers without a SPIFFE ID only, and may be missing.
	Roots string

	// Domains are the files with the authorities of each SPIFFE trust domain,
	// by its name. Each vouches for IDs in its own domain only, and IDs in
	// others are refused. It is needed where there is more than one domain:
	// with all in Roots, each one's authorities could make IDs in the others.
	Domains map[string]string

	// Interval is how often files are read at most: no sooner again after a
	// reading than this. The default, also for 0, is [DefaultInterval].
	// Negative means that they are read until all are good, and not again.
	Interval time.Duration

	// Logger gets a line for each change that was taken, and for each that
	// was not, with the reason. The default is slog.Default().
	Logger *slog.Logger

	// OnReload, if not nil, is called about the same: with nil when files
	// that changed are in use now, or are good again, and with an error, that
	// names the file, when they cannot be used. What was good stays in use. A
	// trouble is told once, and not before a second reading has found it too,
	// since a file may be read while it is being written. OnReload is called
	// during a handshake, which waits for it, possibly by several goroutines.
	OnReload func(error)
}

// Files is a [Source] that follows files which are replaced while the program
// runs, as cert-manager, Vault's agent, the SPIFFE helper, certbot and mounted
// Kubernetes secrets do.
//
// It has no goroutine and nothing to close. Files are read when a handshake
// needs them, by one of the handshakes and at most once per interval, and
// compared by content: there is no clock of a file system to be too coarse, and
// no link to be replaced unseen. Other handshakes do not wait meanwhile, but for
// the very first reading.
//
// The certificate with its key, and each file of roots, stand for themselves. A
// new one that cannot be read or parsed, or does not fit the key, or is not
// valid at this time, is reported, and the last good one stays; it is tried
// again after the interval. As long as there is no good one, what needs it
// fails and says why. Nothing is read before the first use: call
// [Files.Certificate] and [Files.Roots] at the start of a program that should
// not come up without.
//
// A Files is safe for concurrent use.
type Files struct {
	cfg     FilesConfig
	turn    chan struct{} // holds one: who may read
	current atomic.Pointer[readings]
}

// readings are what was last read. They do not change.
type readings struct {
	at    time.Time
	pair  reading[*tls.Certificate]
	roots map[string]reading[*x509.CertPool] // by file
}

// NewFiles returns a Source over files. It reads none of them yet.
func NewFiles(cfg FilesConfig) *Files {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Domains = maps.Clone(cfg.Domains)
	return &Files{cfg: cfg, turn: make(chan struct{}, 1)}
}

// Certificate returns the certificate that the files hold, or held when they
// were last good. See [Source].
func (f *Files) Certificate() (*tls.Certificate, error) {
	if f.cfg.Cert == "" && f.cfg.Key == "" {
		return new(tls.Certificate), nil
	}
	return f.latest().pair.get()
}

// Roots returns the roots for a trust domain, or for peers without a SPIFFE ID
// if it is empty. See [Source].
func (f *Files) Roots(trustDomain string) (*x509.CertPool, error) {
	file := f.cfg.Roots
	if trustDomain != "" && len(f.cfg.Domains) > 0 {
		file = f.cfg.Domains[trustDomain]
	}
	switch {
	case file != "":
		return f.latest().roots[file].get()
	case trustDomain != "":
		return nil, fmt.Errorf("identity: no roots for the trust domain %s", trustDomain)
	default:
		return nil, errors.New("identity: no file of roots is configured")
	}
}

// latest returns the last readings, or makes new ones if those are old and
// nobody else is about it.
func (f *Files) latest() *readings {
	last := f.current.Load()
	switch {
	case f.fresh(last):
		return last
	case last == nil:
		f.turn <- struct{}{}
	default:
		select {
		case f.turn <- struct{}{}:
		default:
			return last
		}
	}
	last = f.current.Load()
	if f.fresh(last) { // by who had the turn before
		<-f.turn
		return last
	}
	next, news := f.read(last)
	f.current.Store(next)
	<-f.turn
	for _, n := range news {
		f.tell(n)
	}
	return next
}

func (f *Files) fresh(r *readings) bool {
	if r == nil {
		return false
	}
	interval := f.cfg.Interval
	if interval < 0 {
		if r.good() {
			return true
		}
		interval = DefaultInterval
	}
	return time.Since(r.at) < interval
}

func (r *readings) good() bool {
	for _, roots := range r.roots {
		if roots.err != nil {
			return false
		}
	}
	return r.pair.err == nil
}

func (f *Files) read(last *readings) (*readings, []news) {
	if last == nil {
		last = new(readings)
	}
	next := &readings{roots: make(map[string]reading[*x509.CertPool])}
	var all []news
	if f.cfg.Cert != "" || f.cfg.Key != "" {
		var n news
		next.pair, n = last.pair.again(parsePair, f.cfg.Cert, f.cfg.Key)
		all = append(all, n)
	}
	files := slices.Collect(maps.Values(f.cfg.Domains))
	if f.cfg.Roots != "" {
		files = append(files, f.cfg.Roots)
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		var n news
		next.roots[file], n = last.roots[file].again(parseRoots, file)
		all = append(all, n)
	}
	next.at = time.Now()
	return next, all
}

func (f *Files) tell(n news) {
	switch {
	case n.err != nil:
		f.cfg.Logger.Warn("identity: what was good stays in use", "files", n.files, "error", n.err)
	case n.changed:
		f.cfg.Logger.Info("identity: files are in use", "files", n.files)
	default:
		return
	}
	if f.cfg.OnReload != nil {
		f.cfg.OnReload(n.err)
	}
}
