// Package wire is the format in which Eureka servers and clients write
// instances, applications and registries: JSON and XML.
package wire

// A Status is the state of an instance.
type Status string

// The statuses that Eureka knows. Only instances that are Up get calls.
const (
	Up           Status = "UP"
	Down         Status = "DOWN"
	Starting     Status = "STARTING"
	OutOfService Status = "OUT_OF_SERVICE"
	Unknown      Status = "UNKNOWN"
)

// An Action is what the last change of an instance was.
type Action string

// The actions that Eureka knows.
const (
	Added    Action = "ADDED"
	Modified Action = "MODIFIED"
	Deleted  Action = "DELETED"
)

// An Instance is one copy of an application.
type Instance struct {
	InstanceID                    string
	HostName                      string
	App                           string
	AppGroupName                  string
	IPAddr                        string
	Status                        Status
	OverriddenStatus              Status
	Port                          Port
	SecurePort                    Port
	CountryID                     int
	DataCenter                    DataCenter
	Lease                         Lease
	Metadata                      map[string]string
	HomePageURL                   string
	StatusPageURL                 string
	HealthCheckURL                string
	SecureHealthCheckURL          string
	VIPAddress                    string
	SecureVIPAddress              string
	ASGName                       string
	IsCoordinatingDiscoveryServer bool
	LastUpdated                   int64 // milliseconds since 1970, by the server's clock
	LastDirty                     int64 // milliseconds since 1970, by the instance's clock; 0 = absent
	Action                        Action
}

// ID returns the id by which the instance is known inside its application.
func (in *Instance) ID() string { return in.InstanceID }

// A Port is a port number and whether it is to be used.
type Port struct {
	Number  int
	Enabled bool
}

// A DataCenter says where an instance runs.
type DataCenter struct {
	Name     string            // "MyOwn", "Amazon" or "Netflix"
	Metadata map[string]string // Amazon only
}

// A Lease holds an instance's timers. Times are milliseconds since 1970,
// intervals are seconds.
type Lease struct {
	RenewalInterval int
	Duration        int
	Registered      int64
	LastRenewal     int64
	Evicted         int64
	ServiceUp       int64
}

// An Application is a name and its instances.
type Application struct {
	Name      string
	Instances []Instance
}

// Applications is a registry, or a part of one, or what changed in it.
type Applications struct {
	Version      string
	Hash         string
	Applications []Application
}
