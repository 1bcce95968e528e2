package eurekaserver_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
	"github.com/namesake-go/namesake/discovery/eureka/internal/wire"
)

// restarting runs servers with one file, one after the other, on a clock of
// its own. What they log is returned.
func restarting(t *testing.T, runs ...func(t *testing.T, s *eurekaserver.Server, path string)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data", "registry")
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		for _, run := range runs {
			s := eurekaserver.New(
				eurekaserver.WithSnapshot(eurekaserver.SnapshotConfig{Path: path}),
				eurekaserver.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
			)
			func() {
				defer s.Close()
				run(t, s, path)
			}()
		}
	})
	return log.String()
}

func must(t *testing.T, want int, s *eurekaserver.Server, method, path, body string) string {
	t.Helper()
	w := serve(t.Context(), s, method, path, body)
	require.Equal(t, want, w.Code)
	return w.Body.String()
}

func instanceOf(t *testing.T, s *eurekaserver.Server, app, id string) wire.Instance {
	t.Helper()
	in, err := wire.UnmarshalInstance([]byte(must(t, 200, s, "GET", "/apps/"+app+"/"+id, "")), wire.JSON)
	require.NoError(t, err)
	return in
}

func TestSnapshotSurvivesARestart(t *testing.T) {
	var before string
	var registered time.Time
	log := restarting(t, func(t *testing.T, s *eurekaserver.Server, path string) {
		registered = time.Now()
		must(t, 204, s, "POST", "/apps/APP", body("APP", lease(90), edit{"metadata": map[string]any{"zone": "z1"}}))
		must(t, 204, s, "POST", "/apps/APP", body("APP", lease(36000), edit{"instanceId": "i2", "vipAddress": "vip"}))
		must(t, 200, s, "PUT", "/apps/APP/i2/status?value=OUT_OF_SERVICE", "")
		must(t, 204, s, "POST", "/apps/GONE", body("GONE", lease(1)))
		must(t, 200, s, "PUT", "/apps/GONE/i1/status?value=DOWN", "")
		time.Sleep(89 * time.Second)
		synctest.Wait()
		before = must(t, 200, s, "GET", "/apps", "")
	}, func(t *testing.T, s *eurekaserver.Server, _ string) {
		time.Sleep(10 * time.Minute) // the server is away: not the instances' fault
		restarted := time.Now()
		after, err := wire.UnmarshalApplications([]byte(must(t, 200, s, "GET", "/apps", "")), wire.JSON)
		require.NoError(t, err)
		want, err := wire.UnmarshalApplications([]byte(before), wire.JSON)
		require.NoError(t, err)
		require.Len(t, want.Applications, 1)
		for i := range want.Applications[0].Instances {
			want.Applications[0].Instances[i].Lease.LastRenewal = restarted.UnixMilli()
		}
		assert.Equal(t, want, after)
		assert.Equal(t, registered.UnixMilli(), instanceOf(t, s, "APP", "i1").Lease.Registered)
		assert.Equal(t, 2, s.Stats().Snapshot.Restored)
		assert.Equal(t, 2, s.Stats().Overrides, "that of an evicted instance too")

		delta, err := wire.UnmarshalApplications([]byte(must(t, 200, s, "GET", "/apps/delta", "")), wire.JSON)
		require.NoError(t, err)
		assert.Empty(t, delta.Applications)
		assert.Equal(t, want.Hash, delta.Hash)

		must(t, 204, s, "POST", "/apps/GONE", body("GONE"))
		assert.Equal(t, wire.Down, instanceOf(t, s, "GONE", "i1").Status)

		// A heartbeat goes on as if nothing had been, and who sends none has a
		// whole lease from now.
		must(t, 200, s, "PUT", "/apps/APP/i2?lastDirtyTimestamp=1700000000000", "")
		time.Sleep(90*time.Second - 1)
		must(t, 200, s, "GET", "/apps/APP/i1", "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		must(t, 404, s, "GET", "/apps/APP/i1", "")
		assert.Equal(t, wire.OutOfService, instanceOf(t, s, "APP", "i2").Status)
	})
	assert.Contains(t, log, "msg=\"snapshot read\"")
	assert.Contains(t, log, "instances=2 invalid=0")
}

func TestSnapshotIsWrittenWhileTheServerRuns(t *testing.T) {
	restarting(t, func(t *testing.T, s *eurekaserver.Server, path string) {
		start := time.Now()
		assert.NoFileExists(t, path, "a constructor does nothing")
		s.Start()
		time.Sleep(time.Second)
		must(t, 204, s, "POST", "/apps/APP", body("APP", lease(36000)))
		time.Sleep(5*time.Second - 1)
		assert.NoFileExists(t, path)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.FileExists(t, path)
		assert.NoFileExists(t, path+".tmp")
		assert.Equal(t, start.Add(6*time.Second), s.Stats().Snapshot.Saved)

		// Without a change only the time of the file goes on.
		first := modified(t, path)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, start.Add(6*time.Second), s.Stats().Snapshot.Saved)
		assert.Equal(t, time.Hour, modified(t, path).Sub(first))

		copied := path + ".copy"
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied, data, 0o600))
		killed := eurekaserver.New(eurekaserver.WithSnapshot(eurekaserver.SnapshotConfig{Path: copied, MaxAge: -1}))
		defer killed.Close()
		must(t, 200, killed, "GET", "/apps/APP/i1", "")
	})
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.ModTime()
}

