package laboratory

import (
	"math"
	"time"
)

// A processor shares its cores evenly among its jobs, none of which uses more
// than one core: with n jobs each runs at speed · min(1, cores / n).
//
// It keeps a virtual time, the work done so far for each job that was always
// there. A job is done when the virtual time has advanced by its work, so that
// one number changes as time passes, and not one for each job.
type processor struct {
	cores float64
	speed float64 // of a core; 0 stands still

	now     time.Duration // up to which it has worked
	virtual float64       // in ns
	used    float64       // ns of core time in all
	jobs    []job         // a heap by end
	place   []int32       // in jobs, by id
}

type job struct {
	end float64 // in virtual time
	id  int32
}

// nearly is how much work, in ns, does not count: times are rounded to
// nanoseconds.
const nearly = 1e-3

func (p *processor) rate() float64 {
	if n := float64(len(p.jobs)); n > p.cores {
		return p.speed * p.cores / n
	}
	return p.speed
}

// advance works until now.
func (p *processor) advance(now time.Duration) {
	dt := float64(now - p.now)
	p.now = now
	if dt <= 0 || len(p.jobs) == 0 {
		return
	}
	p.virtual += dt * p.rate()
	if p.speed > 0 {
		p.used += dt * math.Min(float64(len(p.jobs)), p.cores)
	}
}

// done takes a job that has ended by now, if there is one.
func (p *processor) done() (id int32, ok bool) {
	if len(p.jobs) == 0 || p.jobs[0].end > p.virtual+nearly {
		return 0, false
	}
	id = p.jobs[0].id
	p.remove(id)
	return id, true
}

// next returns when the next job will end if nothing changes.
func (p *processor) next() (at time.Duration, ok bool) {
	rate := p.rate()
	if len(p.jobs) == 0 || rate == 0 {
		return 0, false
	}
	wait := math.Ceil((p.jobs[0].end - p.virtual) / rate)
	return p.now + max(0, time.Duration(min(wait, math.MaxInt64/4))), true
}

// add begins a job at the time up to which it has worked.
func (p *processor) add(id int32, work float64) {
	for int(id) >= len(p.place) {
		p.place = append(p.place, -1)
	}
	p.jobs = append(p.jobs, job{p.virtual + work, id})
	p.up(len(p.jobs) - 1)
}

// remove drops a job. It reports false if there is none of that id.
func (p *processor) remove(id int32) bool {
	if int(id) >= len(p.place) || p.place[id] < 0 {
		return false
	}
	i, n := int(p.place[id]), len(p.jobs)-1
	p.place[id] = -1
	last := p.jobs[n]
	p.jobs = p.jobs[:n]
	if i < n {
		p.jobs[i] = last
		p.down(i)
		p.up(int(p.place[last.id]))
	}
	if n == 0 {
		p.virtual = 0 // which keeps it exact
	}
	return true
}

func (p *processor) up(i int) {
	j := p.jobs[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !j.before(p.jobs[parent]) {
			break
		}
		p.set(i, p.jobs[parent])
		i = parent
	}
	p.set(i, j)
}

func (p *processor) down(i int) {
	j := p.jobs[i]
	for {
		child := 2*i + 1
		if child >= len(p.jobs) {
			break
		}
		if child+1 < len(p.jobs) && p.jobs[child+1].before(p.jobs[child]) {
			child++
		}
		if !p.jobs[child].before(j) {
			break
		}
		p.set(i, p.jobs[child])
		i = child
	}
	p.set(i, j)
}

func (p *processor) set(i int, j job) {
	p.jobs[i] = j
	p.place[j.id] = int32(i)
}

func (j job) before(other job) bool {
	return j.end < other.end || j.end == other.end && j.id < other.id
}
