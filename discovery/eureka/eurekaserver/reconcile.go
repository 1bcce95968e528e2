package eurekaserver

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Servers of this package compare what they know on these paths.
const (
	digestPath = "/peerreplication/digest"
	fetchPath  = "/peerreplication/fetch"
)

// gateRetry is how soon a server that holds back its lists asks again.
const gateRetry = time.Second

// outageTime is how long a peer that knows no digests has to be out of reach to
// be told everything again. In less time it misses nothing that is not queued.
const outageTime = 30 * time.Second

// digestQuery says what a server knows, and digestReply what another knows
// besides: the summaries of the applications of which the digests differ.
type digestQuery struct {
	Apps appDigests `json:"apps"`
}

type appDigests map[string]string

// maxDigests is how many applications a server may compare at once, which is
// more than fit into a query that is not made up.
const maxDigests = 1 << 18

var errTooManyDigests = errors.New("eurekaserver: too many applications in a query of a peer")

func (d *appDigests) UnmarshalJSON(data []byte) error {
	n := 0
	for range wire.Elements(data) {
		if n++; n > maxDigests {
			return errTooManyDigests
		}
	}
	return json.Unmarshal(data, (*map[string]string)(d))
}

type digestReply struct {
	Starting bool                         `json:"starting,omitempty"` // it may know next to nothing
	Apps     map[string]map[string]string `json:"apps"`
}

// fetchQuery asks for instances, each an application and an id. fetchReply is
// a batch of the first of them, as many as fit.
type fetchQuery struct {
	Keys pageOfKeys `json:"keys"`
}

type pageOfKeys [][2]string

// UnmarshalJSON reads no more than what is answered.
func (k *pageOfKeys) UnmarshalJSON(data []byte) error {
	*k = nil
	for element := range wire.Elements(data) {
		if len(*k) == maxSendItems {
			break
		}
		var pair [2]string
		if err := json.Unmarshal(element, &pair); err != nil {
			return err
		}
		*k = append(*k, pair)
	}
	return nil
}

