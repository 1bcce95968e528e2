package identity_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/identity"
)

// told collects what OnReload is called with.
type told struct{ all []error }

func (r *told) tell(err error) { r.all = append(r.all, err) }

// take returns what was told since it was asked last.
func (r *told) take() []error {
	all := r.all
	r.all = nil
	return all
}

func serial(t *testing.T, f *identity.Files) string {
	t.Helper()
	cert, err := f.Certificate()
	require.NoError(t, err)
	return cert.Leaf.SerialNumber.String()
}

func believes(t *testing.T, f *identity.Files, domain string, cert *tls.Certificate) bool {
	t.Helper()
	roots, err := f.Roots(domain)
	require.NoError(t, err)
	_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// A new pair counts from the first use after the interval, and reading is not
// done more often.
func TestFilesRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, other := newAuthority(t, nil), newAuthority(t, nil)
		first, second := ca.issue(t, uris(orders)), other.issue(t, uris(orders))
		var heard told
		var log bytes.Buffer
		cfg := pemFiles(t.TempDir())
		cfg.OnReload, cfg.Logger = heard.tell, slog.New(slog.NewTextHandler(&log, nil))
		writePair(t, cfg, first)
		write(t, cfg.Roots, rootsPEM(ca))
		source := identity.NewFiles(cfg)

		assert.Equal(t, first.Leaf.SerialNumber.String(), serial(t, source))
		writePair(t, cfg, second)
		write(t, cfg.Roots, rootsPEM(ca, other))
		time.Sleep(identity.DefaultInterval - time.Nanosecond)
		assert.Equal(t, first.Leaf.SerialNumber.String(), serial(t, source))
		assert.False(t, believes(t, source, "", second))
		assert.Empty(t, heard.take())

		time.Sleep(time.Nanosecond)
		assert.Equal(t, second.Leaf.SerialNumber.String(), serial(t, source))
		assert.True(t, believes(t, source, "", first))
		assert.True(t, believes(t, source, "example.org", second))
		assert.Equal(t, []error{nil, nil}, heard.take(), "the pair, and the roots")
		assert.Equal(t, 2, strings.Count(log.String(), "level=INFO"), log.String())

		time.Sleep(time.Hour / 2)
		assert.Equal(t, second.Leaf.SerialNumber.String(), serial(t, source))
		assert.Empty(t, heard.take(), "nothing changed")
	})
}

// What is bad is told once, when it has been bad twice; what was good stays.
func TestFilesKeepTheLastGood(t *testing.T) {
	ca := newAuthority(t, nil)
	good := ca.issue(t, uris(orders))
	other := newAuthority(t, ca).issue(t, uris(orders)) // with a chain
	chain := chainPEM(other)
	expired := ca.issue(t, uris(orders), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })
	for name, test := range map[string]struct {
		spoil func(t *testing.T, cfg identity.FilesConfig)
		want  string
	}{
		"half-written pair": {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Cert, chain) }, "private key does not match"},
		"no certificate":    {func(t *testing.T, cfg identity.FilesConfig) { require.NoError(t, os.Remove(cfg.Cert)) }, "no such file"},
		"no key":            {func(t *testing.T, cfg identity.FilesConfig) { require.NoError(t, os.Remove(cfg.Key)) }, "no such file"},
		"empty key":         {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Key, nil) }, "failed to find any PEM data in key input"},
		"cut chain": {func(t *testing.T, cfg identity.FilesConfig) {
			write(t, cfg.Cert, chain[:len(chain)-40])
			write(t, cfg.Key, keyPEM(t, other))
		}, "a PEM block is incomplete"},
		"damaged chain": {func(t *testing.T, cfg identity.FilesConfig) {
			write(t, cfg.Cert, bytes.Replace(chain, []byte("-----END CERTIFICATE-----\n-----BEGIN"), []byte("-----BEGIN"), 1))
			write(t, cfg.Key, keyPEM(t, other))
		}, "a PEM block is incomplete"},
		"expired": {func(t *testing.T, cfg identity.FilesConfig) { writePair(t, cfg, expired) }, "expired at"},
		"a folder": {func(t *testing.T, cfg identity.FilesConfig) {
			require.NoError(t, os.Remove(cfg.Cert))
			require.NoError(t, os.Mkdir(cfg.Cert, 0o700))
		}, "not a regular file"},
		"a pipe": {func(t *testing.T, cfg identity.FilesConfig) {
			require.NoError(t, os.Remove(cfg.Cert))
			require.NoError(t, syscall.Mkfifo(cfg.Cert, 0o600))
		}, "not a regular file"},
		"too large":       {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Roots, make([]byte, 1<<20+1)) }, "larger than 1048576 bytes"},
		"empty roots":     {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Roots, nil) }, "no certificates"},
		"cut roots":       {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Roots, chain[:len(chain)-9]) }, "a PEM block is incomplete"},
		"damaged roots":   {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Roots, damaged(chain)) }, "certificate 1: x509: "},
		"roots are a key": {func(t *testing.T, cfg identity.FilesConfig) { write(t, cfg.Roots, keyPEM(t, good)) }, "no certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			var heard told
			cfg := pemFiles(t.TempDir())
			cfg.OnReload, cfg.Logger, cfg.Interval = heard.tell, slog.New(slog.DiscardHandler), 1
			mend := func() {
				require.NoError(t, os.RemoveAll(cfg.Cert))
				writePair(t, cfg, good)
				write(t, cfg.Roots, rootsPEM(ca))
			}
			mend()
			source := identity.NewFiles(cfg)
			_, err := source.Certificate()
			require.NoError(t, err)
			use := func() {
				assert.Equal(t, good.Leaf.SerialNumber.String(), serial(t, source))
			}
			test.spoil(t, cfg)
			use()
			assert.Empty(t, heard.take(), "it may be being written")
			use()
			news := heard.take()
			require.Len(t, news, 1)
			require.ErrorContains(t, news[0], test.want)
			require.ErrorContains(t, news[0], filepath.Dir(cfg.Cert), "names the file")
			assert.NotContains(t, news[0].Error(), "PRIVATE KEY-----")
			use()
			assert.True(t, believes(t, source, "", good))
			assert.Empty(t, heard.take(), "once")
			mend()
			use()
			assert.Equal(t, []error{nil}, heard.take(), "it is good again")
			use()
			assert.Empty(t, heard.take())

			// Without a good one before, what needs it fails and says why.
			test.spoil(t, cfg)
			source = identity.NewFiles(cfg)
			_, certErr := source.Certificate()
			_, rootsErr := source.Roots("")
			if certErr == nil {
				certErr = rootsErr
			} else {
				require.NoError(t, rootsErr)
			}
			require.ErrorContains(t, certErr, test.want)
			mend()
			_, err = source.Certificate()
			require.NoError(t, err)
			_, err = source.Roots("")
			require.NoError(t, err)
		})
	}
}

