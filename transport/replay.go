package transport

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// errSuperseded is what a reader of an earlier attempt gets that still reads.
var errSuperseded = errors.New("transport: the request body is being sent elsewhere")

var errBodyLength = errors.New("transport: the request body is not as long as its ContentLength")

// bodyNeedsReplay reports whether a request has a body that only we could send
// twice.
func bodyNeedsReplay(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
}

// A replay lends one request body to several attempts, one after the other. It
// keeps what has been read of it, up to a limit, and gives up replaying beyond
// that, never sending. It closes the body when the call is finished and the
// last attempt has let go of it: net/http may go on reading and closing after
// RoundTrip has returned.
type replay struct {
	src    io.ReadCloser
	length int64 // that the request says, if greater than 0
	limit  int

	mu       sync.Mutex // guards what follows; not held while src is read
	kept     []byte
	read     int64
	overflow bool // more has been read than was kept
	reading  bool // somebody reads from src now
	current  *replayReader
	srcErr   error // io.EOF or worse
	finished bool
	closed   bool
}

func newReplay(req *http.Request, limit int) *replay {
	return &replay{src: req.Body, length: req.ContentLength, limit: limit}
}

// possible reports whether the body can be sent from its start once more, as
// it is now. What it is when the time has come, rewind says.
func (r *replay) possible() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.whole()
}

// rewind takes the body from the attempt that has it, for the next one. It
// reports false if the body cannot be sent from its start once more; then that
// attempt keeps it. An upload that outlives its answer would otherwise read on
// until the next attempt begins.
func (r *replay) rewind() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.whole() {
		return false
	}
	r.current = nil
	return true
}

// whole must be called with mu held.
func (r *replay) whole() bool {
	return !r.overflow && !r.reading && (r.srcErr == nil || errors.Is(r.srcErr, io.EOF))
}

// err returns what is wrong with the caller's body: the error with which
// reading it failed, or that it is not as long as the request says.
func (r *replay) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.length > 0 && (r.read > r.length || r.read < r.length && errors.Is(r.srcErr, io.EOF)):
		return errBodyLength
	case errors.Is(r.srcErr, io.EOF):
		return nil
	default:
		return r.srcErr
	}
}

// reader returns the body for the next attempt. Readers lent before read
// nothing any more.
func (r *replay) reader() io.ReadCloser {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = &replayReader{replay: r}
	return r.current
}

// finish says that there is no further attempt.
func (r *replay) finish() {
	r.mu.Lock()
	r.finished = true
	closes := r.mayClose()
	r.mu.Unlock()
	if closes {
		_ = r.src.Close()
	}
}

// mayClose reports, once, that the body is to be closed now. The caller holds
// mu.
func (r *replay) mayClose() bool {
	if r.closed || !r.finished || r.current != nil && !r.current.closed {
		return false
	}
	r.closed = true
	return true
}

type replayReader struct {
	replay *replay
	offset int // in kept
	closed bool
}

func (rr *replayReader) Read(p []byte) (int, error) {
	r := rr.replay
	r.mu.Lock()
	switch {
	case r.current != rr:
		r.mu.Unlock()
		return 0, errSuperseded
	case rr.closed:
		r.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	case rr.offset < len(r.kept):
		n := copy(p, r.kept[rr.offset:])
		rr.offset += n
		r.mu.Unlock()
		return n, nil
	case r.srcErr != nil:
		err := r.srcErr
		r.mu.Unlock()
		return 0, err
	}
	r.reading = true
	r.mu.Unlock()

	n, err := r.src.Read(p)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading = false
	r.read += int64(n)
	r.srcErr = err
	switch {
	case r.overflow:
	case len(r.kept)+n > r.limit:
		r.overflow = true
		r.kept = nil
		rr.offset = 0
	default:
		r.kept = append(r.kept, p[:n]...)
		rr.offset += n
	}
	return n, err
}

func (rr *replayReader) Close() error {
	r := rr.replay
	r.mu.Lock()
	rr.closed = true
	closes := r.current == rr && r.mayClose()
	r.mu.Unlock()
	if closes {
		return r.src.Close()
	}
	return nil
}
