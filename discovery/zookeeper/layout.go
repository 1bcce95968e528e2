package zookeeper

import (
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/facts"
)

// A layout is how copies are written.
type layout interface {
	// name returns the name of a copy's node, and id the other way round;
	// other nodes are none of its business.
	name(id string) string
	id(name string) (id string, ok bool)

	// marshal writes an instance, and unmarshal reads one; it reports false
	// for one that is not to be used.
	marshal(service string, in discovery.Instance) ([]byte, error)
	unmarshal(id string, data []byte) (in discovery.Instance, use bool, err error)
}

// decode reads one object.
func decode(data []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one value")
	}
	return nil
}

// curator is the layout of Curator's service discovery.
type curator struct{}

// A serviceInstance is Curator's org.apache.curator.x.discovery.ServiceInstance.
type serviceInstance struct {
	Name             string          `json:"name"`
	ID               string          `json:"id"`
	Address          string          `json:"address"`
	Port             *int            `json:"port"`
	SSLPort          *int            `json:"sslPort"`
	Payload          json.RawMessage `json:"payload"`
	RegistrationTime int64           `json:"registrationTimeUTC"`
	ServiceType      string          `json:"serviceType"`
	URISpec          any             `json:"uriSpec"`
	Enabled          *bool           `json:"enabled,omitempty"`
}

// payloadClass is the payload that Spring Cloud expects, which any JSON reader
// of Java takes that knows it.
const payloadClass = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"

type payload struct {
	Class    string            `json:"@class"`
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
}

func (curator) name(id string) string { return id }

func (curator) id(name string) (string, bool) { return name, true }

func (curator) marshal(service string, in discovery.Instance) ([]byte, error) {
	host, port, err := split(in.Addr)
	if err != nil {
		return nil, err
	}
	s := serviceInstance{Name: service, ID: in.Key(), Address: host, ServiceType: "DYNAMIC"}
	if in.Scheme == "https" {
		s.SSLPort = &port
	} else {
		s.Port = &port
	}
	if metadata := facts.Carry(in); len(metadata) > 0 {
		s.Payload, err = json.Marshal(payload{Class: payloadClass, ID: in.Key(), Name: service, Metadata: metadata})
		if err != nil {
			return nil, err
		}
	}
	return json.Marshal(s)
}

func (curator) unmarshal(id string, data []byte) (in discovery.Instance, use bool, err error) {
	var s serviceInstance
	if err := decode(data, &s); err != nil {
		return in, false, err
	}
	if s.Enabled != nil && !*s.Enabled {
		return in, false, nil
	}
	in.ID = id
	port := s.Port
	if port == nil {
		port = s.SSLPort
	}
	if port == nil {
		return in, false, errors.New("neither port nor sslPort")
	}
	in.Addr = net.JoinHostPort(s.Address, strconv.Itoa(*port))
	var p struct {
		Metadata map[string]any `json:"metadata"`
	}
	if len(s.Payload) > 0 {
		_ = decode(s.Payload, &p) // another's payload means nothing to us
	}
	facts.Apply(&in, p.Metadata)
	if in.Scheme == "" && s.Port == nil {
		in.Scheme = "https"
	}
	return in, true, nil
}

// serverSets is the layout of server sets.
type serverSets struct{ endpoint string }

// A member is Twitter's com.twitter.thrift.ServiceInstance.
type member struct {
	Service    endpoint            `json:"serviceEndpoint"`
	Additional map[string]endpoint `json:"additionalEndpoints"`
	Status     string              `json:"status"`
	Metadata   map[string]any      `json:"metadata,omitempty"`
}

type endpoint struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

const memberPrefix = "member_"

func (serverSets) name(id string) string { return memberPrefix + id }

func (serverSets) id(name string) (string, bool) { return strings.CutPrefix(name, memberPrefix) }

func (l serverSets) marshal(_ string, in discovery.Instance) ([]byte, error) {
	host, port, err := split(in.Addr)
	if err != nil {
		return nil, err
	}
	e := endpoint{host, port}
	m := member{Service: e, Additional: map[string]endpoint{}, Status: "ALIVE"}
	if l.endpoint != "" {
		m.Additional[l.endpoint] = e
	}
	if metadata := facts.Carry(in); len(metadata) > 0 {
		m.Metadata = make(map[string]any, len(metadata))
		for k, v := range metadata {
			m.Metadata[k] = v
		}
	}
	return json.Marshal(m)
}

func (l serverSets) unmarshal(id string, data []byte) (in discovery.Instance, use bool, err error) {
	var m member
	if err := decode(data, &m); err != nil {
		return in, false, err
	}
	if m.Status != "" && m.Status != "ALIVE" {
		return in, false, nil
	}
	e := m.Service
	if l.endpoint != "" {
		var ok bool
		if e, ok = m.Additional[l.endpoint]; !ok {
			return in, false, nil
		}
	}
	in.ID = id
	in.Addr = net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
	facts.Apply(&in, m.Metadata)
	return in, true, nil
}

func split(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
