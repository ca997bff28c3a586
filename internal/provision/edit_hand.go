package provision

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Fields of a member that can be edited by hand, where nobody else has the say.
const (
	FieldEmail      = "email"
	FieldName       = "name"
	FieldGivenName  = "given_name"
	FieldFamilyName = "family_name"
)

// editable are the fields, in the order in which they are shown.
var editable = []string{FieldEmail, FieldName, FieldGivenName, FieldFamilyName}

// OwnerKind is who has the say over a field.
type OwnerKind string

const (
	OwnedByHand       OwnerKind = "hand"
	OwnedByDirectory  OwnerKind = "directory"
	OwnedByConnection OwnerKind = "connection" // at each sign-in
)

// Field is one field of a member and who has the say over it.
type Field struct {
	Name  string    `json:"name"`
	Value string    `json:"value"`
	Owner OwnerKind `json:"owner"`
	// By names the directory or connection, "" for people.
	By string `json:"by,omitempty"`
	// Attribute is what an attribute of people is, nil for the four fields that everybody has.
	Attribute *directory.Attribute `json:"-"`
}

// Editable reports whether people may change it.
func (f Field) Editable() bool { return f.Owner == OwnedByHand }

func valueOf(m *directory.Member, field string) *string {
	switch field {
	case FieldEmail:
		return &m.Email
	case FieldName:
		return &m.Name
	case FieldGivenName:
		return &m.GivenName
	case FieldFamilyName:
		return &m.FamilyName
	}
	return nil
}

// Fields says who has the say over each field of a member: the directory that owns them, over everything that it
// has given; a connection that they sign in through, over the names that it asserts each time, and over the address of
// those whom it made; people over the rest.
func Fields(tx *store.Tx, cfg *directory.Config, m *directory.Member) ([]Field, error) {
	links, err := tx.IdentitiesOf(m.ID)
	if err != nil {
		return nil, err
	}
	var out []Field
	add := func(name, value string) {
		f := Field{Name: name, Value: value, Owner: OwnedByHand}
		if d, ok := cfg.Directory(m.Directory); ok && m.Directory != "" {
			f.Owner, f.By = OwnedByDirectory, d.Name
		} else {
			for _, l := range links {
				if c, ok := cfg.Connection(l.Connection); ok && (name != FieldEmail || l.How == byFirstSignIn) {
					f.Owner, f.By = OwnedByConnection, c.Name
				}
			}
		}
		out = append(out, f)
	}
	for _, name := range editable {
		add(name, *valueOf(m, name))
	}
	return append(out, attributeFields(cfg, m)...), nil
}

// Edit changes fields of a member that people have the say over; others are refused by name, and nothing is changed. A
// new address ends the links that were sent to the old one.
func (s *Service) Edit(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error), values map[string]string) (directory.Member, error) {
	var done directory.Member
	err := s.act(ctx, scope, find, func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
		owners, err := Fields(tx, cfg, m)
		if err != nil {
			return err
		}
		c := edit(m, "by_hand")
		var changes []audit.Change
		attributes := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			at, to := valueOf(m, name), strings.Join(strings.Fields(values[name]), " ")
			if at == nil {
				attributes[name] = values[name]
				continue
			}
			if *at == to {
				continue
			}
			if f := owners[slices.Index(editable, name)]; !f.Editable() {
				return notOurs(f)
			}
			if err := checkName(name, to); err != nil {
				return err
			}
			changes = append(changes, audit.Change{Field: name, From: *at, To: to})
			*at = to
		}
		if len(attributes) > 0 {
			written, err := writeAttributes(tx, cfg, m, attributes)
			if err != nil {
				return err
			}
			changes = append(changes, written...)
		}
		done = *m
		if len(changes) == 0 {
			return nil
		}
		if m.Email != c.before.Email {
			if err := s.moveAddress(tx, cfg, scope, c); err != nil {
				return err
			}
		}
		e := scope.event(audit.MemberUpdated, memberParty(m), changes...)
		e.Reason = c.why
		if err := tx.Record(e); err != nil {
			return err
		}
		return save(tx, cfg, scope, c)
	})
	return done, err
}

func notOurs(f Field) error {
	who := "The directory " + f.By + " has the say over it: change it there."
	if f.Owner == OwnedByConnection {
		who = "The connection " + f.By + " says it at each sign-in: change it in the identity provider."
	}
	return errs.Conflict("not_yours", "The field %s cannot be edited here. %s", f.Name, who)
}

// moveAddress checks a new address of a member.
func (s *Service) moveAddress(tx *store.Tx, cfg *directory.Config, scope Scope, c change) error {
	m := c.after
	if !directory.IsAddress(m.Email) {
		return errs.Invalid("address_invalid", "Expected an e-mail address, received %q.", cut(m.Email))
	}
	// A slip in the address of the one who can still get in would lock everybody out (law 7).
	if err := s.shield(tx, cfg, scope, &c.before, "changing their address"); err != nil {
		return err
	}
	if err := checkAddress(tx, m.Email, m.ID, m.Sources == 0); err != nil {
		return err
	}
	tx.EndLinks(m.ID)
	return nil
}
