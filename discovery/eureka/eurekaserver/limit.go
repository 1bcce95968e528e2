package eurekaserver

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Limits bounds what clients may store, and how often they may ask. Zero
// fields have the defaults, negative ones mean that there is no limit.
type Limits struct {
	// Instances is how many instances there may be in all, and
	// InstancesPerApp how many of one application. What is more is refused
	// with 503. The defaults are 100,000 and 20,000.
	Instances, InstancesPerApp int

	// Text is the longest name, id, address or URL of an instance, in bytes.
	// Longer ones are refused with 400. The default is 2048.
	Text int

	// MetadataEntries and MetadataBytes bound the metadata of an instance:
	// how many entries, and how long all keys and values are together. What is
	// more is refused with 400, or 413 if it comes by the metadata resource.
	// The defaults are 256 and 64 KiB.
	MetadataEntries, MetadataBytes int

	// Batch is how many items other servers may send in one request. The
	// default is 1000.
	Batch int

	// WaitersPerClient is how many requests of one client may wait for a
	// change at once, and how many streams of the page it may have. The
	// default is 2000. See also [WaitConfig] and [PageConfig].
	WaitersPerClient int

	// Registrations is how often a client may register instances, and Lists
	// how often it may fetch all instances or those of an application or an
	// address. What is more is refused with 429 and Retry-After. There is no
	// limit by default, since all clients behind one proxy look like one.
	// Heartbeats, deltas and batches of peers are never limited.
	Registrations, Lists Rate

	// Client names the client that sent a request. Nil means its address,
	// which for IPv6 is the first 64 bits. Behind a proxy, name it by what the
	// proxy tells. It is called concurrently.
	Client func(*http.Request) string
}

// A Rate is how often something may happen. Its zero value is no limit.
type Rate struct {
	// PerSecond is how often on average. Zero or less is no limit.
	PerSecond float64

	// Burst is how often at once, after a pause. Less than 1 means 1.
	Burst int
}

// maxOverrides is how many overrides outlive their leases, against instances
// that come and go under ever new ids.
const maxOverrides = 1 << 16

// bodyTimeout is how long a client may take to send a body.
const bodyTimeout = 10 * time.Second

func (l Limits) withDefaults() Limits {
	const none = 1<<31 - 1
	for _, f := range []struct {
		value  *int
		preset int
	}{
		{&l.Instances, 100_000},
		{&l.InstancesPerApp, 20_000},
		{&l.Text, 2048},
		{&l.MetadataEntries, 256},
		{&l.MetadataBytes, 64 << 10},
		{&l.Batch, 1000},
		{&l.WaitersPerClient, 2000},
	} {
		switch {
		case *f.value == 0:
			*f.value = f.preset
		case *f.value < 0:
			*f.value = none
		}
	}
	if l.Client == nil {
		l.Client = clientAddress
	}
	return l
}

// clientAddress returns where a request comes from, without the port.
func clientAddress(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := addr.Addr().Unmap().WithZone("")
	if ip.Is6() {
		// Whoever has one address has usually all of its network.
		if network, err := ip.Prefix(64); err == nil {
			return network.Addr().String()
		}
	}
	return ip.String()
}

// objection returns what is too long in an instance, or nothing.
func (l *Limits) objection(in *wire.Instance) string {
	for _, f := range []struct{ name, value string }{
		{"instanceId", in.InstanceID},
		{"hostName", in.HostName},
		{"app", in.App},
		{"appGroupName", in.AppGroupName},
		{"ipAddr", in.IPAddr},
		{"homePageUrl", in.HomePageURL},
		{"statusPageUrl", in.StatusPageURL},
		{"healthCheckUrl", in.HealthCheckURL},
		{"secureHealthCheckUrl", in.SecureHealthCheckURL},
		{"vipAddress", in.VIPAddress},
		{"secureVipAddress", in.SecureVIPAddress},
		{"asgName", in.ASGName},
	} {
		if len(f.value) > l.Text {
			return fmt.Sprintf("Too long: %s has %d bytes, at most %d are allowed", f.name, len(f.value), l.Text)
		}
	}
	for name, metadata := range map[string]map[string]string{"metadata": in.Metadata, "dataCenterInfo": in.DataCenter.Metadata} {
		if !l.fits(metadata) {
			return fmt.Sprintf("Too much: %s may have %d entries and %d bytes", name, l.MetadataEntries, l.MetadataBytes)
		}
	}
	return ""
}

func (l *Limits) fits(metadata map[string]string) bool {
	return len(metadata) <= l.MetadataEntries && metadataBytes(metadata) <= int64(l.MetadataBytes)
}

func metadataBytes(metadata map[string]string) (size int64) {
	for name, value := range metadata {
		size += int64(len(name) + len(value))
	}
	return size
}

// room reports whether an instance is known or there is room for it.
func (r *registry) room(k key, l *Limits) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.roomLocked(k, l)
}

func (r *registry) roomLocked(k key, l *Limits) bool {
	app := r.apps[k.app]
	if app == nil {
		return len(r.expiry) < l.Instances && l.InstancesPerApp > 0
	}
	if app.leases[k.id] != nil {
		return true
	}
	return len(r.expiry) < l.Instances && len(app.leases) < l.InstancesPerApp
}

// mayRegister and mayList report whether the sender of a request may do so
// now, and answer if not.
func (s *Server) mayRegister(w http.ResponseWriter, r *http.Request) bool {
	return fromPeer(r) && s.settings.access != nil || s.permit(w, r, s.registrations)
}

func (s *Server) mayList(w http.ResponseWriter, r *http.Request) bool {
	return s.permit(w, r, s.lists)
}

func (s *Server) permit(w http.ResponseWriter, r *http.Request, b *buckets) bool {
	if b == nil {
		return true
	}
	wait := b.take(s.settings.limits.Client(r), time.Now())
	if wait <= 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	s.refused(r, "", "too often")
	empty(w, http.StatusTooManyRequests)
	return false
}

// refused reports a request that was refused, at most one a second: whoever
// floods the server does not flood the log.
func (s *Server) refused(r *http.Request, name, why string) {
	s.refusals.Add(1)
	now := time.Now().UnixNano()
	last := s.refusedAt.Load()
	if now-last < int64(time.Second) || !s.refusedAt.CompareAndSwap(last, now) {
		return
	}
	s.settings.logger.Warn("request refused", "why", why, "client", clientAddress(r), "name", name, "method", r.Method, "since_last", s.refusals.Swap(0))
}
