package etcd

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
)

func TestRecord(t *testing.T) {
	in := discovery.Instance{
		ID: "a", Addr: "10.0.0.1:80", Scheme: "https", Zone: "z1", Weight: 3, Priority: 2,
		Metadata: map[string]string{"version": "2", "zone": "is replaced"},
	}
	value, err := marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"Op":0,"Addr":"10.0.0.1:80","Metadata":{"scheme":"https","zone":"z1","weight":"3","priority":"2","version":"2"}}`, string(value))
	got, err := unmarshal("a", value)
	require.NoError(t, err)
	in.Metadata = map[string]string{"scheme": "https", "zone": "z1", "weight": "3", "priority": "2", "version": "2"}
	assert.Equal(t, in, got)
}

// What other programs write.
func TestForeignRecords(t *testing.T) {
	for value, want := range map[string]discovery.Instance{
		`{"Op":0,"Addr":"h:1","Metadata":null}`:               {ID: "a", Addr: "h:1"},
		`{"Addr":"h:1"}`:                                      {ID: "a", Addr: "h:1"},
		`{"Op":0,"Addr":"h:1","Metadata":"just text"}`:        {ID: "a", Addr: "h:1"},
		`{"Op":0,"Addr":"h:1","Metadata":[1],"More":{"x":1}}`: {ID: "a", Addr: "h:1"},
		`{"Addr":"h:1","Metadata":{"weight":7,"new":true,"deep":{"x":1},"big":12345678901234567890}}`: {
			ID: "a", Addr: "h:1", Weight: 7, Metadata: map[string]string{"weight": "7", "new": "true", "big": "12345678901234567890"},
		},
		`{"Addr":"h:1","Metadata":{"weight":"-1","scheme":"ftp"}}`: {ID: "a", Addr: "h:1", Metadata: map[string]string{"weight": "-1", "scheme": "ftp"}},
	} {
		got, err := unmarshal("a", []byte(value))
		require.NoError(t, err, value)
		assert.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "x", "{", `{"Addr":7}`, `[]`, `{"Addr":"h:1"}{}`} {
		_, err := unmarshal("a", []byte(value))
		assert.Error(t, err, value)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"Op":0,"Addr":"10.0.0.1:80","Metadata":{"weight":"3"}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		in, err := unmarshal("a", value)
		if err != nil {
			return
		}
		again, err := marshal(in)
		require.NoError(t, err)
		got, err := unmarshal("a", again)
		require.NoError(t, err)
		assert.Equal(t, in.Addr, got.Addr)
		assert.Equal(t, in.Weight, got.Weight)
	})
}
