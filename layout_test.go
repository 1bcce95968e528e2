// The rules of the repository that no compiler knows. CONTRIBUTING.md says
// what they are for.
package namesake_test

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/namesake-go/namesake"

// floors are the top-level folders, and those of them that each may import.
// Tests may import internal besides.
var floors = map[string][]string{
	"discovery":  {"discovery"},
	"balancer":   {"balancer", "discovery"},
	"resilience": {"resilience"},
	"transport":  {"transport", "balancer", "resilience", "discovery", "internal"},
	"examples":   {"transport", "balancer", "resilience", "discovery"}, // not internal: they are copied from
	"internal":   {"internal"},
}

func TestTopLevelFolders(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && floors[e.Name()] == nil {
			t.Errorf("the house has no floor %s", e.Name())
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		floor, _, _ := strings.Cut(s.folder, "/")
		switch {
		case s.folder == "internal/registrytest": // for tests alone, of the whole way from a registry to a call
			floor = "examples"
		case path.Base(s.folder) == "example": // of a module beside the root's
			floor = "examples"
		}
		for _, imported := range s.ours() {
			below, _, _ := strings.Cut(imported, "/")
			if !slices.Contains(floors[floor], below) && (!s.test || below != "internal") {
				t.Errorf("%s imports %s", s.path, imported)
			}
		}
	}
}

// The packages that everything stands on import hardly anything of ours, their
// own subfolders included.
func TestCoreStandsAlone(t *testing.T) {
	core := map[string][]string{"discovery": nil, "balancer": {"discovery"}, "resilience": nil}
	for _, s := range sources(t) {
		may, ok := core[s.folder]
		if !ok || s.test {
			continue
		}
		for _, imported := range s.ours() {
			if !slices.Contains(may, imported) {
				t.Errorf("%s imports %s", s.path, imported)
			}
		}
	}
}

// Who uses a policy or a guard without HTTP does not link HTTP. Only transport
// and the registries know it.
func TestCoreKnowsNoHTTP(t *testing.T) {
	deps := dependencies(t, "./discovery", "./discovery/discoverytest", "./balancer/...", "./resilience/...")
	require.Contains(t, deps, "discovery")
	for pkg, on := range deps {
		if slices.Contains(on, "net/http") {
			t.Errorf("%s depends on net/http, itself or through others", pkg)
		}
	}
}

// Who imports the library does not link our assertions.
func TestAssertionsStayInTests(t *testing.T) {
	deps := dependencies(t, "./...")
	require.Contains(t, deps, "transport")
	for pkg, on := range deps {
		if strings.HasPrefix(pkg, "internal/") {
			continue
		}
		for _, dep := range on {
			if strings.HasPrefix(dep, "github.com/stretchr/testify") {
				t.Errorf("%s depends on %s, itself or through others", pkg, dep)
			}
		}
	}
}

// A requirement of ours is one of everybody who imports us. A new one is a
// decision, made here.
func TestRequirements(t *testing.T) {
	_, err := os.ReadFile("go.mod") // which tells the test cache that the result depends on it
	require.NoError(t, err)
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace []any
	}
	require.NoError(t, json.Unmarshal(goCommand(t, "mod", "edit", "-json"), &mod))
	assert.Empty(t, mod.Replace, "replace has no effect on who imports us, so we would test something else")
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	assert.ElementsMatch(t, []string{
		"github.com/cenkalti/backoff/v4", // delays
		"github.com/sony/gobreaker/v2",   // states of a breaker
		"golang.org/x/net",               // internationalized names, DNS messages
		"golang.org/x/sync",              // groups of goroutines
		"github.com/stretchr/testify",    // tests
	}, direct)
}

// Modules that our packages link, tests apart. Registries whose clients bring
// more are modules of their own.
func TestLinkedModules(t *testing.T) {
	sources(t) // which tells the test cache that the result depends on them
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	require.NoError(t, err)
	linked := slices.Compact(slices.Sorted(strings.FieldsSeq(string(out))))
	linked = slices.DeleteFunc(linked, func(path string) bool { return path == module })
	assert.Subset(t, []string{
		"github.com/cenkalti/backoff/v4",
		"github.com/sony/gobreaker/v2",
		"golang.org/x/net",
		"golang.org/x/sync",
		"golang.org/x/text", // of golang.org/x/net
	}, linked)
}

