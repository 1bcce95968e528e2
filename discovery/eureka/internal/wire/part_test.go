package wire_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// Put together or written at once, a list is the same, byte by byte.
func TestJoin(t *testing.T) {
	strange := orders()
	strange.Version, strange.Hash = "<&\"\x01é", "\u2028\xff>"
	strange.Applications[0].Name = "A\"<b>&\n\t'\\"
	strange.Applications[0].Instances[0].Metadata = map[string]string{"<k>": "\"v\"&\x02"}
	many := orders()
	many.Applications = append(many.Applications, wire.Application{Name: "EMPTY"}, orders().Applications[0])
	many.Applications[0].Instances = append(many.Applications[0].Instances, wire.Instance{})
	for name, apps := range map[string]wire.Applications{"orders": orders(), "none": {}, "strange": strange, "many": many} {
		for _, f := range formats {
			t.Run(name+" "+f.String(), func(t *testing.T) {
				parts := make([]wire.Part, 0, len(apps.Applications))
				for _, app := range apps.Applications {
					p := wire.Part{Name: app.Name}
					for _, in := range app.Instances {
						data, err := wire.MarshalElement(in, f)
						require.NoError(t, err)
						p.Instances = append(p.Instances, data)
					}
					parts = append(parts, p)
					want, err := wire.MarshalApplication(app, f)
					require.NoError(t, err)
					var got []byte
					wire.JoinApplication(p, f, func(piece []byte) { got = append(got, piece...) })
					assert.Equal(t, string(want), string(got))
				}
				want, err := wire.MarshalApplications(apps, f)
				require.NoError(t, err)
				var got []byte
				wire.JoinApplications(apps.Version, apps.Hash, parts, f, func(piece []byte) { got = append(got, piece...) })
				assert.Equal(t, string(want), string(got))
			})
		}
	}
	_, err := wire.MarshalElement(wire.Instance{}, wire.Formats)
	assert.Error(t, err)
}
