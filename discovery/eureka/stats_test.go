package eureka_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func TestStats(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		f := r.fake("a:80")
		c := r.client("http://user:secret@a/eureka")
		assert.Zero(t, c.Stats())
		assert.Zero(t, c.Stats().Age())
		s := r.follow(c, "orders")
		stats := c.Stats()
		assert.ErrorContains(t, stats.Err, "503")
		assert.Equal(t, eureka.Stats{Err: stats.Err}, stats)

		f.answer(listing([]wire.Instance{up("ORDERS", 1), with(up("CART", 1), func(in *wire.Instance) { in.Status = wire.Down })}))
		wait(time.Second)
		stats = c.Stats()
		assert.Equal(t, eureka.Stats{Server: "http://a/eureka", Instances: 2, Read: stats.Read}, stats)
		assert.LessOrEqual(t, stats.Age(), time.Second)
		wait(time.Hour)
		assert.LessOrEqual(t, c.Stats().Age(), 33*time.Second)
		f.answer(status(http.StatusBadGateway))
		wait(time.Hour)
		stats = c.Stats()
		assert.GreaterOrEqual(t, stats.Age(), time.Hour)
		assert.LessOrEqual(t, stats.Age(), time.Hour+33*time.Second)
		assert.ErrorContains(t, stats.Err, "502")
		assert.Equal(t, 2, stats.Instances)
		s.stop()
		assert.Zero(t, c.Stats())
	})
	// A server that waits says every 25 s that nothing has changed.
	inBubble(t, func(t *testing.T, r *rig) {
		r.fake("a:80").answer(waiting("e.1", []wire.Instance{up("ORDERS", 1)}, nil))
		c := r.client("http://a")
		r.follow(c, "orders")
		wait(6 * time.Minute)
		assert.LessOrEqual(t, c.Stats().Age(), 25*time.Second)
	})
	inBubble(t, func(t *testing.T, r *rig) {
		r.fake("a:80").answer(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "LATE") || time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) > time.Minute {
				_, _ = w.Write([]byte(`{"application":{"instance":[{"instanceId":"i","hostName":"h","app":"A","status":"UP"}]}}`))
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		c := r.client("http://a", eureka.WithFetchByService())
		r.follow(c, "orders")
		r.follow(c, "late")
		r.follow(c, "cart")
		stats := c.Stats()
		assert.Equal(t, 2, stats.Instances)
		assert.Zero(t, stats.Read, "one has not been read yet")
		assert.Error(t, stats.Err)
		wait(2 * time.Minute)
		assert.Equal(t, 3, c.Stats().Instances)
		assert.NoError(t, c.Stats().Err)
	})
}
