package idpsim

import (
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sleeps is a clock that moves only when somebody sleeps.
type sleeps struct {
	mu   sync.Mutex
	now  time.Time
	took []time.Duration
}

func (z *sleeps) clock() time.Time {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.now
}

func (z *sleeps) sleep(ctx context.Context, d time.Duration) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.now, z.took = z.now.Add(d), append(z.took, d)
	return ctx.Err()
}

func (z *sleeps) pass(d time.Duration) { _ = z.sleep(context.Background(), d) }

// scripted is an application that gives the answers in order and then 200 with an empty list.
func scripted(t *testing.T, kind Kind, answers ...http.HandlerFunc) (*IdP, *sleeps, func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		i := n
		n++
		mu.Unlock()
		if i < len(answers) {
			answers[i](w, r)
			return
		}
		answerWith(w, 200, doc{"totalResults": 0, "Resources": []any{}})
	}))
	t.Cleanup(srv.Close)
	s, z := quiet(t)
	p := s.IdP(kind)
	must(t, p.Connect(t.Context(), Connection{BaseURL: srv.URL, Token: "gscim_0123456789"}))
	return p, z, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

func TestThrottlingIsWaitedForAsTheApplicationSays(t *testing.T) {
	p, z, _ := scripted(t, Entra, status(429, "Retry-After", "7"),
		status(429, "Retry-After", "Sat, 21 Nov 2026 09:00:27 GMT"))
	must(t, p.TestCredentials(t.Context()))
	want := []time.Duration{7 * time.Second, 20 * time.Second}
	if !slices.Equal(z.took, want) {
		t.Errorf("waited %v, want %v", z.took, want)
	}
}

func TestServerErrorsAreRetriedWithGrowingPauses(t *testing.T) {
	p, z, count := scripted(t, Okta, status(500), status(503), status(502), status(500))
	err := p.TestCredentials(t.Context())
	var se *StepError
	if !errors.As(err, &se) || se.Status != 500 || se.Attempts != 4 || count() != 4 {
		t.Fatalf("got %v after %d requests, want four attempts", err, count())
	}
	for i, least := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got := z.took[i]; got < least || got > least+least/4 {
			t.Errorf("pause %d is %v, want %v and up to a quarter more", i+1, got, least)
		}
	}
}

func TestALongRetryAfterIsLeftToTheNextCycle(t *testing.T) {
	p, z, count := scripted(t, Entra, status(429, "Retry-After", "3600"))
	if err := p.TestCredentials(t.Context()); statusOf(err) != 429 || count() != 1 || len(z.took) != 0 {
		t.Errorf("got %v after %d requests and pauses %v", err, count(), z.took)
	}
}

func TestRefusalsAreNotRetriedAndCarryTheDetail(t *testing.T) {
	p, _, count := scripted(t, Okta, func(w http.ResponseWriter, _ *http.Request) {
		answerWith(w, 403, doc{"status": "403", "scimType": "sensitive", "detail": "not here"})
	})
	err := p.TestCredentials(t.Context())
	var se *StepError
	if !errors.As(err, &se) || se.Detail != "not here" || se.ScimType != "sensitive" || se.Step != "test users" || count() != 1 {
		t.Errorf("got %v after %d requests", err, count())
	}
	if p.State().Connection.TestError == "" {
		t.Error("the failed test is not shown")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	p, _, count := scripted(t, Okta, status(307, "Location", "/elsewhere"))
	if err := p.TestCredentials(t.Context()); statusOf(err) != 307 || count() != 1 {
		t.Errorf("got %v after %d requests", err, count())
	}
}

func TestASilentApplicationIsAnErrorWithoutAnswer(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	s, z := quiet(t)
	p := s.IdP(Entra)
	must(t, p.Connect(t.Context(), Connection{BaseURL: srv.URL, Token: "x"}))
	err := p.TestCredentials(t.Context())
	var se *StepError
	if !errors.As(err, &se) || se.Status != 0 || se.Attempts != 4 || len(z.took) != 3 {
		t.Errorf("got %v with pauses %v", err, z.took)
	}
	must(t, p.Seed(t.Context(), Company{}))
	report, err := p.AssignEverybody(t.Context())
	if err == nil || len(report.Failed) != silentLimit {
		t.Errorf("a sync went on for %d people against a silent application: %v", len(report.Failed), err)
	}
}

func TestAnswersThatAreNotListsFailTheTest(t *testing.T) {
	for name, body := range map[string]string{"not JSON": "<html>", "an array": "[]", "no list": "{}", "two values": "{}{}"} {
		t.Run(name, func(t *testing.T) {
			p, _, _ := scripted(t, Entra, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
			if err := p.TestCredentials(t.Context()); err == nil {
				t.Error("the test passed")
			}
		})
	}
}

func TestACompressedAnswerIsRead(t *testing.T) {
	p, _, _ := scripted(t, Okta, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(`{"totalResults":0}`))
		_ = z.Close()
	})
	must(t, p.TestCredentials(t.Context()))
}

func TestTheTraceKeepsNoSecretsAndIsBounded(t *testing.T) {
	f, base := startFake(t)
	var seen []Exchange
	var mu sync.Mutex
	s := New(Options{TraceSize: 4, OnExchange: func(e Exchange) { mu.Lock(); seen = append(seen, e); mu.Unlock() }})
	t.Cleanup(s.Close)
	p := s.IdP(Okta)
	must(t, p.Seed(t.Context(), Company{}))
	must(t, p.Connect(t.Context(), Connection{BaseURL: base, Token: "gscim_secret", PasswordSync: true}))
	_, err := p.AssignEverybody(t.Context())
	must(t, err)
	must(t, p.ResetPassword(t.Context(), "ann.lee@acme.test", "correct horse"))
	last := p.Trace().Last(0)
	if len(last) != 4 || last[0].Seq != len(seen) || last[0].Seq <= last[3].Seq {
		t.Errorf("kept %d exchanges, newest %d of %d", len(last), last[0].Seq, len(seen))
	}
	for _, e := range seen {
		text := e.RequestBody + headerLines(e.RequestHeader)
		if strings.Contains(text, "gscim_secret") || strings.Contains(text, "correct horse") {
			t.Errorf("a secret is in the trace of %s", e.Step)
		}
		if strings.Contains(e.RequestBody, `"password"`) && !strings.Contains(e.RequestBody, `"password":"(not kept)"`) {
			t.Errorf("a password is in the trace of %s", e.Step)
		}
	}
	if len(f.since(0)) != len(seen) {
		t.Errorf("%d exchanges were reported of %d", len(seen), len(f.since(0)))
	}
}
