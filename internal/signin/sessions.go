package signin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Reasons for which a session is ended here, as rows and events hold them.
const (
	// EndedSignedOut is the member's own sign-out in that browser.
	EndedSignedOut = "signed_out"
	// EndedReplaced is another sign-in in the same browser.
	EndedReplaced = "replaced"
	// EndedByMember is the member's own act in another browser.
	EndedByMember = "ended_by_member"
	// EndedByAdministrator is an act of somebody who may end the sessions of others.
	EndedByAdministrator = "ended_by_administrator"
	// EndedByOperator is an act of the command line.
	EndedByOperator = "ended_by_operator"
)

// cookieName is the name of the session cookie. Over https the prefix makes browsers refuse a
// cookie of that name from any other host or without Secure (RFC 6265bis section 4.1.3.2).
func (s *Service) cookieName() string {
	if s.secure() {
		return "__Host-gatehouse_session"
	}
	return "gatehouse_session"
}

func (s *Service) secure() bool { return strings.HasPrefix(s.PublicURL, "https://") }

// Check returns the live session of a request's cookie: the session, its member and its
// connection are read from the database now. The error is store.ErrNoSession, whatever is missing
// or dead.
func (s *Service) Check(ctx context.Context, r *http.Request) (*store.LiveSession, error) {
	token := s.tokenOf(r)
	if token == "" {
		return nil, store.ErrNoSession
	}
	return s.DB.SessionByToken(ctx, keys.HashToken(token), s.now())
}

// tokenOf returns the session token that a request carries, or "".
func (s *Service) tokenOf(r *http.Request) string {
	c, err := r.Cookie(s.cookieName())
	if err != nil || !strings.HasPrefix(c.Value, session.TokenPrefix) {
		return ""
	}
	return c.Value
}

// ListSessions returns the live sessions of a member, newest first, 200 at most. An unknown
// member is errs.KindNotFound.
func (s *Service) ListSessions(ctx context.Context, workspace, member string) (live []session.Session, err error) {
	err = s.DB.Read(ctx, workspace, func(tx *store.Tx) error {
		if _, err := tx.Member(member); err != nil {
			return err
		}
		live, err = tx.Sessions(member)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return live, nil
}

// EndSession ends one live session of a workspace as an act of actor, for one of the reasons
// above. One that does not live is errs.KindNotFound.
func (s *Service) EndSession(ctx context.Context, workspace, id, reason string, actor audit.Party) error {
	err := s.DB.Write(ctx, workspace, func(tx *store.Tx) error { return endSession(tx, id, reason, actor) })
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

func endSession(tx *store.Tx, id, reason string, actor audit.Party) error {
	if err := tx.EndSession(id, reason); err != nil {
		return err
	}
	return tx.Record(audit.Event{Type: audit.SessionEnded, Reason: reason, Actor: actor, Subject: audit.Party{Kind: "session", ID: id}})
}

// endOwn ends a session that a member sees in their list; anybody else's is as unknown as one
// that never was.
func (s *Service) endOwn(ctx context.Context, live *store.LiveSession, id string) error {
	err := s.DB.Write(ctx, live.Workspace, func(tx *store.Tx) error {
		return endOf(tx, &live.Member, id, EndedByMember, party(&live.Member))
	})
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// EndAllSessions ends the live sessions of a member but the one with id except ("" for none) and
// returns how many it ended. An unknown member is errs.KindNotFound.
func (s *Service) EndAllSessions(ctx context.Context, workspace, member, except, reason string, actor audit.Party) (ended int, err error) {
	err = s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{member}, false); err != nil {
			return err
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		ended, err = endAll(tx, m, except, reason, actor)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// EndSessionsFor ends live sessions of a member as an act of scope's actor on somebody else: the one with the id, or all for
// "". It returns how many it ended. Who may not manage that member is errs.KindForbidden; an unknown member, and a session
// that is not theirs or lives no more, errs.KindNotFound.
func (s *Service) EndSessionsFor(ctx context.Context, scope provision.Scope, member, id string) (ended int, err error) {
	err = s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		// Exclusively: who acts must keep the role that lets them until this is done.
		if err := tx.LockPeople([]string{member}, true); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		if err := provision.MayManage(tx, cfg, scope, directory.PermissionSessions, m); err != nil {
			return err
		}
		if id != "" {
			ended = 1
			return endOf(tx, m, id, EndedByAdministrator, scope.Actor)
		}
		ended, err = endAll(tx, m, "", EndedByAdministrator, scope.Actor)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// endOf ends a session of m; anybody else's is as unknown as one that never was.
func endOf(tx *store.Tx, m *directory.Member, id, reason string, actor audit.Party) error {
	live, err := tx.Sessions(m.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(live, func(o session.Session) bool { return o.ID == id }) {
		return errs.NotFound("session_unknown", "There is no live session %s.", cut(id, 40))
	}
	return endSession(tx, id, reason, actor)
}

func endAll(tx *store.Tx, m *directory.Member, except, reason string, actor audit.Party) (ended int, err error) {
	ids, err := tx.EndSessions(m.ID, except, reason, false)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return len(ids), tx.Record(audit.Event{Type: audit.SessionsEnded, Reason: reason, Actor: actor, Subject: party(m),
		Changes: []audit.Change{{Field: "ended", To: fmt.Sprint(len(ids))}}})
}

// Ended is why a session no longer lives.
type Ended struct {
	Reason  string `json:"reason"`  // stable, snake_case
	Message string `json:"message"` // a sentence for the member
}

// why tells why a session that lived when last was read lives no more. It is told from the state
// of the member, the connection and the workspace, which says more than the act that ended it.
func (s *Service) why(ctx context.Context, last *store.LiveSession) (Ended, error) {
	if !last.Alive(s.now()) {
		return Ended{"session_expired", "The session had expired. Sign in again."}, nil
	}
	ended := Ended{"session_ended", "The session was ended by a sign-out, from your list of sessions, or by an administrator."}
	err := s.DB.Read(ctx, last.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(last.Member.ID)
		if err != nil {
			return err
		}
		connection, _ := cfg.Connection(last.Connection)
		refusal := errs.As(directory.MaySignIn(cfg, m, last.Method))
		switch {
		case refusal != nil:
			ended = Ended{refusal.Code, refusal.Message}
		case last.Method == directory.MethodMail && !cfg.Workspace.Enforcement.RelaxedAt(s.now()):
			ended = Ended{"relaxation_over", "This workspace requires single sign-on again. Sign in with your organisation's account."}
		case last.Connection != "" && connection.Status != directory.ConnectionActive && !connection.SessionsRun:
			ended = Ended{"connection_disabled", "The single sign-on connection that this session came from was switched off."}
		}
		return nil
	})
	return ended, err
}
