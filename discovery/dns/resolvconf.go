package dns

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
)

const (
	maxServers    = 3 // MAXNS of resolv.conf(5)
	maxResolvConf = 64 << 10
)

// A resolvConf is a file like /etc/resolv.conf, read again when it changes.
type resolvConf struct {
	path string

	mu    sync.Mutex  // guards the rest
	seen  os.FileInfo // before it was read
	addrs []string
}

// servers returns the servers of the file, and whether they are others than
// before. Once they are known, a file that cannot be read changes nothing.
func (f *resolvConf) servers() (addrs []string, changed bool, err error) {
	seen, known := f.load()
	info, err := os.Stat(f.path)
	if err == nil && seen != nil && os.SameFile(info, seen) && info.ModTime().Equal(seen.ModTime()) && info.Size() == seen.Size() {
		return known, false, nil
	}
	if err == nil {
		addrs, err = readServers(f.path)
	}
	switch {
	case err == nil:
		return addrs, f.store(info, addrs), nil
	case known != nil:
		return known, false, nil
	}
	return nil, false, fmt.Errorf("servers: %w", err)
}

func (f *resolvConf) load() (os.FileInfo, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen, f.addrs
}

// store keeps what has been read, and reports whether it is new. Of several who
// read at once, one may store what is old already; it is then read again.
func (f *resolvConf) store(info os.FileInfo, addrs []string) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed = !slices.Equal(addrs, f.addrs)
	f.seen, f.addrs = info, addrs
	return changed
}

// readServers reads the nameserver lines of a file.
func readServers(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it has only been read
	var addrs []string
	lines := bufio.NewScanner(io.LimitReader(file, maxResolvConf))
	for lines.Scan() && len(addrs) < maxServers {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if _, err := netip.ParseAddr(fields[1]); err == nil {
			addrs = append(addrs, net.JoinHostPort(fields[1], "53"))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(addrs) == 0 {
		return []string{"127.0.0.1:53"}, nil
	}
	return addrs, nil
}
