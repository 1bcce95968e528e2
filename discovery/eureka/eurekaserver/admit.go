package eurekaserver

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// What a registration that leaves it out gets.
const (
	defaultPort            = 7001
	defaultSecurePort      = 7002
	defaultRenewalInterval = 30 // seconds
	defaultDuration        = 90 // seconds
)

// admit checks a registration as the function of that name does, and against
// the limits. The status is that to answer with if it is not 200.
func (s *Server) admit(app string, in wire.Instance) (admitted wire.Instance, status int, objection string) {
	limits := &s.settings.limits
	in, objection = admit(app, in)
	if objection == "" {
		objection = limits.objection(&in)
	}
	switch {
	case objection != "":
		return in, http.StatusBadRequest, objection
	case !s.registry.room(key{in.App, in.ID()}, limits):
		return in, http.StatusServiceUnavailable, ""
	}
	return in, http.StatusOK, ""
}

// admit checks a registration under the name of an application, in upper
// case, and fills in what it leaves out. What it objects to is for the client
// to read; it is empty if all is well.
func admit(app string, in wire.Instance) (admitted wire.Instance, objection string) {
	switch id := in.ID(); {
	case blank(id):
		return in, "Missing instanceId"
	case blank(in.HostName):
		return in, "Missing hostname"
	case blank(in.IPAddr):
		return in, "Missing ip address"
	case blank(in.App):
		return in, "Missing appName"
	case strings.ToUpper(in.App) != app:
		return in, fmt.Sprintf("Mismatched appName, expecting %s but was %s", app, in.App)
	}
	switch in.DataCenter.Name {
	case wire.MyOwn, wire.Netflix:
	case wire.Amazon:
		if in.DataCenter.Metadata[wire.AmazonInstanceID] == "" {
			amazon := maps.Clone(in.DataCenter.Metadata)
			if amazon == nil {
				amazon = make(map[string]string)
			}
			amazon[wire.AmazonInstanceID] = in.ID()
			in.DataCenter.Metadata = amazon
		}
	case "":
		return in, "Missing dataCenterInfo Name"
	default:
		// Clients in Java cannot read any other.
		return in, fmt.Sprintf("Unknown dataCenterInfo Name %.40q", in.DataCenter.Name)
	}
	in.App = app
	in.AppGroupName = strings.ToUpper(in.AppGroupName)
	if in.Status == "" {
		in.Status = wire.Up
	}
	if in.Port.Number == 0 {
		in.Port.Number = defaultPort
	}
	if in.SecurePort.Number == 0 {
		in.SecurePort.Number = defaultSecurePort
	}
	if in.Lease.RenewalInterval <= 0 {
		in.Lease.RenewalInterval = defaultRenewalInterval
	}
	if in.Lease.Duration <= 0 {
		in.Lease.Duration = defaultDuration
	}
	if in.LastDirty == 0 {
		in.LastDirty = time.Now().UnixMilli()
	}
	in.IsCoordinatingDiscoveryServer = false
	return in, ""
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
