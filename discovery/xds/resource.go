package xds

import (
	"fmt"
	"slices"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// A resource is the endpoints of one service, as far as they are known. All
// but its readers and its news is of the session's goroutine alone.
type resource struct {
	name    string
	readers int // guarded by Client.mu
	news    news

	set      []discovery.Instance
	known    bool   // there is a last set
	version  string // of what the plane sent last and was not rejected
	failed   bool   // an error other than standing was the last news
	absent   bool   // that error is that there is no such resource
	standing string // what is wrong with what the plane sent last
}

// accept takes in a set, and what had to be left out of it.
func (r *resource) accept(set []discovery.Instance, version string, fault error) {
	text := ""
	if fault != nil {
		text = fault.Error()
	}
	r.version = version
	if r.known && !r.failed && r.standing == text && slices.EqualFunc(set, r.set, discovery.Instance.Equal) {
		return
	}
	r.set, r.known, r.failed, r.absent, r.standing = set, true, false, false, text
	r.news.publish(set)
	if fault != nil {
		r.news.fail(fault)
	}
}

// reject says that nothing of what the plane sent makes sense. The last set
// stands.
func (r *resource) reject(fault error) {
	if text := fault.Error(); r.failed || r.standing != text {
		r.failed, r.absent, r.standing = false, false, text
		r.news.fail(fault)
	}
}

// fail says that nothing can be known about the resource now.
func (r *resource) fail(err error) {
	r.failed, r.absent, r.standing = true, false, ""
	r.news.fail(err)
}

// gone says that the plane knows no such resource, or none any more. Whoever
// has a set keeps it, and nobody else gets it.
func (r *resource) gone() {
	if r.absent && !r.known {
		return
	}
	r.set, r.known, r.version, r.failed, r.absent, r.standing = nil, false, "", true, true, ""
	r.news.lose(fmt.Errorf("resource %q: %w", r.name, discovery.ErrUnknownService))
}

// missing says that the plane has not sent the resource.
func (r *resource) missing(after time.Duration) {
	r.fail(fmt.Errorf("resource %q was not sent within %v: %w", r.name, after, discovery.ErrUnknownService))
	r.absent = true
}

// settled reports whether the plane need not send the resource again: it is
// known, and no error stands that only a new set can end.
func (r *resource) settled() bool { return r.known && !r.failed && r.standing == "" }
