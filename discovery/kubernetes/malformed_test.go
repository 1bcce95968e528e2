package kubernetes_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever makes no sense is reported, costs no set, and is followed by a list.
func TestMalformedEvents(t *testing.T) {
	for line, want := range map[string]string{
		"no JSON":          "malformed event: invalid character",
		"{}":               `malformed event: type "" is not known`,
		`{"type":"ADDED"}`: "malformed ADDED event: unexpected end of JSON input",
		`{"type":"ADDED","object":{"metadata":{"name":"a"}}}`:                                                           "malformed ADDED event: no usable resourceVersion",
		`{"type":"DELETED","object":{"metadata":{"resourceVersion":"7"}}}`:                                              "malformed DELETED event: an endpoint slice without a name",
		`{"type":"MODIFIED","object":{"metadata":{"name":"a","resourceVersion":"7"},"endpoints":7}}`:                    "malformed MODIFIED event: json: cannot unmarshal number",
		`{"type":"BOOKMARK","object":{"metadata":{}}}`:                                                                  "malformed BOOKMARK event: no usable resourceVersion",
		`{"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError","message":"etcd is \"tired\""}}`: `the watch failed: 500 InternalError: "etcd is \"tired\""`,
		`{"type":"ERROR","object":7}`:                                                                                   "malformed error event: json: cannot unmarshal number",
		`{"type":"ADDED","object":{"metadata":{"name":"` + strings.Repeat("a", 9<<20) + `","resourceVersion":"7"}}}`:    "malformed event: longer than 8388608 bytes",
		`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"` + strings.Repeat("7", 200) + `"}}}`:              "malformed BOOKMARK event: no usable resourceVersion",
		`{"type":"ADDED","object":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`:                     "malformed event: invalid character",
	} {
		t.Run(want, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.api.put(sliceOf("a", pod(1)))
				first := true
				r.api.instead(func(w http.ResponseWriter, req *http.Request) {
					switch {
					case req.URL.Query().Get("watch") == "":
						r.api.list(w, req, "shop", "orders")
					case first:
						first = false
						_, _ = w.Write([]byte(line + "\n"))
					default:
						r.api.watch(w, req, "shop", "orders")
					}
				})
				s := r.follow(r.client(), "orders")
				assert.Equal(t, []string{one}, s.news())
				errs := s.errors()
				require.Len(t, errs, 1)
				require.ErrorContains(t, errs[0], "kubernetes: endpoint slices of shop/orders not read for 0s: http://api: "+want)
				wait(time.Second)
				assert.Equal(t, []string{one}, s.news(), "the failure is over")
				assert.Empty(t, s.errors())
				assert.Equal(t, []string{"list", "watch 101", "list", "watch 101"}, r.api.seen())
			})
		})
	}
}

// The end of a connection in the middle of an event is a lost watch.
func TestHalfAnEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.api.put(sliceOf("a", pod(1)))
		first := true
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.URL.Query().Get("watch") == "":
				r.api.list(w, req, "shop", "orders")
			case first:
				first = false
				_, _ = w.Write([]byte(`{"type":"DELETED","object":{"metadata":{"name":"a","resourceVersion":"102"}}}`))
			default:
				r.api.watch(w, req, "shop", "orders")
			}
		})
		s := r.follow(r.client(), "orders")
		wait(time.Second)
		assert.Equal(t, []string{one}, s.news())
		assert.Empty(t, s.errors())
		assert.Equal(t, []string{"list", "watch 101", "watch 101"}, r.api.seen())
	})
}

func TestMalformedLists(t *testing.T) {
	endless := `{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7","continue":"again"},"items":[]}`
	for list, want := range map[string]string{
		"":       "malformed list: unexpected end of JSON input",
		"<html>": "malformed list: invalid character '<'",
		"{}":     `answered "" for an EndpointSliceList`,
		`{"kind":"PodList","metadata":{"resourceVersion":"7"}}`:                        `answered "PodList" for an EndpointSliceList`,
		`{"kind":"EndpointSliceList","metadata":{}}`:                                   "malformed list: no usable resourceVersion",
		`{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[{}]}`: "malformed list: an endpoint slice without a name",
		`{"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":{}}`:   "malformed list: json: cannot unmarshal object",
		endless:                     "the list goes on after 100 pages and 0 slices",
		strings.Repeat(" ", 65<<20): "answer is longer than 67108864 bytes",
		strings.Replace(endless, "again", strings.Repeat("x", 9000), 1): "malformed list: the continue token is too long",
	} {
		t.Run(want, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.api.put(sliceOf("a", pod(1)))
				s := r.follow(r.client(), "orders")
				assert.Equal(t, []string{one}, s.news())
				wait(time.Minute)
				r.api.instead(func(w http.ResponseWriter, req *http.Request) {
					if req.URL.Query().Get("watch") != "" {
						w.WriteHeader(http.StatusGone)
						return
					}
					_, _ = w.Write([]byte(list))
				})
				r.stop()
				r.serve()
				wait(time.Second)
				errs := s.errors()
				require.NotEmpty(t, errs)
				require.ErrorContains(t, errs[0], ": http://api: "+want)
				assert.Empty(t, s.news(), "the last set stands")
				r.api.instead(nil)
				wait(time.Minute)
				assert.Equal(t, []string{one}, s.news(), "the failure is over")
			})
		})
	}
}

// A service has an end, in a list and in what comes after it.
func TestTooManySlices(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const most = 10000
		var n atomic.Int64
		n.Store(most + 1)
		r.api.instead(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Query().Get("watch") != "" {
				write(w, object{"type": "ADDED", "object": object{"metadata": object{"name": "last", "resourceVersion": "8"}}})
				return
			}
			items := make([]object, n.Load())
			for i := range items {
				items[i] = object{"metadata": object{"name": strconv.Itoa(i)}}
			}
			write(w, object{"kind": "EndpointSliceList", "metadata": object{"resourceVersion": "7"}, "items": items})
		})
		s := r.follow(r.client(), "orders")
		errs := s.errors()
		require.Len(t, errs, 1)
		require.EqualError(t, errs[0], "kubernetes: endpoint slices of shop/orders not read yet: http://api: more than 10000 endpoint slices")
		assert.Empty(t, s.news())
		n.Store(most)
		wait(time.Second)
		assert.Contains(t, s.news(), "", "the list is not too long")
		errs = s.errors()
		require.NotEmpty(t, errs)
		require.EqualError(t, errs[0], "kubernetes: endpoint slices of shop/orders not read for 0s: http://api: more than 10000 endpoint slices")
	})
}