func damaged(text []byte) []byte {
	text = bytes.Clone(text)
	copy(text[len("-----BEGIN CERTIFICATE-----\n"):], "AAAA")
	return text
}

// A pair that is not valid yet waits for its time, the last one being used.
func TestFilesCertificateOfTomorrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, nil)
		now := ca.issue(t, uris(orders))
		soon := ca.issue(t, uris(orders), func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })
		cfg := pemFiles(t.TempDir())
		cfg.Logger = slog.New(slog.DiscardHandler)
		writePair(t, cfg, now)
		write(t, cfg.Roots, rootsPEM(ca))
		source := identity.NewFiles(cfg)
		assert.Equal(t, now.Leaf.SerialNumber.String(), serial(t, source))
		writePair(t, cfg, soon)
		time.Sleep(time.Minute - time.Second)
		assert.Equal(t, now.Leaf.SerialNumber.String(), serial(t, source))
		time.Sleep(time.Second)
		assert.Equal(t, soon.Leaf.SerialNumber.String(), serial(t, source))
	})
}

// A mounted secret changes by the swap of a link to a folder.
func TestFilesBehindLinks(t *testing.T) {
	ca := newAuthority(t, nil)
	mount := t.TempDir()
	swap := func(version string, cert *tls.Certificate) {
		require.NoError(t, os.Mkdir(filepath.Join(mount, version), 0o700))
		cfg := pemFiles(filepath.Join(mount, version))
		writePair(t, cfg, cert)
		write(t, cfg.Roots, rootsPEM(ca))
		require.NoError(t, os.Symlink(version, filepath.Join(mount, "..tmp")))
		require.NoError(t, os.Rename(filepath.Join(mount, "..tmp"), filepath.Join(mount, "..data")))
	}
	first, second := ca.issue(t, uris(orders)), ca.issue(t, uris(orders))
	swap("..1", first)
	cfg := pemFiles(mount)
	cfg.Interval, cfg.Logger = 1, slog.New(slog.DiscardHandler)
	for _, file := range []string{cfg.Cert, cfg.Key, cfg.Roots} {
		require.NoError(t, os.Symlink(filepath.Join("..data", filepath.Base(file)), file))
	}
	source := identity.NewFiles(cfg)
	assert.Equal(t, first.Leaf.SerialNumber.String(), serial(t, source))
	swap("..2", second)
	require.NoError(t, os.RemoveAll(filepath.Join(mount, "..1")))
	assert.Equal(t, second.Leaf.SerialNumber.String(), serial(t, source))
}

