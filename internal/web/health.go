package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	liveRoute  = "GET /livez"
	readyRoute = "GET /readyz"
	// checkTimeout bounds all checks of one request together; orchestrators ask every few seconds
	// and give up after one to ten.
	checkTimeout = 2 * time.Second
)

// Check is one thing that must work before requests are welcome.
type Check struct {
	Name string // "database"
	Run  func(ctx context.Context) error
}

// Health is the door for orchestrators. /livez says that the process runs and asks nobody: a
// database that is away is no reason to kill us. /readyz runs the checks and says 503 when one
// fails or the server is shutting down.
type Health struct {
	Checks []Check
}

// Mount adds GET /livez and GET /readyz.
func (h Health) Mount(mux *http.ServeMux) {
	mux.HandleFunc(liveRoute, func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc(readyRoute, h.ready)
}

// ready names the checks that failed; why they did is in the log, not in a public answer.
func (h Health) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-Closing(r.Context()):
		plain(w, http.StatusServiceUnavailable, "shutting down\n")
		return
	default:
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	status, lines := http.StatusOK, strings.Builder{}
	for _, check := range h.Checks {
		word := "ok"
		if err := check.Run(ctx); err != nil {
			status, word = http.StatusServiceUnavailable, "failed"
			Add(r.Context(), "check_"+check.Name, err.Error())
		}
		fmt.Fprintf(&lines, "%s %s\n", check.Name, word)
	}
	if lines.Len() == 0 {
		lines.WriteString("ok\n")
	}
	plain(w, status, lines.String())
}

func plain(w http.ResponseWriter, status int, body string) {
	common(w.Header())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client may have gone away
}
