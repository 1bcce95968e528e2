package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An apiServer does what the real one does with endpoint slices: lists in
// pages, watches, bookmarks, versions that are too old.
type apiServer struct {
	mu       sync.Mutex
	version  int
	slices   map[string]object // by namespace/name
	history  []change
	oldest   int           // changes before this version have been forgotten
	changed  chan struct{} // closed by the next change
	requests []string      // "list", "watch", and what of the query matters
	lengths  []int         // timeoutSeconds of watches
	asked    int

	answer http.HandlerFunc // instead of all that; nil means none
	gone   bool             // as a status; otherwise as an event
}

type object = map[string]any

type change struct {
	kind      string
	version   int
	slice     object
	namespace string
}

func newAPIServer() *apiServer {
	return &apiServer{version: 100, slices: make(map[string]object), changed: make(chan struct{})}
}

// put creates or replaces a slice of shop/orders, or of the service that its
// labels name.
func (s *apiServer) put(slice object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(slice)
}

func (s *apiServer) putLocked(slice object) {
	meta := slice["metadata"].(object)
	key := meta["namespace"].(string) + "/" + meta["name"].(string)
	kind := "ADDED"
	if s.slices[key] != nil {
		kind = "MODIFIED"
	}
	s.record(kind, slice)
	s.slices[key] = slice
}

// remove deletes a slice.
func (s *apiServer) remove(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := namespace + "/" + name
	s.record("DELETED", s.slices[key])
	delete(s.slices, key)
}

func (s *apiServer) record(kind string, slice object) {
	s.version++
	meta := slice["metadata"].(object)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	text, _ := json.Marshal(slice) // a copy
	var copied object
	_ = json.Unmarshal(text, &copied)
	s.history = append(s.history, change{kind, s.version, copied, meta["namespace"].(string)})
	close(s.changed)
	s.changed = make(chan struct{})
}

// compact forgets all changes so far.
func (s *apiServer) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.oldest, s.history = s.version, nil
}

// instead sets what answers.
func (s *apiServer) instead(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// seen returns the requests so far, and forgets them.
func (s *apiServer) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.requests
	s.requests = nil
	return seen
}

// asks returns how many seconds each watch so far was to take.
func (s *apiServer) asks() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lengths)
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	verb := "list"
	if query.Get("watch") != "" {
		verb = "watch"
	}
	s.mu.Lock()
	s.asked++
	note := verb
	if verb == "watch" {
		note += " " + query.Get("resourceVersion")
		n, _ := strconv.Atoi(query.Get("timeoutSeconds"))
		s.lengths = append(s.lengths, n)
	}
	s.requests = append(s.requests, note)
	answer := s.answer
	s.mu.Unlock()
	namespace, ok := strings.CutPrefix(r.URL.Path, "/apis/discovery.k8s.io/v1/namespaces/")
	namespace, isSlices := strings.CutSuffix(namespace, "/endpointslices")
	service, isSelector := strings.CutPrefix(query.Get("labelSelector"), "kubernetes.io/service-name=")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case answer != nil:
		answer(w, r)
	case !ok || !isSlices || !isSelector:
		refuse(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	case verb == "list":
		s.list(w, r, namespace, service)
	default:
		s.watch(w, r, namespace, service)
	}
}

func (s *apiServer) list(w http.ResponseWriter, r *http.Request, namespace, service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	begin := 0
	if token := r.URL.Query().Get("continue"); token != "" {
		var version int
		if _, err := fmt.Sscanf(token, "%d-%d", &version, &begin); err != nil || version < s.oldest {
			refuse(w, http.StatusGone, "Expired", "The provided continue parameter is too old")
			return
		}
	}
	items := []object{}
	for _, slice := range s.slices {
		if belongs(slice, namespace, service) {
			items = append(items, slice)
		}
	}
	slices.SortFunc(items, func(a, b object) int { return strings.Compare(nameOf(a), nameOf(b)) })
	meta := object{"resourceVersion": strconv.Itoa(s.version)}
	items = items[begin:]
	if limit > 0 && len(items) > limit {
		meta["continue"] = fmt.Sprintf("%d-%d", s.version, begin+limit)
		meta["remainingItemCount"] = len(items) - limit
		items = items[:limit]
	}
	write(w, object{"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "metadata": meta, "items": items})
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, namespace, service string) {
	query := r.URL.Query()
	at, _ := strconv.Atoi(query.Get("resourceVersion"))
	seconds, _ := strconv.Atoi(query.Get("timeoutSeconds"))
	end := time.After(time.Duration(seconds) * time.Second)
	bookmarks := time.NewTicker(time.Minute)
	defer bookmarks.Stop()
	if query.Get("allowWatchBookmarks") != "true" {
		bookmarks.Stop()
	}
	s.mu.Lock()
	tooOld, gone := at < s.oldest, s.gone
	s.mu.Unlock()
	if tooOld && gone {
		refuse(w, http.StatusGone, "Expired", "too old resource version")
		return
	}
	w.WriteHeader(http.StatusOK)
	if tooOld {
		write(w, object{"type": "ERROR", "object": object{"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version"}})
		return
	}
	_ = http.NewResponseController(w).Flush()
	for {
		s.mu.Lock()
		changed := s.changed
		var news []change
		for _, c := range s.history {
			if c.version > at && belongs(c.slice, namespace, service) {
				news = append(news, c)
			}
		}
		at = s.version
		s.mu.Unlock()
		for _, c := range news {
			write(w, object{"type": c.kind, "object": c.slice})
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-bookmarks.C:
			write(w, object{"type": "BOOKMARK", "object": object{
				"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": object{"resourceVersion": strconv.Itoa(at)},
				"addressType": "", "endpoints": nil, "ports": nil,
			}})
		case <-end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func belongs(slice object, namespace, service string) bool {
	meta := slice["metadata"].(object)
	labels, _ := meta["labels"].(object)
	return meta["namespace"] == namespace && labels["kubernetes.io/service-name"] == service
}

func nameOf(slice object) string { return slice["metadata"].(object)["name"].(string) }

func write(w http.ResponseWriter, value any) { _ = json.NewEncoder(w).Encode(value) }

// refuse answers with a Status, as the real one does.
func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	write(w, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

// refusing refuses everything.
func refusing(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, code, http.StatusText(code), "no: "+http.StatusText(code))
	}
}

// sliceOf returns an IPv4 slice of shop/orders whose only port is 8080.
func sliceOf(name string, endpoints ...object) object {
	return object{
		"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
		"metadata":  object{"name": name, "namespace": "shop", "labels": object{"kubernetes.io/service-name": "orders"}},
		"endpoints": endpoints,
		"ports":     []object{{"name": "http", "port": 8080, "protocol": "TCP"}},
	}
}

// pod returns a ready endpoint.
func pod(n int) object {
	return object{
		"addresses":  []string{fmt.Sprintf("10.0.0.%d", n)},
		"conditions": object{"ready": true, "serving": true, "terminating": false},
		"nodeName":   "node-1",
		"zone":       "eu-1a",
		"targetRef":  object{"kind": "Pod", "namespace": "shop", "name": fmt.Sprintf("orders-%d", n), "uid": fmt.Sprintf("uid-%d", n)},
	}
}

// with returns an object with other values for some of its keys.
func with(o object, pairs ...any) object {
	changed := object{}
	maps.Copy(changed, o)
	for i := 0; i < len(pairs); i += 2 {
		changed[pairs[i].(string)] = pairs[i+1]
	}
	return changed
}
