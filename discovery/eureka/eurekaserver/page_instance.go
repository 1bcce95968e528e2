package eurekaserver

import (
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// An instanceView is a row of the page. All its texts come from outside, and
// are shortened.
type instanceView struct {
	DOM        string // unique on the page
	App        string
	ID         string
	Status     wire.Status
	Class      string
	Overridden bool
	Host       string
	Address    string
	Zone       string

	Heartbeat time.Duration // since the last one
	Interval  time.Duration // between two, as the instance said
	Lease     time.Duration
	Left      time.Duration // negative if the lease should have ended
	Running   time.Duration // since it was up for the first time

	Links    []linkView
	Document string // the instance as the protocol shows it
	Metadata []entryView
	Omitted  int // entries of metadata

	TakeOut, BringBack bool   // the buttons
	FullApp, FullID    string // for them
}

type linkView struct{ Name, URL string }

type entryView struct{ Name, Value string }

// HostShown reports whether the name of the host is part of what is shown
// anyway.
func (v instanceView) HostShown() bool {
	return strings.Contains(v.Address, v.Host) || strings.Contains(v.ID, v.Host)
}

// LeftText says how long the lease still goes on.
func (v instanceView) LeftText() string {
	if v.Left <= 0 {
		return "overdue " + duration(-v.Left)
	}
	return duration(v.Left)
}

// Entries returns how many entries of metadata there are.
func (v instanceView) Entries() int { return len(v.Metadata) + v.Omitted }

// For the script, which counts on from here, in seconds.

// LeftSeconds returns what is left of the lease.
func (v instanceView) LeftSeconds() string { return inSeconds(v.Left) }

// LeaseSeconds returns the length of the lease.
func (v instanceView) LeaseSeconds() string { return inSeconds(v.Lease) }

// AgeSeconds returns how long ago the last heartbeat was.
func (v instanceView) AgeSeconds() string { return inSeconds(v.Heartbeat) }

func inSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// maxOperableName is how long names may be that fit into a button.
const maxOperableName = 4096

func (p *page) instanceView(in *wire.Instance, now time.Time, operate bool) instanceView {
	k := key{in.App, in.ID()}
	v := instanceView{
		DOM:        domID("i", k.app, k.id),
		App:        clip(k.app, maxShownText),
		ID:         clip(k.id, maxShownText),
		Status:     in.Status,
		Class:      statusClass(in.Status),
		Overridden: in.OverriddenStatus != wire.Unknown && in.OverriddenStatus != "",
		Host:       clip(in.HostName, maxShownText),
		Address:    clip(address(in), maxShownText),
		Zone:       clip(zone(in), maxShownText),
		Heartbeat:  age(now, in.Lease.LastRenewal),
		Interval:   time.Duration(in.Lease.RenewalInterval) * time.Second,
		Lease:      time.Duration(in.Lease.Duration) * time.Second,
		Running:    age(now, in.Lease.ServiceUp),
		Links:      links(in),
	}
	v.Left = time.UnixMilli(in.Lease.LastRenewal).Add(v.Lease).Sub(now)
	v.Metadata, v.Omitted = entries(in.Metadata)
	if len(k.app)+len(k.id) <= maxOperableName {
		v.Document = p.document(k)
		v.FullApp, v.FullID = k.app, k.id
		v.TakeOut = operate && in.Status == wire.Up
		v.BringBack = operate && in.OverriddenStatus == wire.OutOfService
	}
	return v
}

// document returns where the protocol shows an instance, relative to the page.
func (p *page) document(k key) string {
	segments := append(slices.Clone(p.server.settings.prefix), "apps", k.app, k.id)
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return "./" + strings.Join(segments, "/")
}

// links returns the addresses that an instance tells of itself and that a
// browser can be sent to. Anything but HTTP could be a script.
func links(in *wire.Instance) []linkView {
	var all []linkView
	for _, l := range []linkView{
		{"home", in.HomePageURL},
		{"status", in.StatusPageURL},
		{"health", in.HealthCheckURL},
		{"health (TLS)", in.SecureHealthCheckURL},
	} {
		u, err := url.Parse(l.URL)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && len(l.URL) <= 2048 {
			all = append(all, l)
		}
	}
	return all
}

func entries(metadata map[string]string) (shown []entryView, omitted int) {
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		if len(shown) == shownMetadata {
			return shown, len(metadata) - len(shown)
		}
		shown = append(shown, entryView{clip(name, maxShownText), clip(metadata[name], maxShownText)})
	}
	return shown, 0
}

// address returns where an instance listens.
func address(in *wire.Instance) string {
	host := in.IPAddr
	if host == "" {
		host = in.HostName
	}
	var ports []string
	if in.Port.Enabled {
		ports = append(ports, strconv.Itoa(in.Port.Number))
	}
	if in.SecurePort.Enabled {
		ports = append(ports, strconv.Itoa(in.SecurePort.Number)+" (TLS)")
	}
	if len(ports) == 0 {
		return host
	}
	return strings.TrimSuffix(net.JoinHostPort(host, ""), ":") + ":" + strings.Join(ports, ", ")
}

func zone(in *wire.Instance) string {
	if z := in.DataCenter.Metadata["availability-zone"]; z != "" && in.DataCenter.Name == wire.Amazon {
		return z
	}
	return in.Metadata["zone"]
}

// statusClass returns the class that colors a status.
func statusClass(status wire.Status) string {
	switch status {
	case wire.Up:
		return "up"
	case wire.Down:
		return "down"
	case wire.Starting:
		return "starting"
	case wire.OutOfService:
		return "out"
	}
	return "unknown"
}

// domID returns an id for an element that belongs to a name from outside.
func domID(kind string, names ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return kind + "-" + hex.EncodeToString(sum[:8])
}

// applicationArgs are what the template of an application is given.
type applicationArgs struct {
	Page *pageView
	App  appView
}

// pageFuncs are what the template calls.
var pageFuncs = template.FuncMap{
	"asset":    assetURL,
	"duration": duration,
	"clock":    func(t time.Time) string { return t.UTC().Format(time.TimeOnly) },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"clip":     func(text string) string { return clip(text, maxShownText) },
	"pair":     func(page *pageView, app appView) applicationArgs { return applicationArgs{page, app} },
	"since":    since,
	"words":    statusWords,
	"abridged": func(u string) string { return clip(withoutUser(u), maxShownText) },
}

// statusWords writes a status as people do.
func statusWords(status wire.Status) string {
	return strings.ToLower(strings.ReplaceAll(string(status), "_", " "))
}

// withoutUser returns a URL as it may be shown.
func withoutUser(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "an address that cannot be read"
	}
	u.User = nil
	return u.String()
}

// duration writes a duration as people do, with two units at most.
func duration(d time.Duration) string {
	d = max(d, 0)
	n := func(unit time.Duration) string { return strconv.Itoa(int(d / unit)) }
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return n(time.Second) + " s"
	case d < 10*time.Minute:
		return n(time.Minute) + " min " + strconv.Itoa(int(d%time.Minute/time.Second)) + " s"
	case d < time.Hour:
		return n(time.Minute) + " min"
	case d < day:
		return n(time.Hour) + " h " + strconv.Itoa(int(d%time.Hour/time.Minute)) + " min"
	}
	return n(day) + " d " + strconv.Itoa(int(d%day/time.Hour)) + " h"
}
