package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// serverBackend runs verbs in the server behind a socket.
type serverBackend struct {
	hello  hello
	client *http.Client
}

// dialServer finds the server that has the database of cfg open: on the socket in the data dir, or
// on the one that its lock beside the database names. ok is false where there is none.
func dialServer(ctx context.Context, cfg config.Config) (*serverBackend, bool) {
	paths := []string{filepath.Join(cfg.DataDir, socketName)}
	if database, ok := sqlitePath(cfg); ok {
		if holder := readLock(database + serveLock); holder.Socket != "" {
			paths = append(paths, holder.Socket)
		}
	}
	for _, path := range paths {
		if !trustedSocket(path, cfg.DataDir) {
			continue
		}
		if b, err := dialSocket(ctx, path); err == nil {
			if b.hello.Database == databaseName(cfg) {
				return b, true
			}
			b.client.CloseIdleConnections()
		}
	}
	return nil, false
}

// trustedSocket reports whether a socket is offered by whom we may hand passwords to. In a folder
// like /tmp, or through a lock file there, anybody can offer one.
func trustedSocket(path, dataDir string) bool {
	socket, err := os.Lstat(path)
	if err != nil || socket.Mode()&os.ModeSocket == 0 {
		return false
	}
	dir, err := os.Stat(dataDir)
	return err == nil && trustedOwner(ownerOf(socket), os.Geteuid(), ownerOf(dir))
}

// trustedOwner is the rule: our own sockets and root's. Root also asks the server of the user to whom
// the data dir belongs.
func trustedOwner(owner, we, ofDataDir int) bool {
	return owner == we || owner == 0 || we == 0 && owner == ofDataDir
}

func ownerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// helloTimeout is how long a server may take to introduce itself.
const helloTimeout = 3 * time.Second

func dialSocket(ctx context.Context, path string) (*serverBackend, error) {
	b := &serverBackend{client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			address, done, err := socketAddress(path)
			if err != nil {
				return nil, err
			}
			defer done()
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		},
	}}}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gatehouse/hello", nil)
	if err != nil {
		return nil, fmt.Errorf("greet the server: %w", err)
	}
	return b, b.do(r, &b.hello)
}

func (b *serverBackend) perform(ctx context.Context, name string, in request) (json.RawMessage, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gatehouse/verbs/"+name, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("send %s to the server: %w", name, err)
	}
	var out answer
	if err := b.do(r, &out); err != nil {
		return nil, err
	}
	if out.Error != nil {
		return nil, &remoteError{*out.Error}
	}
	return out.Result, nil
}

func (b *serverBackend) do(r *http.Request, into any) error {
	resp, err := b.client.Do(r)
	if err != nil {
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		return errs.Unavailable("server_gone", "The server ended before it answered. Whether the act was done is in gatehouse audit export.").With(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return errs.Unavailable("server_gone", "The server ended while it answered. Whether the act was done is in gatehouse audit export.").With(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errs.Unavailable("server_unreadable", "What answers on the local socket is not a gatehouse server.").With(err)
	}
	return nil
}

func (b *serverBackend) close() error {
	b.client.CloseIdleConnections()
	return nil
}

// remoteError is an error that the server told.
type remoteError struct{ problem }

func (e *remoteError) Error() string { return e.Message }

// As lets errs read the error as if it had been made here.
func (e *remoteError) As(target any) bool {
	if t, ok := target.(**errs.Error); ok {
		*t = &errs.Error{Kind: e.Kind, Code: e.Code, Message: e.Message}
		return true
	}
	return false
}
