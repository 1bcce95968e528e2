package interop

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// need skips a test that needs tools which are not there, except in CI.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("NAMESAKE_CI") != "" {
				require.NoError(t, err)
			}
			t.Skipf("%s is not installed", tool)
		}
	}
}

// filling is held while a folder is filled: tests run side by side.
var filling sync.Mutex

// cached returns a folder that holds what fill makes of some files. It is
// filled once for as long as these stay the same.
func cached(t *testing.T, name string, sources []string, fill func(folder string)) string {
	t.Helper()
	filling.Lock()
	defer filling.Unlock()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	folder := filepath.Join(cmp.Or(os.Getenv("NAMESAKE_CACHE"), filepath.Join(root, ".cache")), "interop", name)
	mark := filepath.Join(folder, "complete")
	want := digest(t, sources)
	if have, err := os.ReadFile(mark); err == nil && string(have) == want {
		return folder
	}
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	begin := time.Now()
	fill(folder)
	require.NoError(t, os.WriteFile(mark, []byte(want), 0o644))
	t.Logf("filled %s in %v", folder, time.Since(begin).Round(time.Second))
	return folder
}

// digest tells files from others.
func digest(t *testing.T, names []string) string {
	t.Helper()
	hash := sha256.New()
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		_, err = fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
		require.NoError(t, err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// run runs a program that ends by itself, and returns what it printed.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", cmd, out)
	return string(out)
}
