package file_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/discoverytest"
	"github.com/namesake-go/namesake/discovery/file"
)

// entry is an instance as a program writes it that generates files.
type entry struct {
	Addr     string            `json:"addr"`
	ID       string            `json:"id,omitempty"`
	Scheme   string            `json:"scheme,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	Weight   uint32            `json:"weight,omitempty"`
	Priority uint32            `json:"priority,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func encode(t testing.TB, sets map[string][]discovery.Instance) string {
	t.Helper()
	lists := make(map[string][]entry)
	for service, set := range sets {
		lists[service] = []entry{}
		for _, in := range set {
			lists[service] = append(lists[service], entry{in.Addr, in.ID, in.Scheme, in.Zone, in.Weight, in.Priority, in.Metadata})
		}
	}
	text, err := json.MarshalIndent(lists, "", "  ")
	require.NoError(t, err)
	return string(text)
}

func TestConformance(t *testing.T) {
	oneFile := func(opts ...file.Option) func(t testing.TB) discoverytest.Subject {
		return func(t testing.TB) discoverytest.Subject {
			path := filepath.Join(t.TempDir(), "services.json")
			sets := make(map[string][]discovery.Instance)
			replace(t, path, "{}")
			return discoverytest.Subject{
				Watcher: file.New(path, opts...),
				Set: func(service string, instances ...discovery.Instance) {
					sets[service] = instances
					replace(t, path, encode(t, sets))
				},
				Fail: func(failing bool) {
					if failing {
						replace(t, path, "{")
					} else {
						replace(t, path, encode(t, sets))
					}
				},
			}
		}
	}
	aFolder := func(t testing.TB) discoverytest.Subject {
		path := t.TempDir()
		replace(t, filepath.Join(path, "empty.json"), "{}")
		return discoverytest.Subject{
			Watcher: file.New(path),
			Set: func(service string, instances ...discovery.Instance) {
				replace(t, filepath.Join(path, service+".json"), encode(t, map[string][]discovery.Instance{service: instances}))
			},
			Fail: func(failing bool) { // the folder is not mounted
				if failing {
					require.NoError(t, os.Rename(path, path+".away"))
				} else {
					require.NoError(t, os.Rename(path+".away", path))
				}
			},
		}
	}
	for name, h := range map[string]discoverytest.Harness{
		"file":              {Run: synctest.Test, New: oneFile()},
		"folder":            {Run: synctest.Test, New: aFolder},
		"file in real time": {New: oneFile(file.WithInterval(10 * time.Millisecond))},
	} {
		t.Run(name, func(t *testing.T) { discoverytest.TestWatcher(t, h) })
	}
}
