package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// DomainClaim is a domain that a workspace says is its own. What it has proven is in Config.Domains; a domain that an
// operator vouches for needs no claim.
type DomainClaim struct {
	Workspace string // id
	Domain    string // directory.DomainName
	Challenge string // what the TXT record says
	CreatedAt time.Time
	// ProvenAt is when DNS said so last after it had not, LapsedAt when that ended by itself; zero for never.
	ProvenAt, LapsedAt time.Time
	// CheckedAt, Outcome and Detail are of the last look at DNS: a word, and a sentence for people.
	CheckedAt       time.Time
	Outcome, Detail string
	// Missing is for how long the record was known to be missing since MissingSince, as far as anybody looked.
	Missing      time.Duration
	MissingSince time.Time
	// Warned is how often the owners were told of it.
	Warned int
	// NextCheckAt is when it is looked at again, zero where nobody does by himself.
	NextCheckAt time.Time
}

// ErrDomainHeld says that another workspace has proven a domain. It does not say which.
var ErrDomainHeld = errs.Conflict("domain_held",
	"The domain is proven by another workspace, and a domain has one owner. Whoever operates this service can tell whose it is, and take it back from there.")

const insertDomain = `
	INSERT INTO domain_handle (domain, workspace_id, proven_at, owner) VALUES ($1, $2, $3, TRUE)
	ON CONFLICT (domain, workspace_id) DO UPDATE SET owner = TRUE`

const deleteDomain = `DELETE FROM domain_handle WHERE domain = $1 AND workspace_id = $2`

// InsertDomain marks a domain (directory.DomainName) as proven by this workspace. ErrDomainHeld where another one has it;
// the caller asks DomainHeld first, which knows of rows of older binaries as well.
func (tx *Tx) InsertDomain(domain string) {
	tx.configuration("domain")
	tx.unique("domain_handle_owner", "domain_handle.domain", ErrDomainHeld)
	tx.later(insertDomain, domain, tx.workspace, micros(tx.now))
}

// DeleteDomain takes the proof back.
func (tx *Tx) DeleteDomain(domain string) {
	tx.configuration("domain")
	tx.later(deleteDomain, domain, tx.workspace)
}

const domainHeld = `SELECT COUNT(*) FROM domain_handle WHERE domain = $1 AND workspace_id <> $2`

// DomainHeld reports whether another workspace has proven a domain.
func (tx *Tx) DomainHeld(domain string) (bool, error) {
	var others int64
	_, err := tx.one([]any{&others}, domainHeld, domain, tx.workspace)
	return others > 0, err
}

const domainClaimColumns = `workspace_id, domain, challenge, created_at, proven_at, lapsed_at, checked_at, outcome, detail, missing, missing_since, warned, next_check_at`

const domainClaims = `SELECT ` + domainClaimColumns + ` FROM domain_claim WHERE workspace_id = $1 ORDER BY domain`

// DomainClaims lists the claims of the workspace by domain.
func (tx *Tx) DomainClaims() (out []DomainClaim, err error) {
	err = tx.each(collectClaims(&out), domainClaims, tx.workspace)
	return out, err
}

const domainClaim = `SELECT ` + domainClaimColumns + ` FROM domain_claim WHERE workspace_id = $1 AND domain = $2`

// DomainClaim returns a claim: errs.KindNotFound, "domain_unknown".
func (tx *Tx) DomainClaim(domain string) (*DomainClaim, error) {
	var found []DomainClaim
	if err := tx.each(collectClaims(&found), domainClaim, tx.workspace, domain); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errs.NotFound("domain_unknown", "The workspace does not claim such a domain.")
	}
	return &found[0], nil
}

func collectClaims(out *[]DomainClaim) func(Rows) error {
	return func(r Rows) error {
		var c DomainClaim
		var created, missing, warned int64
		var proven, lapsed, checked, since, next *int64
		if err := r.Scan(&c.Workspace, &c.Domain, &c.Challenge, &created, &proven, &lapsed, &checked, &c.Outcome, &c.Detail, &missing, &since, &warned, &next); err != nil {
			return err
		}
		c.CreatedAt, c.ProvenAt, c.LapsedAt, c.CheckedAt = instant(created), maybeInstant(proven), maybeInstant(lapsed), maybeInstant(checked)
		c.Missing, c.MissingSince, c.Warned, c.NextCheckAt = time.Duration(missing)*time.Microsecond, maybeInstant(since), int(warned), maybeInstant(next)
		*out = append(*out, c)
		return nil
	}
}

