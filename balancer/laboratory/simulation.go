package laboratory

import (
	"math/rand/v2"
	"time"

	"github.com/namesake-go/namesake/balancer"
)

// A simulation runs one scenario with one policy. It belongs to one goroutine.
type simulation struct {
	scenario  Scenario
	candidate Candidate
	seed      uint64

	now       time.Duration
	end       time.Duration // of arrivals
	queue     events
	servers   []server
	clients   []client
	calls     []call
	attempts  []attempt
	freeCalls []int32
	freeTries []int32
	reports   reports
	deadlines deadlines
	tally     tally

	begun, ended int // attempts, to check

	// Chance that does not depend on the policy: when calls arrive, and when
	// clients hear from the registry.
	arrivals, registry *rand.Rand
	// Chance of the network, in the order in which it is used.
	network *rand.Rand

	every time.Duration // mean time between calls
	kinds []float64     // cumulated shares of the kinds of calls
}

// A call is what a caller asked for.
type call struct {
	start      time.Duration
	work       float64 // ns on a core of speed 1
	client     int32
	kind       int32
	attempt    int32 // the latest
	generation int32 // counts the calls that had this place
	measured   bool
	tried      []*balancer.Endpoint // those that failed
}

// An attempt is one try of a call.
type attempt struct {
	handle     balancer.Attempt
	work       float64
	arrived    time.Duration // at the server
	call       int32         // -1: its caller has given up
	server     int32
	inFlight   int32 // others at the server when it arrived
	generation int32 // counts the attempts that had this place
	working    bool  // the server is at it
	canceled   bool  // before it arrived
	measured   bool
	outcome    balancer.Outcome
}

func newSimulation(scenario Scenario, candidate Candidate, seed uint64) *simulation {
	seed = mix(seed) ^ hash(scenario.streams)
	s := &simulation{
		scenario: scenario, candidate: candidate, seed: seed,
		end:      scenario.Warmup + scenario.Measured,
		arrivals: rand.New(stream(seed, "arrivals", 0)),
		registry: rand.New(stream(seed, "registry", 0)),
		network:  rand.New(stream(seed, "network", 0)),
		every:    time.Duration(float64(time.Second) / scenario.rate()),
	}
	sum := 0.0
	for _, c := range scenario.Calls {
		sum += c.Share
		s.kinds = append(s.kinds, sum)
	}
	for _, as := range scenario.Servers {
		for nth := range as.Count {
			server := newServer(len(s.servers), as)
			if as.Course != nil {
				chance := rand.New(stream(seed, "course", len(s.servers)))
				server.course = as.Course(nth, as.Count, s.end+scenario.Deadline, chance)
			}
			s.servers = append(s.servers, server)
		}
	}
	s.tally.init(s)
	for i := range s.servers {
		server := &s.servers[i]
		server.enter(State{})
		for len(server.course) > 0 && server.course[0].At <= 0 {
			server.enter(server.course[0].State)
			server.listed = !server.state.Absent
			server.course = server.course[1:]
		}
		s.planChange(int32(i))
	}
	s.clients = make([]client, scenario.Clients)
	for i := range s.clients {
		s.clients[i] = s.newClient(int32(i))
		s.clientLearns(int32(i))
	}
	s.queue.push(event{at: s.untilNext(), kind: callArrives})
	return s
}

// run lets everything happen, and leaves nothing behind.
func (s *simulation) run() {
	for len(s.queue.heap) > 0 {
		e := s.queue.pop()
		s.now = e.at
		switch e.kind {
		case callArrives:
			s.callArrives()
		case requestArrives:
			s.requestArrives(e.a)
		case serverWakes:
			s.serverWakes(e.a, e.b)
		case responseArrives:
			s.responseArrives(e.a, e.c)
		case cancelArrives:
			s.cancelArrives(e.a, e.b)
		case deadlinePasses:
			s.deadlinePasses()
		case serverChanges:
			s.serverChanges(e.a)
		case clientLearns:
			s.clientLearns(e.a)
		case probeArrives:
			s.probeArrives(e.a, e.b)
		case reportArrives:
			s.reportArrives(e.a, e.b, e.c)
		case clientReadmits:
			s.clientReadmits(e.a, e.b)
		}
	}
}

func (s *simulation) measuring() bool { return s.now >= s.scenario.Warmup && s.now < s.end }

// oneWay is how long the network takes.
func (s *simulation) oneWay() time.Duration {
	return time.Duration(float64(s.scenario.Network) * (0.75 + 0.5*s.network.Float64()))
}

func (s *simulation) untilNext() time.Duration {
	return time.Duration(s.arrivals.ExpFloat64() * float64(s.every))
}

func (s *simulation) callArrives() {
	if s.now >= s.end {
		return
	}
	id := s.newCall()
	c := &s.calls[id]
	c.start = s.now
	c.measured = s.measuring()
	c.client = int32(s.arrivals.IntN(len(s.clients)))
	at := s.arrivals.Float64() * s.kinds[len(s.kinds)-1]
	for at >= s.kinds[c.kind] {
		c.kind++
	}
	kind := &s.scenario.Calls[c.kind]
	c.work = kind.Work(s.arrivals) * float64(kind.Mean)
	s.queue.push(event{at: s.now + s.untilNext(), kind: callArrives})

	if s.attempt(id) {
		s.follow(id)
	} else {
		s.finish(id, false)
	}
}

// finish is the end of a call, with an answer or without.
func (s *simulation) finish(id int32, success bool) {
	c := &s.calls[id]
	s.tally.finished(s.now, c, success)
	c.generation++
	s.freeCalls = append(s.freeCalls, id)
}

func (s *simulation) newCall() int32 {
	if n := len(s.freeCalls); n > 0 {
		id := s.freeCalls[n-1]
		s.freeCalls = s.freeCalls[:n-1]
		c := &s.calls[id]
		*c = call{generation: c.generation, tried: c.tried[:0]}
		return id
	}
	s.calls = append(s.calls, call{})
	return int32(len(s.calls) - 1)
}

func (s *simulation) newAttempt() int32 {
	s.begun++
	if n := len(s.freeTries); n > 0 {
		id := s.freeTries[n-1]
		s.freeTries = s.freeTries[:n-1]
		s.attempts[id] = attempt{generation: s.attempts[id].generation}
		return id
	}
	s.attempts = append(s.attempts, attempt{})
	return int32(len(s.attempts) - 1)
}

// free gives an attempt's place to another, when neither its client nor its
// server has anything to do with it any more.
func (s *simulation) free(id int32) {
	s.attempts[id].generation++
	s.freeTries = append(s.freeTries, id)
}

// reports are those on their way.
type reports struct {
	all  []balancer.Report
	free []int32
}

func (r *reports) add(report balancer.Report) int32 {
	if n := len(r.free); n > 0 {
		id := r.free[n-1]
		r.free = r.free[:n-1]
		r.all[id] = report
		return id
	}
	r.all = append(r.all, report)
	return int32(len(r.all) - 1)
}

func (r *reports) take(id int32) balancer.Report {
	r.free = append(r.free, id)
	return r.all[id]
}
