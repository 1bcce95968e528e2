package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/file"
)

func TestFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		require.NoError(t, os.Mkdir(f.join("folder.json"), 0o700))
		f.write(".hidden.json", `{"orders": ["hidden:1"]}`)
		f.write("notes.txt", `{"orders": ["notes:1"]}`)
		w := file.New(f.path)
		r := f.start(w, "orders")
		r.says("error: file: DIR: a folder without files of services")
		f.write("b.json", `{"orders": ["b:1", {"addr": "x:1", "id": "b"}]}`)
		time.Sleep(look)
		r.says("[b b:1]")
		f.write("a.json", `{"orders": [{"addr": "a:1", "id": "b"}], "payments": []}`)
		time.Sleep(look)
		r.says("[b b:1]", `error: file: DIR/b.json:1:20: the instance "b" is listed twice; DIR/a.json:1:13 is used`)
		f.write("a.json", `{"payments": []}`)
		time.Sleep(look)
		r.says("[b b:1]")

		// A file that does not concern a service is no news to it.
		f.write("a.json", `{"payments": [}`)
		time.Sleep(look)
		r.says()
		f.start(w, "payments").says("[]", "error: file: DIR/a.json:1:15: invalid character '}' looking for beginning of value")
		f.start(w, "billing").says("error: file: DIR/a.json:1:15: invalid character '}' looking for beginning of value")

		// One that has never been read may concern any, and hide copies.
		f.write("c.json", `?`)
		time.Sleep(look)
		r.says("error: file: DIR/c.json:1:1: invalid character '?' looking for beginning of value")
		f.write("b.json", `{"orders": []}`)
		time.Sleep(look)
		r.says()
		f.start(w, "orders").says("error: file: DIR/c.json:1:1: invalid character '?' looking for beginning of value")
		f.remove("c.json")
		time.Sleep(look)
		r.says("[]")
	})
}

func TestFilesThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a.json", `{"orders": ["a:1"]}`)
		f.write("b.json", `{"orders": ["b:1"], "payments": ["p:1"]}`)
		w := file.New(f.path)
		orders, payments := f.start(w, "orders"), f.start(w, "payments")
		orders.says("[a:1 b:1]")
		payments.says("[p:1]")
		f.remove("b.json")
		time.Sleep(look)
		orders.says("[a:1]")
		payments.says("error: file: DIR/b.json is gone; what it listed stands")
		f.start(w, "payments").says("[p:1]", "error: file: DIR/b.json is gone; what it listed stands")
		f.write("a.json", `{"orders": ["a:1"], "payments": ["q:1"]}`)
		time.Sleep(look)
		orders.says()
		payments.says("[q:1]")
		f.write("a.json", `{"orders": ["a:1"]}`)
		time.Sleep(look)
		payments.says(`error: file: DIR does not list "payments": discovery: unknown service`)

		f.remove("a.json") // as if the volume were not mounted
		time.Sleep(look)
		orders.says("error: file: DIR: a folder without files of services")
		require.NoError(t, os.Remove(f.path))
		time.Sleep(look)
		orders.says("[a:1]", "error: file: stat DIR: no such file or directory")
		f.restore("a.json", `{"orders": ["a:1"]}`)
		time.Sleep(look)
		orders.says("[a:1]")
	})
}

// restore makes the folder again, and writes a file.
func (f folder) restore(name, text string) {
	f.t.Helper()
	require.NoError(f.t, os.Mkdir(f.path, 0o700))
	f.write(name, text)
}

// Files that come and go under ever new names do not pile up.
func TestFilesThatAreGoneAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		w := file.New(f.path)
		f.write("0.json", `{"orders": ["a:1"]}`)
		r := f.start(w, "orders")
		r.says("[a:1]")
		for i := range 3 {
			f.write(fmt.Sprintf("%d.json", i+1), fmt.Sprintf(`{"orders": ["a:%d"]}`, i+2))
			f.remove(fmt.Sprintf("%d.json", i))
			time.Sleep(look)
			r.says(fmt.Sprintf("[a:%d]", i+2))
		}
	})
}

// A ConfigMap's files are links to links, of which one is moved.
func TestConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		version := func(name, text string) {
			require.NoError(t, os.Mkdir(f.join(name), 0o700))
			require.NoError(t, os.WriteFile(f.join(name+"/orders.json"), []byte(text), 0o600))
			require.NoError(t, os.Symlink(name, f.join("..data_tmp")))
			require.NoError(t, os.Rename(f.join("..data_tmp"), f.join("..data")))
		}
		version("..2026_01", `{"orders": ["a:1"]}`)
		require.NoError(t, os.Symlink(filepath.Join("..data", "orders.json"), f.join("orders.json")))
		w := file.New(f.path)
		single := file.New(f.join("orders.json"))
		r, s := f.start(w, "orders"), f.start(single, "orders")
		r.says("[a:1]")
		s.says("[a:1]")
		version("..2026_02", `{"orders": ["b:1"]}`) // of the same size
		require.NoError(t, os.RemoveAll(f.join("..2026_01")))
		time.Sleep(look)
		r.says("[b:1]")
		s.says("[b:1]")
	})
}

// A set is not made of files from before and from after.
func TestConfigMapReplacedWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		for _, version := range []string{"1", "2"} {
			require.NoError(t, os.Mkdir(f.join(".."+version), 0o700))
			for _, name := range []string{"a", "b"} {
				require.NoError(t, os.WriteFile(f.join(".."+version+"/"+name+".x"), []byte(name+version+":1"), 0o600))
			}
		}
		link := func(version string) {
			require.NoError(t, os.Symlink(".."+version, f.join("..data_tmp")))
			require.NoError(t, os.Rename(f.join("..data_tmp"), f.join("..data")))
		}
		link("1")
		for _, name := range []string{"a.x", "b.x"} {
			require.NoError(t, os.Symlink(filepath.Join("..data", name), f.join(name)))
		}
		decode := func(content []byte) (map[string][]discovery.Instance, error) {
			if string(content) == "a1:1" {
				link("2")
			}
			return map[string][]discovery.Instance{"orders": discovery.Addrs(string(content))}, nil
		}
		f.start(file.New(f.path, file.WithDecoder(".x", decode)), "orders").says("[a2:1 b2:1]")
	})
}
