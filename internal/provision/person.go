package provision

import (
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Person is what a directory says of somebody.
type Person struct {
	UserName   string
	ExternalID string
	// Active is nil where the directory did not say.
	Active *bool
	// Email is the primary address, else the first; "" where there is none.
	Email  string
	Emails []store.EmailKey // all of them, folded

	DisplayName string
	GivenName   string
	FamilyName  string
	// Attributes are read out of Document, by the mapping of the directory, before a member gets them.
	Attributes map[string]string
	Manager    string // SCIM id of another person of the directory, or ""
	// Document is the resource as understood, JSON.
	Document string

	understood bool              // Attributes were read
	given      []directory.Given // by which they were
}

// User is a resource as a directory is shown it.
type User struct {
	store.SCIMUser
	Groups []store.GroupMember
}

// address is the member's address: the directory's, else a userName that is one.
func (p *Person) address() string {
	if p.Email == "" && directory.IsAddress(p.UserName) {
		return p.UserName
	}
	return p.Email
}

func (p *Person) name() string {
	switch {
	case p.DisplayName != "":
		return p.DisplayName
	case p.GivenName != "" && p.FamilyName != "":
		return p.GivenName + " " + p.FamilyName
	case p.GivenName+p.FamilyName != "":
		return p.GivenName + p.FamilyName
	default:
		return p.UserName
	}
}

// Limits of what a directory can say of one person or group. Lists read many of them at once, and
// PostgreSQL indexes no value of more than some 2,700 bytes.
const (
	maxDocument = 64 << 10 // bytes of a resource's JSON
	maxKey      = 1024     // bytes of a value that is looked up
)

// fits refuses a person who is too large to be kept.
func (p *Person) fits() error {
	if len(p.Document) > maxDocument {
		return errs.Invalid("too_large", "The user has %d bytes of attributes; at most %d are kept. Leave photos and certificates out of the mapping.", len(p.Document), maxDocument)
	}
	if err := keyFits("userName", p.UserName); err != nil {
		return err
	}
	if err := keyFits("externalId", p.ExternalID); err != nil {
		return err
	}
	if err := keyFits("manager", p.Manager); err != nil {
		return err
	}
	for _, e := range p.Emails {
		if err := keyFits("emails.value", e.Value); err != nil {
			return err
		}
		if err := keyFits("emails.type", e.Type); err != nil {
			return err
		}
	}
	return nil
}

func keyFits(name, value string) error {
	if len(value) > maxKey {
		return errs.Invalid("too_large", "%s has %d bytes; at most %d are accepted.", name, len(value), maxKey)
	}
	return nil
}

// keepTooLarge lets somebody go out whose other attributes are too large to be kept: those stay as
// they were.
func (p *Person) keepTooLarge(u *store.SCIMUser, m *directory.Member) {
	p.UserName, p.ExternalID, p.Document, p.Manager = u.UserName, u.ExternalID, u.Document, u.Manager
	p.Email, p.DisplayName, p.GivenName, p.FamilyName, p.understood = m.Email, m.Name, m.GivenName, m.FamilyName, false
}

// check refuses a person who lacks what the policy requires or whose address cannot be one.
func (p *Person) check(policy directory.Policy) error {
	if p.UserName == "" {
		return errs.Invalid("required_missing", "userName is required and was not given.")
	}
	for _, name := range policy.RequiredAttributes {
		switch name {
		case "email":
			if p.address() == "" {
				return errs.Invalid("required_missing", "emails is required by this workspace: expected an e-mail address in emails or as userName, received none (userName %q).", p.UserName)
			}
		case "userName":
			if !directory.IsAddress(p.UserName) {
				return errs.Invalid("user_name_not_address", "This workspace expects an e-mail address as userName, received %q. In the IdP, set the application username format to e-mail.", p.UserName)
			}
		case "displayName":
			if p.DisplayName == "" {
				return errs.Invalid("required_missing", "displayName is required by this workspace and was not given. Map it in the IdP.")
			}
		case "givenName":
			if p.GivenName == "" {
				return errs.Invalid("required_missing", "name.givenName is required by this workspace and was not given.")
			}
		case "familyName":
			if p.FamilyName == "" {
				return errs.Invalid("required_missing", "name.familyName is required by this workspace and was not given.")
			}
		case "externalId":
			if p.ExternalID == "" {
				return errs.Invalid("required_missing", "externalId is required by this workspace and was not given.")
			}
		}
	}
	if a := p.address(); a != "" && !directory.IsAddress(a) {
		return errs.Invalid("address_invalid", "emails: expected an e-mail address, received %q.", a)
	}
	return nil
}

// fill copies the names that the directory says into the member and returns what changed. The address is
// left to the caller, who has to ask first, and the attributes to feed.fill.
func (p *Person) fill(m *directory.Member) []audit.Change {
	var changes []audit.Change
	set := func(field string, at *string, to string) {
		if *at != to {
			changes = append(changes, audit.Change{Field: field, From: *at, To: to})
			*at = to
		}
	}
	set("name", &m.Name, p.name())
	set("given_name", &m.GivenName, p.GivenName)
	set("family_name", &m.FamilyName, p.FamilyName)
	return changes
}

// checkAddress applies law 6 to an address that a member is to have. in says whether the member
// is not deactivated: somebody who is out may share an address.
func checkAddress(tx *store.Tx, address, member string, in bool) error {
	if address == "" {
		return nil
	}
	facts, err := tx.AddressFacts(address)
	if err != nil {
		return err
	}
	return allowed(facts, address, member, in)
}

// allowed is checkAddress for whoever has asked already.
func allowed(facts store.AddressFacts, address, member string, in bool) error {
	if facts.Foreign {
		return errs.Forbidden("address_domain_foreign", "The address %s cannot be set here: its domain is not this workspace's.", address)
	}
	if in && facts.Holder != "" && facts.Holder != member {
		return store.ErrAddressTaken(address)
	}
	return nil
}

// checkManager refuses a manager who is not a person of the directory.
func checkManager(tx *store.Tx, directoryID, manager, self string) error {
	if manager == "" {
		return nil
	}
	if manager == self {
		return errs.Invalid("manager_unknown", "manager: somebody cannot be their own manager.")
	}
	known, err := tx.KnownSCIMUsers(directoryID, []string{manager})
	if err != nil {
		return err
	}
	if _, ok := known[manager]; !ok {
		return errs.Invalid("manager_unknown", "manager: expected the id of a user of this directory, received %q.", manager)
	}
	return nil
}
