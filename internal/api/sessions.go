package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Session is one signed-in browser of a member.
type Session struct {
	ID         string    `json:"id"`
	Method     string    `json:"method" example:"saml"`
	Connection string    `json:"connection,omitempty" doc:"Id"`
	BreakGlass bool      `json:"break_glass,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at" doc:"Written down once a minute"`
	ExpiresAt  time.Time `json:"expires_at"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
}

// SessionList is the live sessions of a member.
type SessionList struct {
	Sessions []Session `json:"sessions"`
}

// Ended is how many sessions ended.
type Ended struct {
	Ended int `json:"ended"`
}

type (
	sessionListAnswer struct{ Body SessionList }
	endedAnswer       struct{ Body Ended }
)

// MemberOfSessions names whose sessions are meant.
type MemberOfSessions struct {
	Member string `path:"member" maxLength:"100"`
}

func (d *Door) addSessions() {
	add(d, route{method: http.MethodGet, path: "/members/{member}/sessions", id: "list-sessions", tag: "Sessions", summary: "List the live sessions of a member, the newest first", needs: directory.PermissionSessionsRead},
		func(ctx context.Context, c *caller, in *MemberOfSessions) (*sessionListAnswer, error) {
			live, err := d.SignIn.ListSessions(ctx, c.Workspace, in.Member)
			out := &sessionListAnswer{SessionList{Sessions: []Session{}}}
			for _, s := range live {
				out.Body.Sessions = append(out.Body.Sessions, Session{s.ID, string(s.Method), s.Connection, s.BreakGlass, s.CreatedAt, s.LastUsedAt, s.ExpiresAt, s.Address, s.UserAgent})
			}
			return out, err
		})
	add(d, route{method: http.MethodDelete, path: "/members/{member}/sessions", id: "end-sessions", tag: "Sessions", summary: "Sign a member out everywhere", needs: directory.PermissionSessions, twice: "ended is 0."},
		func(ctx context.Context, c *caller, in *MemberOfSessions) (*endedAnswer, error) {
			n, err := d.SignIn.EndSessionsFor(ctx, c.scope(), in.Member, "")
			return &endedAnswer{Ended{n}}, err
		})
	add(d, route{method: http.MethodDelete, path: "/members/{member}/sessions/{session}", id: "end-session", tag: "Sessions", summary: "End one session of a member", needs: directory.PermissionSessions, twice: "404 session_unknown."},
		func(ctx context.Context, c *caller, in *struct {
			MemberOfSessions
			Session string `path:"session" maxLength:"100"`
		}) (*struct{}, error) {
			_, err := d.SignIn.EndSessionsFor(ctx, c.scope(), in.Member, in.Session)
			return nil, err
		})
}
