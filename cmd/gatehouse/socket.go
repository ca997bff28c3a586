package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// socketName is the local socket in the data dir. Whoever can open it is the operator: it is made
// for its owner only.
const socketName = "gatehouse.sock"

const (
	// maxRequest bounds a request on the socket: an apply file and the secrets that it names.
	maxRequest = 4 << 20
	// maxAnswer bounds an answer: a page of events with their payloads.
	maxAnswer = 64 << 20
	// maxSocketPath is what fits the kernel's address of a socket on every system.
	maxSocketPath = 100
)

// hello is how a server introduces itself on its socket.
type hello struct {
	Database  string `json:"database"` // databaseName
	Address   string `json:"address"`  // host and port that it listens on
	PublicURL string `json:"public_url"`
	Version   string `json:"version"`
	PID       int    `json:"pid"`
}

// answer is what comes back from a verb: one of the two.
type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *problem        `json:"error,omitempty"`
}

// localDoor answers verbs on the local socket.
type localDoor struct {
	app   *app
	hello hello
}

// handler is what the socket serves. The greeting, with which every command begins, is not worth a
// line in the log.
func (d *localDoor) handler(log *slog.Logger) http.Handler {
	door := &web.Door{MaxBody: maxRequest, Fail: failVerb}
	mux := http.NewServeMux()
	mux.Handle("GET /hello", door.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		return reply(w, http.StatusOK, d.hello)
	}))
	mux.Handle("/", web.Site{Log: log}.Handler(d))
	return mux
}

// Mount adds the one route of verbs.
func (d *localDoor) Mount(mux *http.ServeMux) {
	door := &web.Door{MaxBody: maxRequest, Fail: failVerb}
	mux.Handle("POST /verbs/{verb}", door.Handle(d.run))
}

func (d *localDoor) run(w http.ResponseWriter, r *http.Request) error {
	web.Add(r.Context(), "verb", r.PathValue("verb"))
	var in request
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return errs.Invalid("request_unreadable", "The request is not readable as JSON of at most %d bytes.", maxRequest).With(err)
	}
	out, err := perform(r.Context(), d.app, r.PathValue("verb"), in)
	if r.Context().Err() != nil {
		return nil // the command was interrupted: there is nobody to answer, and nothing went wrong
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, answer{Result: out})
}

// failVerb answers with the error as it is: it goes to the operator and to nobody else.
func failVerb(w http.ResponseWriter, r *http.Request, err error) {
	failure, told := web.FailureOf(r, err), problemOf(err)
	if told.Kind == errs.KindInternal {
		told.Message += " (" + failure.RequestID + " in the server's log)"
	}
	if err := reply(w, failure.Status, answer{Error: &told}); err != nil {
		web.Add(r.Context(), "reply_error", err.Error())
	}
}

func reply(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the command may have been interrupted
	return nil
}

// listenSocket makes the socket in dir. The caller holds the lock of dir, so a socket that is there
// was left behind by a server that was killed.
func listenSocket(dir string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace the local socket: %w", err)
	}
	address, done, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	before := syscall.Umask(0o177) // the socket is never there for others, not even for a moment
	l, err := net.Listen("unix", address)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("make the local socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // address may be short-lived; the path is removed below
	return &socketListener{l, path}, nil
}

// socketListener takes its file away when it is closed.
type socketListener struct {
	net.Listener
	path string
}

func (l *socketListener) Close() error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, l.Listener.Close())
	}
	return l.Listener.Close()
}

// socketAddress returns the name under which the kernel takes path. One that is too long for it is
// reached through the open folder, where there is /proc.
func socketAddress(path string) (address string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("open the data dir: %w", err)
	}
	address = filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path))
	if _, err := os.Stat(filepath.Dir(address)); err != nil {
		return "", nil, errors.Join(errs.Invalid("data_dir_too_long", "The path %s is too long for a socket. Choose a shorter --data-dir.", path), dir.Close())
	}
	return address, func() { _ = dir.Close() }, nil // opened for reading: closing has nothing to lose
}

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
		if b, err := dialSocket(ctx, path); err == nil {
			if b.hello.Database == databaseName(cfg) {
				return b, true
			}
			b.client.CloseIdleConnections()
		}
	}
	return nil, false
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
