package file_test

import (
	"errors"
	"fmt"
	"os"
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
