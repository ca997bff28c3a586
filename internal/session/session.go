package session

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Lifetimes of a session. Both hold: whichever ends first.
const (
	// Idle is how long a session lives without use where nobody says otherwise.
	Idle = 12 * time.Hour
	// Absolute is how long a session lives at the most; policy may say less.
	Absolute = 7 * 24 * time.Hour
	// Unnoticed is how long a session lives at the most that came through a connection where nobody
	// notices who leaves, whatever longer life is allowed otherwise.
	Unnoticed = 12 * time.Hour
	// TouchEvery is how often use is written down. A session may therefore die up to this
	// much before Idle after its last use, never after.
	TouchEvery = time.Minute
)

// End is the absolute end of a session that begins at now and may live for life: sooner where nobody notices who
// leaves.
func End(now time.Time, life time.Duration, leaversNoticed bool) time.Time {
	if !leaversNoticed {
		life = min(life, Unnoticed)
	}
	return now.Add(life)
}

// TokenPrefix begins every session token, which only its cookie holds.
const TokenPrefix = "gses_"

// Session is one signed-in browser of one member.
type Session struct {
	ID         string
	Workspace  string // id
	Member     string // id
	Method     directory.Method
	Connection string // id or ""
	// BreakGlass marks a session that was opened by emergency access.
	BreakGlass bool
	CreatedAt  time.Time
	LastUsedAt time.Time
	// ExpiresAt is the absolute end.
	ExpiresAt time.Time
	// EndedAt is when it was ended, zero while it lives; EndReason says why, as a code.
	EndedAt   time.Time
	EndReason string
	// AuthenticatedAt is when the person proved who they are, as the IdP says; never zero.
	AuthenticatedAt time.Time
	// Context is how, as the IdP's URI ("urn:oasis:names:tc:SAML:2.0:ac:classes:..."), or "".
	Context string
	// SessionIndex is the IdP's own name of the session, or "".
	SessionIndex string
	// NameID is whom the IdP signed in by SAML, as JSON, and NameHash what it is found by; both are "" where the IdP gave no
	// name. They are written at the start, not read back, and gone with the session's end.
	NameID, NameHash string
	Address          string // client address at sign-in
	UserAgent        string // cut at 200 bytes
	// Idle is how long it lives without use; 0 is Idle of this package.
	Idle time.Duration
	// Renew is why its browser is to be given a new token, as a code, or "".
	Renew string
}

// IdleFor is how long the session lives without use.
func (s *Session) IdleFor() time.Duration {
	if s.Idle <= 0 {
		return Idle
	}
	return s.Idle
}

// End is when the session ends if nobody uses it any more.
func (s *Session) End() time.Time {
	if idle := s.LastUsedAt.Add(s.IdleFor()); idle.Before(s.ExpiresAt) {
		return idle
	}
	return s.ExpiresAt
}

// RenewGrace is how long a token still counts whose place another one has taken: what a browser had sent with it
// in its other tabs is answered.
const RenewGrace = 30 * time.Second

// Reasons for which a session is renewed, as rows and events hold them.
const (
	RenewedRole     = "role_changed"
	RenewedPassword = "password_changed"
	RenewedFactor   = "second_factor_changed"
)

// Alive reports whether the session itself still stands at now; the member's and the
// connection's state are asked beside it.
func (s *Session) Alive(now time.Time) bool {
	return s.EndedAt.IsZero() && now.Before(s.ExpiresAt) && now.Before(s.LastUsedAt.Add(s.IdleFor()))
}

// DueTouch reports whether now is late enough after the last recorded use to be written down.
func (s *Session) DueTouch(now time.Time) bool { return now.Sub(s.LastUsedAt) >= TouchEvery }
