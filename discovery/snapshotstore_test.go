package discovery_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is on disk and no snapshot of the service costs an error, and nothing
// else.
func TestSnapshotsThatAreDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		path := filepath.Join(folder, "orders.snapshot")
		saveOrders(t, folder, "a")
		good, err := os.ReadFile(path)
		require.NoError(t, err)
		flipped := []byte(string(good))
		flipped[len(flipped)-10] ^= 1
		for name, c := range map[string]struct{ content, want string }{
			"empty":           {"", "not a snapshot"},
			"foreign":         {"{}\n", "not a snapshot"},
			"cut in the head": {string(good[:40]), "not a snapshot"},
			"cut in the body": {string(good[:len(good)-1]), "damaged: the checksum is not that of the content"},
			"one bit":         {string(flipped), "damaged: the checksum is not that of the content"},
			"later version":   {strings.Replace(string(good), " 1 ", " 2 ", 1), `a snapshot of version "2", not 1`},
		} {
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600), name)
			p := begin(t, folder, discovery.SnapshotConfig{}, errDown)
			p.says(`error: discovery: the saved set of "orders" is not used: ` + path + ": " + c.want + "\nno route")
			p.registry.Set("orders", named("b")...)
			p.registry.Fail(nil)
			p.says("[b]")
			p.stop()
			begin(t, folder, discovery.SnapshotConfig{}, errDown).
				says("[b]", `error: discovery: the set of "orders" is one saved 0s ago: no route`)
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, "payments.snapshot"), good, 0o600))
		m := new(discovery.Memory)
		m.Fail(errDown)
		start(t, discovery.Snapshot(m, folder, discovery.SnapshotConfig{}), "payments").says(
			`error: discovery: the saved set of "payments" is not used: ` + filepath.Join(folder, "payments.snapshot") +
				`: a snapshot of the service "orders"` + "\nno route")
	})
}

// A disk that does not work is said once, and costs no set.
func TestSnapshotOnABadDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "folder")
		require.NoError(t, os.WriteFile(folder, nil, 0o600))
		p := begin(t, folder, discovery.SnapshotConfig{}, nil)
		p.says("[]")
		p.registry.Set("orders", named("a")...)
		news := p.heard()
		require.Len(t, news, 2)
		assert.Equal(t, "[a]", news[0])
		assert.Contains(t, news[1], `error: discovery: the set of "orders" is not saved: mkdir `+folder)
		p.registry.Set("orders", named("b")...)
		time.Sleep(time.Hour)
		p.says("[b]")
		require.NoError(t, os.Remove(folder))
		time.Sleep(10 * time.Second)
		p.says() // it works again, and the set that came since was the end of the error
		p.registry.Fail(errDown)
		p.says("error: no route")
		p.stop()

		require.NoError(t, os.RemoveAll(folder))
		require.NoError(t, os.WriteFile(folder, nil, 0o600))
		p = begin(t, folder, discovery.SnapshotConfig{}, nil)
		p.says("[]")
		p.registry.Set("orders", named("a")...)
		news = p.heard()
		require.Len(t, news, 2)
		p.registry.Fail(errDown)
		p.says("error: no route")
		require.NoError(t, os.Remove(folder))
		time.Sleep(10 * time.Second)
		p.says("[a]", "error: no route") // the disk works again, and the registry does not
	})
}

// Names are those of services, whatever they hold, and stay in the folder.
func TestSnapshotFileNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		long := strings.Repeat("x", 300)
		names := []string{"orders", "Orders", "../orders", "orders:9090", "..", ".orders", "a/b", `a\b`, "ü", "%", "", long + "1", long + "2"}
		m := new(discovery.Memory)
		for i, name := range names {
			m.Set(name, named(fmt.Sprint(i))...)
			assert.Equal(t, fmt.Sprintf("[%d]", i), first(t.Context(), discovery.Snapshot(m, folder, discovery.SnapshotConfig{}), name))
		}
		m.Fail(errDown)
		for i, name := range names {
			assert.Equal(t, fmt.Sprintf("[%d]", i), first(t.Context(), discovery.Snapshot(m, folder, discovery.SnapshotConfig{}), name))
		}
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		lower := make(map[string]bool)
		for _, f := range files {
			lower[strings.ToLower(f.Name())] = true
		}
		assert.Len(t, lower, len(names), "where case does not matter")
		assert.True(t, lower["orders%3a9090.snapshot"])
	})
}

// Unfinished files are removed when they are old.
func TestSnapshotSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		old, young := filepath.Join(folder, ".snapshot-1"), filepath.Join(folder, ".snapshot-2")
		for path, age := range map[string]time.Duration{old: 61 * time.Minute, young: time.Minute} {
			require.NoError(t, os.WriteFile(path, nil, 0o600))
			at := time.Now().Add(-age)
			require.NoError(t, os.Chtimes(path, at, at))
		}
		saveOrders(t, folder, "a")
		assert.NoFileExists(t, old)
		assert.FileExists(t, young)
	})
}

// Processes that share a folder read whole files, and one of theirs.
func TestSnapshotFoldersAreShared(t *testing.T) {
	folder := t.TempDir()
	down := new(discovery.Memory)
	down.Fail(errDown)
	saveInTurn := func(id string) {
		m := new(discovery.Memory)
		m.Set("orders", named(id, id+"2")...)
		for range 50 {
			assert.NotEmpty(t, first(t.Context(), discovery.Snapshot(m, folder, discovery.SnapshotConfig{}), "orders"))
		}
	}
	saveInTurn("a")
	var running sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		running.Go(func() { saveInTurn(id) })
	}
	running.Go(func() {
		for range 200 {
			got := first(t.Context(), discovery.Snapshot(down, folder, discovery.SnapshotConfig{}), "orders")
			assert.Contains(t, []string{"[a a2]", "[b b2]"}, got)
		}
	})
	running.Wait()
}
