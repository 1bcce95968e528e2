package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"
)

const (
	// The server is asked to end each watch after 5 to 10 minutes, so that no
	// two clients begin again in step, and that load spreads over the servers
	// behind one address.
	minWatch = 5 * time.Minute
	maxWatch = 10 * time.Minute

	// watchGrace is how much later a watch is given up that has not ended.
	watchGrace = 30 * time.Second

	maxEventBytes = 8 << 20 // etcd takes 1.5 MiB; as JSON it may be longer
)

// errLost says that a watch has ended before its time. Nothing is wrong but
// the connection: it goes on where it was.
var errLost = errors.New("the watch broke off")

// A stream is a running watch.
type stream struct {
	body   io.ReadCloser
	reader *bufio.Reader
	ctx    context.Context
	cancel context.CancelFunc
	ends   time.Time // when it ends as agreed
}

// watch asks for the changes to the slices of a service after a version. The
// stream must be closed.
func (c *Client) watch(ctx context.Context, n name, version string) (*stream, error) {
	length := (minWatch + rand.N(maxWatch-minWatch)).Round(time.Second)
	limit := length + watchGrace
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no end within %v", limit))
	ends := time.Now().Add(length - time.Second)
	resp, err := c.get(ctx, n, "watch", url.Values{ //nolint:bodyclose // the stream closes it
		"watch":               {"1"},
		"resourceVersion":     {version},
		"allowWatchBookmarks": {"true"},
		"timeoutSeconds":      {strconv.Itoa(int(length / time.Second))},
	})
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{body: resp.Body, reader: bufio.NewReaderSize(resp.Body, 16<<10), ctx: ctx, cancel: cancel, ends: ends}, nil
}

func (s *stream) close() {
	s.cancel()
	_ = s.body.Close()
}

// next waits for an event. The error is io.EOF for the end that was agreed,
// and wraps errLost for any other end.
func (s *stream) next() (event, error) {
	line, err := readLine(s.reader, maxEventBytes)
	switch {
	case err == nil:
		return parseEvent(line)
	case errors.Is(err, errTooLong):
		return event{}, err
	case errors.Is(err, io.EOF) && !time.Now().Before(s.ends):
		return event{}, io.EOF
	}
	return event{}, fmt.Errorf("%w: %v", errLost, cause(s.ctx, err))
}

var errTooLong = fmt.Errorf("malformed event: longer than %d bytes", maxEventBytes)

// readLine returns a line that is not empty, without its end.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errTooLong
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil: // what there is of a line is not all of it
			return nil, err
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			return text, nil
		}
		line = line[:0]
	}
}