// Nothing is read before it is needed, and what is missing then is named.
func TestFilesMissing(t *testing.T) {
	cfg := pemFiles(filepath.Join(t.TempDir(), "nowhere"))
	cfg.Logger = slog.New(slog.DiscardHandler)
	source := identity.NewFiles(cfg)
	_, err := source.Certificate()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, cfg.Cert)
	_, err = source.Roots("")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, cfg.Roots)

	cfg.Key = ""
	_, err = identity.NewFiles(cfg).Certificate()
	require.Error(t, err)
	cfg.Cert, cfg.Key = "", cfg.Cert
	_, err = identity.NewFiles(cfg).Certificate()
	require.ErrorContains(t, err, "must both be configured")

	none := identity.NewFiles(identity.FilesConfig{})
	cert, err := none.Certificate()
	require.NoError(t, err)
	assert.Empty(t, cert.Certificate)
	_, err = none.Roots("")
	require.ErrorContains(t, err, "no file of roots")
	_, err = none.Roots("example.org")
	require.ErrorContains(t, err, "no roots for the trust domain example.org")
}

func TestFilesDomains(t *testing.T) {
	org, com, plain := newAuthority(t, nil), newAuthority(t, nil), newAuthority(t, nil)
	folder := t.TempDir()
	cfg := identity.FilesConfig{
		Roots:   filepath.Join(folder, "ca.crt"),
		Domains: map[string]string{"example.org": filepath.Join(folder, "org"), "example.com": filepath.Join(folder, "com")},
	}
	write(t, cfg.Roots, rootsPEM(plain))
	write(t, cfg.Domains["example.org"], rootsPEM(org))
	write(t, cfg.Domains["example.com"], rootsPEM(com))
	source := identity.NewFiles(cfg)
	for domain, its := range map[string]*authority{"": plain, "example.org": org, "example.com": com} {
		for _, ca := range []*authority{plain, org, com} {
			assert.Equal(t, ca == its, believes(t, source, domain, ca.issue(t)))
		}
	}
	_, err := source.Roots("example.net")
	require.ErrorContains(t, err, "no roots for the trust domain example.net")
}

// The first to come all wait for one reading. Two would have told of the
// trouble.
func TestFilesAreReadOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard told
		cfg := pemFiles(filepath.Join(t.TempDir(), "nowhere"))
		cfg.OnReload, cfg.Logger = heard.tell, slog.New(slog.DiscardHandler)
		source := identity.NewFiles(cfg)
		var users sync.WaitGroup
		for range 8 {
			users.Go(func() {
				_, err := source.Certificate()
				assert.ErrorIs(t, err, fs.ErrNotExist)
			})
		}
		users.Wait()
		assert.Empty(t, heard.take())
	})
}

// A negative interval stops reading once everything is good, not before.
func TestFilesReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, nil)
		first := ca.issue(t, uris(orders))
		cfg := pemFiles(t.TempDir())
		cfg.Interval, cfg.Logger = -1, slog.New(slog.DiscardHandler)
		writePair(t, cfg, first)
		source := identity.NewFiles(cfg)
		_, err := source.Roots("")
		require.Error(t, err)
		write(t, cfg.Roots, rootsPEM(ca))
		_, err = source.Roots("")
		require.Error(t, err, "not before the interval is over")
		time.Sleep(identity.DefaultInterval)
		_, err = source.Roots("")
		require.NoError(t, err)
		writePair(t, cfg, ca.issue(t, uris(orders)))
		time.Sleep(time.Hour / 2)
		assert.Equal(t, first.Leaf.SerialNumber.String(), serial(t, source))
	})
}

// Handshakes use the files while they are replaced, and never see a pair that
// does not fit.
func TestFilesConcurrently(t *testing.T) {
	ca := newAuthority(t, nil)
	certs := []*tls.Certificate{ca.issue(t, uris(orders)), ca.issue(t, uris(billing))}
	cfg := pemFiles(t.TempDir())
	cfg.Interval, cfg.Logger = 1, slog.New(slog.DiscardHandler)
	writePair(t, cfg, certs[0])
	write(t, cfg.Roots, rootsPEM(ca))
	source := identity.NewFiles(cfg)
	_, err := source.Certificate()
	require.NoError(t, err)
	var users sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		users.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				cert, err := source.Certificate()
				if assert.NoError(t, err) {
					assert.True(t, cert.Leaf.Equal(certs[0].Leaf) || cert.Leaf.Equal(certs[1].Leaf))
				}
				_, err = source.Roots("example.org")
				assert.NoError(t, err)
			}
		})
	}
	for i := range 50 {
		writePair(t, cfg, certs[i%2])
	}
	close(done)
	users.Wait()
}

func BenchmarkFiles(b *testing.B) {
	ca := newAuthority(b, nil)
	cfg := pemFiles(b.TempDir())
	writePair(b, cfg, ca.issue(b, uris(orders)))
	write(b, cfg.Roots, rootsPEM(ca))
	for name, interval := range map[string]time.Duration{"fresh": time.Hour, "read": 1} {
		b.Run(name, func(b *testing.B) {
			cfg.Interval = interval
			source := identity.NewFiles(cfg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := source.Certificate(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
