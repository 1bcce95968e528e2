package laboratory

import (
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// deadlines are those of the calls under way, in order, as each has the same
// time. Only the first has an event: hardly any of them is met.
type deadlines struct {
	queue   []deadline
	first   int
	planned bool
}

type deadline struct {
	at               time.Duration
	call, generation int32
}

// follow has a call end at its deadline.
func (s *simulation) follow(id int32) {
	d := &s.deadlines
	if d.first > len(d.queue)/2 && d.first > 100 {
		n := copy(d.queue, d.queue[d.first:])
		d.queue, d.first = d.queue[:n], 0
	}
	at := s.calls[id].start + s.scenario.Deadline
	d.queue = append(d.queue, deadline{at, id, s.calls[id].generation})
	if !d.planned {
		d.planned = true
		s.queue.push(event{at: at, kind: deadlinePasses})
	}
}

func (s *simulation) deadlinePasses() {
	d := &s.deadlines
	d.planned = false
	for d.first < len(d.queue) {
		next := d.queue[d.first]
		if s.calls[next.call].generation != next.generation { // over in time
			d.first++
			continue
		}
		if next.at > s.now {
			d.planned = true
			s.queue.push(event{at: next.at, kind: deadlinePasses})
			return
		}
		d.first++
		s.giveUp(next.call)
	}
}

// giveUp ends a call without an answer, and tells its server.
func (s *simulation) giveUp(id int32) {
	i := s.calls[id].attempt
	a := &s.attempts[i]
	a.handle.Observe(balancer.Ignored, epoch+s.now-a.handle.Start())
	a.handle.End()
	s.ended++
	a.call = -1
	s.queue.push(event{at: s.now + s.oneWay(), kind: cancelArrives, a: i, b: a.generation})
	s.finish(id, false)
}
