package eurekaserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// SnapshotConfig says where and how the registry is kept on disk: see
// [WithSnapshot].
type SnapshotConfig struct {
	// Path is the file, of this server alone. Its folder is made if need be.
	// Empty means that there is no snapshot. The file is replaced as a whole,
	// by way of one with .tmp at the end; one that cannot be read is kept with
	// .damaged at the end.
	Path string

	// Every is how long changes are gathered before they are written. What a
	// server loses that is killed is what changed so recently. Zero means 5
	// seconds; so does a negative value.
	Every time.Duration

	// MaxAge is how long the server may have been away for the instances in
	// the file to be taken back. After that they are left out, as they most
	// likely have moved; what operators have set is not. Zero means 15
	// minutes, negative any time.
	MaxAge time.Duration
}

// SnapshotState is how the snapshot is: see [Server.Stats].
type SnapshotState struct {
	Restored int       // how many instances it held at the start
	Saved    time.Time // when it was last written
	Err      string    // why the last attempt failed, or empty
}

const (
	snapshotMagic   = "namesake-eureka-registry"
	snapshotVersion = "1"
	maxSnapshot     = 1 << 30 // bytes
	aliveEvery      = time.Minute
)

// saved is what a snapshot holds.
type saved struct {
	Instances []wire.Instance
	Overrides []savedOverride

	// Of a server with peers, what it has to know to agree with them.
	Versions []savedMark `json:",omitempty"` // of the instances
	Gone     []savedMark `json:",omitempty"` // instances that were canceled, in order
}

type savedOverride struct {
	App, ID string
	Status  wire.Status
	Until   time.Time // zero while the lease lives
}

// encodeSnapshot writes a snapshot: a line with the format, its version, and
// length and hash of what follows, which is JSON.
func encodeSnapshot(s saved) ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(body)
	head := fmt.Sprintf("%s %s %d %s\n", snapshotMagic, snapshotVersion, len(body), hex.EncodeToString(hash[:]))
	return append([]byte(head), body...), nil
}

func decodeSnapshot(data []byte) (saved, error) {
	head, body, ok := bytes.Cut(data, []byte("\n"))
	fields := strings.Fields(string(head[:min(len(head), 200)]))
	switch {
	case !ok || len(fields) != 4 || fields[0] != snapshotMagic:
		return saved{}, errors.New("line 1: not a snapshot of a registry")
	case fields[1] != snapshotVersion:
		return saved{}, fmt.Errorf("line 1: version %.20q, want %s", fields[1], snapshotVersion)
	case fields[2] != strconv.Itoa(len(body)):
		return saved{}, fmt.Errorf("line 1: %.20q bytes announced, %d there", fields[2], len(body))
	}
	if hash := sha256.Sum256(body); hex.EncodeToString(hash[:]) != fields[3] {
		return saved{}, errors.New("line 2: the content does not have the hash in line 1")
	}
	var s saved
	if err := unmarshalSaved(body, &s); err != nil {
		return saved{}, err
	}
	return s, nil
}

func unmarshalSaved(body []byte, s *saved) error {
	err := json.Unmarshal(body, s)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line 2, byte %d: %s", syntax.Offset, err.Error())
	}
	if err != nil {
		return fmt.Errorf("line 2: %s", err.Error())
	}
	return nil
}

// startSnapshots reads the snapshot, and begins to keep it up to date.
func (s *Server) startSnapshots() {
	c := &s.settings.snapshot
	if c.Path == "" {
		return
	}
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	if c.MaxAge == 0 {
		c.MaxAge = 15 * time.Minute
	}
	s.load()
	s.snapshots.written, _ = s.registry.revision()
	s.snapshots.started = true
	s.background.Go(s.keepSaved)
}

// load fills the registry from the snapshot.
func (s *Server) load() {
	c, logger := &s.settings.snapshot, s.settings.logger
	state, age, err := readSnapshot(c.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return
	case err != nil:
		aside := c.Path + ".damaged"
		logger.Warn("snapshot not read: the registry starts empty", "path", c.Path, "error", err, "kept", aside)
		if err := os.Rename(c.Path, aside); err != nil {
			logger.Warn("snapshot not kept", "error", err)
		}
		return
	}
	if c.MaxAge > 0 && age > c.MaxAge {
		logger.Warn("snapshot too old: instances left out", "path", c.Path, "age", age.Round(time.Second), "instances", len(state.Instances))
		state.Instances = nil
	}
	restored := s.registry.restore(state, &s.settings.limits)
	s.snapshots.update(func(st *SnapshotState) { st.Restored = restored })
	logger.Info("snapshot read", "path", c.Path, "instances", restored, "invalid", len(state.Instances)-restored)
}

func readSnapshot(path string) (state saved, age time.Duration, err error) {
	f, err := os.Open(path)
	if err != nil {
		return saved{}, 0, err
	}
	defer func() { _ = f.Close() }() // it has only been read
	info, err := f.Stat()
	if err != nil {
		return saved{}, 0, err
	}
	if info.Size() > maxSnapshot {
		return saved{}, 0, fmt.Errorf("%d bytes, at most %d are read", info.Size(), maxSnapshot)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSnapshot))
	if err != nil {
		return saved{}, 0, err
	}
	state, err = decodeSnapshot(data)
	return state, time.Since(info.ModTime()), err
}

// keepSaved writes the registry when it has changed from the revision that is
// written, until the server is closed.
func (s *Server) keepSaved() {
	c := &s.settings.snapshot
	for {
		rev, news := s.registry.revision()
		if rev == s.snapshots.written {
			select {
			case <-news:
			case <-time.After(aliveEvery):
				s.touch()
				continue
			case <-s.done:
				return
			}
		}
		select {
		case <-time.After(c.Every):
		case <-s.done:
			return
		}
		s.save()
	}
}

// touch sets the time of the file, which says until when the server was there.
func (s *Server) touch() {
	now := time.Now()
	_ = os.Chtimes(s.settings.snapshot.Path, now, now) // if it is gone the next change writes it
}

// saveLast writes the registry when nothing runs any more. What has changed
// without a new revision is of interest to peers only.
func (s *Server) saveLast() {
	if !s.snapshots.started {
		return
	}
	if rev, _ := s.registry.revision(); rev == s.snapshots.written && s.cluster == nil {
		s.touch()
		return
	}
	s.save()
}

// save writes the registry.
func (s *Server) save() {
	c, logger := &s.settings.snapshot, s.settings.logger
	state, rev := s.registry.saved()
	data, err := encodeSnapshot(state)
	if err == nil {
		err = replaceFile(c.Path, data)
	}
	if err == nil {
		s.snapshots.written = rev
	}
	var failing, failed bool
	s.snapshots.update(func(st *SnapshotState) {
		failed = st.Err != ""
		if st.Err = ""; err != nil {
			st.Err, failing = err.Error(), true
			return
		}
		st.Saved = time.Now()
	})
	switch {
	case failing && !failed:
		logger.Warn("snapshot not written: trying again", "error", err)
	case failed && !failing:
		logger.Info("snapshot written again", "path", c.Path)
	}
}

// replaceFile puts data in place of a file: whoever reads it, even after a
// loss of power, finds all the old content or all the new.
func replaceFile(path string, data []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(f.Name(), now, now); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	// The rename too has to reach the disk. Not every system can be asked.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}