const insertDomainClaim = `
	INSERT INTO domain_claim (` + domainClaimColumns + `) VALUES ($1, $2, $3, $4, NULL, NULL, NULL, '', '', 0, NULL, 0, NULL)`

// InsertDomainClaim adds a claim with its challenge. One that is there is a conflict.
func (tx *Tx) InsertDomainClaim(domain, challenge string) {
	tx.change("domain claim")
	tx.unique("domain_claim_pkey", "domain_claim.", errs.Conflict("domain_claimed", "The workspace claims %s already.", domain))
	tx.later(insertDomainClaim, tx.workspace, domain, challenge, micros(tx.now))
}

const saveDomainClaim = `
	UPDATE domain_claim SET proven_at = $3, lapsed_at = $4, checked_at = $5, outcome = $6, detail = $7, missing = $8, missing_since = $9, warned = $10, next_check_at = $11
	WHERE  workspace_id = $1 AND domain = $2`

// SaveDomainClaim saves what a look at DNS found. Domain and challenge stay as they are.
func (tx *Tx) SaveDomainClaim(c *DomainClaim) {
	tx.later(saveDomainClaim, tx.workspace, c.Domain, maybeMicros(c.ProvenAt), maybeMicros(c.LapsedAt), maybeMicros(c.CheckedAt), clean(c.Outcome), clean(c.Detail),
		c.Missing.Microseconds(), maybeMicros(c.MissingSince), int64(c.Warned), maybeMicros(c.NextCheckAt))
}

const deleteDomainClaim = `DELETE FROM domain_claim WHERE workspace_id = $1 AND domain = $2`

// DeleteDomainClaim forgets a claim and its challenge.
func (tx *Tx) DeleteDomainClaim(domain string) {
	tx.change("domain claim")
	tx.later(deleteDomainClaim, tx.workspace, domain)
}

const workspacesOfDomain = `SELECT workspace_id FROM domain_handle WHERE domain = $1 ORDER BY workspace_id`

// WorkspacesOfDomain returns the ids of the workspaces that have proven a domain (directory.DomainName): one at the most, but
// for pairs from before a domain had one owner.
func (s System) WorkspacesOfDomain(ctx context.Context, domain string) ([]string, error) {
	var out []string
	err := each(ctx, s.db.driver, collect(&out), workspacesOfDomain, domain)
	return out, s.db.translate(err)
}

const dueDomains = `
	SELECT ` + domainClaimColumns + ` FROM domain_claim WHERE next_check_at <= $1 ORDER BY next_check_at LIMIT $2`

const takeDomain = `UPDATE domain_claim SET next_check_at = $4 WHERE workspace_id = $1 AND domain = $2 AND next_check_at = $3 RETURNING 1`

// TakeDueDomains returns up to limit claims whose time to be looked at has come. Nobody else gets them before lease
// has passed, by when the caller has saved the next time; after one that died they are due again.
func (s System) TakeDueDomains(ctx context.Context, lease time.Duration, limit int) (taken []DomainClaim, err error) {
	var due []DomainClaim
	now := s.db.Now()
	if err := each(ctx, s.db.driver, collectClaims(&due), dueDomains, micros(now), limit); err != nil || len(due) == 0 {
		return nil, s.db.translate(err)
	}
	err = s.db.driver.Write(ctx, func(c Conn) error {
		taken = nil
		for _, d := range due {
			mine := false
			if err := each(ctx, c, func(r Rows) error { mine = true; var one int64; return r.Scan(&one) },
				takeDomain, d.Workspace, d.Domain, micros(d.NextCheckAt), micros(now.Add(lease))); err != nil {
				return err
			}
			if mine {
				taken = append(taken, d)
			}
		}
		return nil
	})
	return taken, s.db.translate(err)
}

const workspacesNamingDomain = `
	SELECT id, slug, name FROM workspace
	WHERE  id IN (SELECT workspace_id FROM domain_handle WHERE domain = $1) OR id IN (SELECT workspace_id FROM domain_claim WHERE domain = $1)
	ORDER BY slug`

// WorkspacesNamingDomain lists the workspaces that have proven or claim a domain, for an operator. It looks through all claims.
func (s System) WorkspacesNamingDomain(ctx context.Context, domain string) ([]WorkspaceRef, error) {
	var out []WorkspaceRef
	err := each(ctx, s.db.driver, func(r Rows) error {
		var w WorkspaceRef
		if err := r.Scan(&w.ID, &w.Slug, &w.Name); err != nil {
			return err
		}
		out = append(out, w)
		return nil
	}, workspacesNamingDomain, domain)
	return out, s.db.translate(err)
}
