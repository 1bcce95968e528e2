package report_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/report"
)

func TestReports(t *testing.T) {
	a, b := []discovery.Instance{{Addr: "h:1"}}, []discovery.Instance{{Addr: "h:2"}}
	bad, worse, down := errors.New("bad"), errors.New("worse"), errors.New("down")
	var told []string
	r := report.New("x", func(set []discovery.Instance, err error) bool {
		addrs := []string{}
		for _, in := range set {
			addrs = append(addrs, in.Addr)
		}
		told = append(told, fmt.Sprint(addrs, " ", err))
		return true
	})
	step := func(what string, do bool, want ...string) {
		t.Helper()
		assert.True(t, do)
		assert.Equal(t, want, told, what)
		told = nil
	}
	step("no set yet", r.Found(nil, bad), "[] x: bad")
	step("the same", r.Found(nil, bad))
	step("the first set", r.Found(a, nil), "[h:1] <nil>")
	step("the same", r.Found(a, nil))
	step("another", r.Found(b, nil), "[h:2] <nil>")
	step("nothing makes sense", r.Found(nil, bad), "[] x: bad")
	step("it is over", r.Found(b, nil), "[h:2] <nil>")
	step("partly bad", r.Found(a, bad), "[h:1] <nil>", "[] x: bad")
	step("the same", r.Found(a, bad))
	step("worse", r.Found(a, worse), "[h:1] <nil>", "[] x: worse")
	step("a failure", r.Failed(down), "[] x: down")
	step("each is told", r.Failed(down), "[] x: down")
	step("read again", r.Found(a, worse), "[h:1] <nil>", "[] x: worse")
	step("none left", r.Found(nil, nil), "[] <nil>")
	step("the same", r.Found([]discovery.Instance{}, nil))
}

// Whoever has gone is told nothing.
func TestOver(t *testing.T) {
	n := 0
	r := report.New("x", func([]discovery.Instance, error) bool { n++; return false })
	assert.False(t, r.Over())
	assert.False(t, r.Found([]discovery.Instance{{Addr: "h:1"}}, errors.New("bad")))
	assert.True(t, r.Over())
	assert.False(t, r.Failed(errors.New("down")))
	assert.Equal(t, 1, n)
}
