package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of the server. A client that is slower than these is cut off; streams set their own.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = time.Minute     // the whole request, body included
	writeTimeout      = 2 * time.Minute // the whole answer
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	defaultGrace      = 15 * time.Second
)

// Server runs a handler until its context ends, then lets requests under way finish.
type Server struct {
	// Listen is the TCP address to listen on, "127.0.0.1:8080". Unused when Listener is given.
	Listen string
	// Listener is a listener made elsewhere; Run closes it.
	Listener net.Listener
	Handler  http.Handler
	// Log receives the server's own complaints. The default is slog.Default().
	Log *slog.Logger
	// Grace is how long requests under way may take once shutting down; the default is 15 s.
	Grace time.Duration
	// Ready is called with the address once connections are accepted. It may be nil.
	Ready func(net.Addr)
}

type closingKey struct{}

// Closing returns a channel that is closed when the server of this request begins to shut down.
// A handler that waits for something selects on it. Outside a server it is nil, which never ends.
func Closing(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(closingKey{}).(chan struct{})
	return c
}

// Run listens and serves until ctx ends, then stops accepting and waits for at most Grace. It
// returns nil after an orderly end, and an error when the address cannot be had, the listener
// breaks, or requests had to be cut off.
func (s Server) Run(ctx context.Context) error {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Grace == 0 {
		s.Grace = defaultGrace
	}
	if s.Listener == nil {
		l, err := net.Listen("tcp", s.Listen)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s.Listener = l
	}
	closing := make(chan struct{})
	// Requests outlive ctx by the grace; only the streams among them watch closing.
	base := context.WithValue(context.WithoutCancel(ctx), closingKey{}, closing)
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.Listener) }()
	if s.Ready != nil {
		s.Ready(s.Listener.Addr())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	close(closing)
	return s.shutdown(server)
}

func (s Server) shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.Grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down: %w", errors.Join(err, server.Close()))
	}
	return nil
}
