package discovery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzSnapshot checks that a file of any content is read without harm, and
// that what is accepted is a set, and the same when it is written and read
// again.
func FuzzSnapshot(f *testing.F) {
	good, err := encodeSnapshot("orders", Addrs("a.example:80"), time.Unix(1, 0))
	require.NoError(f, err)
	f.Add(good, false)
	for _, body := range []string{
		`{"service":"orders","time":"2026-01-02T15:04:05Z","instances":[{"id":"a","addr":"a.example:80","weight":1}]}`,
		`{"service":"orders","instances":[{"addr":""}]}`, `{"service":"orders"}`, `[]`, ``,
	} {
		f.Add([]byte(body), true)
	}
	f.Fuzz(func(t *testing.T, content []byte, signed bool) {
		if signed { // so as to get beyond the checksum
			content = append([]byte(snapshotFormat+snapshotVersion+" "+checksum(content)+"\n"), content...)
		}
		set, at, err := decodeSnapshot("orders", content)
		if err != nil {
			return
		}
		require.NotEmpty(t, set)
		clean, err := CleanSet(set)
		require.NoError(t, err)
		require.Equal(t, clean, set)
		again, err := encodeSnapshot("orders", set, at)
		if err != nil {
			return // a time that JSON cannot hold
		}
		read, readAt, err := decodeSnapshot("orders", again)
		require.NoError(t, err)
		require.True(t, equalSets(set, read))
		require.True(t, at.Equal(readAt))
	})
}
