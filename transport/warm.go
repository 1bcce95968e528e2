package transport

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// A warmConn is a connection that waits for its first call.
type warmConn struct {
	net.Conn
	made time.Time
}

// takeWarm returns a connection that was made in advance, if there is one that
// has not waited too long.
func (p *pool) takeWarm() net.Conn {
	if p.cfg.Warm <= 0 {
		return nil
	}
	p.mu.Lock()
	warm := p.warm
	var taken net.Conn
	if n := len(warm); n > 0 && time.Since(warm[n-1].made) < p.cfg.IdleTimeout { // the newest
		taken, p.warm, warm = warm[n-1].Conn, warm[:n-1], nil
	} else {
		p.warm = nil
	}
	p.mu.Unlock()
	for _, c := range warm { // all too old
		_ = c.Close()
	}
	return taken
}

// warmUp makes connections in advance, all at once.
func (p *pool) warmUp(ctx context.Context, in discovery.Instance, serverName string) {
	var all sync.WaitGroup
	for range p.cfg.Warm {
		all.Go(func() {
			c, err := p.dial(ctx, "tcp")
			if err == nil && in.Scheme == "https" {
				c, err = p.handshake(ctx, c, serverName)
			}
			if err != nil {
				return // whoever calls will see
			}
			p.mu.Lock()
			closed := p.closed
			if !closed {
				p.warm = append(p.warm, warmConn{c, time.Now()})
			}
			p.mu.Unlock()
			if closed {
				_ = c.Close()
			}
		})
	}
	all.Wait()
}