// follow compares with the peer now and then, as far as its kind allows.
func (p *peer) follow() {
	var pace pacer
	for {
		kind, ok := p.awaitKind()
		if !ok || kind == peerSelf {
			return
		}
		code, err := p.sync(kind)
		wait := jitter(p.cluster.ReconcileInterval)
		switch {
		case p.loops.Err() != nil:
			return
		case err != nil:
			p.failed(err)
			wait = pace.next(code, err)
		default:
			pace = pacer{}
			p.recovered()
			if p.cluster.gateClosed() {
				wait = min(wait, gateRetry)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-p.loops.Done():
		case <-p.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// jitter returns a time within a third of d.
func jitter(d time.Duration) time.Duration {
	return d*2/3 + time.Duration(rand.Int64N(int64(d*2/3)+1))
}

func (p *peer) sync(kind PeerKind) (code int, err error) {
	if kind == PeerNamesake {
		return p.reconcile()
	}
	if _, copied, complete := p.progress(); !copied || !complete && p.cluster.gateClosed() {
		return p.copyLists()
	}
	// Whether it is there shows with an empty batch.
	rep, err := p.post(nil)
	if err == nil && rep.code != http.StatusOK {
		err = errCode(rep.code)
	}
	if err == nil && (p.queue.overflowed() || p.missedMuch()) {
		p.tellAll()
	}
	return rep.code, err
}

// outage notes that the peer is back after some time.
func (p *peer) outage(lasted time.Duration) {
	if lasted >= outageTime {
		p.mu.Lock()
		p.missed = true
		p.mu.Unlock()
	}
	p.hurry()
}

func (p *peer) missedMuch() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	missed := p.missed
	p.missed = false
	return missed
}

// tellAll queues all that is known for a peer that knows no digests.
func (p *peer) tellAll() {
	for _, k := range p.cluster.server.registry.keys() {
		for {
			if length, _ := p.queue.state(); length < maxQueue/2 {
				break
			}
			if !p.isReachable() || !sleep(p.loops, sendDelay) {
				p.outage(outageTime) // again, when it is back
				return
			}
		}
		p.queue.add(k, newsData)
		if now, _ := p.cluster.server.registry.replica(k); now.living && now.info.OverriddenStatus != wire.Unknown {
			p.queue.add(k, newsStatus)
		}
	}
}

// copyLists takes in what a server of another kind has.
func (p *peer) copyLists() (code int, err error) {
	rep, err := p.exchange(p.loops, http.MethodGet, "/apps/", nil)
	switch {
	case err != nil:
		return 0, err
	case rep.code == http.StatusForbidden: // it holds back its lists itself
		p.synced(false)
		return rep.code, nil
	case rep.code != http.StatusOK:
		return rep.code, errCode(rep.code)
	}
	apps, err := wire.UnmarshalApplications(rep.body, wire.JSON)
	if err != nil {
		return rep.code, err
	}
	for _, app := range apps.Applications {
		for i := range app.Instances {
			in := app.Instances[i]
			if admitted, status, _ := p.cluster.server.admit(upper(in.App), in); status == http.StatusOK && in.Action != wire.Deleted {
				p.cluster.server.registry.registerReplica(admitted, tombstoneTime)
			}
		}
	}
	p.synced(true)
	return rep.code, nil
}

// reconcile finds out what one of the two servers knows and the other does not,
// tells the peer what it lacks and fetches what is lacking here.
func (p *peer) reconcile() (code int, err error) {
	p.queue.overflowed() // what was lost is found now
	var theirs digestReply
	code, err = p.call(digestPath, digestQuery{p.cluster.server.registry.digests()}, &theirs)
	if err != nil {
		return code, err
	}
	now := time.Now()
	var wanted [][2]string
	for app, summaries := range theirs.Apps {
		mine := p.cluster.server.registry.summaries(app)
		for id := range mine {
			if _, ok := summaries[id]; !ok {
				p.queue.add(key{app, id}, newsData)
			}
		}
		for id, summary := range summaries {
			if mine[id] == summary {
				continue
			}
			k := key{app, id}
			t, err := parseSummary(k, summary, now)
			if err != nil {
				return code, err
			}
			var m replica
			if text, ok := mine[id]; ok {
				m, _ = parseSummary(k, text, now) // we wrote it
			}
			both := join(m, t)
			if mine[id] != "" && both.summary() != summary {
				p.queue.add(k, newsData)
			}
			if both.summary() != mine[id] {
				wanted = append(wanted, [2]string{app, id})
			}
		}
	}
	if code, err := p.fetch(wanted); err != nil {
		return code, err
	}
	p.synced(!theirs.Starting)
	return code, nil
}

// fetch takes in what the peer knows of instances.
func (p *peer) fetch(wanted [][2]string) (code int, err error) {
	for len(wanted) > 0 {
		page := wanted[:min(len(wanted), maxSendItems)]
		query, err := json.Marshal(fetchQuery{page})
		if err != nil {
			return 0, err
		}
		rep, err := p.exchange(p.loops, http.MethodPost, fetchPath, query)
		if err != nil {
			return 0, err
		}
		if rep.code != http.StatusOK {
			return rep.code, errCode(rep.code)
		}
		items, err := wire.UnmarshalBatch(rep.body, len(page))
		if err != nil {
			return rep.code, err
		}
		if len(items) == 0 {
			return rep.code, errors.New("sent none of the instances that it has")
		}
		for i := range items {
			p.cluster.server.apply(&items[i])
		}
		wanted = wanted[len(items):]
	}
	return http.StatusOK, nil
}

// call exchanges documents with a server of this package.
func (p *peer) call(path string, query, answer any) (code int, err error) {
	body, err := json.Marshal(query)
	if err != nil {
		return 0, err
	}
	rep, err := p.exchange(p.loops, http.MethodPost, path, body)
	if err != nil {
		return 0, err
	}
	if rep.code != http.StatusOK {
		return rep.code, errCode(rep.code)
	}
	return rep.code, json.Unmarshal(rep.body, answer)
}
