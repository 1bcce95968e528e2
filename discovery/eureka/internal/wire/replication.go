package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The actions that servers tell each other about, as they write them.
const (
	ActionRegister       = "Register"
	ActionHeartbeat      = "Heartbeat"
	ActionCancel         = "Cancel"
	ActionStatusUpdate   = "StatusUpdate"
	ActionDeleteOverride = "DeleteStatusOverride"
)

// An Item is one thing that a server tells another: what happened to an
// instance. Empty and zero members are absent.
type Item struct {
	Action           string // any word
	App              string
	ID               string
	LastDirty        int64
	Status           Status
	OverriddenStatus Status // absent if there is none
	Instance         *Instance

	// State is what only servers of this project tell each other, in JSON.
	// Others refuse a batch with members that they do not know.
	State json.RawMessage

	// Err says why an item could not be read. It is not written.
	Err error
}

// A Result is the answer to an [Item].
type Result struct {
	Code     int       // an HTTP status
	Instance *Instance // what the other server has instead
	State    json.RawMessage
}

// ErrNoList says that a batch has no list of items.
var ErrNoList = errors.New("wire: read batch: no replicationList")

// ErrTooManyItems says that a batch is longer than allowed.
var ErrTooManyItems = errors.New("wire: read batch: too many items")

type batch[T any] struct {
	List []T `json:"replicationList"`
}

type results[T any] struct {
	List []T `json:"responseList"`
}

type itemOut struct {
	App              string          `json:"appName"`
	ID               string          `json:"id"`
	LastDirty        int64           `json:"lastDirtyTimestamp,omitempty"`
	OverriddenStatus Status          `json:"overriddenStatus,omitempty"`
	Status           Status          `json:"status,omitempty"`
	Instance         *instanceOut    `json:"instanceInfo,omitempty"`
	Action           string          `json:"action"`
	State            json.RawMessage `json:"namesake,omitempty"`
}

type itemIn struct {
	App              text            `json:"appName"`
	ID               text            `json:"id"`
	LastDirty        text            `json:"lastDirtyTimestamp"`
	OverriddenStatus text            `json:"overriddenStatus"`
	Status           text            `json:"status"`
	Instance         *instanceIn     `json:"instanceInfo"`
	Action           text            `json:"action"`
	State            json.RawMessage `json:"namesake"`
}

type resultOut struct {
	Code     int             `json:"statusCode"`
	Instance *instanceOut    `json:"responseEntity,omitempty"`
	State    json.RawMessage `json:"namesake,omitempty"`
}

type resultIn struct {
	Code     text            `json:"statusCode"`
	Instance json.RawMessage `json:"responseEntity"`
	State    json.RawMessage `json:"namesake"`
}

// MarshalItem writes one item of a batch: see [MarshalBatch].
func MarshalItem(it Item) (json.RawMessage, error) {
	out := itemOut{
		App: it.App, ID: it.ID, LastDirty: it.LastDirty, Status: it.Status,
		OverriddenStatus: it.OverriddenStatus, Action: it.Action, State: it.State,
	}
	if it.Instance != nil {
		out.Instance = new(writeInstance(*it.Instance))
	}
	return marshalBare("item", out)
}

// MarshalBatch writes a batch of items, as [MarshalItem] has written them.
func MarshalBatch(items []json.RawMessage) ([]byte, error) {
	if items == nil {
		items = []json.RawMessage{}
	}
	return marshalBare("batch", batch[json.RawMessage]{items})
}

// UnmarshalBatch reads a batch of no more than limit items. An item that makes
// no sense has an Err and does not hide the others.
func UnmarshalBatch(data []byte, limit int) ([]Item, error) {
	doc := batchIn{List: rawItems{limit: limit}}
	if err := json.Unmarshal(data, &doc); err != nil {
		if errors.Is(err, ErrTooManyItems) {
			return nil, ErrTooManyItems
		}
		return nil, jsonError("batch", err)
	}
	if doc.List.items == nil {
		return nil, ErrNoList
	}
	items := make([]Item, len(doc.List.items))
	for i, raw := range doc.List.items {
		items[i] = readItem(raw)
	}
	return items, nil
}

type batchIn struct {
	List rawItems `json:"replicationList"`
}

// rawItems is a list of no more than limit items.
type rawItems struct {
	items []json.RawMessage
	limit int
}

func (l *rawItems) UnmarshalJSON(data []byte) error {
	l.items = nil
	if data[0] != '[' {
		return json.Unmarshal(data, &l.items) // null, or an error
	}
	l.items = []json.RawMessage{}
	for item := range Elements(data) {
		if len(l.items) == l.limit {
			return ErrTooManyItems
		}
		l.items = append(l.items, slices.Clone(item))
	}
	return nil
}

func readItem(raw json.RawMessage) Item {
	var in *itemIn
	if err := json.Unmarshal(raw, &in); err != nil {
		return Item{Err: jsonError("item", err)}
	}
	if in == nil {
		return Item{Err: errors.New("wire: read item: null")}
	}
	var n numbers
	it := Item{
		Action: string(in.Action), App: string(in.App), ID: string(in.ID),
		LastDirty: n.int64("lastDirtyTimestamp", in.LastDirty),
		Status:    readStatus(in.Status), OverriddenStatus: readStatus(in.OverriddenStatus),
		State: notNull(in.State),
	}
	if n.err != nil {
		it.Err = fmt.Errorf("wire: read item: %w", n.err)
	}
	if in.Instance != nil {
		instance, err := in.Instance.read()
		it.Instance = &instance
		if err != nil {
			it.Err = err
		}
	}
	return it
}

// MarshalResults writes the answer to a batch.
func MarshalResults(list []Result) ([]byte, error) {
	out := make([]resultOut, len(list))
	for i, r := range list {
		out[i] = resultOut{Code: r.Code, State: r.State}
		if r.Instance != nil {
			out[i].Instance = new(writeInstance(*r.Instance))
		}
	}
	return marshalBare("results", results[resultOut]{out})
}

// UnmarshalResults reads the answer to a batch. An instance that makes no
// sense is left out.
func UnmarshalResults(data []byte) ([]Result, error) {
	var doc results[resultIn]
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, jsonError("results", err)
	}
	list := make([]Result, len(doc.List))
	for i, in := range doc.List {
		var n numbers
		list[i] = Result{Code: n.int("statusCode", in.Code), State: notNull(in.State)}
		if n.err != nil {
			return nil, fmt.Errorf("wire: read results: %w", n.err)
		}
		list[i].Instance = readEntity(in.Instance)
	}
	return list, nil
}

// readEntity returns the instance in a result, which may be anything else: a
// server's page about an error.
func readEntity(raw json.RawMessage) *Instance {
	if !strings.HasPrefix(string(raw), "{") {
		return nil
	}
	in := new(instanceIn)
	if err := json.Unmarshal(raw, in); err != nil {
		return nil
	}
	instance, err := in.read()
	if err != nil || instance.ID() == "" {
		return nil
	}
	return &instance
}

func notNull(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func marshalBare(name string, doc any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("wire: write %s: %s", name, err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
