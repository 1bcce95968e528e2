package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
)

func Example() {
	_ = run(os.Stdout)
	// Output:
	// orders from blue
	// orders from green
}

func TestConformance(t *testing.T) {
	discoverytest.TestWatcher(t, discoverytest.Harness{
		Strip: func(in discovery.Instance) discovery.Instance { return discovery.Instance{Addr: in.Addr} },
		New: func(t testing.TB) discoverytest.Subject {
			file := hostsFile(filepath.Join(t.TempDir(), "hosts"))
			lines := map[string]string{}
			require.NoError(t, file.write(""))
			return discoverytest.Subject{
				Watcher: discovery.Poll(file.lookup, discovery.PollConfig{Interval: 5 * time.Millisecond}),
				Set: func(service string, instances ...discovery.Instance) {
					line := service
					for _, in := range instances {
						line += " " + in.Addr
					}
					lines[service] = line
					var all strings.Builder
					for _, line := range lines {
						all.WriteString(line + "\n")
					}
					require.NoError(t, file.write(all.String()))
				},
			}
		},
	})
}
