package file_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/file"
)

// look is how long it takes until the files have been looked at again.
const look = time.Second

func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a.json", `{"orders": ["b:1", {"addr": "c:1", "id": "a"}], "billing": []}`)
		w := file.New(f.join("a.json"))
		orders, billing, payments := f.start(w, "orders"), f.start(w, "billing"), f.start(w, "payments")
		orders.says("[a b:1]")
		billing.says("[]")
		payments.says(`error: file: DIR/a.json does not list "payments": discovery: unknown service`)

		f.write("a.json", `{"orders": ["b:1", {"addr": "d:1", "id": "a"}], "payments": ["p:1"]}`)
		time.Sleep(look - time.Nanosecond)
		orders.says()
		time.Sleep(time.Nanosecond)
		orders.says("[a b:1]") // at another address
		billing.says(`error: file: DIR/a.json does not list "billing": discovery: unknown service`)
		payments.says("[p:1]")

		f.write("a.json", `{"orders": [{"id": "a", "addr": "d:1"}, "b:1"], "payments": [], "billing": []}`)
		time.Sleep(look)
		orders.says()
		billing.says("[]") // as before, so the error is over
		payments.says("[]")
	})
}

func TestUnknownServiceIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a.json", `{}`)
		for _, err := range file.New(f.path).Watch(t.Context(), "orders") {
			require.ErrorIs(t, err, discovery.ErrUnknownService)
			break
		}
		f.write("a.json", `{`)
		for _, err := range file.New(f.path).Watch(t.Context(), "orders") {
			require.Error(t, err)
			require.NotErrorIs(t, err, discovery.ErrUnknownService)
			break
		}
	})
}

// What cannot be used costs nothing that is known.
func TestBadContentKeepsTheLastSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		path := f.join("a.json")
		w := file.New(path)
		const good = `{"orders": ["a:1", "b:1"]}`
		f.write("a.json", good[:15])
		r := f.start(w, "orders")
		r.says("error: file: DIR/a.json:1:16: the file ends in the middle")
		require.NoError(t, os.WriteFile(path, []byte(good), 0o600)) // the other half
		time.Sleep(look)
		r.says("[a:1 b:1]")
		f.write("a.json", good[:15])
		time.Sleep(look)
		r.says("error: file: DIR/a.json:1:16: the file ends in the middle")
		late := f.start(w, "orders")
		late.says("[a:1 b:1]", "error: file: DIR/a.json:1:16: the file ends in the middle")
		f.write("a.json", "")
		time.Sleep(look)
		r.says("[a:1 b:1]", "error: file: DIR/a.json:1:1: the file is empty")
		time.Sleep(time.Minute)
		r.says()
		f.remove("a.json")
		time.Sleep(look)
		r.says("[a:1 b:1]", "error: file: DIR/a.json:1:1: the file is empty\nstat DIR/a.json: no such file or directory")
		f.write("a.json", good)
		time.Sleep(look)
		r.says("[a:1 b:1]")
		f.start(w, "billing").says(`error: file: DIR/a.json does not list "billing": discovery: unknown service`)
	})
}

func TestBadInstancesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a.json", "{\"orders\": [\n\"a:1\",\n  \"b\", {\"addr\": \"c:1\", \"id\": \"a:1\"}]}")
		w := file.New(f.path)
		r := f.start(w, "orders")
		const errs = `error: file: DIR/a.json:3:3: discovery: instance "": address "b" is not host:port` + "\n" +
			`DIR/a.json:3:8: the instance "a:1" is listed twice; DIR/a.json:2:1 is used`
		r.says("[a:1]", errs)
		f.write("a.json", "{\"orders\": [\n\"a:1\",\n  \"b\", {\"addr\": \"c:1\", \"id\": \"a:1\"}]} ")
		time.Sleep(look)
		r.says() // nothing is new
		f.write("a.json", `{"orders": ["b"]}`)
		time.Sleep(look)
		r.says(`error: file: DIR/a.json:1:13: discovery: instance "": address "b" is not host:port`)
		f.write("a.json", `{"orders": ["a:1"]}`)
		time.Sleep(look)
		r.says("[a:1]")
	})
}

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

// settle gives a file a time that is long ago in the bubble.
func (f folder) settle(name string, ago time.Duration) {
	f.t.Helper()
	at := time.Now().Add(-ago)
	require.NoError(f.t, os.Chtimes(f.join(name), at, at))
}

