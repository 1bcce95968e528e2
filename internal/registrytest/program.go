package registrytest

import (
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Enabled skips the test unless tests with real registries are wanted.
func Enabled(t testing.TB) {
	t.Helper()
	if os.Getenv("NAMESAKE_REGISTRIES") == "" {
		t.Skip("needs a real registry: set NAMESAKE_REGISTRIES to run one")
	}
}

// Missing ends a test for which something is not there: it is skipped, or
// fails in CI.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("NAMESAKE_CI") != "" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("missing: %s", what)
}

// Program returns the path of an installed program, which may be in one of the
// folders for administrators. Package is what it comes with, for whoever has to
// install it.
func Program(t testing.TB, name, pkg string) string {
	t.Helper()
	Enabled(t)
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	Missing(t, name+", of the package "+pkg)
	return ""
}

// Built returns the path of a program that .ci/tools/NAME/build has built, the
// newest of its versions.
func Built(t testing.TB, name string) string {
	t.Helper()
	Enabled(t)
	cache := os.Getenv("NAMESAKE_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(user, "namesake")
	}
	found, err := filepath.Glob(filepath.Join(cache, "bin", name+"-v*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		Missing(t, name+": run .ci/tools/"+name+"/build")
	}
	return newest(found)
}

// newest returns the path whose name ends in the highest version.
func newest(paths []string) string {
	return slices.MaxFunc(paths, func(a, b string) int { return version.Compare(goVersion(a), goVersion(b)) })
}

// goVersion returns the version at the end of a path, as one of Go.
func goVersion(path string) string { return "go" + path[strings.LastIndex(path, "-v")+2:] }
