// Package orca is the format in which servers say how loaded they are: the Open
// Request Cost Aggregation report (xds.data.orca.v3.OrcaLoadReport) in a header
// of their responses, as Envoy writes and reads it.
package orca

import (
	"errors"
	"math"
	"strconv"
	"time"
)

const (
	// Header is where the report is, in text or JSON.
	Header = "Endpoint-Load-Metrics"
	// BinaryHeader has it as a protocol buffer, which is not read here.
	BinaryHeader = "Endpoint-Load-Metrics-Bin"

	// ProbePath is where a server is asked for its report alone.
	ProbePath = "/.well-known/load"

	// MaxLength bounds a report, in bytes.
	MaxLength = 4 << 10
	// MaxNamed bounds its metrics that have names of somebody's own.
	MaxNamed = 16

	// The prefixes of a value.
	textPrefix = "TEXT "
	jsonPrefix = "JSON "

	// namedPrefix is that of a metric with a name of somebody's own. Those below
	// are ours.
	namedPrefix       = "named_metrics."
	nameInFlight      = "rif"
	nameLatency       = "latency_ms"
	nameServiceTime   = "service_time_ms"
	nameApplication   = "application_utilization"
	nameCPU           = "cpu_utilization"
	nameMemory        = "mem_utilization"
	nameRate          = "rps_fractional"
	nameErrors        = "eps"
	maxMilliseconds   = float64(math.MaxInt64/time.Millisecond) / 2
	significantDigits = 6
)

// A Report is what a server says. A value that is 0 has not been said, but for
// InFlight.
type Report struct {
	// Application is the server's own idea of the share of its capacity that is
	// used, CPU that of the processors, Memory that of the memory.
	Application, CPU, Memory float64
	// Rate is how many calls per second are completed, Errors how many fail.
	Rate, Errors float64
	// InFlight is how many calls are in flight, if HasInFlight.
	InFlight    float64
	HasInFlight bool
	// Latency is how long a call would take that arrived now, ServiceTime how
	// long it is worked on.
	Latency, ServiceTime time.Duration
}

// Utilization is the application's, or else the processors'.
func (r *Report) Utilization() float64 {
	if r.Application > 0 {
		return r.Application
	}
	return r.CPU
}

// The errors say what is wrong, and quote nothing.
var (
	errTooLong   = errors.New("orca: the report is too long")
	errFormat    = errors.New("orca: unknown format")
	errSyntax    = errors.New("orca: not a list of names and values")
	errNumber    = errors.New("orca: a value is not a finite number")
	errNegative  = errors.New("orca: a value is negative")
	errDuplicate = errors.New("orca: a metric comes twice")
	errUnknown   = errors.New("orca: unknown metric")
	errTooMany   = errors.New("orca: too many named metrics")
)

// A builder takes in metrics one by one.
type builder struct {
	Report
	known uint            // bits of those that have come
	named map[string]bool // that have come
}

// put takes in a plain metric.
func (b *builder) put(name string, value float64) error {
	var field *float64
	var bit uint
	switch name {
	case nameApplication:
		field, bit = &b.Application, 1<<0
	case nameCPU:
		field, bit = &b.CPU, 1<<1
	case nameMemory:
		field, bit = &b.Memory, 1<<2
	case nameRate:
		field, bit = &b.Rate, 1<<3
	case nameErrors:
		field, bit = &b.Errors, 1<<4
	default:
		return errUnknown
	}
	switch {
	case b.known&bit != 0:
		return errDuplicate
	case math.IsNaN(value), math.IsInf(value, 0):
		return errNumber
	case value < 0:
		return errNegative
	}
	b.known |= bit
	*field = value
	return nil
}

// putNamed takes in a metric with a name of somebody's own. All count, ours are
// remembered.
func (b *builder) putNamed(name string, value float64) error {
	switch {
	case name == "":
		return errSyntax
	case b.named[name]:
		return errDuplicate
	case len(b.named) >= MaxNamed:
		return errTooMany
	case math.IsNaN(value), math.IsInf(value, 0):
		return errNumber
	}
	if b.named == nil {
		b.named = make(map[string]bool)
	}
	b.named[name] = true
	switch name {
	case nameInFlight, nameLatency, nameServiceTime:
		if value < 0 {
			return errNegative
		}
	}
	switch name {
	case nameInFlight:
		b.InFlight, b.HasInFlight = value, true
	case nameLatency:
		b.Latency = milliseconds(value)
	case nameServiceTime:
		b.ServiceTime = milliseconds(value)
	}
	return nil
}

func milliseconds(value float64) time.Duration {
	return time.Duration(min(value, maxMilliseconds) * float64(time.Millisecond))
}

// Text returns the report as a header's value in text.
func (r *Report) Text() string {
	buf := make([]byte, 0, 160)
	r.each(func(named bool, name string, value float64) {
		if len(buf) == 0 {
			buf = append(buf, textPrefix...)
		} else {
			buf = append(buf, ',')
		}
		if named {
			buf = append(buf, namedPrefix...)
		}
		buf = append(append(buf, name...), '=')
		buf = number(buf, value)
	})
	return string(buf)
}

// JSON returns the report as a header's value in JSON.
func (r *Report) JSON() string {
	buf := append(make([]byte, 0, 200), jsonPrefix+"{"...)
	first, inside := true, false
	r.each(func(named bool, name string, value float64) {
		if !first {
			buf = append(buf, ',')
		}
		if first = false; named && !inside {
			inside = true
			buf = append(buf, `"named_metrics":{`...)
		}
		buf = append(append(append(buf, '"'), name...), `":`...)
		buf = number(buf, value)
	})
	if inside {
		buf = append(buf, '}')
	}
	return string(append(buf, '}'))
}

// each goes through what is said, named metrics last.
func (r *Report) each(f func(named bool, name string, value float64)) {
	say := func(named bool, name string, value float64) {
		if value > 0 && value <= math.MaxFloat64 {
			f(named, name, value)
		}
	}
	say(false, nameApplication, r.Application)
	say(false, nameCPU, r.CPU)
	say(false, nameMemory, r.Memory)
	say(false, nameRate, r.Rate)
	say(false, nameErrors, r.Errors)
	if r.HasInFlight && r.InFlight >= 0 {
		f(true, nameInFlight, r.InFlight)
	}
	say(true, nameLatency, float64(r.Latency)/float64(time.Millisecond))
	say(true, nameServiceTime, float64(r.ServiceTime)/float64(time.Millisecond))
}

// number writes what matters of a value: who reads it averages anyway.
func number(buf []byte, value float64) []byte {
	return strconv.AppendFloat(buf, value, 'g', significantDigits, 64)
}
