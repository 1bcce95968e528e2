package file_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/namesake-go/namesake/discovery"
	"github.com/namesake-go/namesake/discovery/file"
)

func Example() {
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "services.json")
	write := func(text string) { // so that nobody reads half of it
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			panic(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			panic(err)
		}
	}

	write(`{"orders": ["10.0.0.7:8080"]}`)
	registry := file.New(path, file.WithInterval(10*time.Millisecond)) // the default is 1 s
	for set, err := range registry.Watch(context.Background(), "orders") {
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), folder, "..."))
			break
		}
		fmt.Println(set[0].Addr)
		if set[0].Addr == "10.0.0.7:8080" {
			write(`{"orders": ["10.0.0.8:8080"]}`)
		} else {
			write(`{"orders": [{"adr": "10.0.0.9:8080"}]}`) // the last set stands
		}
	}
	// Output:
	// 10.0.0.7:8080
	// 10.0.0.8:8080
	// file: .../services.json:1:14: unknown member "adr"
}

// A format of one's own: the lines of /etc/hosts, with the service's name in
// place of the host's.
func ExampleWithDecoder() {
	decode := func(content []byte) (map[string][]discovery.Instance, error) {
		sets := make(map[string][]discovery.Instance)
		lines := bufio.NewScanner(bytes.NewReader(content))
		for n := 1; lines.Scan(); n++ {
			fields := strings.Fields(lines.Text())
			if len(fields) < 2 {
				return nil, fmt.Errorf("line %d: want an address and a service", n)
			}
			sets[fields[1]] = append(sets[fields[1]], discovery.Instance{Addr: fields[0]})
		}
		return sets, lines.Err()
	}
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "services")
	if err := os.WriteFile(path, []byte("10.0.0.7:8080 orders\n"), 0o600); err != nil {
		panic(err)
	}
	registry := file.New(path, file.WithDecoder("services", decode))
	for set, err := range registry.Watch(context.Background(), "orders") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(set[0].Addr)
		break
	}
	// Output: 10.0.0.7:8080
}
