package eurekaserver_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// An item that a peer cannot stand costs no other.
func TestPeerThatRefusesAnInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived := make(map[string]bool)
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			if strings.Contains(string(data), "poison") {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(data)))
			for _, it := range batchOf(t, w, r) {
				arrived[it.ID] = true
			}
		}, eurekaserver.PeersConfig{})
		defer s.Close()
		s.Start()
		rest(time.Second)
		for _, id := range []string{"a", "b", "c", "poison", "d", "e", "f"} {
			serve(t.Context(), s, "POST", "/apps/APP", body("APP", edit{"instanceId": id}))
		}
		rest(10 * time.Second)
		assert.Equal(t, map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true, "f": true}, arrived)
		assert.Zero(t, s.Peers()[0].Queue)
	})
}

// A peer that refuses much is reported once for each batch, not for each item.
func TestPeerThatRefusesMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := alone(func(w http.ResponseWriter, r *http.Request) {
			sent := batchOf(t, httptest.NewRecorder(), r)
			results := make([]wire.Result, len(sent))
			for i := range results {
				results[i].Code = 503
			}
			data, err := wire.MarshalResults(results)
			assert.NoError(t, err)
			_, _ = w.Write(data)
		}, eurekaserver.PeersConfig{}, eurekaserver.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		defer s.Close()
		s.Start()
		rest(time.Second)
		for i := range 200 {
			serve(t.Context(), s, "POST", "/apps/APP", body("APP", edit{"instanceId": strconv.Itoa(i)}))
		}
		rest(time.Second)
		assert.Equal(t, 1, strings.Count(log.String(), "peer refuses"))
		assert.Contains(t, log.String(), "items=200 first=Register app=APP id=0 error=\"answered 503 Service Unavailable\"")
	})
}
