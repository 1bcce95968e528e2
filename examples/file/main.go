// File calls services that are listed in a folder of files, one file a
// service, and says what happens when the files change. Try it with two
// terminals:
//
//	mkdir services
//	echo '{"orders": ["127.0.0.1:8081", "127.0.0.1:8082"]}' > services/orders.json
//	go run ./examples/file -folder services http://orders/
//
// It calls the URL once a second. While it does, edit the file: replace a copy,
// break the syntax, take the file away. The folder may be where a Kubernetes
// ConfigMap is mounted.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/namesake-go/namesake/discovery/file"
	"github.com/namesake-go/namesake/transport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// run calls until ctx is done.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("file", flag.ContinueOnError)
	flags.SetOutput(stdout)
	folder := flags.String("folder", "services", "the `folder` of JSON files, or one such file")
	every := flags.Duration("every", time.Second, "the `time` between two calls")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("file: want one URL to call, such as http://orders/")
	}

	logger := slog.New(slog.NewTextHandler(stdout, nil))
	t := transport.New(
		file.New(*folder),
		transport.WithLogger(logger), // says what is wrong with the files
		transport.WithHooks(transport.Hooks{
			EndpointAdded:   func(e transport.EndpointEvent) { logger.Info("copy added", "addr", e.Endpoint.Addr()) },
			EndpointRemoved: func(e transport.EndpointEvent) { logger.Info("copy removed", "addr", e.Endpoint.Addr()) },
		}),
	)
	defer t.Close()
	client := &http.Client{Transport: t, Timeout: 10 * time.Second}

	for ctx.Err() == nil {
		if err := call(ctx, client, flags.Arg(0), stdout); err != nil && ctx.Err() == nil {
			logger.Error("call failed", "error", err)
		}
		select {
		case <-time.After(*every):
		case <-ctx.Done():
		}
	}
	return nil
}

func call(ctx context.Context, client *http.Client, url string, stdout io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %s\n", resp.Status, bytes.TrimSpace(text))
	return err
}
