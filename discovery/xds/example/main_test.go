package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lines is output of which a test waits for some.
type lines struct {
	bytes.Buffer
	want []string
	done context.CancelFunc
}

func (l *lines) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p)
	for _, want := range l.want {
		if !strings.Contains(l.String(), want) {
			return n, err
		}
	}
	l.done()
	return n, err
}

func TestRun(t *testing.T) {
	for _, variant := range []string{"-delta=false", "-delta"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out := &lines{want: []string{"hello from Ann\n", "hello from Bob\n", "hello from Cid\n"}, done: cancel}
		require.NoError(t, run(ctx, []string{"-serve", "127.0.0.1:0", "-interval", "1ms", variant}, out))
		for _, want := range out.want {
			assert.Contains(t, out.String(), want)
		}
		cancel()
	}
}
