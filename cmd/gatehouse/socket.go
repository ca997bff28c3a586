package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

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
	// It is made in a folder that is ours alone and moved when others cannot use it: there is no
	// moment in which they could.
	private, err := os.MkdirTemp(dir, ".sock")
	if err != nil {
		return nil, fmt.Errorf("make the local socket: %w", err)
	}
	defer os.RemoveAll(private)
	fresh := filepath.Join(private, "s")
	address, done, err := socketAddress(fresh)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.Listen("unix", address)
	if err != nil {
		return nil, fmt.Errorf("make the local socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its name here is short-lived; path is removed by Close
	if err := errors.Join(os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("make the local socket: %w", err), l.Close())
	}
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
