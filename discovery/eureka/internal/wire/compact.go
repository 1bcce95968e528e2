package wire

import "maps"

// compactOut is an instance in the reduced form, for clients that only want
// to know where to call.
type compactOut struct {
	InstanceID       string         `json:"instanceId,omitempty" xml:"instanceId,omitempty"`
	HostName         string         `json:"hostName,omitempty" xml:"hostName,omitempty"`
	App              string         `json:"app,omitempty" xml:"app,omitempty"`
	IPAddr           string         `json:"ipAddr,omitempty" xml:"ipAddr,omitempty"`
	Status           Status         `json:"status,omitempty" xml:"status,omitempty"`
	Port             portOut        `json:"port" xml:"port"`
	SecurePort       portOut        `json:"securePort" xml:"securePort"`
	DataCenter       *dataCenterOut `json:"dataCenterInfo,omitempty" xml:"dataCenterInfo,omitempty"`
	VIPAddress       string         `json:"vipAddress,omitempty" xml:"vipAddress,omitempty"`
	SecureVIPAddress string         `json:"secureVipAddress,omitempty" xml:"secureVipAddress,omitempty"`
	ASGName          string         `json:"asgName,omitempty" xml:"asgName,omitempty"`
	LastUpdated      int64          `json:"lastUpdatedTimestamp,omitempty" xml:"lastUpdatedTimestamp,omitempty"` // a number here
	Action           Action         `json:"actionType,omitempty" xml:"actionType,omitempty"`
}

// compactAmazon are the entries of an Amazon data center's metadata that the
// reduced form keeps.
var compactAmazon = map[string]bool{
	AmazonInstanceID: true, "public-ipv4": true, "public-hostname": true, "local-ipv4": true, "availability-zone": true,
}

func writeCompact(in Instance) compactOut {
	dc := in.DataCenter
	dc.Metadata = maps.Clone(dc.Metadata)
	maps.DeleteFunc(dc.Metadata, func(name, _ string) bool { return !compactAmazon[name] })
	return compactOut{
		InstanceID:       in.InstanceID,
		HostName:         in.HostName,
		App:              in.App,
		IPAddr:           in.IPAddr,
		Status:           readStatus(text(in.Status)),
		Port:             portOut(in.Port),
		SecurePort:       portOut(in.SecurePort),
		DataCenter:       writeDataCenter(dc),
		VIPAddress:       in.VIPAddress,
		SecureVIPAddress: in.SecureVIPAddress,
		ASGName:          in.ASGName,
		LastUpdated:      in.LastUpdated,
		Action:           readAction(text(in.Action)),
	}
}
