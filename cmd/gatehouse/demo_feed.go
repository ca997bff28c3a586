package main

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

const (
	// feedLines is how many events the page shows.
	feedLines = 80
	// feedBuffer is how far a page may fall behind before it is let go; it connects again.
	feedBuffer = 512
	feedBeat   = 20 * time.Second
)

// feedLine is one event of the log as the page shows it.
type feedLine struct {
	ID        string `json:"id"`
	Time      string `json:"time"`
	Workspace string `json:"workspace"`
	Type      string `json:"type"`
	Refused   bool   `json:"refused"`
	Who       string `json:"who"`
	Why       string `json:"why"`
}

func lineOf(e audit.Event) feedLine {
	l := feedLine{ID: e.ID, Time: clock(e.Time), Workspace: e.Workspace, Type: string(e.Type), Refused: e.Outcome == audit.Refused, Who: e.Subject.Name, Why: e.Reason}
	if l.Who == "" {
		l.Who = e.Subject.Kind
	}
	for _, c := range e.Changes {
		if c.Field == "role" && l.Why == "" {
			l.Why = c.From + " to " + c.To
		}
	}
	return l
}

// follow reads the event logs of all workspaces until ctx ends, as "audit tail" does.
func (s *startPage) follow(ctx context.Context) {
	at, err := positionOfEvents(ctx, s.app, audit.Party{}, tailArgs{})
	for err == nil {
		var n news
		if n, err = waitForEvents(ctx, s.app, audit.Party{}, tailArgs{After: at}); err != nil {
			break
		}
		for _, e := range n.Events {
			s.add(lineOf(e))
		}
		if len(n.Events) > 0 { // somebody may have acted on an IdP's own page
			s.tell(web.Message{Event: "state", Data: s.state()})
		}
		at = n.After
	}
	if ctx.Err() == nil {
		s.log.Error("the event log can no longer be followed", "error", err)
	}
}

func (s *startPage) add(l feedLine) {
	s.mu.Lock()
	s.lines = append(s.lines, l)
	if n := len(s.lines) - feedLines; n > 0 {
		s.lines = append([]feedLine(nil), s.lines[n:]...)
	}
	s.mu.Unlock()
	s.tell(web.Message{Event: "event", Data: l})
}

// tell sends a message to every open page.
func (s *startPage) tell(m web.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.listeners {
		select {
		case ch <- m:
		default: // it does not keep up
			delete(s.listeners, ch)
			close(ch)
		}
	}
}

// feed is the stream of an open page. It begins with the state as it is.
func (s *startPage) feed(w http.ResponseWriter, r *http.Request) {
	ch := make(chan web.Message, feedBuffer)
	ch <- web.Message{Event: "state", Data: s.state()} // it has room
	s.mu.Lock()
	s.listeners[ch] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, ch)
		s.mu.Unlock()
	}()
	stream, err := web.NewStream(w, r)
	if err != nil {
		return // the browser has gone
	}
	beat := time.NewTicker(feedBeat)
	defer beat.Stop()
	_ = stream.Run(ch, beat.C) // it ends when the browser goes
}
