package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery"
)

// The states of a check. Others count as critical.
const (
	passing  = "passing"
	warning  = "warning"
	critical = "critical"
)

// An entry is what the health endpoint says of one copy.
type entry struct {
	Node struct {
		Node            string
		Address         string
		TaggedAddresses map[string]string
		Meta            map[string]string
		Locality        *locality
	}
	Service struct {
		ID              string
		Service         string
		Address         string
		Port            int
		TaggedAddresses map[string]address
		Tags            []string
		Meta            map[string]string
		Weights         *weights
		Locality        *locality
	}
	Checks []struct {
		CheckID string
		Status  string
	}
}

type locality struct{ Region, Zone string }

type address struct {
	Address string
	Port    int
}

type weights struct{ Passing, Warning int }

// parse reads an answer of the health endpoint: the copies that can be used,
// and an error that names those that cannot be read. Without any that can be
// read there is no set.
func (c *config) parse(body []byte) (set []discovery.Instance, err error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("answer is no list: %w", err)
	}
	if raw == nil {
		return nil, errors.New("answer is no list, but null")
	}
	var faults []error
	usable := 0
	var instances []discovery.Instance
	for i, data := range raw {
		var e *entry
		if err := json.Unmarshal(data, &e); err != nil {
			faults = append(faults, fmt.Errorf("copy %d of %d: %w", i+1, len(raw), err))
			continue
		}
		if e == nil || e.Service.ID == "" {
			faults = append(faults, fmt.Errorf("copy %d of %d has no Service.ID", i+1, len(raw)))
			continue
		}
		usable++
		if in, ok := c.instance(e); ok {
			instances = append(instances, in)
		}
	}
	if usable == 0 && len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	set, fault := discovery.CleanSet(instances)
	if fault != nil {
		faults = append(faults, fault)
	}
	if len(instances) > 0 && len(set) == 0 {
		return nil, errors.Join(faults...)
	}
	if set == nil {
		set = []discovery.Instance{}
	}
	return set, errors.Join(faults...)
}

// instance returns what an entry says, and whether the copy may be called.
func (c *config) instance(e *entry) (discovery.Instance, bool) {
	weight := 1
	if w := e.Service.Weights; w != nil {
		weight = w.Passing
	}
	switch state(e) {
	case passing:
	case warning:
		if c.onlyPassing {
			return discovery.Instance{}, false
		}
		if w := e.Service.Weights; w != nil {
			weight = w.Warning
		}
	default:
		return discovery.Instance{}, false
	}
	if weight <= 0 {
		return discovery.Instance{}, false // not while it is in this state
	}
	host, port := c.address(e)
	in := discovery.Instance{
		ID:       e.Node.Node + "/" + e.Service.ID,
		Addr:     net.JoinHostPort(host, strconv.Itoa(port)),
		Scheme:   strings.ToLower(e.Service.Meta[keyScheme]),
		Zone:     zone(e),
		Weight:   uint32(min(int64(weight), math.MaxUint32)),
		Metadata: maps.Clone(e.Service.Meta),
	}
	if p, err := strconv.ParseUint(e.Service.Meta[keyPriority], 10, 32); err == nil {
		in.Priority = uint32(p)
	}
	if in.Weight == 1 {
		in.Weight = 0 // the usual one
	}
	if in.Scheme != "http" && in.Scheme != "https" {
		in.Scheme = ""
	}
	if len(e.Service.Tags) > 0 {
		if in.Metadata == nil {
			in.Metadata = make(map[string]string)
		}
		if _, taken := in.Metadata[keyTags]; !taken {
			in.Metadata[keyTags] = strings.Join(slices.Sorted(slices.Values(e.Service.Tags)), ",")
		}
	}
	return in, true
}

// state returns the worst state of a copy's checks. Maintenance is a critical
// check, of the copy or of its node.
func state(e *entry) string {
	worst := passing
	for _, check := range e.Checks {
		switch check.Status {
		case passing:
		case warning:
			worst = warning
		default:
			return critical
		}
	}
	return worst
}

func (c *config) address(e *entry) (host string, port int) {
	host, port = e.Service.Address, e.Service.Port
	if host == "" {
		host = e.Node.Address
	}
	if c.addressTag == "" {
		return host, port
	}
	if tagged, ok := e.Service.TaggedAddresses[c.addressTag]; ok && tagged.Address != "" {
		host = tagged.Address
		if tagged.Port != 0 {
			port = tagged.Port
		}
	} else if tagged := e.Node.TaggedAddresses[c.addressTag]; tagged != "" && e.Service.Address == "" {
		host = tagged
	}
	return host, port
}

func zone(e *entry) string {
	if z := e.Service.Meta[keyZone]; z != "" {
		return z
	}
	for _, l := range []*locality{e.Service.Locality, e.Node.Locality} {
		if l != nil && l.Zone != "" {
			return l.Zone
		}
	}
	return e.Node.Meta[keyZone]
}

// The keys under which facts travel that Consul has no place for.
const (
	keyScheme   = "scheme"
	keyZone     = "zone"
	keyPriority = "priority"
	keyTags     = "tags"
)
