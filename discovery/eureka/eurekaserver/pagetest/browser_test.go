package pagetest

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var screenshots = flag.String("screenshots", "", "a `folder` for pictures of the page")

// deadline is for a browser that hangs: what is waited for comes within
// seconds.
const deadline = 2 * time.Minute

// executable returns where the browser is. Without one the test is skipped,
// but not where everything has to be tested.
func executable(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("NAMESAKE_CI") != "" {
		t.Fatal("no chromium, and NAMESAKE_CI is set")
	}
	t.Skip("no chromium to drive")
	return ""
}

// browser starts a browser, which ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{chromedp.ExecPath(executable(t))}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.Flag("headless", "new"), chromedp.DisableGPU)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "start the browser")
	return ctx
}

// A tab is one page in the browser, with cookies and settings of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // errors that a developer would see in the console
}

// open opens a tab, which is closed at the end of the test, when the console
// must be empty. Settings are made before the page is loaded.
func open(t *testing.T, browser context.Context, url string, settings ...func(*tab)) *tab {
	t.Helper()
	p := &tab{t: t}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "open a tab") // lives as long as this context
	p.ctx, cancel = context.WithTimeout(ctx, deadline)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		assert.Empty(t, p.complaints, "in the console")
	})
	command(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	viewport(1440, 1000)(p)
	for _, set := range settings {
		set(p)
	}
	p.run(chromedp.Navigate(url))
	return p
}

// command sends the browser a command for which there is no action.
func command[P, R any](p *tab, c cdp.Command[P, R], params P) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, c, params)
	require.NoError(p.t, err)
}

func viewport(width, height int64) func(*tab) {
	return func(p *tab) {
		command(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
		})
	}
}

func prefer(theme string) func(*tab) {
	return func(p *tab) {
		command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
	}
}

func withoutScripts(p *tab) {
	command(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

func (p *tab) hear(event any) {
	complaint := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complaint = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			complaint = string(e.Type)
			for _, arg := range e.Args {
				complaint += " " + string(arg.Value)
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			complaint = string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL
		}
	case *network.EventLoadingFailed:
		if e.BlockedReason != "" {
			complaint = "blocked: " + string(e.BlockedReason)
		}
	}
	if complaint != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.complaints = append(p.complaints, complaint)
	}
}

// forgive drops complaints that a test has provoked.
func (p *tab) forgive(about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = slices.DeleteFunc(p.complaints, func(c string) bool { return strings.Contains(c, about) })
}

func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, actions...))
}

// eval returns the value of an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	require.NoError(p.t, err, expression)
	return value
}

// script runs statements in the page.
func (p *tab) script(statements string) {
	p.t.Helper()
	eval[bool](p, "(() => {"+statements+"; return true})()")
}

// until waits for an expression in the page to be true.
func (p *tab) until(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(deadline/2)))
	require.NoError(p.t, err, expression)
}

// text returns the text of an element as it is read.
func (p *tab) text(selector string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS(selector)))
	require.NoError(p.t, err, selector)
	return text
}

// picture keeps a picture of the whole page, if somebody wants to see it.
func (p *tab) picture(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o600))
}
