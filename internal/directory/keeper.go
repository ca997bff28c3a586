package directory

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Law 7: nobody is locked out by a click. A keeper is an owner who can sign in while no IdP answers; a company that
// has one keeps one. The rules below are all that stands between an act and the last keeper.

// EntersAlone reports whether a member is a keeper: an owner with a password that enforcement lets pass.
func (c *Config) EntersAlone(m *Member, password bool) bool {
	return password && m.Role == c.Roles.Owner().ID && m.In() && MaySignIn(c, m, MethodPassword) == nil
}

// Others are the owners in full beside one who is to go.
type Others struct {
	Owners       int
	WithPassword int
}

// Protects reports whether law 7 keeps m as they are: the break-glass administrator, the last owner, and the last
// owner with a password, without whom nobody could sign in while the IdP is down. ownerRole is the id of the owner role,
// password says that m has one, leaving counts owners whom the same act takes out before.
func Protects(m *Member, ownerRole string, password bool, others Others, leaving int) bool {
	switch {
	case m.BreakGlass:
		return true
	case m.Role != ownerRole || !m.In():
		return false
	}
	return others.Owners <= leaving || password && others.WithPassword <= leaving
}

// Keeper is what the choice of a break-glass administrator asks about an owner.
type Keeper struct {
	Owner    bool // in full, with the owner role
	Password bool
	ProvenAt time.Time // of the password
}

// CheckDesignation says whether the designation may go from former, nil for nobody, to somebody: an owner with a password where
// the former has one, and a proven one while single sign-on is enforced.
func CheckDesignation(e Enforcement, former *Keeper, to Keeper, now time.Time) error {
	switch {
	case !to.Owner:
		return errs.Forbidden("not_an_owner", "Only an owner who is active can be the break-glass administrator.")
	case !to.Password && (e.On() || former != nil && former.Password):
		return errs.Forbidden("would_lock_out", "Emergency access is by password, and this owner has none. They set one first.")
	case e.On() && now.Sub(to.ProvenAt) > BreakGlassProof:
		return errs.Forbidden("would_lock_out", "This owner has not signed in with their password in the last 90 days, and single sign-on is required. They sign in with it once first.")
	}
	return nil
}

// CheckKeepers says whether a change that concerned owners may stand: a company that had a keeper has one.
func CheckKeepers(had, has bool) error {
	if had && !has {
		return errs.Forbidden("would_lock_out", "owners: no owner would be left who can sign in with a password while the identity provider is down; name one with a password first")
	}
	return nil
}
