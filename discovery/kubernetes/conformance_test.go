package kubernetes_test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
)

func TestConformance(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Run: func(t *testing.T, check func(t *testing.T)) { synctest.Test(t, check) },
		New: func(t testing.TB) discoverytest.Subject {
			r := newRig(t.(*testing.T))
			stop := r.serve()
			return discoverytest.Subject{
				Watcher: r.client(),
				Set:     r.api.set,
				Fail: func(failing bool) {
					if !failing {
						r.api.instead(nil)
						return
					}
					r.api.instead(refusing(http.StatusServiceUnavailable))
					stop() // so that running watches end
					stop = r.serve()
				},
				Asked: func() int {
					r.api.mu.Lock()
					defer r.api.mu.Unlock()
					return r.api.asked
				},
			}
		},
		Strip:    strip,
		Patience: 2 * time.Minute,
	})
}

// strip leaves what endpoint slices carry.
func strip(in discovery.Instance) discovery.Instance {
	in.Weight, in.Priority, in.Metadata = 0, 0, nil
	return in
}

// set makes these copies the slices of a service: one for each port, as the
// real controller does, in one step.
func (s *apiServer) set(service string, instances ...discovery.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := map[string]bool{}
	for key, slice := range s.slices {
		if belongs(slice, "shop", service) {
			old[key] = true
		}
	}
	for _, slice := range slicesOf(service, instances) {
		delete(old, "shop/"+nameOf(slice))
		s.putLocked(slice)
	}
	for key := range old {
		s.record("DELETED", s.slices[key])
		delete(s.slices, key)
	}
}

func slicesOf(service string, instances []discovery.Instance) map[string]object {
	all := map[string]object{}
	for _, in := range instances {
		host, portText, _ := net.SplitHostPort(in.Addr)
		port, _ := strconv.Atoi(portText)
		name := fmt.Sprintf("%s-%d", service, port)
		if all[name] == nil {
			all[name] = object{
				"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
				"metadata":  object{"name": name, "namespace": "shop", "labels": object{"kubernetes.io/service-name": service}},
				"endpoints": []object{},
				"ports":     []object{{"name": "web", "port": port}},
			}
			if in.Scheme != "" {
				all[name]["ports"].([]object)[0]["appProtocol"] = in.Scheme
			}
		}
		all[name]["endpoints"] = append(all[name]["endpoints"].([]object), object{
			"addresses": []string{host}, "zone": in.Zone, "targetRef": object{"kind": "Pod", "name": in.ID, "uid": in.ID},
		})
	}
	return all
}
