package registrytest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
	keptOutput   = 8 << 10
)

// A Server is the process of a registry. Its methods end the test if they
// fail, and are for the goroutine of the test alone.
type Server struct {
	t       testing.TB
	command func() *exec.Cmd
	ready   func(context.Context) error
	running *exec.Cmd
	exited  chan struct{}
	output  tail
}

// Start runs a server until the end of the test, and returns when ready
// returns nil. Command is called for every start, and must say the same each
// time.
func Start(t testing.TB, command func() *exec.Cmd, ready func(context.Context) error) *Server {
	t.Helper()
	s := &Server{t: t, command: command, ready: ready}
	t.Cleanup(func() {
		s.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the end of the server's output:\n%s", s.output.String())
		}
	})
	s.Restart()
	return s
}

// Restart starts the server again after Kill, and waits until it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	if s.running != nil {
		s.t.Fatal("registrytest: Restart of a server that runs")
	}
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // how it ended is of no interest
	}()
	s.running, s.exited = cmd, exited

	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, time.Second)
		err := s.ready(attempt)
		done()
		if err == nil {
			return
		}
		select {
		case <-exited:
			s.t.Fatalf("%s has ended: %v\n%s", cmd.Path, err, s.output.String())
		case <-ctx.Done():
			s.t.Fatalf("%s is not ready: %v\n%s", cmd.Path, err, s.output.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server as a crash does.
func (s *Server) Kill() {
	s.t.Helper()
	s.stop(syscall.SIGKILL)
}

// Stop ends the server in order.
func (s *Server) Stop() {
	s.t.Helper()
	s.stop(syscall.SIGTERM)
}

// Freeze stops the server without closing anything: connections are accepted,
// and nothing is answered. Thaw lets it go on. Where the system cannot do it,
// the test is skipped.
func (s *Server) Freeze() {
	s.t.Helper()
	if err := freeze(s.running.Process); err != nil {
		s.t.Skipf("cannot freeze: %v", err)
	}
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	if err := thaw(s.running.Process); err != nil {
		s.t.Fatalf("thaw: %v", err)
	}
}

func (s *Server) stop(sig syscall.Signal) {
	if s.running == nil {
		return
	}
	_ = s.running.Process.Signal(sig) // it may have ended
	_ = thaw(s.running.Process)
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = s.running.Process.Kill()
		<-s.exited
	}
	s.running = nil
}

// Ports returns free ports on loopback, for servers that cannot choose their
// own.
func Ports(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// Dialed is the simplest sign of a server that is ready: it accepts
// connections.
func Dialed(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("registrytest: %w", err)
		}
		return conn.Close()
	}
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, p...)
	if len(b.kept) > keptOutput {
		b.kept = append([]byte(nil), b.kept[len(b.kept)-keptOutput:]...)
	}
	return len(p), nil
}

func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.kept)
}
