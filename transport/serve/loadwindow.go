package serve

import (
	"sync"
	"time"
)

const (
	// Rates are those of the last second, by tenths: of what is complete of
	// those, so that they do not depend on how much of the present one has
	// passed.
	slotTime = 100 * time.Millisecond
	fullTime = 10 // slots
)

// A window counts what was done within the last second, and what was in flight.
type window struct {
	mu       sync.Mutex // held for a few additions
	inFlight int
	until    time.Duration // what has been reckoned
	slots    [fullTime + 1]tally
}

type tally struct {
	completed, failed int
	busy              time.Duration // in-flight calls times time
}

// A reading is what a window has to say.
type reading struct {
	inFlight          int
	completed, failed float64 // per second
	meanInFlight      float64
}

// arrive counts a call, and returns how many others are in flight.
func (w *window) arrive(now time.Duration) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(now)
	w.inFlight++
	return w.inFlight - 1
}

// leave counts the end of a call.
func (w *window) leave(now time.Duration, completed, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(now)
	w.inFlight--
	slot := w.slot(w.until)
	if completed {
		slot.completed++
		if failed {
			slot.failed++
		}
	}
}

func (w *window) read(now time.Duration) reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(now)
	r := reading{inFlight: w.inFlight}
	full := min(w.until/slotTime, fullTime)
	if full == 0 {
		return r
	}
	var sum tally
	for i := range full {
		slot := w.slot(w.until - (i+1)*slotTime)
		sum.completed += slot.completed
		sum.failed += slot.failed
		sum.busy += slot.busy
	}
	span := full * slotTime
	r.completed = float64(sum.completed) / span.Seconds()
	r.failed = float64(sum.failed) / span.Seconds()
	r.meanInFlight = float64(sum.busy) / float64(span)
	return r
}

// advance goes on to the present, slot by slot. The caller holds mu.
func (w *window) advance(now time.Duration) {
	if skip := now - w.until - slotTime*time.Duration(len(w.slots)); skip > 0 {
		w.until += skip / slotTime * slotTime // a long pause, of which the end is enough
	}
	for w.until < now {
		end := min(now, (w.until/slotTime+1)*slotTime)
		w.slot(w.until).busy += time.Duration(w.inFlight) * (end - w.until)
		w.until = end
		if end%slotTime == 0 {
			*w.slot(end) = tally{}
		}
	}
}

// slot is that of a time.
func (w *window) slot(at time.Duration) *tally {
	return &w.slots[int(at/slotTime)%len(w.slots)]
}
