package settings

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// EnforcementView is who must use single sign-on and what that stands on.
type EnforcementView struct {
	RequireSSO directory.Require `json:"require_sso"`
	Domains    []string          `json:"domains"`
	// RelaxedUntil is set while emergency access has relaxed it.
	RelaxedUntil *time.Time `json:"relaxed_until,omitempty"`
	// BreakGlass is the designated administrator, nil for none.
	BreakGlass *EmergencyView `json:"break_glass,omitempty"`
	// Missing says what stands in the way of requiring single sign-on; empty where nothing does.
	Missing     []string         `json:"missing"`
	Connections []ConnectionRung `json:"connections"`
	Proven      []string         `json:"proven_domains"`
	// Unproven are those of Domains whose proof has ended. It is required by them all the same (directory.Stranded says why).
	Unproven []string `json:"unproven_domains"`
}

// EmergencyView is the break-glass administrator and what they can prove.
type EmergencyView struct {
	Person
	Password bool       `json:"password"`
	ProvenAt *time.Time `json:"proven_at,omitempty"` // of the password
	// Stale says that it was not proven in the last 90 days: single sign-on cannot be required anew.
	Stale        bool       `json:"stale"`
	SecondFactor bool       `json:"second_factor"`
	Codes        int        `json:"recovery_codes"` // unused
	CodesMade    *time.Time `json:"recovery_codes_made,omitempty"`
}

// ConnectionRung is a connection on the ladder.
type ConnectionRung struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	directory.Ladder
}

// EnforcementPlan is what a change of enforcement would do, or has done.
type EnforcementPlan struct {
	From, To directory.Enforcement `json:"-"`
	Require  directory.Require     `json:"require_sso"`
	Domains  []string              `json:"domains"`
	// Missing says why it cannot be done; then the rest tells what it would have done.
	Missing []string `json:"missing"`
	// ShutOut are all who have no way in then, in order of id.
	ShutOut  []Person `json:"shut_out"`
	Sessions int      `json:"sessions"` // that were opened with a password and end
	// Word stands for all of this: SetEnforcement refuses where it is not so any more.
	Word string `json:"word"`
}

// Enforcement shows enforcement and emergency access of a workspace.
func (s *Service) Enforcement(ctx context.Context, slug string) (EnforcementView, error) {
	var v EnforcementView
	err := s.readWorkspace(ctx, slug, func(tx *store.Tx, cfg *directory.Config) (err error) {
		v, err = enforcementView(tx, cfg)
		return err
	})
	return v, err
}

func enforcementView(tx *store.Tx, cfg *directory.Config) (EnforcementView, error) {
	e := cfg.Workspace.Enforcement
	v := EnforcementView{RequireSSO: e.RequireSSO, Domains: slices.Concat([]string{}, e.Domains), Missing: []string{}, Connections: []ConnectionRung{}, Proven: slices.Concat([]string{}, cfg.Domains),
		Unproven: slices.Concat([]string{}, cfg.Unproven(e))}
	if !e.On() {
		v.RequireSSO = directory.RequireNone
	}
	if e.RelaxedAt(tx.Now()) {
		v.RelaxedUntil = &e.Relaxed.Until
	}
	facts, err := enforcementFacts(tx, cfg)
	if err != nil {
		return v, err
	}
	v.Missing = append(v.Missing, directory.CheckEnforcement(directory.Enforcement{RequireSSO: directory.RequireAll}, facts, tx.Now())...)
	for _, c := range cfg.Connections {
		v.Connections = append(v.Connections, ConnectionRung{c.ID, c.Name, directory.LadderOf(cfg, c, facts, tx.Now())})
	}
	m, err := tx.BreakGlass(cfg.Roles.Owner().ID)
	if err != nil || m == nil {
		return v, err
	}
	v.BreakGlass, err = emergencyView(tx, cfg, m, facts)
	return v, err
}

func emergencyView(tx *store.Tx, cfg *directory.Config, m *directory.Member, facts directory.EnforcementFacts) (*EmergencyView, error) {
	v := &EmergencyView{Person: Person{ID: m.ID, Email: m.Email, Name: m.Name, Role: cfg.Roles.Owner().Name, Guest: !proven(cfg, m.Email)}, Password: facts.BreakGlass}
	if v.Password && facts.PasswordProvenAt.Unix() > 0 {
		v.ProvenAt = &facts.PasswordProvenAt
	}
	v.Stale = tx.Now().Sub(facts.PasswordProvenAt) > directory.BreakGlassProof
	factor, err := tx.SecondFactor(m.ID)
	if err != nil {
		return nil, err
	}
	v.SecondFactor = factor != nil && !factor.ConfirmedAt.IsZero()
	var made time.Time
	if v.Codes, made, err = tx.RecoveryCodesLeft(m.ID); !made.IsZero() {
		v.CodesMade = &made
	}
	return v, err
}

// tidyEnforcement makes one spelling of what is wanted, and refuses what means nothing.
func tidyEnforcement(cfg *directory.Config, before, wants directory.Enforcement) (directory.Enforcement, error) {
	out := directory.Enforcement{RequireSSO: wants.RequireSSO}
	switch wants.RequireSSO {
	case directory.RequireNone, directory.RequireAll:
		if len(wants.Domains) > 0 {
			return out, errs.Invalid("domains_unexpected", "domains: expected only where single sign-on is required by domain")
		}
	case directory.RequireDomains:
		for _, d := range wants.Domains {
			name, ok := directory.DomainName(strings.TrimSpace(d))
			if !ok {
				return out, errs.Invalid("domain_invalid", "domains: expected domains such as acme.com, received %s", quote(d))
			}
			if err := cfg.CheckDomain(before, name); err != nil {
				return out, err
			}
			out.Domains = append(out.Domains, name)
		}
		slices.Sort(out.Domains)
		out.Domains = slices.Compact(out.Domains)
		if len(out.Domains) == 0 {
			return out, errs.Invalid("domains_missing", "domains: expected one at least where single sign-on is required by domain")
		}
	default:
		return out, errs.Invalid("require_unknown", "require_sso: expected none, all or domains, received %s", quote(string(wants.RequireSSO)))
	}
	return out, nil
}

