package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A snapshotStore keeps sets in a folder, one file for each service. A file is
// a line that tells what it is, and JSON:
//
//	namesake snapshot 1 <SHA-256 of the rest, in hexadecimal>
//	{"service":"orders","time":"2026-01-02T15:04:05Z","instances":[{"addr":"10.0.0.7:8080"}]}
type snapshotStore struct {
	folder string
	maxAge time.Duration // negative means any
	sweep  sync.Once
}

const (
	snapshotFormat  = "namesake snapshot "
	snapshotVersion = "1"
	snapshotSuffix  = ".snapshot"
	snapshotTemp    = ".snapshot-" // how the names of unfinished files begin

	maxSnapshotBytes = 64 << 20
	maxSnapshotName  = 200 // bytes; file systems allow 255, and there is a suffix

	// maxSnapshotSweep bounds how many files are looked at in search of
	// unfinished ones.
	maxSnapshotSweep = 10_000

	// tempAge is when an unfinished file is one that a crash has left behind.
	tempAge = time.Hour
)

// A savedSet is what a file holds.
type savedSet struct {
	set []Instance
	age time.Duration
}

type snapshotBody struct {
	Service   string             `json:"service"`
	Time      time.Time          `json:"time"`
	Instances []snapshotInstance `json:"instances"`
}

type snapshotInstance struct {
	ID       string            `json:"id,omitempty"`
	Addr     string            `json:"addr"`
	Scheme   string            `json:"scheme,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	Weight   uint32            `json:"weight,omitempty"`
	Priority uint32            `json:"priority,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// load reads the set of a service. An error that is fs.ErrNotExist means that
// there is none.
func (s *snapshotStore) load(service string) (savedSet, error) {
	path := s.path(service)
	content, err := readBounded(path, maxSnapshotBytes)
	if err != nil {
		return savedSet{}, err
	}
	set, at, err := decodeSnapshot(service, content)
	if err != nil {
		return savedSet{}, fmt.Errorf("%s: %w", path, err)
	}
	age := max(time.Since(at), 0).Round(time.Second) // clocks differ
	if s.maxAge >= 0 && age > s.maxAge {
		return savedSet{}, fmt.Errorf("%s: saved %v ago, more than %v", path, age, s.maxAge)
	}
	return savedSet{set: set, age: age}, nil
}

func readBounded(path string, bound int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe might take forever
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, bound+1))
	if err == nil && int64(len(content)) > bound {
		err = fmt.Errorf("%s: more than %d bytes", path, bound)
	}
	return content, err
}

// decodeSnapshot reads what encodeSnapshot has written.
func decodeSnapshot(service string, content []byte) (set []Instance, at time.Time, err error) {
	head, body, whole := bytes.Cut(content, []byte("\n"))
	version, ours := bytes.CutPrefix(head, []byte(snapshotFormat))
	if !whole || !ours {
		return nil, at, errors.New("not a snapshot")
	}
	version, sum, _ := bytes.Cut(version, []byte(" "))
	if string(version) != snapshotVersion {
		return nil, at, fmt.Errorf("a snapshot of version %.20q, not %s", version, snapshotVersion)
	}
	if string(sum) != checksum(body) {
		return nil, at, errors.New("damaged: the checksum is not that of the content")
	}
	var saved snapshotBody
	if err := json.Unmarshal(body, &saved); err != nil {
		return nil, at, err
	}
	if saved.Service != service {
		return nil, at, fmt.Errorf("a snapshot of the service %.100q", saved.Service)
	}
	for _, in := range saved.Instances {
		set = append(set, Instance(in))
	}
	if set, err = CleanSet(set); err == nil && len(set) == 0 {
		err = errors.New("a snapshot without instances")
	}
	return set, saved.Time, err
}

func encodeSnapshot(service string, set []Instance, at time.Time) ([]byte, error) {
	saved := snapshotBody{Service: service, Time: at.UTC()}
	for _, in := range set {
		saved.Instances = append(saved.Instances, snapshotInstance(in))
	}
	body, err := json.Marshal(saved)
	if err != nil {
		return nil, err
	}
	head := snapshotFormat + snapshotVersion + " " + checksum(body) + "\n"
	if len(head)+len(body) > maxSnapshotBytes {
		return nil, fmt.Errorf("%d bytes are more than %d", len(head)+len(body), maxSnapshotBytes)
	}
	return append([]byte(head), body...), nil
}

func checksum(body []byte) string { return fmt.Sprintf("%x", sha256.Sum256(body)) }

// save replaces the set of a service. Others see the old file or the new one,
// and so does who comes after a crash.
func (s *snapshotStore) save(service string, set []Instance, at time.Time) (err error) {
	content, err := encodeSnapshot(service, set, at)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return err
	}
	s.sweep.Do(s.sweepTemp)
	f, err := os.CreateTemp(s.folder, snapshotTemp+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path(service)); err != nil {
		return err
	}
	s.sync()
	return nil
}

// remove forgets the set of a service.
func (s *snapshotStore) remove(service string) error {
	if err := os.Remove(s.path(service)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.sync()
	return nil
}

// sync makes the folder's entries last. Where that cannot be done, a crash of
// the machine may bring an older set back, which is still a whole one.
func (s *snapshotStore) sync() {
	if folder, err := os.Open(s.folder); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
}

// sweepTemp removes what crashes have left behind.
func (s *snapshotStore) sweepTemp() {
	folder, err := os.Open(s.folder)
	if err != nil {
		return
	}
	defer func() { _ = folder.Close() }()
	names, _ := folder.Readdirnames(maxSnapshotSweep)
	for _, name := range names {
		path := filepath.Join(s.folder, name)
		if !strings.HasPrefix(name, snapshotTemp) {
			continue
		}
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > tempAge {
			_ = os.Remove(path)
		}
	}
}

// path returns the file of a service. Its name is the service's with all but
// lower-case letters, digits and -_. percent-encoded, as file systems differ
// in what they allow and tell apart.
func (s *snapshotStore) path(service string) string {
	var name strings.Builder
	for i := range len(service) {
		c := service[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0 {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02X", c)
		}
	}
	short := name.String()
	if len(short) > maxSnapshotName {
		short = short[:maxSnapshotName/2] + "~" + checksum([]byte(service))
	}
	return filepath.Join(s.folder, short+snapshotSuffix)
}
