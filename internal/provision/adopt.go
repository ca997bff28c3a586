package provision

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Row 7: a directory names somebody who is there already. directory.Config.Meet is the rule; here it is
// asked, and what it says is done.

// signedInAs returns the id of the one member whose sign-in link through the directory's own
// connection says that they are p; "" for nobody, and where links of two people say so.
func (f *feed) signedInAs(tx *store.Tx, p Person) (id string, two bool, err error) {
	if f.dir.Connection == "" {
		return "", false, nil
	}
	links, err := tx.LinksAsserting(f.dir.ID, p.UserName, p.ExternalID, p.address())
	if err != nil {
		return "", false, err
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
		return "", len(ids) > 1, nil
	}
	return ids[0], false, nil
}

// replacesAdopted reports whether a return makes a fresh member of somebody who could be adopted:
// under new_identity, where a directory before this one had put them out.
func (f *feed) replacesAdopted(m *directory.Member) bool {
	return m.Directory == "" && f.policy.Reactivation == directory.ReactivationNewIdentity && m.WasIn && m.Sources.Has(directory.SourceIdP)
}

// meet finds the member whom a POST meets, and adopts them where that is certain or was allowed. after is
// nil where nobody is met. Refusals: conflict, "adoption_waits" and "adoption_queue_full" (*waiting),
// "adoption_refused", "address_taken".
func (f *feed) meet(tx *store.Tx, u *store.SCIMUser, p Person, before predecessors) (change, error) {
	x, verdict, why := f.meeting(p, before)
	if x.Member == nil || x.Signed && f.replacesAdopted(x.Member) {
		return change{}, nil
	}
	if verdict == directory.VerdictLink {
		// What an owner took back does not come about again by itself.
		undone, err := tx.AdoptionWasUndone(f.dir.ID, x.Member.ID)
		if err != nil {
			return change{}, err
		}
		if undone {
			verdict, why = directory.VerdictAsk, directory.MeetUndone
		}
	}
	switch verdict {
	case directory.VerdictLink:
		return f.adopt(tx, u, p, x.Member, why, nil)
	case directory.VerdictRefuse:
		return change{}, errs.Conflict("adoption_refused",
			"%s is a member of this workspace already, and its policy gives this directory nobody who is there (adoption: refuse).", p.UserName)
	case directory.VerdictNever:
		return change{}, nil // an address in use is refused as for anybody who is made
	}
	row, err := f.asked(tx, u, p, x, why)
	if err != nil {
		return change{}, err
	}
	return f.adopt(tx, u, p, x.Member, directory.MetByDecision, row)
}

// meeting says whom a POST meets: who signed in as the person, unless they can never be the directory's, else who
// has the address. Member is nil for nobody.
func (f *feed) meeting(p Person, before predecessors) (directory.Meeting, directory.Verdict, string) {
	x := directory.Meeting{Directory: f.dir.ID, UserName: p.UserName, Address: p.address(), Member: before.members[before.linked], Signed: true}
	if x.Member != nil {
		if verdict, why := f.Meet(x); verdict != directory.VerdictNever {
			return x, verdict, why
		}
	}
	x.Member, x.Signed, x.Ambiguous = before.met, false, before.ambiguous
	if x.Member == nil {
		return x, directory.VerdictNever, ""
	}
	verdict, why := f.Meet(x)
	return x, verdict, why
}

// formerly is a member before an adoption, for its undoing.
type formerly struct {
	Email      string               `json:"email"`
	Name       string               `json:"name"`
	GivenName  string               `json:"given_name"`
	FamilyName string               `json:"family_name"`
	Attributes map[string]string    `json:"attributes,omitempty"`
	Sources    directory.Sources    `json:"sources"`
	Role       string               `json:"role"`
	RoleReason directory.RoleReason `json:"role_reason"`
	Directory  string               `json:"directory,omitempty"`
	Links      [][2]string          `json:"links,omitempty"` // connection and subject of each
}

// adopt makes the directory the owner of m, who is held. It brings in its values but for the
// address, which adoption never rewrites; the role stays until a group or claim gives another. Of a
// directory that owned them before, the resource is retired: it says nothing about them any more.
// row is the decision that allowed it, nil where it was certain.
func (f *feed) adopt(tx *store.Tx, u *store.SCIMUser, p Person, m *directory.Member, why string, row *store.Adoption) (change, error) {
	links, err := tx.IdentitiesOf(m.ID)
	if err != nil {
		return change{}, err
	}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return change{}, err
	}
	c := edit(m, "adopted")
	for _, r := range resources {
		if r.RetiredAt.IsZero() && r.Directory != f.dir.ID {
			c.retires = append(c.retires, r)
		}
	}
	was := formerly{m.Email, m.Name, m.GivenName, m.FamilyName, m.Attributes, m.Sources, m.Role, m.RoleReason, m.Directory, nil}
	for _, l := range links {
		was.Links = append(was.Links, [2]string{l.Connection, l.Subject})
	}
	if len(c.retires) > 0 {
		keepRole(m, tx.Now())
	}
	c.told = append(f.fill(&p, m), audit.Change{Field: "directory", From: m.Directory, To: f.dir.ID}, audit.Change{Field: "adopted_by", To: why})
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
	if err := checkAddress(tx, p.address(), m.ID, m.Sources == 0); err != nil {
		return c, err
	}
	c.notes = func() error { return f.noteAdoption(tx, u, p, m, why, was, row) }
	return c, nil
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
