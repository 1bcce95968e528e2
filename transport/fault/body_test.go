package fault_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/fault"
)

func TestTruncateBody(t *testing.T) {
	for name, test := range map[string]struct {
		n      int64
		length int64
		want   string
		broken bool
	}{
		"in the middle":                 {4, 10, "0123", true},
		"at the beginning":              {0, 10, "", true},
		"less than nothing":             {-5, 10, "", true},
		"after the end":                 {11, 10, "0123456789", false},
		"at the end":                    {10, 10, "0123456789", false},
		"in the middle, length unknown": {4, -1, "0123", true},
		"after the end, length unknown": {11, -1, "0123456789", false},
	} {
		t.Run(name, func(t *testing.T) {
			rt := fault.New(1, fault.Rule{Fault: fault.TruncateBody(test.n)}).Around(&server{body: "0123456789", length: test.length})
			req, _ := request(t, t.Context(), http.MethodGet)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			text, err := io.ReadAll(resp.Body)
			assert.Equal(t, test.want, string(text))
			assert.Equal(t, test.broken, errors.Is(err, io.ErrUnexpectedEOF))
			assert.Equal(t, test.length, resp.ContentLength, "the header was sent before")
		})
	}
}

func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := fault.New(1, fault.Rule{Fault: fault.SlowBody(3, time.Second)}).Around(&server{body: "0123456789", length: 10})
		get := func(ctx context.Context) io.ReadCloser {
			req, _ := request(t, ctx, http.MethodGet)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			t.Cleanup(func() { _ = resp.Body.Close() })
			return resp.Body
		}
		start := time.Now()
		text, err := io.ReadAll(get(t.Context()))
		require.NoError(t, err)
		assert.Equal(t, "0123456789", string(text))
		assert.Equal(t, 5*time.Second, time.Since(start), "012, 345, 678, 9, and the end")

		start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		text, err = io.ReadAll(get(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, "012345", string(text))
		assert.Equal(t, 2500*time.Millisecond, time.Since(start))

		start = time.Now()
		body := get(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { _ = body.Close(); _ = body.Close() })
		_, _ = body.Read(make([]byte, 1))
		assert.Equal(t, 100*time.Millisecond, time.Since(start), "who has closed it does not wait")
	})
}

// Where there is no body, and where it is a connection, there is nothing to
// slow down.
func TestNoBody(t *testing.T) {
	for _, f := range []fault.Fault{fault.TruncateBody(0), fault.SlowBody(1, time.Hour)} {
		for _, base := range []*server{{}, {status: http.StatusSwitchingProtocols, body: "frames", length: -1}} {
			rt := fault.New(1, fault.Rule{Fault: f}).Around(base)
			req, _ := request(t, t.Context(), http.MethodGet)
			resp, err := rt.RoundTrip(req)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, base.body, string(text))
		}
	}
}
