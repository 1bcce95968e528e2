package eurekaserver

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// What a batch that is sent may have.
const (
	maxSendItems = 250
	maxSendBytes = 1 << 20 // exceeded by no more than an item
)

const batchPath = "/peerreplication/batch/"

// send tells the peer what is queued for it, one batch at a time, so that
// nothing overtakes anything.
func (p *peer) send() {
	var pace pacer
	limit := maxSendItems
	for p.loops.Err() == nil {
		if p.kind() == PeerUnknown {
			// An empty batch is harmless, and tells what the peer is.
			rep, err := p.post(nil)
			if err == nil && rep.kind == PeerUnknown {
				err = errCode(rep.code)
			}
			if err != nil {
				p.failed(err)
				sleep(p.loops, pace.next(rep.code, err))
				continue
			}
			p.recovered()
			pace = pacer{}
		}
		if p.kind() == peerSelf {
			p.stop()
			return
		}
		if !p.queue.ready(p.loops) {
			break
		}
		rep, err := p.sendBatch(&limit)
		if err != nil {
			p.failed(err)
			sleep(p.loops, pace.next(rep.code, err))
			continue
		}
		p.recovered()
		pace = pacer{}
	}
	if p.cluster.loops.Err() == nil {
		return // only this peer is dropped
	}
	for p.isReachable() {
		if length, _ := p.queue.state(); length == 0 {
			return
		}
		if _, err := p.sendBatch(&limit); err != nil {
			return
		}
	}
}

// recovered notes that the peer has answered.
func (p *peer) recovered() {
	news, lasted := p.succeeded()
	if !news {
		return
	}
	p.cluster.log().Info("peer within reach", "peer", p.url.base, "after", lasted)
	if lasted > 0 {
		p.outage(lasted)
	}
}

// An outgoing is an item and what it is about.
type outgoing struct {
	item wire.Item
	news news
}

// sendBatch sends the oldest slots. What could not be sent is in the queue
// again.
func (p *peer) sendBatch(limit *int) (reply, error) {
	slots := p.queue.take(*limit)
	raw, sent, left := p.encode(slots)
	p.queue.putBack(slots[len(slots)-left:])
	slots = slots[:len(slots)-left]
	if len(sent) == 0 {
		p.queue.settle()
		return reply{}, nil // all is over and forgotten
	}
	rep, err := p.post(raw)
	switch {
	case err != nil:
		p.queue.putBack(slots)
		return rep, err
	case rep.code == http.StatusOK:
		*limit = min(2**limit, maxSendItems)
		p.queue.settle()
		p.read(sent, rep)
		return rep, nil
	case refused(rep.code) && rep.kind != PeerUnknown:
		// Something in it is not to the peer's taste. What it is shows when
		// less and less is sent with it.
		if len(slots) > 1 {
			*limit = len(slots) / 2
			break
		}
		p.queue.settle()
		p.cluster.log().Error("peer refuses an instance", "peer", p.url.base, "app", slots[0].key.app, "id", slots[0].key.id, "status", rep.code)
		return rep, errCode(rep.code)
	}
	p.queue.putBack(slots)
	return rep, errCode(rep.code)
}

// refused reports whether a status says that a batch is at fault, and not the
// peer.
func refused(code int) bool {
	switch code {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		return true
	}
	return false
}

func (p *peer) post(items []json.RawMessage) (reply, error) {
	body, err := wire.MarshalBatch(items)
	if err != nil {
		return reply{}, err
	}
	return p.exchange(p.cluster.io, http.MethodPost, batchPath, body)
}

