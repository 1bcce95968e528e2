package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// A caller makes calls and counts them.
type caller struct {
	client *http.Client

	mu    sync.Mutex // guards the rest
	calls int
	lost  int
	first error // why the first was lost
}

// run begins a call every interval, whether the others have ended or not,
// until ctx is done, and waits for all of them.
func (c *caller) run(ctx context.Context, interval time.Duration) {
	var running sync.WaitGroup
	defer running.Wait()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		running.Go(func() { c.count(c.call()) })
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

func (c *caller) call() error {
	resp, err := c.client.Get("http://" + service + "/v1/orders")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func (c *caller) count(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if err != nil {
		c.lost++
		if c.first == nil {
			c.first = err
		}
	}
}

func (c *caller) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%5d calls, %d lost", c.calls, c.lost)
}

func (c *caller) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost > 0 {
		return fmt.Errorf("migration: %d calls lost, the first with: %w", c.lost, c.first)
	}
	return nil
}
