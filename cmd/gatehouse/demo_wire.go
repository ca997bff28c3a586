package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// wire watches what the simulated IdPs send, so that the event log can be held against it and the
// time from an answer can be measured. Its methods are safe for concurrent use.
type wire struct {
	mu      sync.Mutex
	sent    map[idpsim.Kind]traffic
	waiting map[idpsim.Kind]chan time.Time
	secrets []string
	senders map[string]idpsim.Kind    // by Authorization header
	ends    map[idpsim.Kind]time.Time // when the last word went out that somebody is out
}

// traffic counts the requests of one IdP that were answered 2xx.
type traffic struct{ reads, writes int }

func newWire() *wire {
	return &wire{sent: map[idpsim.Kind]traffic{}, waiting: map[idpsim.Kind]chan time.Time{},
		senders: map[string]idpsim.Kind{}, ends: map[idpsim.Kind]time.Time{}}
}

// watched is the transport of the simulated IdPs: it notes when they send the word that somebody
// is out, which is before any answer to it.
type watched struct {
	http.RoundTripper
	wire *wire
}

// puttingOut is a body that says that somebody is out: false as a boolean, or as Entra's text.
var puttingOut = regexp.MustCompile(`(?i)"active"\s*:\s*"?false|"path"\s*:\s*"active"[^}]*"value"\s*:\s*"?false|"value"\s*:\s*"?false[^}]*"path"\s*:\s*"active"`)

func (t watched) RoundTrip(r *http.Request) (*http.Response, error) {
	now := time.Now()
	if t.wire.putsOut(r) {
		t.wire.mu.Lock()
		if kind, ok := t.wire.senders[r.Header.Get("Authorization")]; ok {
			t.wire.ends[kind] = now
		}
		t.wire.mu.Unlock()
	}
	return t.RoundTripper.RoundTrip(r)
}

// putsOut reports whether a SCIM request deactivates or deletes somebody.
func (w *wire) putsOut(r *http.Request) bool {
	if !strings.Contains(r.URL.Path, "/Users/") || r.Method == http.MethodGet {
		return false
	}
	if r.Method == http.MethodDelete {
		return true
	}
	if r.GetBody == nil {
		return false
	}
	again, err := r.GetBody()
	if err != nil {
		return false
	}
	defer again.Close()
	body, err := io.ReadAll(again)
	return err == nil && puttingOut.Match(body)
}

// sender says whose requests carry a token.
func (w *wire) sender(token string, kind idpsim.Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.senders["Bearer "+token] = kind
}

// lastEnd returns when an IdP last sent the word that somebody is out; zero for never.
func (w *wire) lastEnd(kind idpsim.Kind) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends[kind]
}

// exchanged is idpsim's OnExchange: it is called when the answer has been read.
func (w *wire) exchanged(x idpsim.Exchange) {
	now := time.Now()
	if !x.OK() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.sent[x.IdP]
	if x.Method == http.MethodGet {
		t.reads++
		w.sent[x.IdP] = t
		return
	}
	t.writes++
	w.sent[x.IdP] = t
	if ch := w.waiting[x.IdP]; ch != nil {
		delete(w.waiting, x.IdP)
		ch <- now // it has room for the one value
	}
}

// nextWrite returns a channel that gets the instant at which the next write of an IdP is answered.
func (w *wire) nextWrite(kind idpsim.Kind) <-chan time.Time {
	ch := make(chan time.Time, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[kind] = ch
	return ch
}

func (w *wire) traffic(kind idpsim.Kind) traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent[kind]
}

// secret notes a value that must be found nowhere, and returns it.
func (w *wire) secret(s string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets = append(w.secrets, s)
	return s
}

func (w *wire) allSecrets() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.secrets...)
}
