package orca_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/transport/internal/orca"
)

var full = orca.Report{
	Application: 0.25, CPU: 1.5, Memory: 0.5, Rate: 120, Errors: 0.5, InFlight: 7, HasInFlight: true,
	Latency: 12500 * time.Microsecond, ServiceTime: 2 * time.Millisecond,
}

func TestParse(t *testing.T) {
	for value, want := range map[string]orca.Report{
		"TEXT cpu_utilization=0.3,rps_fractional=120,eps=0.5,named_metrics.rif=7": {CPU: 0.3, Rate: 120, Errors: 0.5, InFlight: 7, HasInFlight: true},
		"TEXT cpu_utilization:0.3, eps: 1e2":                                      {CPU: 0.3, Errors: 100},
		"cpu_utilization:0.3,mem_utilization:0.8,named_metrics.queue:-3":          {CPU: 0.3, Memory: 0.8},
		"cpu_utilization=0.3":        {CPU: 0.3},
		"cpu_utilization:0.3, eps:2": {CPU: 0.3, Errors: 2},
		"TEXT named_metrics.rif=0":   {HasInFlight: true},
		"TEXT named_metrics.latency_ms=1.5,named_metrics.service_time_ms=0.25": {Latency: 1500 * time.Microsecond, ServiceTime: 250 * time.Microsecond},
		"TEXT named_metrics.latency_ms=1e300":                                  {Latency: math.MaxInt64 / 2},
		`JSON {}`:                                                              {},
		`JSON {"cpu_utilization":0.3,"named_metrics":{"rif":7,"other":-1.5},"eps":0}`:                                       {CPU: 0.3, InFlight: 7, HasInFlight: true},
		`JSON {"applicationUtilization":1.2,"memUtilization":0.5,"cpuUtilization":0.1,"rpsFractional":3,"namedMetrics":{}}`: {Application: 1.2, Memory: 0.5, CPU: 0.1, Rate: 3},
	} {
		got, err := orca.Parse(value)
		require.NoError(t, err, value)
		assert.InDelta(t, float64(want.Latency), float64(got.Latency), 1e13, value)
		got.Latency = want.Latency
		assert.Equal(t, want, got, value)
	}
}

func TestParseRefuses(t *testing.T) {
	many := strings.Builder{}
	for i := range 17 {
		_, _ = fmt.Fprintf(&many, ",named_metrics.m%d=1", i)
	}
	for value, because := range map[string]string{
		"":                          "not a list",
		"TEXT ":                     "not a list",
		"TEXT cpu_utilization":      "not a list",
		"TEXT cpu_utilization=":     "not a finite number",
		"TEXT cpu_utilization=NaN":  "not a finite number",
		"TEXT eps=inf":              "not a finite number",
		"TEXT eps=-Infinity":        "not a finite number",
		"TEXT eps=1e999":            "not a finite number",
		"TEXT eps=0x10":             "not a finite number",
		"TEXT eps=1_0":              "not a finite number",
		"TEXT eps=-1":               "negative",
		"TEXT named_metrics.rif=-1": "negative",
		"TEXT named_metrics.x=nan":  "not a finite number",
		"TEXT named_metrics.=1":     "not a list",
		"TEXT eps=1,eps=1":          "twice",
		"TEXT eps=0,eps=0":          "twice",
		"TEXT named_metrics.x=1,named_metrics.x=2": "twice",
		"TEXT eps=1,":                           "not a list",
		"TEXT rif=1":                            "unknown metric",
		"TEXT CPU_UTILIZATION=1":                "unknown metric",
		"text eps=1":                            "unknown format",
		"BIN CgA=":                              "unknown format",
		"BIN Cg":                                "unknown format",
		"TEXT eps=1" + many.String():            "too many",
		"TEXT eps=" + strings.Repeat("0", 4096): "too long",
		`JSON `:                                 "not a list",
		`JSON []`:                               "not a list",
		`JSON {"eps":1`:                         "not a list",
		`JSON {"eps":1}{}`:                      "not a list",
		`JSON {"eps":"1"}`:                      "not a finite number",
		`JSON {"eps":null}`:                     "not a finite number",
		`JSON {"eps":{}}`:                       "not a finite number",
		`JSON {"eps":1e999}`:                    "not a finite number",
		`JSON {"eps":1,"eps":2}`:                "twice",
		`JSON {"cpu_utilization":1,"cpuUtilization":2}`:          "twice",
		`JSON {"named_metrics":{"x":1},"named_metrics":{"x":1}}`: "twice",
		`JSON {"named_metrics":7}`:                               "not a list",
		`JSON {"secret":1}`:                                      "unknown metric",
	} {
		got, err := orca.Parse(value)
		if assert.ErrorContains(t, err, because, "%.60q", value) {
			assert.NotContains(t, err.Error(), "secret", "what a header says is not for logs")
		}
		assert.Zero(t, got)
	}
}

func TestWrite(t *testing.T) {
	assert.Equal(t, "TEXT application_utilization=0.25,cpu_utilization=1.5,mem_utilization=0.5,rps_fractional=120,eps=0.5,"+
		"named_metrics.rif=7,named_metrics.latency_ms=12.5,named_metrics.service_time_ms=2", full.Text())
	assert.Equal(t, `JSON {"application_utilization":0.25,"cpu_utilization":1.5,"mem_utilization":0.5,"rps_fractional":120,"eps":0.5,`+
		`"named_metrics":{"rif":7,"latency_ms":12.5,"service_time_ms":2}}`, full.JSON())
	idle := orca.Report{HasInFlight: true, CPU: math.NaN(), Rate: math.Inf(1), Errors: -1}
	assert.Equal(t, "TEXT named_metrics.rif=0", idle.Text(), "nothing that a reader would refuse")
	assert.Equal(t, `JSON {"named_metrics":{"rif":0}}`, idle.JSON())
	assert.Empty(t, new(orca.Report).Text(), "nothing to say")
	for _, value := range []string{full.Text(), full.JSON()} {
		got, err := orca.Parse(value)
		require.NoError(t, err)
		assert.Equal(t, full, got)
	}
}

// What is accepted is in range, and can be written and read again.
func FuzzParse(f *testing.F) {
	for _, value := range []string{
		full.Text(), full.JSON(), "", "TEXT ", "JSON {", "BIN AAAA", "cpu_utilization:1", "TEXT eps=1e-320", "TEXT named_metrics.latency_ms=1e18",
		`JSON {"named_metrics":{"rif":1e308}}`, "TEXT eps = 1 , cpu_utilization : 2",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r, err := orca.Parse(value)
		if err != nil {
			require.Zero(t, r)
			return
		}
		require.LessOrEqual(t, len(value), orca.MaxLength)
		for _, x := range []float64{r.Application, r.CPU, r.Memory, r.Rate, r.Errors, r.InFlight, float64(r.Latency), float64(r.ServiceTime)} {
			require.GreaterOrEqual(t, x, 0.)
			require.LessOrEqual(t, x, math.MaxFloat64)
		}
		for _, written := range []string{r.Text(), r.JSON()} {
			if written == "" {
				continue
			}
			again, err := orca.Parse(written)
			require.NoError(t, err, written)
			require.InEpsilon(t, 1+r.CPU, 1+again.CPU, 1e-4)
			require.Equal(t, r.HasInFlight, again.HasInFlight)
		}
	})
}
