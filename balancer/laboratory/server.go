package laboratory

import (
	"fmt"
	"time"

	"github.com/namesake-go/namesake/balancer"
	"github.com/namesake-go/namesake/discovery"
)

// A server works on attempts, and knows its load.
type server struct {
	processor
	instance discovery.Instance
	as       Servers
	state    State
	stats    stats

	course []Change // to come
	listed bool     // in the registry

	// An alarm is planned for when the next job may end. If that moves away,
	// the alarm goes off too early, which costs less than a new one for each
	// change.
	alarm   int32 // the number of the latest
	alarmAt time.Duration
	armed   bool
}

// newServer returns the server of that number, as one of a group.
func newServer(id int, as Servers) server {
	return server{as: as, listed: true, instance: discovery.Instance{
		ID:     fmt.Sprintf("server-%05d", id),
		Addr:   fmt.Sprintf("10.0.%d.%d:80", id/250, id%250+1),
		Weight: as.Weight,
	}}
}

func (s *server) enter(state State) {
	s.state = state
	s.cores = s.as.Cores * max(0, or(state.Cores, 1))
	s.speed = s.as.Speed * max(0, or(state.Speed, 1))
	if state.Silent {
		s.speed = 0
	}
}

// arm plans an alarm for when the next job ends, unless there is an earlier
// one.
func (s *server) arm(queue *events, id int32) {
	at, ok := s.next()
	if !ok || s.armed && s.alarmAt <= at {
		return
	}
	s.alarm++
	s.alarmAt, s.armed = at, true
	queue.push(event{at: at, kind: serverWakes, a: id, b: s.alarm})
}

func (s *simulation) serverWakes(id, alarm int32) {
	server := &s.servers[id]
	if alarm != server.alarm {
		return
	}
	server.armed = false
	server.advance(s.now)
	for {
		a, ok := server.done()
		if !ok {
			break
		}
		s.answer(a, balancer.Success)
	}
	server.arm(&s.queue, id)
}

func (s *simulation) requestArrives(id int32) {
	a := &s.attempts[id]
	if a.canceled {
		s.free(id)
		return
	}
	server := &s.servers[a.server]
	server.advance(s.now)
	a.arrived, a.inFlight = s.now, int32(len(server.jobs))
	if a.measured {
		s.tally.arrived(len(server.jobs))
	}
	switch limit := server.as.Limit; {
	case server.state.Failing || server.state.Down:
		s.answer(id, balancer.Failure)
		return
	case limit > 0 && len(server.jobs) >= limit && !server.state.Silent:
		s.answer(id, balancer.Busy)
		return
	}
	a.working = true
	server.add(id, a.work)
	server.arm(&s.queue, a.server)
}

// answer sends the response to an attempt on its way.
func (s *simulation) answer(id int32, outcome balancer.Outcome) {
	a := &s.attempts[id]
	server := &s.servers[a.server]
	a.working, a.outcome = false, outcome
	if outcome == balancer.Success {
		server.stats.answered(s.now, sample{int(a.inFlight), s.now - a.arrived}, a.work/server.speed)
	} else {
		server.stats.failed(s.now)
	}
	report := int32(-1)
	if s.candidate.Reports && !server.state.Down {
		report = s.reports.add(server.report(s.now))
	}
	s.queue.push(event{at: s.now + s.oneWay(), kind: responseArrives, a: id, c: report})
}

func (s *simulation) cancelArrives(id, generation int32) {
	a := &s.attempts[id]
	if a.generation != generation {
		return
	}
	if !a.working { // on its way, there or back
		a.canceled = true
		return
	}
	server := &s.servers[a.server]
	server.advance(s.now)
	server.remove(id)
	server.arm(&s.queue, a.server)
	s.free(id)
}

func (s *simulation) serverChanges(id int32) {
	server := &s.servers[id]
	server.advance(s.now)
	server.enter(server.course[0].State)
	server.course = server.course[1:]
	if server.state.Failing || server.state.Down {
		for len(server.jobs) > 0 {
			a := server.jobs[0].id
			server.remove(a)
			s.answer(a, balancer.Failure)
		}
	}
	server.armed = false // it may have become faster, or slower by far
	server.alarm++
	server.arm(&s.queue, id)
	if listed := !server.state.Absent; listed != server.listed {
		server.listed = listed
		for c := range s.clients {
			lag := time.Duration(s.registry.Float64() * float64(s.scenario.Lag))
			s.queue.push(event{at: s.now + lag, kind: clientLearns, a: int32(c)})
		}
	}
	s.planChange(id)
}

// planChange plans the next change of a server's course.
func (s *simulation) planChange(id int32) {
	if course := s.servers[id].course; len(course) > 0 {
		s.queue.push(event{at: max(s.now, course[0].At), kind: serverChanges, a: id})
	}
}

func (s *simulation) probeArrives(client, id int32) {
	server := &s.servers[id]
	if server.state.Silent || server.state.Down {
		return
	}
	server.advance(s.now)
	r := server.report(s.now)
	r.Probed = true
	s.queue.push(event{at: s.now + s.oneWay(), kind: reportArrives, a: client, b: id, c: s.reports.add(r)})
}
