package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// settleEnforcement holds law 7 over the outcome of a change: enforcement that begins or widens
// needs all its facts; enforcement that goes on must not lose the ones it stands on. People whom it
// newly covers lose the sessions that they opened with a password.
func (a *apply) settleEnforcement() error {
	had, wants := a.had().Workspace.Enforcement, a.after.Workspace.Enforcement
	if had.Relaxed != nil && wants.Relaxed == nil {
		if err := a.endRelaxation(); err != nil {
			return err
		}
	}
	if !wants.On() {
		return nil
	}
	wider := directory.Widens(had, wants)
	lost := a.before != nil && a.before.HasVerifiedConnection() && !a.after.HasVerifiedConnection()
	if !wider && !lost && len(a.changes) == 0 {
		return nil
	}
	facts, err := enforcementFacts(a.tx, a.after)
	if err != nil {
		return err
	}
	if !wider {
		if why := directory.CheckStanding(wants, lost, facts); len(why) > 0 {
			return refuse(why)
		}
		return a.noteStranded()
	}
	if why := directory.CheckEnforcement(wants, facts, a.tx.Now()); len(why) > 0 {
		return refuse(why)
	}
	if a.shut, err = shutOut(a.tx, a.after, had, wants); err != nil {
		return err
	}
	if len(a.shut) > 0 {
		a.notes = append(a.notes, "enforcement: "+shutOutSentence(a.shut))
	}
	return a.endPasswordSessions(wants)
}

// noteStranded says whom domains that the change takes away leave without a way in.
func (a *apply) noteStranded() error {
	gone := false
	eachGone(a.had().Domains, a.after.Domains, func(d string) string { return d }, func(string) { gone = true })
	if !gone {
		return nil
	}
	with := *a.after
	with.Domains = a.had().Domains
	people, err := strandedWithout(a.tx, &with, a.after, func(string) bool { return false })
	if err == nil && len(people) > 0 {
		a.notes = append(a.notes, "domains: "+shutOutSentence(people))
	}
	return err
}

// shutOutSentence names some of the people who have no way in.
func shutOutSentence(people []Person) string {
	var names []string
	for _, p := range people[:min(len(people), 10)] {
		names = append(names, p.Email)
	}
	if more := len(people) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d people have no way in by single sign-on: %s", len(people), strings.Join(names, ", "))
}

// enforcementFacts are read behind all that the transaction has written.
func enforcementFacts(tx *store.Tx, cfg *directory.Config) (directory.EnforcementFacts, error) {
	facts := directory.EnforcementFacts{VerifiedConnection: cfg.HasVerifiedConnection()}
	admin, err := tx.BreakGlass(cfg.Roles.Owner().ID)
	if err != nil || admin == nil {
		return facts, err
	}
	hash, proven, err := tx.Credential(admin.ID)
	facts.BreakGlass, facts.PasswordProvenAt = hash != "", proven
	return facts, err
}

// Person is a member whom a change concerns.
type Person struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Role  string `json:"role"` // name
	// Guest says that the address is in none of the workspace's proven domains.
	Guest bool `json:"guest"`
}

// atOnce is how many members are read in one statement.
const atOnce = 512

// shutOut lists, in order of id, whom a change of enforcement from before to after leaves without a way in.
func shutOut(tx *store.Tx, cfg *directory.Config, before, after directory.Enforcement) ([]Person, error) {
	var out []Person
	for last := ""; ; {
		members, err := tx.MembersAfter(last, atOnce)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, m := range members {
			last = m.ID
			if m.In() && after.Covers(m.Email) {
				ids = append(ids, m.ID)
			}
		}
		linked, err := tx.ConnectionsOf(ids)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if !directory.ShutOut(cfg, before, after, &m, linked[m.ID]) {
				continue
			}
			role, _ := cfg.Roles.ByID(m.Role)
			out = append(out, Person{ID: m.ID, Email: m.Email, Name: m.Name, Role: role.Name, Guest: !proven(cfg, m.Email)})
		}
		if len(members) < atOnce {
			return out, nil
		}
	}
}

