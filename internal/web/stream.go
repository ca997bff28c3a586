package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// streamWriteTimeout is how long one message may take to reach a client before it is given up.
const streamWriteTimeout = 15 * time.Second

// Message is one server-sent event.
type Message struct {
	Event string // its type, "session.ended"; one line
	ID    string // what the browser sends back as Last-Event-ID; may be ""
	Data  any    // sent as JSON; nil is sent as {}
}

// Stream is an answer of server-sent events (WHATWG HTML section 9.2), from one goroutine.
type Stream struct {
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
}

// NewStream begins the answer: headers are sent, buffering proxies are asked not to, and the
// server's limits on the length of an answer are lifted. After it only Send and Run may write.
func NewStream(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	s := &Stream{w: w, r: r, control: http.NewResponseController(w)}
	// net/http ends the request's context when the read deadline passes. Writers that have no
	// deadlines, as in tests, need none lifted.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("begin stream: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	if err := s.control.Flush(); err != nil {
		return nil, fmt.Errorf("begin stream: %w", err)
	}
	return s, nil
}

// Send writes one message and flushes it.
func (s *Stream) Send(m Message) error {
	data := []byte("{}")
	if m.Data != nil {
		encoded, err := json.Marshal(m.Data) // one line: JSON escapes line breaks
		if err != nil {
			return fmt.Errorf("encode message: %w", err)
		}
		data = encoded
	}
	if strings.ContainsAny(m.Event+m.ID, "\r\n\x00") {
		return fmt.Errorf("send message: line break in event %q or id %q", m.Event, m.ID)
	}
	var b bytes.Buffer
	if m.Event != "" {
		fmt.Fprintf(&b, "event: %s\n", m.Event)
	}
	if m.ID != "" {
		fmt.Fprintf(&b, "id: %s\n", m.ID)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return s.write(b.Bytes())
}

func (s *Stream) write(p []byte) error {
	deadline := time.Now().Add(streamWriteTimeout) // of the connection, so by the real clock
	if err := s.control.SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("write stream: %w", err)
	}
	if _, err := s.w.Write(p); err != nil {
		return fmt.Errorf("write stream: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("write stream: %w", err)
	}
	return nil
}

// Run sends what comes from messages until that is closed, the client leaves or the server shuts
// down, all of which end it without an error. Each tick of heartbeat sends a comment, by which
// proxies see that the stream lives and we see that the client is gone; the caller owns the
// ticker.
func (s *Stream) Run(messages <-chan Message, heartbeat <-chan time.Time) error {
	for {
		var err error
		select {
		case <-s.r.Context().Done():
			return nil
		case <-Closing(s.r.Context()):
			return nil
		case m, more := <-messages:
			if !more {
				return nil
			}
			err = s.Send(m)
		case <-heartbeat:
			err = s.write([]byte(": still here\n\n"))
		}
		if err != nil && s.r.Context().Err() == nil {
			return err
		}
	}
}
