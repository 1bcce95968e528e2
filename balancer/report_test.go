package balancer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// A listener is told of reports and not of attempts.
type listener struct{ reports []balancer.Report }

func (l *listener) Report(_ *balancer.Endpoint, r balancer.Report) { l.reports = append(l.reports, r) }

var listeners = balancer.NewKey[listener]()

func TestReports(t *testing.T) {
	now := time.Second
	service := balancer.NewService(balancer.ServiceConfig{Now: func() time.Duration { return now }})
	e := service.NewEndpoint(discovery.Instance{Addr: "10.0.0.1:80"})
	assert.Nil(t, e.LastReport())
	e.Report(balancer.Report{Rate: 1})
	heard := listeners.Of(e)

	now = 2 * time.Second
	e.Report(balancer.Report{HasInFlight: true})
	assert.Equal(t, &balancer.Report{At: 2 * time.Second, HasInFlight: true}, e.LastReport(), "idle is news, and dated")
	e.Report(balancer.Report{At: 1, Probed: true})
	assert.Nil(t, e.LastReport(), "taken back")
	assert.Equal(t, []balancer.Report{{At: 2 * time.Second, HasInFlight: true}, {At: 1, Probed: true}}, heard.reports,
		"those since the key was first asked for, empty ones too")
}
