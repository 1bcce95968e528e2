package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	maxBytes   = 16 << 20 // of a file
	maxFiles   = 1000     // of a folder
	maxEntries = 10_000   // of a folder, files or not

	// resolution is the coarsest of the times that file systems keep, with
	// some room: a file that was changed less than that before it was read
	// may have been changed again without any sign of it.
	resolution = 3 * time.Second

	// recheck bounds how long a change goes unseen that leaves no sign at all,
	// such as by a tool that sets times.
	recheck = time.Minute
)

// A scanner keeps what it has seen of the files, for one goroutine.
type scanner struct {
	path     string
	decoders map[string]parse
	files    map[string]*tracked // by path
	err      error               // why the path cannot be looked at
}

// A tracked file is what was seen of it last.
type tracked struct {
	doc *document

	info    fs.FileInfo // when it was read
	read    time.Time
	sum     [sha256.Size]byte // of the content
	content *document         // what was made of it; nil if it was never read
}

func newScanner(path string, cfg config) *scanner {
	return &scanner{path: path, decoders: cfg.decoders, files: make(map[string]*tracked)}
}

// scan looks at everything once, and returns what all files say.
func (s *scanner) scan(ctx context.Context) *catalog {
	const tries = 3
	for range tries {
		before := s.links()
		s.look(ctx)
		if ctx.Err() != nil || s.links() == before {
			break
		}
	}
	c := &catalog{path: s.path, err: s.err}
	for _, path := range s.paths() {
		c.docs = append(c.docs, s.files[path].doc)
	}
	return c
}

// links returns where the symbolic links lead that are moved to replace many
// files at once.
func (s *scanner) links() [2]string {
	folder, _ := filepath.EvalSymlinks(s.path)
	data, _ := os.Readlink(filepath.Join(s.path, "..data"))
	return [2]string{folder, data}
}

func (s *scanner) look(ctx context.Context) {
	var there []string
	there, s.err = s.list()
	if s.err != nil {
		return
	}
	seen := make(map[string]bool)
	for _, path := range there {
		if ctx.Err() != nil {
			return
		}
		t := s.files[path]
		if t == nil {
			t = &tracked{doc: new(document)}
		}
		if t.update(path, s.decoder(path)) {
			s.files[path] = t
			seen[path] = true
		}
	}
	for path, t := range s.files {
		if !seen[path] && !t.doc.gone {
			t.lose(path)
		}
	}
	s.forget()
}

// list returns the paths of the files that are there.
func (s *scanner) list() ([]string, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{s.path}, nil
	}
	folder, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	entries, err := folder.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("%s: more than %d entries", s.path, maxEntries)
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && s.suffix(e.Name()) != "" {
			paths = append(paths, filepath.Join(s.path, e.Name()))
		}
	}
	if len(paths) > maxFiles {
		return nil, fmt.Errorf("%s: more than %d files", s.path, maxFiles)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: a folder without files of services", s.path)
	}
	slices.Sort(paths)
	return paths, nil
}

// suffix returns the longest suffix of a name for which there is a decoder.
func (s *scanner) suffix(name string) (longest string) {
	for suffix := range s.decoders {
		if strings.HasSuffix(name, suffix) && len(suffix) > len(longest) {
			longest = suffix
		}
	}
	return longest
}

func (s *scanner) decoder(path string) parse {
	if suffix := s.suffix(path); suffix != "" {
		return s.decoders[suffix]
	}
	return parseJSON
}

// update takes in what is new about a file that is listed. It reports false if
// the file is not there after all.
func (t *tracked) update(path string, decode parse) bool {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) { // removed just now, or a link that leads nowhere
		return false
	}
	if err == nil && t.unchanged(info) {
		return true
	}
	var content []byte
	if err == nil {
		content, err = t.open(path, info)
	}
	if err != nil {
		t.fail(err)
		return true
	}
	sum := sha256.Sum256(content)
	if t.content == nil || sum != t.sum {
		t.sum = sum
		t.content = new(document)
		if t.content.services, t.content.err = decode(path, content); t.content.err != nil {
			t.content.services = t.doc.services
		}
	}
	t.doc = t.content
	return true
}

// unchanged reports whether it is certain enough that there is nothing to read.
func (t *tracked) unchanged(info fs.FileInfo) bool {
	return t.content != nil && t.doc == t.content &&
		os.SameFile(t.info, info) && t.info.Size() == info.Size() && t.info.ModTime().Equal(info.ModTime()) &&
		t.read.Sub(info.ModTime()) > resolution && time.Since(t.read) < recheck
}

// open reads a file.
func (t *tracked) open(path string, info fs.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() { // opening a pipe might take forever
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	t.read = time.Now()
	if t.info, err = f.Stat(); err != nil { // of what is read, which may be another by now
		return nil, err
	}
	tooLarge := fmt.Errorf("%s: more than %d bytes", path, maxBytes)
	if t.info.Size() > maxBytes {
		return nil, tooLarge
	}
	content, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(content) > maxBytes { // it grows
		err = tooLarge
	}
	return content, err
}

// fail notes why the file cannot be read. What it said stands.
func (t *tracked) fail(err error) {
	if t.doc.err == nil || t.doc.err.Error() != err.Error() {
		t.doc = &document{services: t.doc.services, err: err}
	}
}

// lose notes that the file is gone. What it said stands.
func (t *tracked) lose(path string) {
	t.content = nil
	t.doc = &document{services: t.doc.services, gone: true, err: fmt.Errorf("%s is gone; what it listed stands", path)}
}

// forget drops files that are gone and matter no more: they said nothing that
// others do not say now, or there are too many of them.
func (s *scanner) forget() {
	named := make(map[string]bool)
	for _, t := range s.files {
		if t.doc.gone {
			continue
		}
		for service := range t.doc.services {
			named[service] = true
		}
	}
	for _, path := range s.paths() {
		d := s.files[path].doc
		if d.gone && (d.saysNothingBut(named) || len(s.files) > maxFiles) {
			delete(s.files, path)
		}
	}
}

func (d *document) saysNothingBut(named map[string]bool) bool {
	for service := range d.services {
		if !named[service] {
			return false
		}
	}
	return true
}

// paths returns those of all files that are remembered, in order.
func (s *scanner) paths() []string {
	paths := make([]string, 0, len(s.files))
	for path := range s.files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}
