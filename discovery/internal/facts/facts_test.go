package facts_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/internal/facts"
)

func TestCarry(t *testing.T) {
	in := discovery.Instance{Scheme: "https", Zone: "z1", Weight: 3, Priority: 2, Metadata: map[string]string{"version": "2", "zone": "is replaced"}}
	carried := map[string]string{"scheme": "https", "zone": "z1", "weight": "3", "priority": "2", "version": "2"}
	assert.Equal(t, carried, facts.Carry(in))
	assert.Equal(t, "is replaced", in.Metadata["zone"], "what was given is not changed")
	assert.Equal(t, map[string]string{}, facts.Carry(discovery.Instance{Metadata: map[string]string{"weight": "7", "scheme": "http"}}))
	assert.NotNil(t, facts.Carry(discovery.Instance{}))
}

func TestApply(t *testing.T) {
	var in discovery.Instance
	facts.Apply(&in, map[string]any{
		"scheme": "HTTPS", "zone": "z1", "weight": json.Number("3"), "priority": "2", "new": true, "deep": map[string]any{}, "none": nil,
	})
	assert.Equal(t, discovery.Instance{
		Scheme: "https", Zone: "z1", Weight: 3, Priority: 2,
		Metadata: map[string]string{"scheme": "HTTPS", "zone": "z1", "weight": "3", "priority": "2", "new": "true"},
	}, in)

	in = discovery.Instance{}
	facts.Apply(&in, map[string]any{"scheme": "ftp", "weight": "-1", "priority": "4294967296"})
	assert.Empty(t, in.Scheme)
	assert.Zero(t, in.Weight)
	assert.Zero(t, in.Priority)

	in = discovery.Instance{}
	facts.Apply(&in, nil)
	assert.Equal(t, discovery.Instance{}, in)
}