// strandedWithout lists, in order of id, who has no way in under the enforcement of everybody once the domains of before are those of
// after. lapsed says of which domains the proof had ended by itself: their people had a password, until the claim is gone too. Enforcement
// by domain needs no such question, since it goes on admitting the password of whoever is stranded (directory.Config.Stranded).
func strandedWithout(tx *store.Tx, before, after *directory.Config, lapsed func(domain string) bool) ([]Person, error) {
	e := after.Workspace.Enforcement
	if e.RequireSSO != directory.RequireAll {
		return nil, nil
	}
	var out []Person
	for last := ""; ; {
		members, err := tx.MembersAfter(last, atOnce)
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, m := range members {
			last = m.ID
			if m.In() && (proven(before, m.Email) && !proven(after, m.Email) || lapsed(directory.Domain(m.Email))) {
				ids = append(ids, m.ID)
			}
		}
		linked, err := tx.ConnectionsOf(ids)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if !slices.Contains(ids, m.ID) || directory.WayUnder(after, e, &m, linked[m.ID]) != directory.WayNone {
				continue
			}
			if directory.WayUnder(before, e, &m, linked[m.ID]) == directory.WayNone && !before.Stranded(&m, linked[m.ID], lapsed(directory.Domain(m.Email))) {
				continue
			}
			role, _ := after.Roles.ByID(m.Role)
			out = append(out, Person{ID: m.ID, Email: m.Email, Name: m.Name, Role: role.Name, Guest: true})
		}
		if len(members) < atOnce {
			return out, nil
		}
	}
}

func proven(cfg *directory.Config, address string) bool {
	for _, d := range cfg.Domains {
		if d == directory.Domain(address) {
			return true
		}
	}
	return false
}

// wordOfEnforcement is a digest of what somebody was shown: the configuration that it was, the enforcement that was wanted, and
// whom it shuts out.
func wordOfEnforcement(version int64, wants directory.Enforcement, people []Person) string {
	parts := []string{fmt.Sprint(version), string(wants.RequireSSO), strings.Join(wants.Domains, ",")}
	for _, p := range people {
		parts = append(parts, p.ID)
	}
	return keys.HashToken(strings.Join(parts, "\x00"))
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
	a.ended = ended
	return a.tx.Record(audit.Event{Type: audit.SessionsEnded, Actor: a.options.Actor, Reason: "sso_required",
		Subject: workspaceParty(a.after), Changes: []audit.Change{{Field: "sessions", To: fmt.Sprint(ended)}}})
}

func workspaceParty(cfg *directory.Config) audit.Party {
	return audit.Party{Kind: "workspace", ID: cfg.Workspace.ID, Name: cfg.Workspace.Slug}
}

// endRelaxation ends what a relaxation gave, where a change of enforcement ends it.
func (a *apply) endRelaxation() error {
	return a.Service.endRelaxation(a.tx, a.after, "enforcement_changed", a.options.Actor)
}

func (s *Service) endRelaxation(tx *store.Tx, cfg *directory.Config, reason string, actor audit.Party) error {
	ended, err := tx.EndMailAccess("relaxation_over")
	if err != nil {
		return err
	}
	who := actor.Name
	if actor.Kind == "system" {
		who = ""
	}
	if err := s.tellOwners(tx, cfg, func(to letter.To) letter.Letter { return letter.Resumed(to, who, tx.Now(), enforcementPage(cfg)) }); err != nil {
		return err
	}
	return tx.Record(audit.Event{Type: audit.EnforcementResumed, Actor: actor, Reason: reason, Subject: workspaceParty(cfg),
		Changes: []audit.Change{{Field: "sessions", To: fmt.Sprint(ended)}}})
}

// keeperThere reports whether some owner can sign in with no IdP.
func keeperThere(tx *store.Tx, cfg *directory.Config) (bool, error) {
	if cfg == nil {
		return false, nil
	}
	members, err := tx.MembersByRole(cfg.Roles.Owner().ID, maxItems)
	if err != nil {
		return false, err
	}
	for i := range members {
		has, err := hasPassword(tx, &members[i])
		if err != nil {
			return false, err
		}
		if cfg.EntersAlone(&members[i], has) {
			return true, nil
		}
	}
	return false, nil
}

// checkKeepers refuses a list of owners that leaves nobody who can sign in with no IdP, where somebody could before.
func (a *apply) checkKeepers() error {
	if len(a.people) == 0 || !a.keeper {
		return nil
	}
	has, err := keeperThere(a.tx, a.after)
	if err != nil {
		return err
	}
	return directory.CheckKeepers(a.keeper, has)
}

// noteKeepers notes whether somebody can before anything is changed.
func (a *apply) noteKeepers() (err error) {
	if len(a.people) > 0 {
		a.keeper, err = keeperThere(a.tx, a.before)
	}
	return err
}

// errNotOwner is the answer to administrators who are no owners.
var errNotOwner = errs.Forbidden("not_an_owner", "Only an owner can do this.")
