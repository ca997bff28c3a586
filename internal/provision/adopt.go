package provision

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Row 7: a directory names somebody who signed in through its own connection before it did.

// signedInAs returns the id of the one member whose sign-in link through the directory's own
// connection says that they are p; "" for nobody, and where links of two people say so.
func (f *feed) signedInAs(tx *store.Tx, p Person) (string, error) {
	if f.dir.Connection == "" {
		return "", nil
	}
	links, err := tx.LinksAsserting(f.dir.ID, p.UserName, p.ExternalID, p.address())
	if err != nil {
		return "", err
	}
	var ids []string
	for _, i := range links {
		if i.Connection != f.dir.Connection {
			continue
		}
		if a := (Arrival{Shown: i.Shown, Email: i.Email}); a.names(p.UserName, p.ExternalID, p.address()) {
			ids = append(ids, i.Member)
		}
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 1 {
		return "", nil
	}
	return ids[0], nil
}

// adoptable reports whether a directory may make a member its own: nobody's so far, and neither an
// owner nor the break-glass administrator.
func (f *feed) adoptable(m *directory.Member) bool {
	return m != nil && m.Directory == "" && m.Stage != directory.StageErased && !guarded(f.Config, m)
}

// replacesAdopted reports whether a return makes a fresh member of somebody who could be adopted:
// under new_identity, where a directory before this one had put them out.
func (f *feed) replacesAdopted(m *directory.Member) bool {
	return f.policy.Reactivation == directory.ReactivationNewIdentity && m.WasIn && m.Sources.Has(directory.SourceIdP)
}

// adopt makes the directory the owner of m, who is held. It brings in its values but for the
// address, which adoption never rewrites; the role stays until a group or claim gives another.
func (f *feed) adopt(tx *store.Tx, u *store.SCIMUser, p Person, m *directory.Member) (change, error) {
	c := edit(m, "adopted")
	c.told = append(p.fill(m), audit.Change{Field: "directory", From: m.Directory, To: f.dir.ID})
	m.Directory = f.dir.ID
	if u.Active {
		m.Sources = m.Sources.Without(directory.SourceIdP)
	} else {
		m.Sources = m.Sources.With(directory.SourceIdP)
	}
	if c.before.Sources != 0 && m.Sources == 0 {
		if err := checkAddress(tx, m.Email, m.ID, true); err != nil {
			return c, err
		}
	}
	// What the directory says is refused now as it would be at its next PUT.
	return c, checkAddress(tx, p.address(), m.ID, m.Sources == 0)
}

// moveLinks makes the sign-in links of those whom a fresh member replaces the fresh member's. An
// owner whom the directory let go keeps theirs: they are nobody's to give away.
func (f *feed) moveLinks(tx *store.Tx, before predecessors, fresh *directory.Member) {
	if f.policy.Reactivation != directory.ReactivationNewIdentity {
		return
	}
	for _, id := range before.ids() {
		if old := before.members[id]; old != nil && id != fresh.ID && !(guarded(f.Config, old) && old.In()) {
			tx.MoveIdentities(id, fresh.ID)
		}
	}
}