// PlanEnforcement says what a change of enforcement would do and changes nothing.
func (s *Service) PlanEnforcement(ctx context.Context, slug string, wants directory.Enforcement) (EnforcementPlan, error) {
	var p EnforcementPlan
	err := s.readWorkspace(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error {
		to, err := tidyEnforcement(cfg, cfg.Workspace.Enforcement, wants)
		if err != nil {
			return err
		}
		p = enforcementPlanOf(cfg.Workspace.Enforcement, to)
		if !directory.Widens(p.From, to) {
			p.Word = wordOfEnforcement(cfg.Workspace.Version, to, nil)
			return nil
		}
		facts, err := enforcementFacts(tx, cfg)
		if err != nil {
			return err
		}
		p.Missing = append(p.Missing, directory.CheckEnforcement(to, facts, tx.Now())...)
		people, err := shutOut(tx, cfg, p.From, to)
		if err != nil {
			return err
		}
		p.ShutOut = append(p.ShutOut, people...)
		p.Word = wordOfEnforcement(cfg.Workspace.Version, to, people)
		holders, err := tx.PasswordSessions()
		if err != nil {
			return err
		}
		for _, id := range holders {
			m, err := tx.Member(id)
			if err != nil {
				return err
			}
			if !m.BreakGlass && to.Covers(m.Email) {
				p.Sessions++
			}
		}
		return nil
	})
	return p, err
}

func enforcementPlanOf(from, to directory.Enforcement) EnforcementPlan {
	return EnforcementPlan{From: from, To: to, Require: to.RequireSSO, Domains: slices.Concat([]string{}, to.Domains), Missing: []string{}, ShutOut: []Person{}}
}

// SetEnforcement changes who must use single sign-on and returns whom it shuts out: exactly those whom PlanEnforcement named,
// where seen is that plan's word; else it is a conflict, changed_meanwhile. "" asks nothing. It is forbidden,
// would_lock_out, where law 7 says so. Sessions that were opened with a password end with it for whom it covers, and a
// relaxation ends.
func (s *Service) SetEnforcement(ctx context.Context, slug string, wants directory.Enforcement, seen string, actor audit.Party) (EnforcementPlan, error) {
	var p EnforcementPlan
	err := s.editThen(ctx, slug, actor, func(plan *plan) error {
		to, err := tidyEnforcement(plan.after, plan.before.Workspace.Enforcement, wants)
		if err != nil {
			return err
		}
		p = enforcementPlanOf(plan.before.Workspace.Enforcement, to)
		plan.after.Workspace.Enforcement = to
		return nil
	}, func(a *apply) error {
		p.ShutOut, p.Sessions = append(p.ShutOut, a.shut...), a.ended
		p.Word = wordOfEnforcement(a.before.Workspace.Version, p.To, a.shut)
		if seen != "" && seen != p.Word {
			return errChangedMeanwhile
		}
		return nil
	})
	return p, err
}

var errChangedMeanwhile = errs.Conflict("changed_meanwhile", "The workspace was changed after this was shown. Nothing was done. Look at it as it is now, and decide again.")

// Designate makes an owner the break-glass administrator, in the place of whoever was: their second factor and recovery codes
// are gone with it, and under enforcement the sessions that they opened with a password. Owners and the operator may.
func (s *Service) Designate(ctx context.Context, slug, member string, actor audit.Party) error {
	return s.deciding(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error {
		if byOwner, err := actsAsOwner(tx, cfg, actor); err != nil || !byOwner {
			return cmpErr(err, errNotOwner)
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		former, err := tx.BreakGlass(cfg.Roles.Owner().ID)
		if err != nil || former != nil && former.ID == m.ID {
			return err
		}
		to, err := keeper(tx, cfg, m)
		if err != nil {
			return err
		}
		from, err := keeper(tx, cfg, former)
		if err != nil {
			return err
		}
		if err := directory.CheckDesignation(cfg.Workspace.Enforcement, from, *to, tx.Now()); err != nil {
			return err
		}
		if err := provision.Designate(tx, cfg, actor, former, m); err != nil {
			return err
		}
		if former == nil || !cfg.Workspace.Enforcement.Covers(former.Email) {
			return nil
		}
		ended, err := tx.EndPasswordSessionsOf(former.ID, "sso_required")
		if err != nil || len(ended) == 0 {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SessionsEnded, Actor: actor, Reason: "sso_required", Subject: audit.Party{Kind: "member", ID: former.ID, Name: former.Email}})
	})
}

func cmpErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// keeper reads what the choice of a break-glass administrator asks; nil for nobody.
func keeper(tx *store.Tx, cfg *directory.Config, m *directory.Member) (*directory.Keeper, error) {
	if m == nil {
		return nil, nil
	}
	hash, at, err := tx.Credential(m.ID)
	return &directory.Keeper{Owner: m.Role == cfg.Roles.Owner().ID && m.In() && m.Stage == directory.StageActive, Password: hash != "", ProvenAt: at}, err
}

// deciding runs fn in one transaction that holds the workspace's policy.
func (s *Service) deciding(ctx context.Context, slug string, fn func(tx *store.Tx, cfg *directory.Config) error) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		return fn(tx, cfg)
	})
}
