package serve_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/transport/serve"
)

// left returns the time that a handler behind the middleware has, or -1 if it
// has no deadline.
func left(middleware func(http.Handler) http.Handler, header string, values ...string) time.Duration {
	left := time.Duration(-1)
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, v := range values {
		req.Header.Add(header, v)
	}
	middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if deadline, ok := r.Context().Deadline(); ok {
			left = time.Until(deadline)
		}
	})).ServeHTTP(httptest.NewRecorder(), req)
	return left
}

func TestDeadline(t *testing.T) {
	const none = time.Duration(-1)
	for _, test := range []struct {
		values []string
		want   time.Duration
	}{
		{nil, none},
		{[]string{"1"}, time.Millisecond},
		{[]string{"1500"}, 1500 * time.Millisecond},
		{[]string{"007"}, 7 * time.Millisecond},
		{[]string{"86400000"}, 24 * time.Hour},
		{[]string{"86400001"}, none},
		{[]string{"0"}, none},
		{[]string{"-1"}, none},
		{[]string{"+1"}, none},
		{[]string{""}, none},
		{[]string{" 1"}, none},
		{[]string{"1.5"}, none},
		{[]string{"1e3"}, none},
		{[]string{"1s"}, none},
		{[]string{"0x10"}, none},
		{[]string{"9223372036855"}, none}, // would overflow a Duration
		{[]string{"99999999999999999999999"}, none},
		{[]string{"10", "20"}, none},
	} {
		synctest.Test(t, func(t *testing.T) {
			assert.Equal(t, test.want, left(serve.Deadline, serve.DeadlineHeader, test.values...), "%q", test.values)
		})
	}
}

func TestDeadlineFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := func(next http.Handler) http.Handler { return serve.DeadlineFrom("x-time-left", next) }
		assert.Equal(t, time.Second, left(from, "X-Time-Left", "1000"))
		assert.Equal(t, time.Duration(-1), left(from, serve.DeadlineHeader, "1000"))
		both := func(next http.Handler) http.Handler { return from(serve.Deadline(next)) }
		assert.Equal(t, time.Second, left(both, "X-Time-Left", "1000"))
	})
}

func FuzzDeadline(f *testing.F) {
	for _, value := range []string{"", "0", "1", "86400000", "86400001", "-5", "1.5", "18446744073709551616", "\x00", "1_000"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		want := time.Duration(-1)
		if ms, err := strconv.ParseUint(value, 10, 32); err == nil && ms > 0 && ms <= 86_400_000 {
			want = time.Duration(ms) * time.Millisecond
		}
		got := left(serve.Deadline, serve.DeadlineHeader, value)
		if want < 0 {
			assert.Equal(t, want, got)
			return
		}
		assert.LessOrEqual(t, got, want)
		assert.Greater(t, got, want-time.Minute)
	})
}
