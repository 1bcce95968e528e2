package eurekaserver_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// The page says that leases are protected, and why.
func TestPageShowsProtection(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		for i := range 20 {
			c.register("APP", edit{"instanceId": fmt.Sprint("i", i)})
		}
		assert.Contains(t, textOf(c.page("")), "Heartbeats a minute 40 of 40 expected; protection below 34")
		for range 5 {
			time.Sleep(30 * time.Second)
			for i := range 20 {
				c.status("PUT", fmt.Sprintf("/apps/APP/i%d", i))
			}
		}
		assert.NotContains(t, textOf(c.page("")), "Self-preservation")
		time.Sleep(100 * time.Second)
		page := textOf(c.page(""))
		assert.Contains(t, page, "Self-preservation is on Leases do not end, 20 of them are overdue, "+
			"so that some of the instances below may be gone. The reason: 0 heartbeats a minute of 40. Since 10 s, 00:04:00 UTC")
		assert.Contains(t, rows(c.page(""))[0], "overdue 10 s")
	})
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

// The page says how the peers are.
func TestPageShowsPeers(t *testing.T) {
	peers := eurekaserver.PeersConfig{
		URLs: []string{"http://user:secret@elsewhere:8761/eureka/"}, HTTP: &http.Client{Transport: unreachable{}}, GateTime: -1,
	}
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		time.Sleep(time.Minute)
		section := all(c.page(""), "section", "id", "peers")
		require.Len(t, section, 1)
		shown := textOf(section[0])
		assert.Contains(t, shown, "out of reach http://elsewhere:8761/eureka unknown, 1 instance to send, lag 1 min 0 s, not compared yet")
		assert.Contains(t, shown, "no route to host")
		assert.NotContains(t, shown, "secret")
	}, eurekaserver.WithPeers(peers))
}

// The page says that it does not know everything yet, when clients are told so.
func TestPageShowsTheGate(t *testing.T) {
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		assert.Contains(t, textOf(c.page("")), "This server is starting")
		time.Sleep(11 * time.Second)
		assert.NotContains(t, textOf(c.page("")), "This server is starting")
	}, eurekaserver.WithPeers(eurekaserver.PeersConfig{
		URLs: []string{"http://elsewhere:8761/eureka/"}, HTTP: &http.Client{Transport: unreachable{}}, GateTime: 10 * time.Second,
	}))
}

// A told peer takes all that it is sent, and shows it.
type told chan string

func (sent told) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		sent <- string(data)
	}
	body := `{"responseList":[{"statusCode":200}]}`
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// What operators do with the page is known to the whole cluster, as if they had
// done it by the protocol.
func TestOperateTellsPeers(t *testing.T) {
	sent := make(told, 100)
	peers := eurekaserver.PeersConfig{URLs: []string{"http://elsewhere:8761/eureka/"}, HTTP: &http.Client{Transport: sent}, GateTime: -1}
	bubble(t, func(t *testing.T, c caller, _ *eurekaserver.Server) {
		c.register("APP")
		for _, button := range []struct{ do, told string }{
			{"out", `"status":"OUT_OF_SERVICE","action":"StatusUpdate"`},
			{"back", `"status":"UP","action":"DeleteStatusOverride"`},
		} {
			time.Sleep(5 * time.Second)
			for len(sent) > 0 {
				<-sent
			}
			require.Equal(t, 303, c.send("app=APP&id=i1&do="+button.do).status)
			time.Sleep(time.Second)
			require.NotEmpty(t, sent, button.do)
			assert.Contains(t, <-sent, button.told)
		}
	}, eurekaserver.WithPeers(peers), eurekaserver.WithPage(eurekaserver.PageConfig{Operate: true}))
}
