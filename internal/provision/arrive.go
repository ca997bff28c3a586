package provision

import (
	"cmp"
	"reflect"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Arrival is somebody whom an IdP vouches for, as a verified message of a connection names them.
type Arrival struct {
	Connection string // id
	Method     directory.Method
	// Subject is the whole key, at most 2,048 bytes, compared byte for byte.
	Subject string
	Shown   string // the subject's value alone: for people, and to find the person of a directory
	Email   string // "" where the IdP gave none that may be believed
	// Unverified is an address that the IdP gives without a word that it is the person's. It links to nobody
	// and is kept of nobody who is known: it is only what somebody new may be called by.
	Unverified string

	Name, GivenName, FamilyName string
	// Invitation is the hash of an invitation's link that whoever arrives holds, or "".
	Invitation string
	// Groups is what the IdP asserts where GroupsKnown; an absent or truncated claim is not known.
	Groups      []string
	GroupsKnown bool
	// Said is what the message has under the name of an attribute or claim, as JSON decodes it; nil where it is not asked.
	Said func(name string) []any
}

// NotFound says why nobody was found for an arrival whom policy does not let in unprovisioned.
type NotFound struct {
	// Cause is "not_provisioned": the connection's directory never named the subject;
	// "left_directory": it did, and deleted them; "no_directory": no directory could have; "staged": it did, in a
	// test sync whose people are no members yet.
	Cause string
	err   error
}

func (e *NotFound) Error() string { return e.err.Error() }

// Unwrap returns the refusal, "account_not_found".
func (e *NotFound) Unwrap() error { return e.err }

func notFound(cause string) error {
	return &NotFound{Cause: cause, err: errs.Forbidden("account_not_found",
		"We couldn't find your account in this workspace. Ask your administrator to assign you to this application.")}
}

// stagedOnly is the answer to somebody whom a directory in testing has staged. No sign-in makes a member of
// them: whom the test sync named is for its administrator to let in.
func stagedOnly() error {
	return &NotFound{Cause: staged, err: errs.Forbidden("account_not_found",
		"Your account is not provisioned yet: your administrator is still testing provisioning. Ask them when it starts.")}
}

// What made a link, as Identity.How.
const (
	byDirectory   = "directory"     // by a person of the connection's own directory
	byDomain      = "domain"        // by an address in a domain that this workspace has proven
	byFirstSignIn = "first_sign_in" // the member was made by it
	byInvitation  = "invitation"    // by the link of an invitation to the address that is asserted
)

// Arrive finds, links or makes the member whom an arrival is (rows 19 to 23, law 6), and hears what
// is asserted of them: name and address of people whom no directory owns, group claims of everybody.
// It takes the locks that this needs; the transaction holds no other of people or policy. cfg is
// this transaction's configuration. The member is returned held, as read under the lock and changed
// since; the caller opens the session, which completes a pending person or refuses one whom the
// directory holds inactive (SignedIn).
//
// Refusals are errs.KindForbidden. Where a member is known to whom the refusal speaks, they are
// returned beside it, for the event. Codes: those of directory.MaySignIn; "account_not_found" (a
// *NotFound); "account_ambiguous"; "owner_not_linked"; "address_taken"; "foreign_domain";
// "email_missing"; "email_unverified"; "address_invalid"; "attribute_missing"; "subject_invalid"; "connection_not_active"; "owner_must_confirm". The caller records
// the refusal: the transaction is rolled back and nothing is kept of a refused arrival.
func Arrive(tx *store.Tx, cfg *directory.Config, a Arrival) (*directory.Member, error) {
	m, _, err := arrive(tx, cfg, a, false)
	return m, err
}

// arrive is Arrive, and says whether the member was made by it. rehearsed does not ask for the connection's status.
func arrive(tx *store.Tx, cfg *directory.Config, a Arrival, rehearsed bool) (_ *directory.Member, made bool, err error) {
	if err := a.check(); err != nil {
		return nil, false, err
	}
	// A refusal, too, is made under the lock: what is read without one may be of two moments.
	peek, err := recognise(tx, cfg, a)
	if err != nil && !errs.Is(err, errs.KindForbidden) {
		return nil, false, err
	}
	// Nobody is made beside another sign-in or create that may concern the same person.
	if err := tx.LockPeople(peek.ids(), peek.member == nil); err != nil {
		return nil, false, err
	}
	if cfg, err = tx.Config(); err != nil {
		return nil, false, err
	}
	found, err := recognise(tx, cfg, a)
	switch refused := errs.Is(err, errs.KindForbidden); {
	case err != nil && !refused:
		return nil, false, err
	case !found.same(peek):
		return nil, false, store.Rerun()
	case refused:
		return found.member, false, err
	}
	conn, _ := cfg.Connection(a.Connection)
	if conn.Status != directory.ConnectionActive && !rehearsed {
		return found.member, false, errs.Forbidden("connection_not_active", "Signing in through this connection is switched off.")
	}
	scope := Scope{Workspace: tx.Workspace(), Connection: conn.ID, Actor: audit.Party{Kind: "connection", ID: conn.ID, Name: conn.Name}}
	if found.member == nil {
		m, err := makeMember(tx, cfg, scope, a)
		return m, true, err
	}
	m := found.member
	if guarded(cfg, m) && conn.Unconfirmed() {
		return m, false, errs.Forbidden("owner_must_confirm",
			"An administrator changed how this connection knows people. Owners sign in through it again once an owner has confirmed it in the console; until then use a password, emergency access or a one-time link.")
	}
	if err := directory.MaySignIn(cfg, m, a.Method); err != nil {
		return m, false, err
	}
	return m, false, hear(tx, cfg, scope, found, a)
}

// Limits of what identifies somebody: it stands in an index, with two ids beside it.
const maxSubject = 2048

func (a Arrival) check() error {
	if a.Subject == "" || len(a.Subject) > maxSubject || len(a.Shown) > maxKey {
		return errs.Forbidden("subject_invalid", "The assertion's subject has %d bytes; expected 1 to %d.", len(a.Subject), maxSubject)
	}
	for _, text := range []string{a.Email, a.Unverified, a.Name, a.GivenName, a.FamilyName} {
		if len(text) > maxKey {
			return errs.Forbidden("subject_invalid", "The assertion has a name or an address of %d bytes; at most %d are accepted.", len(text), maxKey)
		}
	}
	return nil
}

// name is the person's name as asserted, or "".
func (a Arrival) name() string {
	p := Person{DisplayName: a.Name, GivenName: a.GivenName, FamilyName: a.FamilyName}
	return p.name()
}

// address is what somebody new would be called by.
func (a Arrival) address() string { return cmp.Or(a.Email, a.Unverified) }

// makeMember is just-in-time creation (row 21). The policy is held exclusively.
func makeMember(tx *store.Tx, cfg *directory.Config, scope Scope, a Arrival) (*directory.Member, error) {
	name := a.name()
	if name == "" {
		name = a.address()
	}
	m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: a.address(), Name: name, GivenName: a.GivenName, FamilyName: a.FamilyName,
		Stage: directory.StageActive, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
	decide(cfg, m, nil, tx.Now())
	if err := hearClaims(tx, cfg, m, a); err != nil {
		return nil, err
	}
	given := asserted(cfg, a)
	if _, sentence := directory.Lacking(given); sentence != "" {
		return nil, errs.Forbidden("attribute_missing", "Your identity provider does not say what this workspace has to know of you. %s", sentence)
	}
	if _, err := hearAttributes(tx, cfg, m, a, given); err != nil {
		return nil, err
	}
	if err := link(tx, scope, m, a, byFirstSignIn); err != nil {
		return nil, err
	}
	if err := tellDropped(tx, scope, memberParty(m), given, nil); err != nil {
		return nil, err
	}
	return m, save(tx, cfg, scope, change{after: m, why: byFirstSignIn})
}

// link makes the sign-in link of a member.
func link(tx *store.Tx, scope Scope, m *directory.Member, a Arrival, how string) error {
	tx.InsertIdentity(store.Identity{Connection: a.Connection, Subject: a.Subject, Shown: a.Shown, Email: a.Email, Member: m.ID, How: how})
	e := scope.event(audit.IdentityLinked, memberParty(m), audit.Change{Field: "subject", To: a.Shown})
	e.Reason = how
	return tx.Record(e)
}

// hear keeps the link and what is asserted of a member who was known before.
func hear(tx *store.Tx, cfg *directory.Config, scope Scope, found recognised, a Arrival) error {
	m, how := found.member, found.how
	switch {
	case found.moves():
		tx.RelinkIdentity(*found.identity, m.ID, how, a.Email)
		e := scope.event(audit.IdentityLinked, memberParty(m), audit.Change{Field: "subject", To: a.Shown}, audit.Change{Field: "member", From: found.identity.Member, To: m.ID})
		e.Reason = how
		if err := tx.Record(e); err != nil {
			return err
		}
	case found.identity != nil:
		tx.TouchIdentity(a.Connection, a.Subject, a.Email)
		how = found.identity.How
	default:
		if err := link(tx, scope, m, a, how); err != nil {
			return err
		}
	}
	c := edit(m, "asserted")
	changes, err := assertAttributes(tx, cfg, m, a, how)
	if err != nil {
		return err
	}
	given := asserted(cfg, a)
	heard, err := hearAttributes(tx, cfg, m, a, given)
	if err != nil {
		return err
	}
	changes = append(changes, heard...)
	if err := tellDropped(tx, scope, memberParty(m), given, nil); err != nil {
		return err
	}
	if err := hearClaims(tx, cfg, m, a); err != nil {
		return err
	}
	if len(changes) > 0 {
		e := scope.event(audit.MemberUpdated, memberParty(m), changes...)
		e.Reason = c.why
		if err := tx.Record(e); err != nil {
			return err
		}
	} else if m.Role == c.before.Role && m.RoleReason == c.before.RoleReason && reflect.DeepEqual(m.Asserted, c.before.Asserted) {
		return nil
	}
	return save(tx, cfg, scope, c)
}

// assertAttributes fills what a connection may say of a member whom no directory owns: the names,
// and the address of people whom the connection itself made. An address that law 6 refuses, an
// owner's and break-glass's stay; nobody is kept out by it.
func assertAttributes(tx *store.Tx, cfg *directory.Config, m *directory.Member, a Arrival, how string) ([]audit.Change, error) {
	if m.Directory != "" {
		return nil, nil
	}
	var changes []audit.Change
	set := func(field string, at *string, to string) {
		if to != "" && *at != to {
			changes = append(changes, audit.Change{Field: field, From: *at, To: to})
			*at = to
		}
	}
	set("name", &m.Name, a.name())
	set("given_name", &m.GivenName, a.GivenName)
	set("family_name", &m.FamilyName, a.FamilyName)
	if how != byFirstSignIn || a.Email == m.Email || !directory.IsAddress(a.Email) || guarded(cfg, m) {
		return changes, nil
	}
	switch err := checkAddress(tx, a.Email, m.ID, true); {
	case err == nil:
		set("email", &m.Email, a.Email)
	case errs.Is(err, errs.KindForbidden), errs.Is(err, errs.KindConflict):
	default:
		return nil, err
	}
	return changes, nil
}
