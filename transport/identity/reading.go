package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// maxFile is the size of a file that is read at most: some 600 authorities.
const maxFile = 1 << 20

// A reading is what came of files that make up one thing, when they were read
// last. It does not change.
type reading[T any] struct {
	value   T        // the last good
	content [][]byte // that value was made from; nil if there is none yet
	err     error    // of the last reading
	bad     int      // readings in a row with an error
}

// news are what a reading has to tell, if anything.
type news struct {
	files   []string
	changed bool
	err     error
}

func (r reading[T]) get() (T, error) {
	if r.content == nil {
		var none T
		return none, r.err
	}
	return r.value, nil
}

// again reads the files once more.
func (r reading[T]) again(parse func([][]byte) (T, error), files ...string) (reading[T], news) {
	const telling = 2 // bad readings until one is told
	n := news{files: files}
	content, err := readAll(files)
	if err == nil && r.content != nil && slices.EqualFunc(r.content, content, bytes.Equal) {
		n.changed = r.bad >= telling
		r.err, r.bad = nil, 0
		return r, n
	}
	var value T
	if err == nil {
		if value, err = parse(content); err != nil {
			err = fmt.Errorf("identity: %s: %w", files[0], err)
		}
	}
	if err != nil {
		told := r.err
		r.err, r.bad = err, r.bad+1
		if r.bad == telling || r.bad > telling && told.Error() != err.Error() {
			n.err = err
		}
		return r, n
	}
	n.changed = r.content != nil || r.bad >= telling
	return reading[T]{value: value, content: content}, n
}

func readAll(files []string) ([][]byte, error) {
	all := make([][]byte, len(files))
	for i, file := range files {
		content, err := readFile(file)
		if err != nil {
			return nil, fmt.Errorf("identity: %w", err)
		}
		all[i] = content
	}
	return all, nil
}

func readFile(name string) ([]byte, error) {
	if name == "" {
		return nil, errors.New("a certificate and its key must both be configured")
	}
	info, err := os.Stat(name) // before it is opened: a pipe without a writer would wait
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	return content, nil
}

func parsePair(content [][]byte) (*tls.Certificate, error) {
	if _, err := certificates(content[0]); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return nil, err
	}
	if err := current(&pair, time.Now()); err != nil {
		return nil, err
	}
	return &pair, nil
}

func parseRoots(content [][]byte) (*x509.CertPool, error) {
	certs, err := certificates(content[0])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

// certificates parses all certificates, and is stricter than crypto/tls and
// crypto/x509: they pass over what they cannot read, and so would take half of
// a file that is being written for the whole.
func certificates(content []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	unread := bytes.Count(content, []byte("-----BEGIN "))
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		unread--
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	switch {
	case unread > 0:
		return nil, errors.New("a PEM block is incomplete")
	case len(all) == 0:
		return nil, errors.New("no certificates")
	}
	return all, nil
}
