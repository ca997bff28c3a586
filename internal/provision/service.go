package provision

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Service changes members and groups.
type Service struct {
	DB *store.DB
	// Mail says that mail can be sent: a fresh member is told by an invitation where policy says so.
	Mail bool

	readings Room
}

// Scope is on whose behalf something is done.
type Scope struct {
	Workspace string // id
	Directory string // id; "" for people's own acts
	// Connection is the id of the connection that vouches for somebody, or "".
	Connection string
	Actor      audit.Party
	// Payload is what the caller sent, redacted (audit.Exchange); it is stored with the event.
	Payload json.RawMessage
	// Put says that the directory sent a whole resource, and not operations on one.
	Put bool
	// Precondition, where it is set, is asked about a directory's resource, or a member by hand, that is to be changed or
	// deleted, as it stands under its lock and before anything is changed: its last change and, of a person, the groups. Its
	// error is that of the change.
	Precondition func(modified time.Time, groups []store.GroupMember) error
	// Gives, where it is set, is asked about the role that somebody gets by an act by hand, whoever chose it; its error is
	// that of the act.
	Gives func(directory.Role) error
}

// moved is the instant of a change of what was changed last at an instant: now, or just after where the clock
// stands still or went back. Versions are made of it. The store does the same.
func moved(now, last time.Time) time.Time {
	if now.After(last) {
		return now
	}
	return last.Add(time.Microsecond)
}

func (s Scope) event(t audit.Type, subject audit.Party, changes ...audit.Change) audit.Event {
	return audit.Event{Type: t, Actor: s.Actor, Subject: subject, Directory: s.Directory, Connection: s.Connection, Payload: s.Payload, Changes: changes}
}

func memberParty(m *directory.Member) audit.Party {
	return audit.Party{Kind: "member", ID: m.ID, Name: m.Email}
}

func groupParty(g *store.Group) audit.Party {
	return audit.Party{Kind: "group", ID: g.ID, Name: g.DisplayName}
}

// feed is a directory as an operation finds it.
type feed struct {
	*directory.Config
	dir    directory.Directory
	policy directory.Policy
}

// open reads the configuration and checks that the directory may speak at all.
func open(tx *store.Tx, scope Scope) (*feed, error) {
	cfg, err := tx.Config()
	if err != nil {
		return nil, err
	}
	dir, ok := cfg.Directory(scope.Directory)
	if !ok {
		return nil, errs.Unauthenticated("token_unknown", "The bearer token is missing or not valid.")
	}
	if err := dir.Status.Refusal(); err != nil {
		return nil, err
	}
	f := feedOf(cfg, dir)
	if !f.policy.SCIMAllowed {
		return nil, errs.Forbidden("scim_not_allowed", "SCIM is not switched on for this workspace.")
	}
	return f, nil
}

func feedOf(cfg *directory.Config, dir directory.Directory) *feed {
	return &feed{Config: cfg, dir: dir, policy: cfg.PolicyFor(dir.ID)}
}

// mayBringIn refuses creating and reactivating while policy wants a verified connection and there
// is none: such people would have no way to sign in.
func (f *feed) mayBringIn() error {
	if f.policy.SCIMRequiresSSO && !f.HasVerifiedConnection() {
		return errs.Forbidden("sso_not_verified",
			"This workspace provisions people only while it has an active, verified SSO connection, and there is none. Deactivating and updating go on.")
	}
	return nil
}

// owner is the id of the owner role.
func owner(cfg *directory.Config) string { return cfg.Roles.Owner().ID }

// protected reports whether law 7 holds for m (directory.Protects): the break-glass administrator, or an owner beside
// whom there is no other, or no other with a password where m has one, not counting the leaving owners whom the same operation takes out before.
// The policy must be held exclusively.
func protected(tx *store.Tx, cfg *directory.Config, m *directory.Member, leaving int) (bool, error) {
	if m.BreakGlass || m.Role != owner(cfg) || !m.In() {
		return directory.Protects(m, owner(cfg), false, directory.Others{}, leaving), nil
	}
	others, err := tx.OtherOwners(owner(cfg), m.ID)
	if err != nil {
		return false, err
	}
	password, _, err := tx.Credential(m.ID)
	return directory.Protects(m, owner(cfg), password != "", others, leaving), err
}

// guarded reports whether changing m may concern law 7, so that the policy must be held
// exclusively.
func guarded(cfg *directory.Config, m *directory.Member) bool {
	return m.BreakGlass || m.Role == owner(cfg)
}

// refuseProtected is the answer of law 7: 403, nothing changes, but the member's sessions that
// came through a connection end and the attempt is on record for the other owners.
func refuseProtected(scope Scope, m *directory.Member, what string) error {
	kind := "the last owner, or the last one with a password,"
	if m.BreakGlass {
		kind = "the break-glass administrator"
	}
	err := errs.Forbidden("protected_member",
		"%s is %s of this workspace and keeps status, role and address: %s is refused. Name another owner first.", m.Email, kind, what)
	id := m.ID
	e := scope.event(audit.ProtectedAttempt, memberParty(m))
	e.Outcome, e.Reason = audit.Refused, "protected_member"
	return store.Refuse(err, func(tx *store.Tx) error {
		_, err := tx.EndSessions(id, "", "directory_deactivated", true)
		return err
	}, e)
}

// Refused records that a SCIM request was refused, about whom it was, or about the directory for nobody. It is
// committed before the caller is answered.
func (s *Service) Refused(ctx context.Context, scope Scope, about audit.Party, cause error) error {
	if about.Kind == "" {
		about = audit.Party{Kind: "directory", ID: scope.Directory}
	}
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		e := scope.event(audit.SCIMRefused, about)
		e.Outcome, e.Reason = audit.Refused, errs.CodeOf(cause)
		return tx.Record(e)
	})
}
