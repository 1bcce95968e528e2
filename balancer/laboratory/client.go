package laboratory

import (
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// epoch is what a service's clock reads when the simulation starts: such clocks
// are never at 0.
const epoch = time.Second

// A client balances its calls among the servers that it knows.
type client struct {
	service   *balancer.Service
	classes   []*balancer.Class    // by kind of call
	endpoints []*balancer.Endpoint // by server, nil if not known
	picker    balancer.Picker      // nil without servers
	health    []health             // by server, if it ejects
}

// health is what a client remembers of a server to eject it.
type health struct {
	failures int // in a row
	times    int // that it has been ejected
	ejected  bool
}

// A place is where an endpoint leads.
type place struct{ server int32 }

var places = balancer.NewKey[place]()

func (s *simulation) newClient(id int32) client {
	var c client
	cfg := balancer.ServiceConfig{
		Now:  func() time.Duration { return epoch + s.now },
		Rand: stream(s.seed, "client", int(id)).Uint64,
	}
	if s.candidate.Probes {
		cfg.Probe = func(e *balancer.Endpoint) {
			if s.measuring() {
				s.tally.probes++
			}
			s.queue.push(event{at: s.now + s.oneWay(), kind: probeArrives, a: id, b: places.Of(e).server})
		}
	}
	c.service = balancer.NewService(cfg)
	c.classes = make([]*balancer.Class, len(s.scenario.Calls))
	for i, kind := range s.scenario.Calls {
		if s.candidate.Classes && kind.Class != "" {
			c.classes[i] = c.service.Class(kind.Class)
		}
	}
	c.endpoints = make([]*balancer.Endpoint, len(s.servers))
	if s.scenario.Eject {
		c.health = make([]health, len(s.servers))
	}
	return c
}

// clientLearns brings what a client knows up to date with the registry.
func (s *simulation) clientLearns(id int32) {
	c := &s.clients[id]
	for i := range s.servers {
		server := &s.servers[i]
		switch e := c.endpoints[i]; {
		case server.listed && e == nil:
			e = c.service.NewEndpoint(server.instance)
			places.Of(e).server = int32(i)
			c.endpoints[i] = e
			if c.health != nil {
				c.health[i].failures = 0
			}
		case !server.listed && e != nil:
			e.Retire(nil)
			c.endpoints[i] = nil
		}
	}
	s.rebuild(c)
}

// rebuild has the policy make a picker of the endpoints that there are.
func (s *simulation) rebuild(c *client) {
	var set balancer.Set
	for i, e := range c.endpoints {
		if e == nil {
			continue
		}
		set.All = append(set.All, e)
		if c.health == nil || !c.health[i].ejected {
			set.Available = append(set.Available, e)
		}
	}
	if 2*len(set.Available) < len(set.All) { // panic
		set.Available = set.All
	}
	c.picker = nil
	if len(set.All) > 0 {
		c.picker = s.candidate.Policy(set)
	}
}

// attempt sends a call to a server of the client's choice. It reports false if
// there is none.
func (s *simulation) attempt(id int32) bool {
	call := &s.calls[id]
	c := &s.clients[call.client]
	if c.picker == nil {
		return false
	}
	info := balancer.PickInfo{Now: epoch + s.now, Class: c.classes[call.kind], Tried: call.tried}
	e, err := c.picker.Pick(info)
	if err != nil {
		return false
	}
	handle, ok := e.Begin(info)
	if !ok { // a picker always has endpoints of the latest set
		return false
	}
	server := places.Of(e).server
	i := s.newAttempt()
	a := &s.attempts[i]
	a.call, a.server, a.work, a.handle = id, server, call.work, handle
	a.measured = s.measuring()
	call.attempt = i
	s.tally.sent(s.now, server, s.servers[server].as.Bad, a.measured)
	s.queue.push(event{at: s.now + s.oneWay(), kind: requestArrives, a: i})
	return true
}

func (s *simulation) responseArrives(id, report int32) {
	a := &s.attempts[id]
	if report >= 0 {
		r := s.reports.take(report)
		if a.call >= 0 {
			r.At = epoch + s.now
			a.handle.Endpoint().Report(r)
		}
	}
	if a.call < 0 { // its caller has given up
		s.free(id)
		return
	}
	callID, server, outcome, e := a.call, a.server, a.outcome, a.handle.Endpoint()
	call := &s.calls[callID]
	a.handle.Observe(outcome, epoch+s.now-a.handle.Start())
	a.handle.End()
	s.ended++
	s.free(id)
	s.judge(call.client, server, outcome)
	if outcome != balancer.Success && len(call.tried) < s.scenario.Retries {
		call.tried = append(call.tried, e)
		if s.attempt(callID) {
			return
		}
	}
	s.finish(callID, outcome == balancer.Success)
}

// judge ejects a server that has failed too often in a row.
func (s *simulation) judge(id, server int32, outcome balancer.Outcome) {
	c := &s.clients[id]
	if c.health == nil {
		return
	}
	h := &c.health[server]
	if outcome != balancer.Failure {
		h.failures = 0
		return
	}
	h.failures++
	if h.failures < 5 || h.ejected || c.endpoints[server] == nil {
		return
	}
	all, ejected := 0, 0
	for i, e := range c.endpoints {
		if e != nil {
			all++
			if c.health[i].ejected {
				ejected++
			}
		}
	}
	if ejected >= max(1, all/10) {
		return
	}
	h.failures = 0
	h.ejected = true
	h.times++
	base := min(time.Duration(h.times)*30*time.Second, 300*time.Second)
	s.queue.push(event{
		at:   s.now + base + time.Duration(s.network.Float64()*float64(base)/10),
		kind: clientReadmits, a: id, b: server,
	})
	s.rebuild(c)
}

func (s *simulation) clientReadmits(id, server int32) {
	c := &s.clients[id]
	c.health[server].ejected = false
	c.health[server].failures = 0
	s.rebuild(c)
}

func (s *simulation) reportArrives(id, server, report int32) {
	r := s.reports.take(report)
	if e := s.clients[id].endpoints[server]; e != nil {
		r.At = epoch + s.now
		e.Report(r)
	}
}
