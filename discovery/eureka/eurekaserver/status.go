package eurekaserver

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// statusInfo says how the server is. The misspelling is the protocol's.
type statusInfo struct {
	XMLName xml.Name     `json:"-" xml:"status"`
	General generalStats `json:"generalStats" xml:"generalStats"`
	Peers   peerStats    `json:"applicationStats" xml:"applicationStats"`
	Healthy bool         `json:"isHeathly" xml:"isHeathly"`
}

type generalStats struct {
	CPUs      string `json:"num-of-cpus" xml:"num-of-cpus"`
	Uptime    string `json:"server-uptime" xml:"server-uptime"`
	Instances string `json:"instances" xml:"instances"`
	Revision  string `json:"revision" xml:"revision"`
	Waiting   string `json:"waiting-requests" xml:"waiting-requests"`
}

type peerStats struct {
	Registered  string `json:"registered-replicas" xml:"registered-replicas"`
	Available   string `json:"available-replicas" xml:"available-replicas"`
	Unavailable string `json:"unavailable-replicas" xml:"unavailable-replicas"`
}

// getStatus: GET status
func (s *Server) getStatus(w http.ResponseWriter, r *http.Request, _ []string) {
	rev, _ := s.registry.revision()
	info := statusInfo{
		General: generalStats{
			CPUs:      strconv.Itoa(runtime.NumCPU()),
			Uptime:    time.Since(s.started).Round(time.Second).String(),
			Instances: strconv.Itoa(s.registry.size()),
			Revision:  s.registry.tag(rev),
			Waiting:   strconv.Itoa(s.waiting.size()),
		},
		Peers:   s.peerStats(),
		Healthy: true,
	}
	respondWith(w, r, accepted, func(f wire.Format) ([]byte, error) {
		if f.IsXML() {
			return xml.Marshal(info)
		}
		return json.Marshal(info)
	})
}

// peerStats lists the peers as the protocol does, separated by commas.
func (s *Server) peerStats() peerStats {
	var out peerStats
	for _, p := range s.Peers() {
		out.Registered += p.URL + ","
		if p.Reachable {
			out.Available += p.URL + ","
		} else {
			out.Unavailable += p.URL + ","
		}
	}
	return out
}