// A package is explained in one place, and everybody knows where.
func TestPackageComments(t *testing.T) {
	comments := make(map[string][]string) // files with one, by folder
	names := make(map[string]string)
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		names[s.folder] = s.pkg
		if s.documented {
			comments[s.folder] = append(comments[s.folder], path.Base(s.path))
		}
	}
	for folder, name := range names {
		switch {
		case strings.Contains("/"+folder, "/internal/"): // small, and for ourselves: anywhere
			assert.Len(t, comments[folder], 1, "package comments of %s", folder)
		case name == "main":
			assert.Equal(t, []string{"main.go"}, comments[folder], "files of %s with a package comment", folder)
		default:
			assert.Equal(t, []string{"doc.go"}, comments[folder], "files of %s with a package comment", folder)
		}
	}
}

// What is shown compiles: each block of Go in a page stands in a .go file,
// line by line; only indentation may differ.
func TestShownCodeIsCompiled(t *testing.T) {
	var code []string
	for _, file := range files(t, ".go") {
		code = append(code, "\n"+unindent(file.text)+"\n")
	}
	shown := 0
	for _, page := range files(t, ".md") {
		_, blocks := markdown(page.text)
		for _, b := range blocks {
			if b.language != "go" {
				continue
			}
			shown++
			lines := "\n" + unindent(b.text) + "\n"
			if !slices.ContainsFunc(code, func(file string) bool { return strings.Contains(file, lines) }) {
				t.Errorf("%s:%d: no .go file has these lines in a row:\n\n%s", page.path, b.line, b.text)
			}
		}
	}
	assert.Positive(t, shown, "blocks of Go in pages")
}

// Links within the repository lead somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(\s*<?([^)>\s]+)|(?m)^ {0,3}\[[^\]]+\]:\s*<?([^>\s]+)`)
	elsewhere := regexp.MustCompile(`^[a-z][a-z0-9+.-]*:|^//`)
	for _, page := range files(t, ".md") {
		prose, _ := markdown(page.text)
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			target, _, _ := strings.Cut(m[1]+m[2], "#")
			if target == "" || elsewhere.MatchString(target) {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(page.path), filepath.FromSlash(target)))
			assert.NoError(t, err, "linked in %s", page.path)
		}
	}
}

// A source is what a .go file says of itself.
type source struct {
	path, folder string
	pkg          string
	test         bool
	documented   bool // with a package comment
	imports      []string
}

// ours returns the imports from this module, without its path.
func (s source) ours() []string {
	var ours []string
	for _, path := range s.imports {
		if path == module || strings.HasPrefix(path, module+"/") {
			ours = append(ours, strings.TrimPrefix(path, module+"/"))
		}
	}
	return ours
}

// sources reads the head of every .go file, whatever its build constraints.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, file := range files(t, ".go") {
		f, err := parser.ParseFile(token.NewFileSet(), file.path, file.text, parser.ImportsOnly|parser.ParseComments)
		require.NoError(t, err)
		s := source{
			path:       file.path,
			folder:     path.Dir(file.path),
			pkg:        f.Name.Name,
			test:       strings.HasSuffix(file.path, "_test.go"),
			documented: f.Doc != nil,
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			s.imports = append(s.imports, imported)
		}
		all = append(all, s)
	}
	require.NotEmpty(t, all)
	return all
}

// dependencies returns what packages depend on, directly or not, tests apart,
// by path below the module's.
func dependencies(t *testing.T, patterns ...string) map[string][]string {
	t.Helper()
	sources(t) // which tells the test cache that the result depends on them
	format := `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`
	out := goCommand(t, append([]string{"list", "-f", format}, patterns...)...)
	deps := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		deps[strings.TrimPrefix(fields[0], module+"/")] = fields[1:]
	}
	return deps
}

func goCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errors bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Stdout, cmd.Stderr = &out, &errors
	require.NoError(t, cmd.Run(), "%s: %s", cmd, &errors)
	return out.Bytes()
}

type file struct{ path, text string }

// files reads the files of the repository with a suffix, except in folders
// that begin with a dot.
func files(t *testing.T, suffix string) []file {
	t.Helper()
	var all []file
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, suffix):
			return nil
		}
		text, err := os.ReadFile(name)
		all = append(all, file{filepath.ToSlash(name), string(text)})
		return err
	}))
	return all
}

type block struct {
	language, text string
	line           int // of the fence
}

// markdown takes a page apart: its prose, without code, and its fenced blocks.
func markdown(page string) (prose string, blocks []block) {
	var open *block
	number := 0
	for line := range strings.Lines(page) {
		number++
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			language, _, _ := strings.Cut(fence, " ")
			open = &block{language: language, line: number}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		default:
			prose += line
		}
	}
	if open != nil {
		blocks = append(blocks, *open)
	}
	return regexp.MustCompile("`[^`]*`").ReplaceAllString(prose, ""), blocks
}

// unindent drops all white space around lines, and lines around the whole.
func unindent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return strings.Trim(b.String(), "\n")
}
