package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namesake-go/namesake/discovery"
)

// Run serves a handler as one copy of a service: it listens, announces the
// copy, and serves until ctx is done. Then it withdraws the copy, goes on
// serving until callers have learnt of it, and shuts the server down; the
// package's documentation has the steps. It returns when all of this is over
// and nothing of it is left, except handlers that go on though their request's
// context is done.
//
// It returns nil after an orderly stop. An error says what went wrong, and the
// copy has gone through the same steps as far as they make sense: it could not
// listen, get ready or be announced, its listener or server failed, the
// registry could not be told of its end, or calls were broken off. Those of
// the registrar, of Config.Ready and of the listener can be found in it with
// errors.Is and errors.As.
//
// Requests do not see the end of ctx: their contexts are those of the server.
func Run(ctx context.Context, registrar discovery.Registrar, service string, handler http.Handler, cfg Config) error {
	if registrar == nil {
		panic("serve: Run with a nil registrar")
	}
	if handler == nil {
		panic("serve: Run with a nil handler")
	}
	r := &replica{cfg: cfg.normal(), registrar: registrar, service: service}
	if err := r.run(ctx, handler); err != nil {
		return fmt.Errorf("serve: %s: %w", service, err)
	}
	return nil
}

// A replica is one copy while it runs.
type replica struct {
	cfg       Config
	registrar discovery.Registrar
	service   string
	listener  net.Listener
	instance  discovery.Instance
	draining  atomic.Bool // answers ask for connections back
}

func (r *replica) run(ctx context.Context, handler http.Handler) error {
	if err := r.listen(ctx); err != nil {
		return err
	}
	r.cfg.Server.Handler = r.askBack(handler)

	// up is done when the copy is to stop: with ctx, or because the server has
	// failed.
	up, down := context.WithCancelCause(ctx)
	defer down(nil)
	var accepting sync.WaitGroup
	accepting.Go(func() { down(serverFailure{r.accept()}) }) // until the listener is closed, by stop

	registration, err := r.start(up)
	if err == nil {
		<-up.Done()
	}
	if up.Err() != nil { // then err only says what came of it
		err = nil
		if failure, ok := errors.AsType[serverFailure](context.Cause(up)); ok {
			err = failure.error
		}
	}
	return errors.Join(err, r.stop(context.WithoutCancel(ctx), registration, &accepting))
}

// A serverFailure is why a copy stops that nobody asked to.
type serverFailure struct{ error }

// listen finds out the address to announce, too, so that nothing is served
// that cannot be announced.
func (r *replica) listen(ctx context.Context) (err error) {
	r.listener = r.cfg.Listener
	if r.listener == nil {
		if r.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", r.cfg.Addr); err != nil {
			return err
		}
	}
	scheme := "http"
	if c := r.cfg.Server.TLSConfig; c != nil {
		scheme = "https"
		if !hasCertificate(c) {
			err = errors.New("the server's TLSConfig has no certificate")
		}
	}
	if err == nil {
		r.instance, err = announced(r.cfg.Instance, r.listener.Addr(), scheme)
	}
	if err != nil {
		_ = r.listener.Close()
	}
	return err
}

func hasCertificate(c *tls.Config) bool {
	return len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
}

// accept serves connections as they come. Those that it has accepted outlive
// it.
func (r *replica) accept() error {
	if r.cfg.Server.TLSConfig != nil {
		return r.cfg.Server.ServeTLS(r.listener, "", "")
	}
	return r.cfg.Server.Serve(r.listener)
}

// askBack makes answers say that the connection ends with them, once the copy
// drains. Only what the caller knows to be closed can be closed without
// losing a request that is on its way. An HTTP/2 server would take the header
// for an order to shut the connection down.
func (r *replica) askBack(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.ProtoMajor == 1 && r.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

// start waits until the copy is able to answer, and announces it.
func (r *replica) start(ctx context.Context) (discovery.Registration, error) {
	log := r.cfg.Logger.With("service", r.service, "addr", r.instance.Addr)
	if r.cfg.StartTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.cfg.StartTimeout)
		defer cancel()
	}
	if r.cfg.Ready != nil {
		log.Info("copy listens and gets ready")
		if err := r.cfg.Ready(ctx); err != nil {
			return nil, fmt.Errorf("not ready: %w", err)
		}
	}
	registration, err := r.registrar.Register(ctx, r.service, r.instance)
	if err != nil {
		return nil, err
	}
	r.cfg.Health.ready.Store(true)
	log.Info("copy is announced")
	return registration, nil
}

// stop withdraws the copy and ends it. One that was never announced has no
// callers to wait for.
func (r *replica) stop(ctx context.Context, registration discovery.Registration, accepting *sync.WaitGroup) error {
	log := r.cfg.Logger.With("service", r.service, "addr", r.instance.Addr)
	r.cfg.Health.ready.Store(false)
	var withdrawn error
	if registration != nil {
		log.Info("copy withdraws")
		withdrawn = r.withdraw(ctx, registration)
		log.Info("copy is a lame duck", "for", r.cfg.LameDuck)
		time.Sleep(r.cfg.LameDuck)
	}
	// In this order: callers whose connections are taken from them while they
	// can connect anew do so all the time, and those connections that the
	// kernel has accepted and we have not are reset with the listener.
	_ = r.listener.Close() // an error of its own is what accept returns
	accepting.Wait()
	r.draining.Store(true)
	if registration != nil {
		log.Info("copy drains", "for", r.cfg.Drain)
		time.Sleep(r.cfg.Drain)
	}
	log.Info("copy shuts down")
	shut := r.shutdown(ctx)
	log.Info("copy has stopped")
	return errors.Join(withdrawn, shut)
}

func (r *replica) withdraw(ctx context.Context, registration discovery.Registration) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.WithdrawTimeout)
	defer cancel()
	return registration.Close(ctx)
}

// shutdown lets calls in flight finish. It asks more than once, since net/http
// tells only those HTTP/2 connections to end that it knows of when it is asked,
// and would then wait for one whose handshake was under way.
func (r *replica) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ShutdownTimeout)
	defer cancel()
	defer func() { _ = r.cfg.Server.Close() }()
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		err := r.cfg.Server.Shutdown(try)
		cancel()
		switch {
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("calls were broken off after %v", r.cfg.ShutdownTimeout)
		}
	}
}
