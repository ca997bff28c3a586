package idpsim

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestALoadSendsExactlyWhatItSays(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			f, base := startFake(t)
			r, err := Load{Connection: Connection{BaseURL: base, Token: "gscim_0123456789", Parallel: 4},
				People: 20, Groups: 6, Changes: 20, Imports: 2}.Run(t.Context(), kind)
			must(t, err)
			want := map[string]int{"profile": 8, "member": 6, "out": 2, "back": 2, "new": 2}
			if kind.imports() {
				want["import"] = 2
			}
			if !maps.Equal(r.Changes, want) || r.EndedEarly {
				t.Errorf("changes %v, want %v; ended early: %v", r.Changes, want, r.EndedEarly)
			}
			if r.Failed != 0 || len(r.Errors) != 0 || r.Requests != len(f.since(0)) {
				t.Errorf("%d requests of which %d failed, the application saw %d: %v", r.Requests, r.Failed, len(f.since(0)), r.Errors)
			}
			if len(f.users) != 22 || len(f.groups) != groupsOf(kind, 6) {
				t.Errorf("the application has %d people and %d groups", len(f.users), len(f.groups))
			}
			total := 0
			for _, s := range r.Steps {
				total += s.Requests
				if s.Step == "create user" && s.Requests != 22 {
					t.Errorf("%d creates, want 22", s.Requests)
				}
				if s.P50 > s.P90 || s.P90 > s.P99 || s.P99 > s.Max || s.Max <= 0 {
					t.Errorf("percentiles of %s: %+v", s.Step, s)
				}
			}
			if total != r.Requests || !strings.Contains(r.String(), "create user") {
				t.Errorf("the steps make %d of %d requests: %s", total, r.Requests, r)
			}
		})
	}
}

func TestALoadCountsWhatWasRefused(t *testing.T) {
	f, base := startFake(t)
	refused := 0
	f.deny = func(r *http.Request) int {
		if r.Method == http.MethodPut || r.Method == http.MethodPatch {
			refused++
			return http.StatusConflict
		}
		return 0
	}
	r, err := Load{Connection: Connection{BaseURL: base, Token: "gscim_0123456789"}, People: 10, Groups: 1, Changes: 10}.Run(t.Context(), Okta)
	must(t, err)
	if refused == 0 || r.Failed != refused || r.Statuses[http.StatusConflict] != refused || !strings.Contains(r.Errors[0], "the test says no") {
		t.Errorf("%d failed with statuses %v, %d were refused: %v", r.Failed, r.Statuses, refused, r.Errors)
	}
}

func TestALoadWaitsWhereItIsThrottled(t *testing.T) {
	f, base := startFake(t)
	calls := 0
	f.deny = func(*http.Request) int {
		if calls++; calls == 7 || calls == 20 {
			return http.StatusTooManyRequests
		}
		return 0
	}
	l := Load{Connection: Connection{BaseURL: base, Token: "gscim_0123456789"}, People: 10, Groups: 1, Changes: 10}
	var took sleeps
	r, err := l.run(t.Context(), CyberArk, Options{Sleep: took.sleep})
	must(t, err)
	if r.Throttled != 2 || r.Failed != 0 || r.Requests != len(f.since(0)) || len(f.users) != 11 || len(took.took) != 2 {
		t.Errorf("%d throttled, %d failed, %d requests, %d people, waited %v", r.Throttled, r.Failed, r.Requests, len(f.users), took.took)
	}
}

func TestALoadEndsWithItsContext(t *testing.T) {
	f, base := startFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	f.deny = func(*http.Request) int {
		if calls++; calls == 30 {
			cancel()
		}
		return 0
	}
	r, err := Load{Connection: Connection{BaseURL: base, Token: "gscim_0123456789"}, People: 100, Changes: 1000}.Run(ctx, JumpCloud)
	if !errors.Is(err, context.Canceled) || !r.EndedEarly || r.Requests < 29 || r.Requests > 30 || r.Failed > 0 {
		t.Errorf("%v: %d requests, %d failed, ended early %v", err, r.Requests, r.Failed, r.EndedEarly)
	}
}

func TestALoadGoesToThisMachineOnly(t *testing.T) {
	for _, base := range []string{"http://192.0.2.1/scim/v2", "https://scim.example/scim/v2", "http://localhost.example/", "http://[2001:db8::1]/", "http://0.0.0.0/", ""} {
		_, err := Load{Connection: Connection{BaseURL: base, Token: "x"}}.Run(t.Context(), Okta)
		if !errors.Is(err, ErrNotLoopback) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", base, err)
		}
	}
	// A name that leads elsewhere is found out when it is dialled.
	_, err := loopbackClient(1).Get("http://192.0.2.1/")
	if !errors.Is(err, ErrNotLoopback) {
		t.Errorf("dialling another machine: %v", err)
	}
	for _, l := range []Load{{People: -1}, {People: maxLoadPeople + 1}, {Groups: -1}, {Changes: -2}, {Changes: maxLoadChanges + 1}, {Imports: -1}, {Seconds: maxLoadSeconds + 1}} {
		l.Connection = Connection{BaseURL: "http://127.0.0.1:1/", Token: "x"}
		if _, err := l.Run(t.Context(), Okta); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestPercentilesAreAtMostASixtyFourthTooLarge(t *testing.T) {
	c := newLoadCount()
	for i := range 1000 {
		c.add(Exchange{Step: "s", Status: 200, Duration: time.Duration(i+1) * 37 * time.Microsecond})
	}
	s := c.report(Okta).Steps[0]
	for _, p := range []struct {
		got  time.Duration
		rank int
	}{{s.P50, 500}, {s.P90, 900}, {s.P99, 990}, {s.Max, 1000}} {
		exact := time.Duration(p.rank) * 37 * time.Microsecond
		if p.got < exact || p.got > exact+exact/64 {
			t.Errorf("percentile %d of 1000 is %s, want %s", p.rank, p.got, exact)
		}
	}
}

func TestAScriptRunsALoadOnTheConnectedApplication(t *testing.T) {
	x := openSite(t)
	f, base := startFake(t)
	x.script("/api/google/connect", `{"base_url":"`+base+`","token":"gscim_0123456789"}`,
		"/api/google/load", `{"people":5,"changes":-1,"connection":{"parallel":2}}`)
	if len(f.users) != 5 || len(x.s.IdP(Google).State().People) != 0 {
		t.Errorf("the application has %d people, the IdP %d", len(f.users), len(x.s.IdP(Google).State().People))
	}
	if status, body := x.post("/api/okta/load", `{"connection":{"base_url":"http://192.0.2.1/","token":"x"}}`); status != 400 || !strings.Contains(body, "loopback") {
		t.Errorf("a load elsewhere: %d %s", status, body)
	}
	if status, _ := x.post("/api/okta/load", ""); status != 409 {
		t.Errorf("a load without a connection: %d", status)
	}
}
