package transport

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// errSuperseded is what a reader of an earlier attempt gets that still reads.
var errSuperseded = errors.New("transport: the request body is being sent elsewhere")

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
	src   io.ReadCloser
	limit int

	mu       sync.Mutex // guards what follows; not held while src is read
	kept     []byte
	overflow bool // more has been read than was kept
	reading  bool // somebody reads from src now
	current  *replayReader
	srcErr   error // io.EOF or worse
	finished bool
	closed   bool
}

func newReplay(req *http.Request, limit int) *replay {
	return &replay{src: req.Body, limit: limit}
}

// possible reports whether the body can be sent from its start once more.
func (r *replay) possible() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.overflow && !r.reading && (r.srcErr == nil || errors.Is(r.srcErr, io.EOF))
}

// err returns the error with which reading the caller's body failed.
func (r *replay) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.srcErr, io.EOF) {
		return nil
	}
	return r.srcErr
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
