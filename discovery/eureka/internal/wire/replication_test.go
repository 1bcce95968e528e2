package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

func marshalBatch(t *testing.T, items ...wire.Item) string {
	t.Helper()
	var raw []json.RawMessage
	for _, it := range items {
		data, err := wire.MarshalItem(it)
		require.NoError(t, err)
		raw = append(raw, data)
	}
	data, err := wire.MarshalBatch(raw)
	require.NoError(t, err)
	return string(data)
}

// Members that are absent are left out, numbers are numbers, and the instance
// has no wrapper: Netflix's server refuses anything else.
func TestBatch(t *testing.T) {
	got := marshalBatch(t,
		wire.Item{
			Action: wire.ActionHeartbeat, App: "ORDERS", ID: "h1", LastDirty: 17,
			Status: wire.OutOfService, OverriddenStatus: wire.OutOfService,
		},
		wire.Item{Action: wire.ActionCancel, App: "ORDERS", ID: "h<2"},
	)
	assert.Equal(t, `{"replicationList":[`+
		`{"appName":"ORDERS","id":"h1","lastDirtyTimestamp":17,"overriddenStatus":"OUT_OF_SERVICE","status":"OUT_OF_SERVICE","action":"Heartbeat"},`+
		`{"appName":"ORDERS","id":"h<2","action":"Cancel"}]}`, got)
	assert.Equal(t, `{"replicationList":[]}`, marshalBatch(t))

	in := orders().Applications[0].Instances[0]
	got = marshalBatch(t, wire.Item{Action: wire.ActionRegister, App: in.App, ID: in.ID(), Instance: &in, State: json.RawMessage(`{"x":1}`)})
	assert.Contains(t, got, `"instanceInfo":{"instanceId":`)
	items, err := wire.UnmarshalBatch([]byte(got), 1)
	require.NoError(t, err)
	assert.Equal(t, []wire.Item{{
		Action: wire.ActionRegister, App: in.App, ID: in.ID(), Instance: &in, State: json.RawMessage(`{"x":1}`),
	}}, items)
}

func TestBatchOfOthers(t *testing.T) {
	items, err := wire.UnmarshalBatch([]byte(`{"x":{},"replicationList":[
		{"appName":"A","id":"1","lastDirtyTimestamp":"5","status":null,"instanceInfo":null,"namesake":null,"new":[{}],"action":"Heartbeat"},
		7, null, {"lastDirtyTimestamp":"soon"}, {"instanceInfo":{"port":"many"}}, {}]}`), 6)
	require.NoError(t, err)
	require.Len(t, items, 6)
	assert.Equal(t, wire.Item{Action: "Heartbeat", App: "A", ID: "1", LastDirty: 5}, items[0])
	for _, it := range items[1:5] {
		assert.Error(t, it.Err)
	}
	assert.Equal(t, wire.Item{}, items[5])
}

func TestBatchRefused(t *testing.T) {
	for _, doc := range []string{``, `[]`, `{"replicationList":{}}`, `{"replicationList":[}`} {
		_, err := wire.UnmarshalBatch([]byte(doc), 10)
		assert.Error(t, err, doc)
		assert.NotErrorIs(t, err, wire.ErrNoList)
	}
	for _, doc := range []string{`{}`, `null`, `{"replicationList":null}`} {
		_, err := wire.UnmarshalBatch([]byte(doc), 10)
		assert.ErrorIs(t, err, wire.ErrNoList, doc)
	}
	_, err := wire.UnmarshalBatch([]byte(`{"replicationList":[{},{}]}`), 1)
	assert.ErrorIs(t, err, wire.ErrTooManyItems)
}

func TestResults(t *testing.T) {
	in := orders().Applications[0].Instances[0]
	data, err := wire.MarshalResults([]wire.Result{{Code: 200}, {Code: 409, Instance: &in}, {Code: 404}})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(data), `{"responseList":[{"statusCode":200},{"statusCode":409,"responseEntity":{"instanceId":`), string(data))
	list, err := wire.UnmarshalResults(data)
	require.NoError(t, err)
	assert.Equal(t, []wire.Result{{Code: 200}, {Code: 409, Instance: &in}, {Code: 404}}, list)

	list, err = wire.UnmarshalResults([]byte(`{"responseList":[{"statusCode":"200","responseEntity":"ok"},{"statusCode":500,"responseEntity":{}},{}]}`))
	require.NoError(t, err)
	assert.Equal(t, []wire.Result{{Code: 200}, {Code: 500}, {}}, list)
	_, err = wire.UnmarshalResults([]byte(`{"responseList":[{"statusCode":"ok"}]}`))
	assert.Error(t, err)
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"replicationList":[{"appName":"A","id":"1","lastDirtyTimestamp":5,"status":"UP","action":"Heartbeat"}]}`))
	f.Add([]byte(`{"replicationList":[{"appName":"A","id":"1","instanceInfo":{"port":{"$":1}},"action":"Register","namesake":{}}]}`))
	f.Add([]byte(`{"responseList":[{"statusCode":409,"responseEntity":{"instanceId":"1"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if list, err := wire.UnmarshalResults(data); err == nil {
			_, err := wire.MarshalResults(list)
			require.NoError(t, err)
		}
		first, err := wire.UnmarshalBatch(data, 100)
		if err != nil {
			return
		}
		for i := range first {
			if first[i].Err != nil {
				first[i] = wire.Item{}
			}
			first[i].State = nil // which is written as it is, but for spaces
		}
		second, err := wire.UnmarshalBatch([]byte(marshalBatch(t, first...)), 100)
		require.NoError(t, err)
		require.Equal(t, first, second)
	})
}
