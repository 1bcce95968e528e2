package interop

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience bounds everything that is waited for: a Java program that starts
// within seconds may need minutes on a machine with much else to do.
const patience = 4 * time.Minute

// A process is a program that takes commands, one a line, and reports what
// happens in lines that begin with a word in capitals; other lines are its log.
// It ends when its input does, so that none outlives the tests, however they
// end.
type process struct {
	t       *testing.T
	name    string
	input   io.WriteCloser
	reports chan string   // closed when the program has ended
	done    chan struct{} // closed then, too

	mu  sync.Mutex
	log []string
}

// start runs a program until the test ends, or stop.
func start(t *testing.T, name string, env []string, command ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second // and then it is killed
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, into := io.Pipe()
	cmd.Stdout, cmd.Stderr = into, into
	p := &process{t: t, name: name, input: input, reports: make(chan string, 1000), done: make(chan struct{})}
	require.NoError(t, cmd.Start())
	go func() {
		_ = cmd.Wait() // it may have been ended by us
		_ = into.Close()
	}()
	go func() {
		defer close(p.done)
		defer close(p.reports)
		p.read(output)
	}()
	t.Cleanup(func() {
		<-p.done
		if t.Failed() {
			t.Logf("%s:\n%s", name, strings.Join(p.log, "\n"))
		}
	})
	return p
}

// read takes the lines of a program's output.
func (p *process) read(output io.Reader) {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		p.log = append(p.log, line)
		p.log = p.log[max(0, len(p.log)-200):]
		p.mu.Unlock()
		word, _, _ := strings.Cut(line, " ")
		if len(word) > 1 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
			select {
			case p.reports <- line:
			default: // nobody wants to know
			}
		}
	}
	_, _ = io.Copy(io.Discard, output)
}

// expect waits for a report.
func (p *process) expect(report string) {
	p.t.Helper()
	p.await(report, func(line string) bool { return line == report })
}

// next waits for the next report that begins with a prefix, and returns the
// rest of it.
func (p *process) next(prefix string) string {
	p.t.Helper()
	return strings.TrimPrefix(p.await(prefix, func(line string) bool { return strings.HasPrefix(line, prefix) }), prefix)
}

func (p *process) await(what string, is func(line string) bool) string {
	p.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	var other []string
	for {
		select {
		case line, ok := <-p.reports:
			if is(line) {
				return line
			}
			if !ok {
				require.Fail(p.t, p.name+" has ended", "without %q, but with %q", what, other)
			}
			other = append(other, line)
		case <-timeout.C:
			require.Fail(p.t, p.name+" does not report", "%q, but %q", what, other)
		}
	}
}

// tell gives a command.
func (p *process) tell(command string) {
	p.t.Helper()
	_, err := io.WriteString(p.input, command+"\n")
	require.NoError(p.t, err)
}

// stop ends the input, and waits until the program has ended.
func (p *process) stop() {
	p.t.Helper()
	assert.NoError(p.t, p.input.Close())
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(p.t, p.name+" does not stop")
	}
}
