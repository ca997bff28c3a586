package session_test

import (
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/session"
)

func TestASession_EndsByIdlenessByAgeAndByHand(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fresh := session.Session{CreatedAt: start, LastUsedAt: start, ExpiresAt: start.Add(session.Absolute)}
	busy := fresh
	busy.LastUsedAt = start.Add(session.Absolute - time.Minute)
	ended := fresh
	ended.EndedAt = start.Add(time.Second)
	cases := []struct {
		why  string
		s    session.Session
		at   time.Time
		want bool
	}{
		{"at once", fresh, start, true},
		{"a moment before it is idle", fresh, start.Add(session.Idle - 1), true},
		{"idle", fresh, start.Add(session.Idle), false},
		{"used to the last, before its absolute end", busy, start.Add(session.Absolute - 1), true},
		{"used to the last, at its absolute end", busy, start.Add(session.Absolute), false},
		{"ended by hand", ended, start.Add(2 * time.Second), false},
		{"ended by hand, seen by a clock behind", ended, start, false},
	}
	for _, c := range cases {
		if got := c.s.Alive(c.at); got != c.want {
			t.Errorf("%s: alive is %v", c.why, got)
		}
	}
}

func TestUse_IsWrittenDownOnceAMinute(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := session.Session{LastUsedAt: start}
	if s.DueTouch(start.Add(session.TouchEvery - 1)) {
		t.Error("it is written down too early")
	}
	if !s.DueTouch(start.Add(session.TouchEvery)) {
		t.Error("it is not written down after a minute")
	}
	if session.TouchEvery >= session.Idle {
		t.Error("a session in use would end by idleness")
	}
}

func TestEnd_IsTwelveHoursWhereNobodyNoticesWhoLeaves(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		life    time.Duration
		noticed bool
		want    time.Duration
	}{
		{session.Absolute, true, session.Absolute},
		{session.Absolute, false, 12 * time.Hour},
		{30 * 24 * time.Hour, false, 12 * time.Hour}, // a policy that says longer
		{30 * 24 * time.Hour, true, 30 * 24 * time.Hour},
		{time.Hour, false, time.Hour}, // one that says shorter
	} {
		if got := session.End(now, c.life, c.noticed).Sub(now); got != c.want {
			t.Errorf("%v, noticed %v: %v", c.life, c.noticed, got)
		}
	}
}
