package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

func TestRun(t *testing.T) {
	blue, green := freeAddr(t), freeAddr(t)
	var listed atomic.Value // the address in the zone
	listed.Store(blue)
	server := startServer(t, func() netip.AddrPort { return netip.MustParseAddrPort(listed.Load().(string)) })

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-server", server, "-blue", blue, "-green", green, "-pause", "10ms"}, stdout)
		_ = stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	until := func(want string) {
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the output has ended without %q", want)
	}
	until("listed: " + blue)
	until("orders from blue")
	listed.Store(green)
	until("listed: " + green)
	until("no longer listed: " + blue)
	until("orders from green")
	stop()
	go func() { _, _ = io.Copy(io.Discard, output) }() // until run has ended
	assert.NoError(t, <-ended)
}

// startServer runs a DNS server that lists one copy, until the test ends.
func startServer(t *testing.T, listed func() netip.AddrPort) (addr string) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := answer(buf[:n], listed()); assert.NoError(t, err) {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func answer(query []byte, listed netip.AddrPort) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response, m.Additionals = true, nil
	header := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}
	if m.Questions[0].Type == dnsmessage.TypeSRV {
		target := dnsmessage.MustNewName("b1.example.internal.")
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.SRVResource{Port: listed.Port(), Target: target}}}
	} else {
		m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: listed.Addr().As4()}}}
	}
	return m.Pack()
}

// freeAddr returns an address at which nobody listens at the moment.
func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

func TestRunWithBadFlags(t *testing.T) {
	assert.Error(t, run(t.Context(), []string{"-port", "1"}, io.Discard))
}

func TestRunAtAnAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, l.Close()) }()
	assert.ErrorContains(t, run(t.Context(), []string{"-blue", l.Addr().String(), "-green", freeAddr(t)}, io.Discard), "dns: listen tcp")
}
