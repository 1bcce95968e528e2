package laboratory

import "time"

// An event is something that happens at some time. What its numbers mean
// depends on its kind.
type event struct {
	at       time.Duration
	sequence uint64 // of two events at the same time, the earlier planned comes first
	kind     kind
	a, b, c  int32
}

type kind int32

const (
	callArrives     kind = iota // at a client
	requestArrives              // attempt a, at its server
	serverWakes                 // server a has finished a call, if its alarm is still number b
	responseArrives             // attempt a, at its client, with report c
	cancelArrives               // attempt a of generation b, at its server
	deadlinePasses              // of the oldest call
	serverChanges               // server a, as its course says
	clientLearns                // client a, which servers are listed
	probeArrives                // of client a, at server b
	reportArrives               // at client a, from server b: report c
	clientReadmits              // client a, the ejected server b
)

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.sequence < f.sequence
}

// events is a queue of them by time: a heap in which each node has four
// children, which is shallower than one of two and has them on one or two cache
// lines.
type events struct {
	heap     []event
	sequence uint64
}

func (q *events) push(e event) {
	e.sequence = q.sequence
	q.sequence++
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

// pop takes the next event from a queue that is not empty.
func (q *events) pop() event {
	first := q.heap[0]
	n := len(q.heap) - 1
	e := q.heap[n]
	q.heap = q.heap[:n]
	if n == 0 {
		return first
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for k := child + 1; k < min(child+4, n); k++ {
			if q.heap[k].before(&q.heap[least]) {
				least = k
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = e
	return first
}
