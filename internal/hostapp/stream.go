package hostapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// heartbeat is how often an open page hears that its stream lives.
	heartbeat = 20 * time.Second
	// sendTime is how long a message may take to reach a browser.
	sendTime = 15 * time.Second
)

// signedOut is what the open page is told.
type signedOut struct {
	Sentence string    `json:"sentence"`
	Received time.Time `json:"received"`           // when the logout token had come
	SinceMS  *int64    `json:"since_ms,omitempty"` // from its cause, where that is known
	Ticket   string    `json:"ticket,omitempty"`   // for POST /seen
}

// events tells an open page when its session ends. It ends with the session, the page or the server.
func (a *App) events(w http.ResponseWriter, r *http.Request) {
	v := a.visit(r)
	if v == nil {
		http.Error(w, "Nobody is signed in.", http.StatusUnauthorized)
		return
	}
	control := http.NewResponseController(w)
	// Servers limit the length of a request; writers that have no deadlines need none lifted.
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	send := func(format string, args ...any) error {
		if err := control.SetWriteDeadline(time.Now().Add(sendTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return control.Flush()
	}
	if send("event: signed-in\ndata: {}\n\n") != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-a.closed:
			return
		case <-beat.C:
			if send(": still here\n\n") != nil {
				return
			}
		case <-v.done:
			data, err := json.Marshal(a.farewell(v))
			if err == nil {
				_ = send("event: signed-out\ndata: %s\n\n", data) // the page may have gone
			}
			return
		}
	}
}

// farewell is the message of a visit that has ended.
func (a *App) farewell(v *visit) signedOut {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v.end == nil { // forgotten after its time
		return signedOut{Sentence: "You were signed out: this session is too old.", Received: a.options.Now()}
	}
	m := signedOut{Sentence: v.end.sentence, Received: v.end.at}
	if v.end.known {
		ms := v.end.since.Milliseconds()
		m.SinceMS = &ms
	}
	if v.end.word != nil {
		m.Ticket = v.ticket
	}
	return m
}

// seen notes when an open page said that its session had ended. A ticket is good for one report.
func (a *App) seen(w http.ResponseWriter, r *http.Request) {
	now := a.options.Now()
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	ticket := r.PostFormValue("ticket")
	if word := a.useTicket(ticket); word != nil && a.options.OnShown != nil {
		a.options.OnShown(*word, now)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *App) useTicket(ticket string) *Ended {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range a.state.visits {
		if v.ticket == ticket && v.end != nil && v.end.word != nil && !v.end.shown {
			v.end.shown = true
			return v.end.word
		}
	}
	return nil
}
