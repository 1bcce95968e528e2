package wire

// The types below are the documents as they are written, in either format.

const (
	classDefault = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"
	classAmazon  = "com.netflix.appinfo.AmazonInfo"
)

type applicationsOut[I any] struct {
	Version      string              `json:"versions__delta" xml:"versions__delta"`
	Hash         string              `json:"apps__hashcode" xml:"apps__hashcode"`
	Applications []applicationOut[I] `json:"application" xml:"application"`
}

type applicationOut[I any] struct {
	Name      string `json:"name" xml:"name"`
	Instances []I    `json:"instance" xml:"instance"`
}

type instanceOut struct {
	InstanceID           string         `json:"instanceId,omitempty" xml:"instanceId,omitempty"`
	HostName             string         `json:"hostName,omitempty" xml:"hostName,omitempty"`
	App                  string         `json:"app,omitempty" xml:"app,omitempty"`
	AppGroupName         string         `json:"appGroupName,omitempty" xml:"appGroupName,omitempty"`
	IPAddr               string         `json:"ipAddr,omitempty" xml:"ipAddr,omitempty"`
	Status               Status         `json:"status,omitempty" xml:"status,omitempty"`
	OverriddenStatus     Status         `json:"overriddenStatus" xml:"overriddenstatus"`
	Port                 portOut        `json:"port" xml:"port"`
	SecurePort           portOut        `json:"securePort" xml:"securePort"`
	CountryID            int            `json:"countryId" xml:"countryId"`
	DataCenter           *dataCenterOut `json:"dataCenterInfo,omitempty" xml:"dataCenterInfo,omitempty"`
	Lease                leaseOut       `json:"leaseInfo" xml:"leaseInfo"`
	Metadata             metadata       `json:"metadata" xml:"metadata"`
	HomePageURL          string         `json:"homePageUrl,omitempty" xml:"homePageUrl,omitempty"`
	StatusPageURL        string         `json:"statusPageUrl,omitempty" xml:"statusPageUrl,omitempty"`
	HealthCheckURL       string         `json:"healthCheckUrl,omitempty" xml:"healthCheckUrl,omitempty"`
	SecureHealthCheckURL string         `json:"secureHealthCheckUrl,omitempty" xml:"secureHealthCheckUrl,omitempty"`
	VIPAddress           string         `json:"vipAddress,omitempty" xml:"vipAddress,omitempty"`
	SecureVIPAddress     string         `json:"secureVipAddress,omitempty" xml:"secureVipAddress,omitempty"`
	ASGName              string         `json:"asgName,omitempty" xml:"asgName,omitempty"`
	Coordinating         bool           `json:"isCoordinatingDiscoveryServer,string" xml:"isCoordinatingDiscoveryServer"`
	LastUpdated          int64          `json:"lastUpdatedTimestamp,string,omitempty" xml:"lastUpdatedTimestamp,omitempty"`
	LastDirty            int64          `json:"lastDirtyTimestamp,string,omitempty" xml:"lastDirtyTimestamp,omitempty"`
	Action               Action         `json:"actionType,omitempty" xml:"actionType,omitempty"`
}

type portOut struct {
	Number  int  `json:"$" xml:",chardata"`
	Enabled bool `json:"@enabled,string" xml:"enabled,attr"`
}

type dataCenterOut struct {
	Class    string    `json:"@class" xml:"class,attr"`
	Name     string    `json:"name" xml:"name"`
	Metadata *metadata `json:"metadata,omitempty" xml:"metadata,omitempty"`
}

type leaseOut struct {
	RenewalInterval int   `json:"renewalIntervalInSecs" xml:"renewalIntervalInSecs"`
	Duration        int   `json:"durationInSecs" xml:"durationInSecs"`
	Registered      int64 `json:"registrationTimestamp" xml:"registrationTimestamp"`
	LastRenewal     int64 `json:"lastRenewalTimestamp" xml:"lastRenewalTimestamp"`
	Evicted         int64 `json:"evictionTimestamp" xml:"evictionTimestamp"`
	ServiceUp       int64 `json:"serviceUpTimestamp" xml:"serviceUpTimestamp"`
}

func writeApplications[I any](a Applications, write func(Instance) I) applicationsOut[I] {
	out := applicationsOut[I]{Version: a.Version, Hash: a.Hash, Applications: make([]applicationOut[I], len(a.Applications))}
	for i, app := range a.Applications {
		out.Applications[i] = writeApplication(app, write)
	}
	return out
}

func writeApplication[I any](a Application, write func(Instance) I) applicationOut[I] {
	out := applicationOut[I]{Name: a.Name, Instances: make([]I, len(a.Instances))}
	for i := range a.Instances {
		out.Instances[i] = write(a.Instances[i])
	}
	return out
}

func writeInstance(in Instance) instanceOut {
	return instanceOut{
		InstanceID:           in.InstanceID,
		HostName:             in.HostName,
		App:                  in.App,
		AppGroupName:         in.AppGroupName,
		IPAddr:               in.IPAddr,
		Status:               readStatus(text(in.Status)),
		OverriddenStatus:     readStatus(firstOf(text(in.OverriddenStatus), text(Unknown))),
		Port:                 portOut(in.Port),
		SecurePort:           portOut(in.SecurePort),
		CountryID:            max(in.CountryID, 1),
		DataCenter:           writeDataCenter(in.DataCenter),
		Lease:                leaseOut(in.Lease),
		Metadata:             in.Metadata,
		HomePageURL:          in.HomePageURL,
		StatusPageURL:        in.StatusPageURL,
		HealthCheckURL:       in.HealthCheckURL,
		SecureHealthCheckURL: in.SecureHealthCheckURL,
		VIPAddress:           in.VIPAddress,
		SecureVIPAddress:     in.SecureVIPAddress,
		ASGName:              in.ASGName,
		Coordinating:         in.IsCoordinatingDiscoveryServer,
		LastUpdated:          in.LastUpdated,
		LastDirty:            in.LastDirty,
		Action:               readAction(text(in.Action)),
	}
}

func writeDataCenter(d DataCenter) *dataCenterOut {
	switch d.Name {
	case "":
		return nil
	case Amazon:
		return &dataCenterOut{Class: classAmazon, Name: d.Name, Metadata: new(metadata(d.Metadata))}
	}
	return &dataCenterOut{Class: classDefault, Name: d.Name}
}
