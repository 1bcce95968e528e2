package eureka

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Metadata keys that carry what Eureka has no fields for. Others use "zone"
// in the same way.
const (
	zoneKey     = "zone"
	weightKey   = "weight"
	priorityKey = "priority"
)

// fromWire returns what Eureka says of a copy, or why it cannot be called.
func fromWire(in *wire.Instance, hostNames bool) (discovery.Instance, error) {
	host := cmp.Or(in.IPAddr, in.HostName)
	if hostNames {
		host = cmp.Or(in.HostName, in.IPAddr)
	}
	scheme, port := "http", in.Port
	if in.SecurePort.Enabled {
		scheme, port = "https", in.SecurePort
	}
	out := discovery.Instance{
		ID:       in.ID(),
		Addr:     net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port.Number)),
		Scheme:   scheme,
		Zone:     in.Metadata[zoneKey],
		Weight:   readUint32(in.Metadata[weightKey]),
		Priority: readUint32(in.Metadata[priorityKey]),
		Metadata: in.Metadata,
	}
	if zone := in.DataCenter.Metadata["availability-zone"]; zone != "" && in.DataCenter.Name == wire.Amazon {
		out.Zone = zone
	}
	if out.ID == "" {
		return discovery.Instance{}, errors.New("it has no id")
	}
	if !port.Enabled {
		return discovery.Instance{}, errors.New("none of its ports is enabled")
	}
	return out, out.Validate()
}

// readUint32 returns zero, which stands for the default, for what is no number.
func readUint32(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// describe returns a copy as this client announces it, or why it cannot be.
func (c *config) describe(service string, in discovery.Instance) (wire.Instance, error) {
	w, err := toWire(service, in, c.renewal, c.lease)
	if err != nil {
		return wire.Instance{}, err
	}
	w.DataCenter = c.dataCenter
	scheme := cmp.Or(in.Scheme, "http")
	page := func(location string) string {
		if strings.HasPrefix(location, "/") {
			return scheme + "://" + in.Addr + location
		}
		return location
	}
	w.HomePageURL, w.StatusPageURL = page(c.pages.Home), page(c.pages.Status)
	if scheme == "https" {
		w.SecureHealthCheckURL = page(c.pages.Health)
	} else {
		w.HealthCheckURL = page(c.pages.Health)
	}
	return w, nil
}

// toWire returns a copy as Eureka wants it announced, with the status UP, or
// why it cannot be.
func toWire(service string, in discovery.Instance, renewal, lease time.Duration) (wire.Instance, error) {
	if service == "" {
		return wire.Instance{}, errors.New("no service name")
	}
	if err := in.Validate(); err != nil {
		return wire.Instance{}, err
	}
	host, portText, err := net.SplitHostPort(in.Addr)
	if err != nil {
		return wire.Instance{}, err
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return wire.Instance{}, fmt.Errorf("address %s is good to listen at, not to call", in.Addr)
	}
	number, err := strconv.Atoi(portText)
	if err != nil {
		return wire.Instance{}, err
	}
	id := in.ID
	if id == "" {
		id = host + ":" + service + ":" + portText
	}
	if dots(id) || dots(service) {
		return wire.Instance{}, errors.New("neither an id nor a service can be a path of dots")
	}
	port, securePort := wire.Port{Number: number, Enabled: true}, wire.Port{Number: 443}
	if in.Scheme == "https" {
		port, securePort = wire.Port{Number: 80}, wire.Port{Number: number, Enabled: true}
	}
	return wire.Instance{
		InstanceID:       id,
		App:              strings.ToUpper(service),
		HostName:         host,
		IPAddr:           host,
		Status:           wire.Up,
		OverriddenStatus: wire.Unknown,
		Port:             port,
		SecurePort:       securePort,
		CountryID:        1,
		DataCenter:       wire.DataCenter{Name: wire.MyOwn},
		Lease: wire.Lease{
			RenewalInterval: int(renewal / time.Second),
			Duration:        int(min(lease/time.Second, math.MaxInt32)),
		},
		Metadata:         metadataOf(in),
		VIPAddress:       service,
		SecureVIPAddress: service,
	}, nil
}

// dots reports whether a URL path with s in it would mean another path.
func dots(s string) bool { return s == "." || s == ".." }

// metadataOf returns the instance's metadata together with the facts that
// travel there.
func metadataOf(in discovery.Instance) map[string]string {
	m := maps.Clone(in.Metadata)
	if m == nil {
		m = make(map[string]string)
	}
	if in.Zone != "" {
		m[zoneKey] = in.Zone
	}
	if in.Weight != 0 {
		m[weightKey] = strconv.FormatUint(uint64(in.Weight), 10)
	}
	if in.Priority != 0 {
		m[priorityKey] = strconv.FormatUint(uint64(in.Priority), 10)
	}
	return m
}
