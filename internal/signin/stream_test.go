package signin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// tap is an open event stream. Its fields come in order: events, then the end.
type tap struct {
	status int
	lines  chan string // closed when the stream ends
	stop   context.CancelFunc
}

// open opens the event stream with the browser's cookie; it has joined when open returns.
func (b *browser) open() *tap {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", b.base+"/auth/session/events", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	s := &tap{status: res.StatusCode, lines: make(chan string, 100), stop: cancel}
	go func() {
		defer close(s.lines)
		defer res.Body.Close()
		for scan := bufio.NewScanner(res.Body); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}()
	return s
}

// ended waits for the event and for the end of the stream, and returns its reason.
func (s *tap) ended(t *testing.T) Ended {
	t.Helper()
	var ended Ended
	event := ""
	for late := time.After(patience); ; {
		select {
		case line, more := <-s.lines:
			if !more {
				if event != "session.ended" || ended.Message == "" {
					t.Errorf("the stream ended with event %q, %+v", event, ended)
				}
				return ended
			}
			if name, ok := strings.CutPrefix(line, "event: "); ok {
				event = name
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				if err := json.Unmarshal([]byte(data), &ended); err != nil {
					t.Fatal(err)
				}
			}
		case <-late:
			t.Fatal("the stream did not end")
		}
	}
}

func TestStream_SaysThatTheSessionEnded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "bob@acme.test")
		first, second := b.open(), b.open()
		w.deactivate(bob)
		for _, s := range []*tap{first, second} {
			if got := s.ended(t); got.Reason != "account_deactivated" || got.Message != "An administrator of this workspace deactivated this account." {
				t.Errorf("%+v", got)
			}
		}
		if s := b.open(); s.status != http.StatusUnauthorized {
			t.Errorf("a dead session's stream answers %d", s.status)
		}
	})
}

func TestStream_EndsAtASignOutElsewhereAndForThatSessionOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b, other := w.browser(), w.browser()
		b.signIn("acme", "ann@acme.test")
		other.signIn("acme", "ann@acme.test")
		mine, theirs := b.open(), other.open()
		b.post("/signout")
		if got := mine.ended(t); got.Reason != "session_ended" {
			t.Errorf("%+v", got)
		}
		select {
		case line, more := <-theirs.lines:
			if !more || strings.HasPrefix(line, "event:") {
				t.Errorf("the other stream got %q", line)
			}
		default:
		}
		other.post("/signout")
		theirs.ended(t)
	})
}

func TestStream_NoticesExpiryAndLostSignalsByItself(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.door.recheck = 20 * time.Millisecond
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		s := b.open()
		w.turn(session.Absolute)
		if got := s.ended(t); got.Reason != "session_expired" {
			t.Errorf("%+v", got)
		}
	})
}

func TestStream_DoesNotKeepASessionFromRunningIdle(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		token, s, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: "ann@acme.test", Password: password, Client: from("192.0.2.1")})
		w.must(err)
		b.header.Set("Cookie", "gatehouse_session="+token)
		r, err := http.NewRequest("GET", "/", nil)
		w.must(err)
		r.Header = b.header
		live, err := w.Check(context.Background(), r)
		w.must(err)
		w.turn(session.Idle / 2)
		seen := &watched{service: w.Service, hash: keys.HashToken(token), last: live}
		if ended, err := seen.look(context.Background()); err != nil || ended != nil {
			t.Fatalf("%+v %v", ended, err)
		}
		w.must(w.DB.FlushMarks(context.Background()))
		own, err := w.ListSessions(context.Background(), acme, ann)
		w.must(err)
		if len(own) != 1 || !own[0].LastUsedAt.Equal(s.CreatedAt) {
			t.Errorf("looking counted as use: %+v", own)
		}
		w.turn(session.Idle / 2)
		if ended, err := seen.look(context.Background()); err != nil || ended == nil || ended.Reason != "session_expired" {
			t.Errorf("%+v %v", ended, err)
		}
	})
}

func TestEndings_WakeOnlyWhoWaitsForThatSessionAndEverybodyWhenSomethingWasMissed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		e := &endings{db: w.DB}
		a, leaveA, err := e.join("ses_a")
		w.must(err)
		b, leaveB, err := e.join("ses_b")
		w.must(err)
		e.wake("ses_a")
		if len(a) != 1 || len(b) != 0 {
			t.Errorf("woken: %d and %d", len(a), len(b))
		}
		e.wake("")
		e.wake("")
		if len(a) != 1 || len(b) != 1 {
			t.Errorf("after an overflow: %d and %d", len(a), len(b))
		}
		leaveA()
		if e.stop == nil {
			t.Error("the subscription ended while somebody waits")
		}
		leaveB()
		leaveB()
		if e.stop != nil || len(e.waiting) != 0 {
			t.Error("the subscription lives on with nobody waiting")
		}
		for range maxWatchers {
			if _, _, err := e.join("ses_c"); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = e.join("ses_c")
		wantCode(t, err, "too_many_streams")
		e.stop()
	})
}

func TestStreams_LeaveNothingBehind(t *testing.T) {
	// Not on both databases: what PostgreSQL's pool does in the background is not ours.
	w := newWorld(t, storetest.SQLite(t))
	origin, err := url.Parse(w.server.URL)
	w.must(err)
	browsers := make([]*browser, 20)
	for i := range browsers {
		browsers[i] = w.browser()
		token, _, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: "bob@acme.test", Password: password, Client: from(fmt.Sprintf("192.0.2.%d", i+1))})
		w.must(err)
		browsers[i].client.Jar.SetCookies(origin, []*http.Cookie{{Name: "gatehouse_session", Value: token}})
	}
	before := goleak.IgnoreCurrent()
	taps := make([]*tap, len(browsers))
	for i, b := range browsers {
		taps[i] = b.open()
	}
	for _, s := range taps[:10] {
		s.stop() // the tab was closed
	}
	w.deactivate(bob)
	for _, s := range taps[10:] {
		s.ended(t)
	}
	w.server.Client().CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

func TestStream_WaitsOnWhileTheDatabaseDoesNotAnswer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // every statement fails
		seen := &watched{service: w.Service, hash: "none", last: &store.LiveSession{}}
		if ended := seen.wait(ctx, nil, nil); ended != nil {
			t.Errorf("%+v", ended)
		}
	})
}
