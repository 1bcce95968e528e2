package wire_test

import (
	"fmt"
	"testing"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// large returns a registry of 10,000 instances, about 9 MB of JSON.
func large() wire.Applications {
	var a wire.Applications
	for i := range 100 {
		app := wire.Application{Name: fmt.Sprint("APP", i)}
		for j := range 100 {
			in := orders().Applications[0].Instances[0]
			in.InstanceID = fmt.Sprint("i", j)
			app.Instances = append(app.Instances, in)
		}
		a.Applications = append(a.Applications, app)
	}
	return a
}

func BenchmarkMarshalApplications(b *testing.B) {
	apps := large()
	for _, f := range formats {
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.MarshalApplications(apps, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshalApplications(b *testing.B) {
	for _, f := range formats {
		data, err := wire.MarshalApplications(large(), f)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := wire.UnmarshalApplications(data, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
