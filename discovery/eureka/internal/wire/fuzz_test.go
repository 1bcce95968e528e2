package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// What is read can be written, and is the same when it is read back.

func FuzzJSON(f *testing.F) {
	f.Add([]byte(ordersJSON))
	f.Add([]byte(`{"applications":{"application":{"instance":{"port":{"$":"1"},"metadata":{"a":1,"@class":"x"},"status":"x"}}}}`))
	f.Add([]byte(`{"applications":{"application":[{"instance":[{"dataCenterInfo":{"@class":"com.netflix.appinfo.AmazonInfo","metadata":{"b":null}}}]}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) { roundTrip(t, data, wire.JSON) })
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(ordersXML))
	f.Add([]byte(`<applications><application><instance><port>1</port><metadata><_.0031a__b>x</_.0031a__b></metadata></instance></application></applications>`))
	f.Add([]byte(`<applications><application><instance><dataCenterInfo><name>Amazon</name><metadata><b/></metadata></dataCenterInfo></instance></application></applications>`))
	f.Fuzz(func(t *testing.T, data []byte) { roundTrip(t, data, wire.XML) })
}

func roundTrip(t *testing.T, data []byte, f wire.Format) {
	first, err := wire.UnmarshalApplications(data, f)
	if err != nil {
		return
	}
	written, err := wire.MarshalApplications(first, f)
	require.NoError(t, err)
	second, err := wire.UnmarshalApplications(written, f)
	require.NoError(t, err)
	require.Equal(t, first, second)
}
