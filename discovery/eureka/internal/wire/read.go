package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// The types below are the documents as they are found, in either format:
// every scalar is text until read has looked at it.

type applicationsIn struct {
	Version      text                `json:"versions__delta" xml:"versions__delta"`
	Hash         text                `json:"apps__hashcode" xml:"apps__hashcode"`
	Applications list[applicationIn] `json:"application" xml:"application"`
}

type applicationIn struct {
	Name      text             `json:"name" xml:"name"`
	Instances list[instanceIn] `json:"instance" xml:"instance"`
}

type instanceIn struct {
	InstanceID           text         `json:"instanceId" xml:"instanceId"`
	HostName             text         `json:"hostName" xml:"hostName"`
	App                  text         `json:"app" xml:"app"`
	AppGroupName         text         `json:"appGroupName" xml:"appGroupName"`
	IPAddr               text         `json:"ipAddr" xml:"ipAddr"`
	Status               text         `json:"status" xml:"status"`
	OverriddenStatus     text         `json:"overriddenStatus" xml:"overriddenstatus"`
	OverriddenStatusAlt  text         `json:"overriddenstatus" xml:"overriddenStatus"`
	Port                 portIn       `json:"port" xml:"port"`
	SecurePort           portIn       `json:"securePort" xml:"securePort"`
	CountryID            text         `json:"countryId" xml:"countryId"`
	DataCenter           dataCenterIn `json:"dataCenterInfo" xml:"dataCenterInfo"`
	Lease                leaseIn      `json:"leaseInfo" xml:"leaseInfo"`
	Metadata             metadata     `json:"metadata" xml:"metadata"`
	HomePageURL          text         `json:"homePageUrl" xml:"homePageUrl"`
	StatusPageURL        text         `json:"statusPageUrl" xml:"statusPageUrl"`
	HealthCheckURL       text         `json:"healthCheckUrl" xml:"healthCheckUrl"`
	SecureHealthCheckURL text         `json:"secureHealthCheckUrl" xml:"secureHealthCheckUrl"`
	VIPAddress           text         `json:"vipAddress" xml:"vipAddress"`
	SecureVIPAddress     text         `json:"secureVipAddress" xml:"secureVipAddress"`
	ASGName              text         `json:"asgName" xml:"asgName"`
	Coordinating         text         `json:"isCoordinatingDiscoveryServer" xml:"isCoordinatingDiscoveryServer"`
	LastUpdated          text         `json:"lastUpdatedTimestamp" xml:"lastUpdatedTimestamp"`
	LastDirty            text         `json:"lastDirtyTimestamp" xml:"lastDirtyTimestamp"`
	Action               text         `json:"actionType" xml:"actionType"`
}

type portIn struct {
	Number  text `json:"$" xml:",chardata"`
	Enabled text `json:"@enabled" xml:"enabled,attr"`
}

type dataCenterIn struct {
	Class    text     `json:"@class" xml:"class,attr"`
	Name     text     `json:"name" xml:"name"`
	Metadata metadata `json:"metadata" xml:"metadata"`
}

type leaseIn struct {
	RenewalInterval text `json:"renewalIntervalInSecs" xml:"renewalIntervalInSecs"`
	Duration        text `json:"durationInSecs" xml:"durationInSecs"`
	Registered      text `json:"registrationTimestamp" xml:"registrationTimestamp"`
	LastRenewal     text `json:"lastRenewalTimestamp" xml:"lastRenewalTimestamp"`
	LastRenewalAlt  text `json:"renewalTimestamp" xml:"renewalTimestamp"` // its name in old servers
	Evicted         text `json:"evictionTimestamp" xml:"evictionTimestamp"`
	ServiceUp       text `json:"serviceUpTimestamp" xml:"serviceUpTimestamp"`
}

func (a *applicationsIn) read() Applications {
	out := Applications{Version: string(a.Version), Hash: string(a.Hash)}
	for i := range a.Applications {
		out.Applications = append(out.Applications, a.Applications[i].read())
	}
	return out
}

func (a *applicationIn) read() Application {
	out := Application{Name: string(a.Name)}
	if len(a.Instances) > 0 {
		out.Instances = make([]Instance, len(a.Instances))
	}
	for i := range a.Instances {
		in, err := a.Instances[i].read()
		if err != nil { // must not hide the others: it counts, and cannot be called
			in.Port, in.SecurePort = Port{}, Port{}
		}
		out.Instances[i] = in
	}
	return out
}

