package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// running is a server under test.
type running struct {
	url  string
	stop context.CancelFunc
	done chan error
}

func run(t *testing.T, h http.Handler) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan net.Addr, 1)
	s := Server{Listen: "127.0.0.1:0", Handler: h, Grace: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
		Ready: func(a net.Addr) { ready <- a }}
	r := running{stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(cancel)
	r.url = "http://" + (<-ready).String()
	return r
}

func TestServer_LetsRequestsUnderWayFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	server := run(t, site(Site{}, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-Closing(r.Context())
			<-release
			if r.Context().Err() != nil {
				t.Error("the request's context ended with the server's")
			}
			io.WriteString(w, "whole")
		})
	}))
	answered := make(chan string, 1)
	go func() {
		answer, err := http.Get(server.url + "/slow")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		answered <- string(body)
	}()
	<-entered
	server.stop()
	close(release)
	if got := <-answered; got != "whole" {
		t.Errorf("answer = %q", got)
	}
	if err := <-server.done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestServer_SaysWhenItsAddressIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := (Server{Listen: taken.Addr().String()}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("Run = %v", err)
	}
}

func TestReadiness_FollowsItsChecksAndTheShutdown(t *testing.T) {
	var broken error
	s := site(Site{}, Health{Checks: []Check{
		{"database", func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a check may run forever")
			}
			return broken
		}},
	}}.Mount)
	if w := do(s, "GET", "/readyz", nil); w.Code != 200 || w.Body.String() != "database ok\n" {
		t.Errorf("status %d, %q", w.Code, w.Body)
	}
	broken = errors.New("dial db.internal: refused")
	if w := do(s, "GET", "/readyz", nil); w.Code != 503 || w.Body.String() != "database failed\n" {
		t.Errorf("status %d, %q", w.Code, w.Body)
	}
	if w := do(s, "GET", "/livez", nil); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("status %d, %q", w.Code, w.Body)
	}
	broken = nil
	closing := make(chan struct{})
	close(closing)
	r, _ := http.NewRequestWithContext(context.WithValue(t.Context(), closingKey{}, closing), "GET", "/readyz", nil)
	w := &headerOnly{header: http.Header{}}
	s.ServeHTTP(w, r)
	if w.status != 503 {
		t.Errorf("while shutting down: status %d", w.status)
	}
}

// listen opens a stream and returns its lines as they come.
func listen(t *testing.T, url string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer, bufio.NewScanner(answer.Body)
}

func TestStream_SendsBeatsAndEndsWithTheServer(t *testing.T) {
	messages, beat := make(chan Message), make(chan time.Time)
	ended := make(chan error, 1)
	server := run(t, site(Site{}, func(mux *http.ServeMux) {
		mux.Handle("GET /events", JSONDoor().Handle(func(w http.ResponseWriter, r *http.Request) error {
			s, err := NewStream(w, r)
			if err == nil {
				err = s.Run(messages, beat)
			}
			ended <- err
			return err
		}))
	}))
	answer, lines := listen(t, server.url+"/events")
	if got := answer.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type = %q", got)
	}
	beat <- time.Time{}
	messages <- Message{Event: "session.ended", ID: "7", Data: map[string]string{"why": "line\nbreak"}}
	want := []string{": still here", "", "event: session.ended", "id: 7", `data: {"why":"line\nbreak"}`, ""}
	for _, w := range want {
		if !lines.Scan() || lines.Text() != w {
			t.Fatalf("line %q, want %q", lines.Text(), w)
		}
	}
	server.stop()
	if err := <-ended; err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-server.done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestStream_EndsWhenTheClientLeaves(t *testing.T) {
	ended := make(chan error, 1)
	server := run(t, site(Site{}, func(mux *http.ServeMux) {
		mux.Handle("GET /events", JSONDoor().Handle(func(w http.ResponseWriter, r *http.Request) error {
			s, err := NewStream(w, r)
			if err == nil {
				err = s.Run(nil, nil)
			}
			ended <- err
			return err
		}))
	}))
	answer, _ := listen(t, server.url+"/events")
	answer.Body.Close()
	if err := <-ended; err != nil {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestStream_RefusesAnEventThatWouldForgeAnother(t *testing.T) {
	var got error
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
			stream, err := NewStream(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			got = stream.Send(Message{Event: "a\ndata: forged"})
		})
	})
	if do(s, "GET", "/events", nil); got == nil {
		t.Error("a line break in the event's name was sent")
	}
}
