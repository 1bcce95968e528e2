package xds_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/xds"
)

var errDown = status.Error(codes.Unavailable, "connection refused")

// A stream that ends after an answer is nothing special: the next begins at
// once, and asks for what is new.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		orders := read(t, f.client(), "orders")
		s := f.accept()
		s.request()
		s.send("1", list("orders", 1))
		orders.set()
		s.request()
		time.Sleep(time.Minute)
		s.over <- io.EOF
		s = f.accept()
		assert.Equal(t, time.Minute, time.Since(f.began))
		req := s.request()
		assert.Equal(t, "1", req.GetVersionInfo())
		assert.Empty(t, req.GetResponseNonce())
		assert.NotNil(t, req.GetNode())
		time.Sleep(time.Hour)
		orders.nothing() // no version is newer

		s.over <- errDown // before any answer
		assert.ErrorContains(t, orders.failure(), `xds: service "orders": rpc error: code = Unavailable desc = connection refused`)
		s = f.accept()
		req = s.request()
		assert.Empty(t, req.GetVersionInfo(), "only a set ends the error")
		s.send("1", list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs())
		s.request()

		// A plane that ends every stream is not called more than once a second.
		before := len(f.opened())
		for start := time.Now(); time.Since(start) < 10*time.Second; {
			s.over <- io.EOF
			s = f.accept()
			s.request()
			s.send("2", list("orders", 2))
			s.request()
		}
		assert.InDelta(t, 10, len(f.opened())-before, 1)
		assert.Equal(t, []string{"10.0.0.2:80"}, orders.addrs())
		orders.nothing()
	})
}

func TestDeltaRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		c := f.client(xds.WithDelta())
		orders, users := read(t, c, "orders"), read(t, c, "users")
		s := f.accept()
		synctest.Wait()
		s.sendDelta("1", nil, list("orders", 1))
		orders.set()
		time.Sleep(time.Second)
		s.over <- io.EOF
		s = f.accept()
		req := s.deltaRequest()
		assert.Equal(t, []string{"orders", "users"}, req.GetResourceNamesSubscribe())
		assert.Equal(t, map[string]string{"orders": "1"}, req.GetInitialResourceVersions())
		time.Sleep(time.Minute)
		orders.nothing()
		assert.ErrorIs(t, users.failure(), discovery.ErrUnknownService)
		s.sendDelta("2", []string{"orders"}) // which it was while nobody listened
		assert.ErrorIs(t, orders.failure(), discovery.ErrUnknownService)
	})
}

func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.be(errDown, false)
		orders := read(t, f.client(), "orders")
		for range 50 {
			assert.ErrorContains(t, orders.failure(), "connection refused")
		}
		assert.Len(t, f.opened(), 50)
		times := f.opened()
		for i := range times[1:] {
			assert.LessOrEqual(t, times[i+1]-times[i], 30*time.Second)
		}
		assert.Greater(t, time.Since(f.began), 5*time.Minute)
		f.be(nil, false)
		s := f.accept()
		s.request()
		s.send("1", list("orders", 1))
		assert.Equal(t, []string{"10.0.0.1:80"}, orders.addrs())
		s.request()

		// It begins anew with short delays.
		time.Sleep(time.Minute)
		f.be(errDown, false)
		before := len(f.opened())
		s.over <- io.EOF
		assert.ErrorContains(t, orders.failure(), "connection refused")
		assert.ErrorContains(t, orders.failure(), "connection refused")
		times = f.opened()[before:]
		assert.LessOrEqual(t, times[1]-times[0], time.Second)
	})
}

// A plane that cannot be reached, or does not read, is given up.
func TestSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake) {
		f.be(nil, true)
		c := f.client()
		orders := read(t, c, "orders")
		assert.ErrorContains(t, orders.failure(), `xds: service "orders": no connection within 10s: `)
		assert.Equal(t, 10*time.Second, time.Since(f.began))
		f.be(nil, false)
		s := f.accept()
		s.request()
		s.deaf.Store(true)
		read(t, c, "users")
		assert.ErrorContains(t, orders.failure(), `no room for a request within 10s: `)
	})
}