// read returns the instance. With an error, what could not be read is zero.
func (in *instanceIn) read() (Instance, error) {
	var n numbers
	out := Instance{
		InstanceID:       string(in.InstanceID),
		HostName:         string(in.HostName),
		App:              string(in.App),
		AppGroupName:     string(in.AppGroupName),
		IPAddr:           string(in.IPAddr),
		Status:           readStatus(in.Status),
		OverriddenStatus: readStatus(firstOf(in.OverriddenStatus, in.OverriddenStatusAlt, text(Unknown))),
		Port: Port{
			Number:  n.int("port", in.Port.Number),
			Enabled: n.bool("port enabled", in.Port.Enabled, true),
		},
		SecurePort: Port{
			Number:  n.int("securePort", in.SecurePort.Number),
			Enabled: n.bool("securePort enabled", in.SecurePort.Enabled, false),
		},
		CountryID:  max(n.int("countryId", in.CountryID), 1),
		DataCenter: in.DataCenter.read(),
		Lease: Lease{
			RenewalInterval: n.int("renewalIntervalInSecs", in.Lease.RenewalInterval),
			Duration:        n.int("durationInSecs", in.Lease.Duration),
			Registered:      n.int64("registrationTimestamp", in.Lease.Registered),
			LastRenewal:     n.int64("lastRenewalTimestamp", firstOf(in.Lease.LastRenewal, in.Lease.LastRenewalAlt)),
			Evicted:         n.int64("evictionTimestamp", in.Lease.Evicted),
			ServiceUp:       n.int64("serviceUpTimestamp", in.Lease.ServiceUp),
		},
		Metadata:             in.Metadata,
		HomePageURL:          string(in.HomePageURL),
		StatusPageURL:        string(in.StatusPageURL),
		HealthCheckURL:       string(in.HealthCheckURL),
		SecureHealthCheckURL: string(in.SecureHealthCheckURL),
		VIPAddress:           string(in.VIPAddress),
		SecureVIPAddress:     string(in.SecureVIPAddress),
		ASGName:              string(in.ASGName),

		IsCoordinatingDiscoveryServer: n.bool("isCoordinatingDiscoveryServer", in.Coordinating, false),

		LastUpdated: n.int64("lastUpdatedTimestamp", in.LastUpdated),
		LastDirty:   n.int64("lastDirtyTimestamp", in.LastDirty),
		Action:      readAction(in.Action),
	}
	if n.err != nil {
		return out, fmt.Errorf("wire: read instance %.60q of %.60q: %w", out.ID(), out.App, n.err)
	}
	return out, nil
}

func (d *dataCenterIn) read() DataCenter {
	name := string(d.Name)
	if name == "" && d.Class == classAmazon {
		name = Amazon
	}
	if name != Amazon {
		return DataCenter{Name: name}
	}
	return DataCenter{Name: name, Metadata: d.Metadata}
}

func readStatus(t text) Status {
	switch s := Status(strings.TrimSpace(string(t))); s {
	case "", Up, Down, Starting, OutOfService, Unknown:
		return s
	}
	return Unknown
}

func readAction(t text) Action {
	switch a := Action(strings.TrimSpace(string(t))); a {
	case Added, Modified, Deleted:
		return a
	}
	return ""
}

func firstOf(texts ...text) text {
	for _, t := range texts {
		if strings.TrimSpace(string(t)) != "" {
			return t
		}
	}
	return ""
}

// numbers reads text as numbers and keeps the first error.
type numbers struct{ err error }

func (n *numbers) parse(member string, t text, bits int) int64 {
	s := strings.TrimSpace(string(t))
	if s == "" {
		return 0
	}
	v, err := strconv.ParseInt(s, 10, bits)
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("%s: %.40q is not a number that fits", member, s)
	}
	return v
}

func (n *numbers) int(member string, t text) int { return int(n.parse(member, t, 32)) }

func (n *numbers) int64(member string, t text) int64 { return n.parse(member, t, 64) }

func (n *numbers) bool(member string, t text, absent bool) bool {
	switch strings.ToLower(strings.TrimSpace(string(t))) {
	case "":
		return absent
	case "true":
		return true
	case "false":
		return false
	}
	if n.err == nil {
		n.err = fmt.Errorf("%s: %.40q is neither true nor false", member, string(t))
	}
	return false
}
