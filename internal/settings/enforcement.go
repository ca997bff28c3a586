package settings

import (
	"fmt"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// settleEnforcement holds law 7 over the outcome of an apply: enforcement that begins or widens
// needs all its facts; enforcement that goes on must not lose the ones it stands on. People whom it
// newly covers lose the sessions that they opened with a password.
func (a *apply) settleEnforcement() error {
	had, wants := a.had().Workspace.Enforcement, a.after.Workspace.Enforcement
	if wants.RequireSSO == directory.RequireNone || wants.RequireSSO == "" {
		return nil
	}
	wider := widens(had, wants)
	lost := a.before != nil && a.before.HasVerifiedConnection() && !a.after.HasVerifiedConnection()
	if !wider && !lost && len(a.changes) == 0 {
		return nil
	}
	facts, err := a.facts()
	if err != nil {
		return err
	}
	if !wider {
		return stillHolds(lost, facts)
	}
	if why := directory.CheckEnforcement(wants, facts, a.tx.Now()); len(why) > 0 {
		return refuse(why)
	}
	return a.endPasswordSessions(wants)
}

// widens reports whether after covers somebody whom before did not.
func widens(before, after directory.Enforcement) bool {
	switch {
	case after.RequireSSO == directory.RequireAll:
		return before.RequireSSO != directory.RequireAll
	case before.RequireSSO == directory.RequireAll:
		return false
	case before.RequireSSO == directory.RequireDomains:
		return slices.ContainsFunc(after.Domains, func(d string) bool { return !slices.Contains(before.Domains, d) })
	default:
		return true
	}
}

// facts are read behind all that the apply has written.
func (a *apply) facts() (directory.EnforcementFacts, error) {
	facts := directory.EnforcementFacts{VerifiedConnection: a.after.HasVerifiedConnection()}
	admin, err := a.tx.BreakGlass(a.after.Roles.Owner().ID)
	if err != nil || admin == nil {
		return facts, err
	}
	hash, proven, err := a.tx.Credential(admin.ID)
	facts.BreakGlass, facts.PasswordProvenAt = hash != "", proven
	return facts, err
}

// stillHolds refuses to take away what enforcement that is on already stands on. The age of the
// break-glass password warns and stops nothing here.
func stillHolds(lostConnection bool, facts directory.EnforcementFacts) error {
	var why []string
	if lostConnection {
		why = append(why, "connections: the last verified connection cannot go while single sign-on is enforced; set enforcement.require_sso to none first")
	}
	if !facts.BreakGlass {
		why = append(why, "owners: single sign-on is enforced, so one owner with a password stays the break-glass administrator; name another one, or set enforcement.require_sso to none first")
	}
	if len(why) > 0 {
		return refuse(why)
	}
	return nil
}

func (a *apply) endPasswordSessions(e directory.Enforcement) error {
	var lookup error
	ended, err := a.tx.EndPasswordSessions("sso_required", func(id string) bool {
		m, err := a.tx.Member(id)
		if err != nil {
			lookup = err
			return false
		}
		return !m.BreakGlass && e.Covers(m.Email)
	})
	if err == nil {
		err = lookup
	}
	if err != nil || ended == 0 {
		return err
	}
	a.notes = append(a.notes, fmt.Sprintf("enforcement: %d sessions that were opened with a password have ended", ended))
	return a.tx.Record(audit.Event{Type: audit.SessionsEnded, Actor: a.options.Actor, Reason: "sso_required",
		Subject: audit.Party{Kind: "workspace", ID: a.after.Workspace.ID, Name: a.after.Workspace.Slug},
		Changes: []audit.Change{{Field: "sessions", To: fmt.Sprint(ended)}}})
}
