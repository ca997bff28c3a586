package main

import (
	"net/http"
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
}

// traffic counts the requests of one IdP that were answered 2xx.
type traffic struct{ reads, writes int }

func newWire() *wire {
	return &wire{sent: map[idpsim.Kind]traffic{}, waiting: map[idpsim.Kind]chan time.Time{}}
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
