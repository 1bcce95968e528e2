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

	mu    sync.Mutex // guards the rest, and reading
	seen  os.FileInfo
	addrs []string
}

// servers returns the servers of the file, and whether they are others than
// before. Once they are known, a file that cannot be read changes nothing.
func (f *resolvConf) servers() (addrs []string, changed bool, err error) {
	f.mu.Lock() // held while reading: whoever comes meanwhile needs the result
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err == nil && f.seen != nil && os.SameFile(info, f.seen) && info.ModTime().Equal(f.seen.ModTime()) && info.Size() == f.seen.Size() {
		return f.addrs, false, nil
	}
	if err == nil {
		addrs, err = readServers(f.path)
	}
	if err != nil {
		if f.addrs != nil {
			return f.addrs, false, nil
		}
		return nil, false, fmt.Errorf("servers: %w", err)
	}
	changed = !slices.Equal(addrs, f.addrs)
	f.seen, f.addrs = info, addrs
	return addrs, changed, nil
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
