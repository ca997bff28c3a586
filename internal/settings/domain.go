package settings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// DomainState is where a domain of a workspace stands.
type DomainState string

const (
	DomainPending DomainState = "pending" // claimed, and not proven yet
	DomainProven  DomainState = "proven"
	DomainLapsed  DomainState = "lapsed" // was proven, until its record had been missing for too long
)

// Who proved a domain.
const (
	ProvenByDNS      = "dns"
	ProvenByOperator = "operator" // in an apply file; it is never looked at again
)

// DomainView is a domain as its administrator sees it.
type DomainView struct {
	Domain string      `json:"domain"` // directory.DomainName
	Shown  string      `json:"shown"`  // for people: other scripts as they are written too
	State  DomainState `json:"state"`
	By     string      `json:"by,omitempty"`
	// Record is what DNS must have; nil where an operator vouches for the domain.
	Record   *DomainRecord `json:"record,omitempty"`
	ProvenAt *time.Time    `json:"proven_at,omitempty"`
	LapsedAt *time.Time    `json:"lapsed_at,omitempty"`
	// CheckedAt, Outcome and Detail are of the last look: found, missing, other, no_answer or held, and a sentence.
	CheckedAt   *time.Time `json:"checked_at,omitempty"`
	Outcome     string     `json:"outcome,omitempty"`
	Detail      string     `json:"detail,omitempty"`
	NextCheckAt *time.Time `json:"next_check_at,omitempty"`
	// MissingSince is since when the record of a proven domain is missing, LapsesAt when that ends its proof if it stays so.
	MissingSince *time.Time `json:"missing_since,omitempty"`
	LapsesAt     *time.Time `json:"lapses_at,omitempty"`
	// Required says that single sign-on is required of people with addresses in it by name.
	Required bool `json:"required,omitempty"`
}

// DomainRecord is a record to be set in DNS.
type DomainRecord struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// challengePrefix begins the value of the record, so that whoever finds it in DNS knows whose it is.
const challengePrefix = "gatehouse-domain-"

// maxDomainClaims is how many domains a workspace may claim.
const maxDomainClaims = 100

// Domains lists what a workspace claims and has proven, by name.
func (s *Service) Domains(ctx context.Context, slug string) ([]DomainView, error) {
	var out []DomainView
	err := s.readWorkspace(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error {
		claims, err := tx.DomainClaims()
		if err != nil {
			return err
		}
		out = []DomainView{}
		for _, c := range claims {
			out = append(out, s.viewDomain(cfg, &c))
		}
		for _, d := range cfg.Domains {
			if !slices.ContainsFunc(claims, func(c store.DomainClaim) bool { return c.Domain == d }) {
				out = append(out, s.viewDomain(cfg, &store.DomainClaim{Domain: d}))
			}
		}
		slices.SortFunc(out, func(a, b DomainView) int { return cmp.Compare(a.Domain, b.Domain) })
		return nil
	})
	return out, err
}

// Domain returns one of them, however it is written: errs.KindNotFound, "domain_unknown".
func (s *Service) Domain(ctx context.Context, slug, domain string) (DomainView, error) {
	all, err := s.Domains(ctx, slug)
	if err != nil {
		return DomainView{}, err
	}
	name, _ := directory.DomainName(domain)
	for _, d := range all {
		if d.Domain == name {
			return d, nil
		}
	}
	return DomainView{}, errs.NotFound("domain_unknown", "The workspace does not claim such a domain.")
}

// readWorkspace reads with the configuration of a workspace.
func (s *Service) readWorkspace(ctx context.Context, slug string, fn func(tx *store.Tx, cfg *directory.Config) error) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Read(ctx, id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		return fn(tx, cfg)
	})
}

