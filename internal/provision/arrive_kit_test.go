package provision_test

import (
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// asserted is what the IdP of a connection says of the person whom person makes.
func (h *house) asserted(name string, edits ...func(*provision.Arrival)) provision.Arrival {
	a := provision.Arrival{Connection: h.conn, Method: directory.MethodSAML, Subject: "persistent|" + name, Shown: name + "@acme.test", Email: name + "@acme.test", Name: "Asserted " + name}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func shown(s string) func(*provision.Arrival) { return func(a *provision.Arrival) { a.Shown = s } }
func email(s string) func(*provision.Arrival) { return func(a *provision.Arrival) { a.Email = s } }
func in(groups ...string) func(*provision.Arrival) {
	return func(a *provision.Arrival) { a.Groups, a.GroupsKnown = groups, true }
}

// tryArrive signs somebody in as the sign-in room does, and returns their id and the hash of the
// session's token; of a refusal, the id of the member whom it concerns.
func (h *house) tryArrive(a provision.Arrival) (member, hash string, err error) {
	_, hash = keys.NewToken(session.TokenPrefix)
	err = h.db.Write(bg, h.ws, func(tx *store.Tx) error {
		member = ""
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := provision.Arrive(tx, cfg, a)
		if m != nil {
			member = m.ID
		}
		if err != nil {
			return err
		}
		if err := provision.SignedIn(tx, cfg, m); err != nil {
			return err
		}
		tx.InsertSession(&session.Session{ID: keys.ID("ses_", tx.Now()), Member: m.ID, Method: a.Method, Connection: a.Connection, ExpiresAt: tx.Now().Add(time.Hour)}, hash)
		return tx.Record(audit.Event{Type: audit.SignInSucceeded, Actor: operator})
	})
	return member, hash, err
}

func (h *house) arrive(a provision.Arrival) (member string) {
	h.t.Helper()
	member, hash, err := h.tryArrive(a)
	h.ok(err)
	if !h.lives(hash) {
		h.t.Errorf("the session of %s is not accepted", a.Shown)
	}
	return member
}

// turnedAway expects a refusal with that code which changes nothing and concerns that member, ""
// for nobody.
func (h *house) turnedAway(a provision.Arrival, code, concerns string) {
	h.t.Helper()
	var member string
	h.unchanged(errs.KindForbidden, code, func() (err error) {
		member, _, err = h.tryArrive(a)
		return err
	})
	if member != concerns {
		h.t.Errorf("the refusal %s concerns %q, want %q", code, member, concerns)
	}
}

// notFound expects that nobody is found, for that cause.
func (h *house) notFound(a provision.Arrival, cause string) {
	h.t.Helper()
	h.unchanged(errs.KindForbidden, "account_not_found", func() error {
		_, _, err := h.tryArrive(a)
		var nobody *provision.NotFound
		if !errors.As(err, &nobody) || nobody.Cause != cause {
			h.t.Errorf("%s: got %v (%+v), want the cause %s", a.Shown, err, nobody, cause)
		}
		return err
	})
}

// linkedTo expects the one sign-in link of a member, and what made it.
func (h *house) linkedTo(member, subject, how string) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		links, err := tx.IdentitiesOf(member)
		if err == nil && (len(links) != 1 || links[0].Subject != subject || links[0].How != how) {
			h.t.Errorf("the links of %s are %+v, want %s by %s", member, links, subject, how)
		}
		return err
	})
}

// people counts the members of the workspace.
func (h *house) people() (n int) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		all, err := tx.MembersAfter("", 10000)
		n = len(all)
		return err
	})
	return n
}

// connect makes a further connection, beside no directory.
func (h *house) connect(name string) (id string) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, _ *directory.Config) error {
		id = keys.ID("con_", tx.Now())
		tx.SaveConnection(directory.Connection{ID: id, Name: name, Provider: "generic", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive,
			SAML: &directory.SAML{Attributes: directory.Attributes{Email: "mail"}}}, true)
		return nil
	})
	return id
}

// prove makes a domain this workspace's.
func (h *house) prove(domain string) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, _ *directory.Config) error { tx.InsertDomain(domain); return nil })
}

func (h *house) unprove(domain string) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, _ *directory.Config) error { tx.DeleteDomain(domain); return nil })
}

// groupsShown are a member's groups as they are shown.
func (h *house) groupsShown(member string) (names []string) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) {
		names, err = tx.GroupNames(member)
		return err
	})
	return names
}