// A change that leaves the time and the size as they were is seen at the next
// look if it may be one within the file system's resolution, and within a
// minute if it was hidden.
func TestChangesThatLeaveNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		edit := func(text string, ago time.Duration) {
			require.NoError(t, os.WriteFile(f.join("a.json"), []byte(text), 0o600)) // the same inode
			f.settle("a.json", ago)
		}
		edit(`{"orders": ["a:1"]}`, 0)
		r := f.start(file.New(f.path), "orders")
		r.says("[a:1]")
		edit(`{"orders": ["a:2"]}`, 0)
		time.Sleep(look)
		r.says("[a:2]")
		edit(`{"orders": ["a:3"]}`, look)
		time.Sleep(look)
		r.says("[a:3]")

		edit(`{"orders": ["a:4"]}`, time.Hour)
		time.Sleep(look)
		r.says("[a:4]") // read at this moment
		edit(`{"orders": ["a:5"]}`, time.Hour+look)
		time.Sleep(time.Minute - look)
		r.says()
		time.Sleep(look)
		r.says("[a:5]")
		edit(`{"orders": ["a:66"]}`, time.Hour+look+time.Minute)
		time.Sleep(look)
		r.says("[a:66]") // of another size
	})
}

func TestWhatIsNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		require.NoError(t, os.Mkdir(f.join("folder"), 0o700))
		require.NoError(t, os.Symlink("folder", f.join("a.json")))
		r := f.start(file.New(f.path), "orders")
		r.says("error: file: DIR/a.json: not a regular file")
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		w := file.New(f.path, file.WithInterval(10*time.Millisecond))
		const good = `{"orders": ["a:1"]}`
		f.write("a.json", good)
		r := f.start(w, "orders")
		r.says("[a:1]")
		require.NoError(t, os.Truncate(f.join("a.json"), 16<<20+1))
		time.Sleep(10 * time.Millisecond)
		r.says("error: file: DIR/a.json: more than 16777216 bytes")
		f.write("a.json", good)
		time.Sleep(10 * time.Millisecond)
		r.says("[a:1]")
		for i := range 1000 {
			require.NoError(t, os.WriteFile(f.join(fmt.Sprintf("%d.json", i)), []byte("{}"), 0o600))
		}
		time.Sleep(10 * time.Millisecond)
		r.says("error: file: DIR: more than 1000 files")
		f.remove("0.json")
		time.Sleep(10 * time.Millisecond)
		r.says("[a:1]")
	})
}

func TestDecoder(t *testing.T) {
	// One copy a line: the service and the address.
	lines := func(content []byte) (map[string][]discovery.Instance, error) {
		sets := make(map[string][]discovery.Instance)
		for line := range strings.Lines(string(content)) {
			switch fields := strings.Fields(line); {
			case len(fields) == 2:
				sets[fields[0]] = append(sets[fields[0]], discovery.Instance{Addr: fields[1]})
			case line == "panic\n":
				panic(line)
			default:
				return nil, errors.New("want two words a line")
			}
		}
		return sets, nil
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a.txt", "orders a:1\norders b\n")
		f.write("b.json", `{"orders": ["b:1"]}`)
		f.write("c.md", `orders c:1`)
		r := f.start(file.New(f.path, file.WithDecoder(".txt", lines)), "orders")
		r.says("[a:1 b:1]", `error: file: DIR/a.txt: discovery: instance "": address "b" is not host:port`)
		f.write("a.txt", "orders\n")
		time.Sleep(look)
		r.says("[a:1 b:1]", `error: file: DIR/a.txt: want two words a line`+"\n"+`DIR/a.txt: discovery: instance "": address "b" is not host:port`)
		f.write("a.txt", "panic\n")
		time.Sleep(look)
		r.says("[a:1 b:1]", "error: file: DIR/a.txt: the decoder panicked: panic\n\n"+`DIR/a.txt: discovery: instance "": address "b" is not host:port`)

		f.start(file.New(f.path, file.WithDecoder(".txt", lines), file.WithDecoder(".json", nil)), "orders").
			says("error: file: DIR/a.txt: the decoder panicked: panic\n")
		f.start(file.New(f.path, file.WithDecoder(".md", lines), file.WithDecoder(".json", nil)), "orders").says("[c:1]")
		f.start(file.New(f.join("c.md")), "orders").says("error: file: DIR/c.md:1:1: invalid character 'o' looking for beginning of value")
	})
}

// New does nothing, and neither does a Watcher that nobody watches.
func TestWatchersShareALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		asked := 0
		w := file.New(f.join("a.x"), file.WithDecoder(".x", func([]byte) (map[string][]discovery.Instance, error) {
			asked++
			return map[string][]discovery.Instance{"orders": discovery.Addrs("a:1")}, nil
		}))
		f.write("a.x", "?")
		time.Sleep(time.Minute)
		assert.Zero(t, asked)
		a, b := f.start(w, "orders"), f.start(w, "orders")
		a.says("[a:1]")
		b.says("[a:1]")
		time.Sleep(time.Minute)
		a.stop()
		b.stop()
		assert.Equal(t, 1, asked)
		f.start(w, "orders").says("[a:1]")
		assert.Equal(t, 2, asked)
	})
}