func TestSnapshotTooOld(t *testing.T) {
	log := restarting(t, func(t *testing.T, s *eurekaserver.Server, _ string) {
		must(t, 204, s, "POST", "/apps/APP", body("APP", lease(36000)))
		must(t, 200, s, "PUT", "/apps/APP/i1/status?value=DOWN", "")
		time.Sleep(20 * time.Minute) // the server is there, and nothing changes
	}, func(t *testing.T, s *eurekaserver.Server, _ string) {
		time.Sleep(15 * time.Minute)
		must(t, 200, s, "GET", "/apps/APP/i1", "")
	}, func(t *testing.T, s *eurekaserver.Server, _ string) {
		time.Sleep(15*time.Minute + time.Millisecond)
		must(t, 404, s, "GET", "/apps/APP/i1", "")
	})
	assert.Contains(t, log, `msg="snapshot too old: instances left out"`)
}

func TestSnapshotThatIsNone(t *testing.T) {
	var good []byte
	restarting(t, func(t *testing.T, s *eurekaserver.Server, path string) {
		must(t, 204, s, "POST", "/apps/APP", body("APP", lease(36000)))
		time.Sleep(time.Minute)
		var err error
		good, err = os.ReadFile(path)
		require.NoError(t, err)
	})
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, tt := range map[string]struct{ data, says string }{
		"empty":         {"", "line 1: not a snapshot"},
		"foreign":       {"<html>\n", "line 1: not a snapshot"},
		"cut off":       {string(good[:len(good)-1]), "bytes announced"},
		"too long":      {string(good) + " ", "bytes announced"},
		"damaged":       {string(flipped), "line 2: the content does not have the hash"},
		"of the future": {strings.Replace(string(good), " 1 ", " 2 ", 1), `line 1: version \"2\", want 1`},
		"header only":   {string(good[:bytes.IndexByte(good, '\n')]), "line 1: not a snapshot"},
	} {
		t.Run(name, func(t *testing.T) {
			log := restarting(t, func(t *testing.T, s *eurekaserver.Server, path string) {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(tt.data), 0o600))
				must(t, 404, s, "GET", "/apps/APP", "")
				kept, err := os.ReadFile(path + ".damaged")
				require.NoError(t, err)
				assert.Equal(t, tt.data, string(kept))
				must(t, 204, s, "POST", "/apps/APP", body("APP", lease(36000)))
			}, func(t *testing.T, s *eurekaserver.Server, _ string) {
				must(t, 200, s, "GET", "/apps/APP/i1", "")
			})
			assert.Contains(t, log, "level=WARN msg=\"snapshot not read")
			assert.Contains(t, log, tt.says)
		})
	}
}

// What is wrong on disk is told once, and costs nobody an answer.
func TestSnapshotThatCannotBeWritten(t *testing.T) {
	log := restarting(t, func(t *testing.T, s *eurekaserver.Server, path string) {
		folder := filepath.Dir(path)
		require.NoError(t, os.WriteFile(folder, nil, 0o600)) // a file where the folder has to be
		for i := range 10 {
			must(t, 204, s, "POST", "/apps/APP", body("APP", edit{"instanceId": fmt.Sprint(i)}))
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		assert.NotEmpty(t, s.Stats().Snapshot.Err)
		require.NoError(t, os.Remove(folder))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Empty(t, s.Stats().Snapshot.Err)
		assert.FileExists(t, path)
	})
	assert.Equal(t, 1, strings.Count(log, "snapshot not written"))
	assert.Equal(t, 1, strings.Count(log, "snapshot written again"))
}

func TestStartAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry")
	s := eurekaserver.New(eurekaserver.WithSnapshot(eurekaserver.SnapshotConfig{Path: path}))
	s.Close()
	s.Start()
	assert.Equal(t, 503, serve(t.Context(), s, "GET", "/apps", "").Code)
	assert.NoFileExists(t, path)
}