// viewDomain shows a claim; one without a challenge is a domain that an operator vouches for.
func (s *Service) viewDomain(cfg *directory.Config, c *store.DomainClaim) DomainView {
	v := DomainView{Domain: c.Domain, Shown: directory.ShownDomain(c.Domain), State: DomainPending, Outcome: c.Outcome, Detail: c.Detail,
		CheckedAt: maybe(c.CheckedAt), NextCheckAt: maybe(c.NextCheckAt)}
	if c.Challenge != "" {
		v.Record = &DomainRecord{directory.ChallengeName(c.Domain), "TXT", c.Challenge}
	}
	e := cfg.Workspace.Enforcement
	v.Required = e.RequireSSO == directory.RequireDomains && slices.Contains(e.Domains, c.Domain)
	switch {
	case slices.Contains(cfg.Domains, c.Domain):
		v.State, v.By, v.ProvenAt = DomainProven, ProvenByDNS, maybe(c.ProvenAt)
		if c.ProvenAt.IsZero() {
			v.By = ProvenByOperator
		} else if !c.MissingSince.IsZero() {
			v.MissingSince = maybe(c.MissingSince)
			v.LapsesAt = maybe(c.CheckedAt.Add(max(0, s.lapseAfter()-c.Missing)))
		}
	case !c.LapsedAt.IsZero():
		v.State, v.LapsedAt = DomainLapsed, maybe(c.LapsedAt)
	}
	return v
}

// ClaimDomain notes that a workspace says a domain is its own, and makes the value of the record that will prove it. The
// value stays until the claim is removed. Another workspace may claim the same domain: whoever proves it first has it, and
// nobody is told of the other's claim. Refused: what directory.ClaimableDomain refuses, and what is claimed or proven already.
func (s *Service) ClaimDomain(ctx context.Context, slug, typed string, actor audit.Party) (DomainView, error) {
	domain, err := directory.ClaimableDomain(typed)
	if err != nil {
		return DomainView{}, err
	}
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return DomainView{}, err
	}
	challenge, _ := keys.NewToken(challengePrefix)
	var view DomainView
	err = s.DB.Write(ctx, id, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		claims, err := tx.DomainClaims()
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(claims, func(c store.DomainClaim) bool { return c.Domain == domain }):
			return errs.Conflict("domain_claimed", "The workspace claims %s already.", directory.ShownDomain(domain))
		case slices.Contains(cfg.Domains, domain):
			return errs.Conflict("domain_proven", "Whoever operates this service vouches for %s already. No record is needed.", directory.ShownDomain(domain))
		}
		if err := enough("domains", len(claims), maxDomainClaims); err != nil {
			return err
		}
		tx.InsertDomainClaim(domain, challenge)
		view = s.viewDomain(cfg, &store.DomainClaim{Domain: domain, Challenge: challenge})
		return tx.Record(audit.Event{Type: audit.DomainClaimed, Actor: actor, Subject: domainParty(domain)})
	})
	return view, err
}

// RemoveDomain ends a claim and, where it is proven, the proof. Members, their sign-in links and enforcement stay; the
// value of the record is worth nothing from then on, also for the same workspace. Where single sign-on is required of everybody and
// the domain is somebody's only way in it is forbidden, would_lock_out (law 7), but to the operator, who may have to give the domain to
// its owner; the event says of how many.
func (s *Service) RemoveDomain(ctx context.Context, slug, typed string, actor audit.Party) error {
	domain, _ := directory.DomainName(typed)
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
		proven := slices.Contains(cfg.Domains, domain)
		c, err := tx.DomainClaim(domain)
		switch {
		case errs.Is(err, errs.KindNotFound) && !proven:
			return err
		case errs.Is(err, errs.KindNotFound):
			c = &store.DomainClaim{Domain: domain}
		case err != nil:
			return err
		}
		without := *cfg
		without.Domains = slices.DeleteFunc(slices.Clone(cfg.Domains), func(d string) bool { return d == domain })
		people, err := strandedWithout(tx, cfg, &without, func(d string) bool { return d == domain && !c.LapsedAt.IsZero() })
		if err != nil {
			return err
		}
		if len(people) > 0 && actor.Kind != "operator" {
			return errs.Forbidden("would_lock_out", "Single sign-on is required of everybody, and without %s %s. Let them sign in once, or change who must use single sign-on; then remove the domain.",
				directory.ShownDomain(domain), shutOutSentence(people))
		}
		changes := []audit.Change{{Field: "state", From: string(s.viewDomain(cfg, c).State)}}
		if len(people) > 0 {
			changes = append(changes, audit.Change{Field: "without_way_in", To: fmt.Sprint(len(people))})
		}
		if proven {
			tx.DeleteDomain(domain)
		}
		tx.DeleteDomainClaim(domain)
		return tx.Record(audit.Event{Type: audit.DomainRemoved, Actor: actor, Subject: domainParty(domain), Changes: changes})
	})
}

func domainParty(domain string) audit.Party {
	return audit.Party{Kind: "domain", ID: domain, Name: directory.ShownDomain(domain)}
}