// encode writes what is known now of the instances in slots. It returns how
// many slots are left for another batch.
func (p *peer) encode(slots []slot) (raw []json.RawMessage, sent []outgoing, left int) {
	size := 0
	kind := p.kind()
	for i, s := range slots {
		if size >= maxSendBytes {
			return raw, sent, len(slots) - i
		}
		for _, it := range p.items(s, kind) {
			data, err := wire.MarshalItem(it)
			if err != nil {
				p.cluster.log().Error("instance not written", "app", it.App, "id", it.ID, "error", err)
				continue
			}
			raw, sent = append(raw, data), append(sent, outgoing{it, s.news})
			size += len(data)
		}
	}
	return raw, sent, 0
}

// items returns what to tell a peer of an instance, in order.
func (p *peer) items(s slot, kind PeerKind) []wire.Item {
	now, ok := p.cluster.server.registry.replica(s.key)
	if kind == PeerNamesake {
		if !ok {
			return nil
		}
		return []wire.Item{replicaItem(&now, s.news == newsBeat)}
	}
	return standardItems(s, &now)
}

// standardItems returns what Netflix's server understands. It knows nothing of
// versions, so that the order counts.
func standardItems(s slot, now *replica) []wire.Item {
	var items []wire.Item
	if s.news&newsCanceled != 0 {
		items = append(items, wire.Item{Action: wire.ActionCancel, App: s.key.app, ID: s.key.id})
	}
	if !now.living {
		return items
	}
	base := wire.Item{App: s.key.app, ID: s.key.id, LastDirty: now.info.LastDirty, Status: now.info.Status}
	over := now.info.OverriddenStatus
	if over == wire.Unknown {
		over = ""
	}
	if s.news&(newsData|newsCanceled) != 0 {
		it := base
		it.Action, it.Instance = wire.ActionRegister, &now.info
		items = append(items, it)
	}
	if s.news&newsStatus != 0 {
		it := base
		it.Action = wire.ActionStatusUpdate
		if over == "" {
			it.Action = wire.ActionDeleteOverride
		}
		items = append(items, it)
	}
	if s.news == newsBeat {
		it := base
		it.Action, it.OverriddenStatus = wire.ActionHeartbeat, over
		items = append(items, it)
	}
	return items
}

// read does what the results of a batch ask for.
func (p *peer) read(sent []outgoing, rep reply) {
	results, err := wire.UnmarshalResults(rep.body)
	if err != nil || len(results) != len(sent) {
		p.cluster.log().Warn("peer answered a batch with something else", "peer", p.url.base, "error", err, "sent", len(sent), "results", len(results))
		return
	}
	n := 0
	var first *wire.Item
	var problem error // of the first
	for i := range results {
		it := &sent[i].item
		if err := p.readResult(it, &results[i]); err != nil {
			if n == 0 {
				first, problem = it, err
			}
			n++
		}
	}
	if n > 0 {
		p.cluster.log().Warn("peer refuses items", "peer", p.url.base, "items", n, "first", first.Action, "app", first.App, "id", first.ID, "error", problem)
	}
}

// readResult does what the result of an item asks for. The error says that the
// peer refuses the item, or answers it with something that makes no sense.
func (p *peer) readResult(it *wire.Item, res *wire.Result) error {
	k := key{it.App, it.ID}
	registry := p.cluster.server.registry
	if len(res.State) > 0 {
		theirs, err := readReplica(k, res.Instance, res.State, time.Now())
		if err != nil {
			return err
		}
		if !theirs.living || p.cluster.server.fits(&theirs) {
			registry.learn(theirs)
		}
		return nil
	}
	switch {
	case res.Code/100 == 2:
	case it.Action == wire.ActionHeartbeat && res.Code == http.StatusNotFound:
		p.queue.add(k, newsData)
	case it.Action == wire.ActionHeartbeat && res.Code == http.StatusConflict:
		if res.Instance == nil {
			break
		}
		if in, status, _ := p.cluster.server.admit(k.app, *res.Instance); status == http.StatusOK && in.ID() == k.id {
			registry.adopt(in)
		}
	case res.Code == http.StatusNotFound: // canceled there already, or about to be registered
	default:
		return errCode(res.Code)
	}
	return nil
}
