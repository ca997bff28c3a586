package provision_test

import (
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// bothSides is the model and what is stored, for whoever reads of a difference between them.
func (r *run) bothSides() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "\n  "+format, args...) }
	fmt.Fprintf(&b, "the model, with new_identity %v, group loss %v, mapping %v:", r.w.renew, r.w.lossDeactivates, r.w.mapping)
	for _, m := range r.w.members {
		line("member %s, %s: %s, %s by %s, of %q, adopted as %q", m.id, m.email, m.status(), m.role, m.source, m.dir, m.claimed)
	}
	for _, x := range r.w.resources {
		line("resource %s of %s, %s %q %s: active %v, retired %d, member %s", x.id, x.dir, x.user, x.ext, x.email, x.active, x.retired, x.member.id)
	}
	for _, l := range r.w.links {
		line("link %s, %s, %q: member %s", l.subject, l.shown, l.email, l.member.id)
	}
	for _, x := range r.w.meetings {
		line("meeting of %s and %s, %s: active %v, %s", x.dir, x.member.id, x.claim, x.active, x.state)
	}
	b.WriteString("\nstored:")
	err := r.db.Read(bg, r.ws, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		members, err := tx.MembersAfter("", 1000)
		if err != nil {
			return err
		}
		for _, m := range members {
			role, _ := cfg.Roles.ByID(m.Role)
			line("member %s, %s: %s %s, %s by %s, of %q", m.ID, m.Email, m.Status(), m.Sources, role.Name, m.RoleReason.Source, m.Directory)
		}
		all, err := storedMeetings(tx, store.AdoptionWaiting, store.AdoptionAllowed, store.AdoptionRefused, store.AdoptionAdopted, store.AdoptionUndone)
		for _, a := range all {
			line("meeting of %s and %s, %s %s %s: active %v, %s (%s)", a.Directory, a.Member, a.UserName, a.ExternalID, a.Address, a.Active, a.State, a.Reason)
		}
		return err
	})
	if err != nil {
		line("%v", err)
	}
	return b.String()
}
