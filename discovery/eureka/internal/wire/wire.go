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

// An Instance is one copy of an application. Strings that are empty, numbers
// that are zero and maps without entries stand for members that are absent.
type Instance struct {
	InstanceID                    string // see [Instance.ID]
	HostName                      string
	App                           string
	AppGroupName                  string
	IPAddr                        string
	Status                        Status // a word that Eureka does not know is read as Unknown
	OverriddenStatus              Status // read as Unknown when absent: nobody has overridden the status
	Port                          Port
	SecurePort                    Port
	CountryID                     int // without meaning; read and written as 1 when absent
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
	LastUpdated                   int64  // milliseconds since 1970, by the server's clock
	LastDirty                     int64  // milliseconds since 1970, by the instance's clock; 0 = absent
	Action                        Action // a word that Eureka does not know is read as absent
}

// ID returns the id by which the instance is known inside its application:
// its InstanceID or, without one, the id that Amazon gave it or, without
// either, its host name.
func (in *Instance) ID() string {
	if in.InstanceID != "" {
		return in.InstanceID
	}
	if id := in.DataCenter.Metadata[AmazonInstanceID]; id != "" && in.DataCenter.Name == Amazon {
		return id
	}
	return in.HostName
}

// A Port is a port number and whether it is to be used. Where a document does
// not say whether, the plain port is to be used and the secure port is not.
type Port struct {
	Number  int
	Enabled bool
}

// The data centers that Eureka knows.
const (
	MyOwn   = "MyOwn"
	Netflix = "Netflix"
	Amazon  = "Amazon"
)

// AmazonInstanceID is the entry of an Amazon data center's metadata that holds
// the id of the instance.
const AmazonInstanceID = "instance-id"

// A DataCenter says where an instance runs.
type DataCenter struct {
	Name     string            // MyOwn, Netflix or Amazon
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
