package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A directory in testing is answered in full, and the people whom it names are staged: their resources
// stand, with ids, versions and groups, and point at no member. Until they are turned into members they
// have no access, seat, mail or role, and nothing else in the workspace knows them.

// staged is the reason of events that had no effect on any member.
const staged = "staged"

// stagedPerson is what is kept of a Person beside its resource.
type stagedPerson struct {
	Email       string            `json:"email,omitempty"`
	DisplayName string            `json:"display_name,omitempty"`
	GivenName   string            `json:"given_name,omitempty"`
	FamilyName  string            `json:"family_name,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

func (p *Person) encode() (string, error) {
	text, err := json.Marshal(stagedPerson{p.Email, p.DisplayName, p.GivenName, p.FamilyName, p.Attributes})
	return string(text), err
}

// personOf is the person of a staged resource, without document and addresses, which stand already.
func personOf(s store.Staged) (Person, error) {
	var kept stagedPerson
	if err := json.Unmarshal([]byte(s.Person), &kept); err != nil {
		return Person{}, fmt.Errorf("read the staged person %s: %w", s.ID, err)
	}
	return Person{understood: true, UserName: s.UserName, ExternalID: s.ExternalID, Active: &s.Active, Manager: s.Manager, Email: kept.Email,
		DisplayName: kept.DisplayName, GivenName: kept.GivenName, FamilyName: kept.FamilyName, Attributes: kept.Attributes}, nil
}

// resourceParty is a staged person in an event.
func resourceParty(u *store.SCIMUser) audit.Party {
	return audit.Party{Kind: "scim_user", ID: u.ID, Name: u.UserName}
}

// stage keeps a fresh resource without a member. What a live create would refuse is refused.
func (f *feed) stage(tx *store.Tx, scope Scope, u *store.SCIMUser, p Person, before predecessors) error {
	if err := f.candidate(tx, scope, u, p, before); err != nil {
		return err
	}
	person, err := p.encode()
	if err != nil {
		return err
	}
	touch, err := retire(tx, f.Config, before.inactive)
	if err != nil {
		return err
	}
	tx.InsertSCIMUser(u)
	tx.StagePerson(f.dir.ID, u.ID, p.address(), person)
	e := scope.event(audit.SCIMUserCreated, resourceParty(u), audit.Change{Field: "scim_id", To: u.ID}, audit.Change{Field: "user_name", To: u.UserName})
	e.Reason = staged
	if err := tx.Record(e); err != nil {
		return err
	}
	touch()
	return nil
}

// candidate says why a live create of a person would be refused. A question of adoption is none for the IdP: it
// stands in the plan and in the queue, where people see it and decide before the directory is enabled.
func (f *feed) candidate(tx *store.Tx, scope Scope, u *store.SCIMUser, p Person, before predecessors) error {
	if _, err := f.memberFor(tx, u, p, before); err != nil {
		if !strings.HasPrefix(errs.CodeOf(err), "adoption_") {
			return answered(err)
		}
		if err := queue(tx, scope, err); err != nil {
			return err
		}
	}
	if !u.Active {
		return nil
	}
	holder, err := tx.StagedHolder(f.dir.ID, p.address(), u.ID)
	if err == nil && holder != "" {
		err = store.ErrAddressTaken(p.address())
	}
	return err
}

// queue keeps a meeting that people have to decide about; other refusals are nothing to it.
func queue(tx *store.Tx, scope Scope, refusal error) error {
	var w *waiting
	if !errors.As(refusal, &w) {
		return nil
	}
	return w.keep(tx, scope)
}

// answered is what a refusal says, without what it would leave behind: nothing comes of a staged person.
func answered(err error) error {
	var refusal *store.Refusal
	if errors.As(err, &refusal) {
		return refusal.Err
	}
	return err
}

// updateStaged is UpdateUser for a person who is staged. Where the directory does not stage them any more,
// because they are on the pilot's list now or the directory is enabled, they become a member by it; a
// leaver does not.
func (s *Service) updateStaged(tx *store.Tx, scope Scope, f *feed, u *store.SCIMUser, p Person) error {
	kept, err := tx.StagedUser(f.dir.ID, u.ID)
	if err != nil {
		return err
	}
	had, err := personOf(kept)
	if err != nil {
		return err
	}
	was := *u
	if p.Active != nil {
		u.Active = *p.Active
	}
	var changes []audit.Change
	if p.Active == nil || *p.Active {
		err = f.checkStaged(tx, scope, u, &p, had)
	} else {
		changes, err = f.spare(tx, u, had.member(), &p)
	}
	if err != nil {
		return err
	}
	f.understand(&p)
	u.UserName, u.ExternalID, u.Manager, u.Document = p.UserName, p.ExternalID, p.Manager, p.Document
	if err := f.writeStaged(tx, scope, was, u, p, kept.Person, changes); err != nil {
		return err
	}
	if !u.Active || f.dir.Stages(u.UserName, u.ExternalID, p.address()) {
		return nil
	}
	o, err := f.outcomeOf(tx, u.ID)
	if err != nil {
		return err
	}
	if o.err != nil {
		return leaveWaiting(scope, o.err)
	}
	u.Member = o.change.after.ID
	return f.turn(tx, scope, []outcome{o}, s.Mail)
}

// member is a person as a member would carry their values.
func (p *Person) member() *directory.Member {
	return &directory.Member{Email: p.address(), Name: p.name(), GivenName: p.GivenName, FamilyName: p.FamilyName, Attributes: p.Attributes}
}

// checkStaged asks of a staged person who stays or comes back what would be asked of a live one.
func (f *feed) checkStaged(tx *store.Tx, scope Scope, u *store.SCIMUser, p *Person, had Person) error {
	if err := p.fits(); err != nil {
		return err
	}
	if err := f.check(p); err != nil {
		return err
	}
	if p.Manager != u.Manager {
		if err := checkManager(tx, f.dir.ID, p.Manager, u.ID); err != nil {
			return err
		}
	}
	returns := !*had.Active && u.Active
	if returns {
		if err := f.mayBringIn(); err != nil {
			return err
		}
	}
	same := p.UserName == had.UserName && p.ExternalID == had.ExternalID && directory.Fold(p.address()) == directory.Fold(had.address())
	if same && !returns {
		return nil
	}
	before, err := f.predecessors(tx, *p, u.ID)
	if err != nil {
		return err
	}
	return f.candidate(tx, scope, &store.SCIMUser{ID: u.ID, Directory: u.Directory, UserName: p.UserName, ExternalID: p.ExternalID, Active: u.Active}, *p, before)
}

// writeStaged saves a staged resource where it differs from what was, and what is kept beside it.
func (f *feed) writeStaged(tx *store.Tx, scope Scope, was store.SCIMUser, u *store.SCIMUser, p Person, kept string, changes []audit.Change) error {
	field := func(name, from, to string) {
		if from != to {
			changes = append(changes, audit.Change{Field: name, From: from, To: to})
		}
	}
	field("user_name", was.UserName, u.UserName)
	field("external_id", was.ExternalID, u.ExternalID)
	field("active", boolText(was.Active), boolText(u.Active))
	typ := audit.SCIMUserUpdated
	switch {
	case was.Active && !u.Active:
		typ = audit.SCIMUserDeactivated
	case !was.Active && u.Active:
		typ = audit.SCIMUserReactivated
	}
	person, err := p.encode()
	if err != nil {
		return err
	}
	e := scope.event(typ, resourceParty(u), changes...)
	e.Reason = staged
	if len(changes) > 0 || person != kept || was.Manager != u.Manager || was.Document != u.Document {
		touch := func() {}
		if was.UserName != u.UserName {
			if touch, err = touchGroupsOf(tx, u.ID); err != nil {
				return err
			}
		}
		u.UpdatedAt = moved(tx.Now(), was.UpdatedAt)
		if was.Document != u.Document {
			u.Emails = p.Emails
			if u.Emails == nil {
				u.Emails = []store.EmailKey{}
			}
		}
		tx.UpdateSCIMUser(u)
		tx.StagePerson(f.dir.ID, u.ID, p.address(), person)
		defer touch()
	}
	return tx.Record(e)
}

// dropStaged is DeleteUser for a person who is staged.
func (f *feed) dropStaged(tx *store.Tx, scope Scope, u *store.SCIMUser) error {
	touch, err := retire(tx, f.Config, []store.SCIMUser{*u})
	if err != nil {
		return err
	}
	e := scope.event(audit.SCIMUserDeleted, resourceParty(u), audit.Change{Field: "scim_id", From: u.ID})
	e.Reason = staged
	if err := tx.Record(e); err != nil {
		return err
	}
	touch()
	return nil
}

// turn makes members of staged people, as their outcomes say; none of these is refused. The locks of the members
// are held.
func (f *feed) turn(tx *store.Tx, scope Scope, outcomes []outcome, mail bool) error {
	changes := make([]change, 0, len(outcomes))
	quiet := scope
	quiet.Payload = nil
	if err := f.readStaged(tx, quiet, outcomes); err != nil {
		return err
	}
	for _, o := range outcomes {
		c := o.change
		touch, err := retire(tx, f.Config, c.retires)
		if err != nil {
			return err
		}
		tx.Unstage(f.dir.ID, o.staged.ID, c.after.ID)
		if err := c.note(); err != nil {
			return err
		}
		f.moveLinks(tx, o.before, c.after)
		e := quiet.event(audit.SCIMUserEnabled, memberParty(c.after),
			append([]audit.Change{{Field: "scim_id", To: o.staged.ID}, {Field: "user_name", To: o.staged.UserName}}, c.told...)...)
		e.Reason = c.why
		if err := tx.Record(e); err != nil {
			return err
		}
		touch()
		changes = append(changes, c)
	}
	if err := f.tellTurned(tx, outcomes); err != nil {
		return err
	}
	if err := save(tx, f.Config, quiet, changes...); err != nil {
		return err
	}
	for _, c := range changes {
		if mail && invited(c) {
			if err := invite(tx, c.after); err != nil {
				return err
			}
		}
	}
	return nil
}

// invited reports whether a fresh member is told by e-mail.
func invited(c change) bool {
	return c.before.ID == "" && c.after.Status() == directory.StatusInvited && c.after.Email != ""
}

// stagedArrival reports whether a directory has a staged person whom an arrival names: who signs in learns that they
// are not provisioned yet.
func stagedArrival(tx *store.Tx, cfg *directory.Config, a Arrival) (bool, error) {
	for _, d := range own(cfg, a.Connection) {
		for _, name := range []string{a.Shown, a.Email} {
			people, err := tx.StagedNamed(d.ID, name)
			if err != nil {
				return false, err
			}
			for _, s := range people {
				p, err := personOf(s)
				if err != nil {
					return false, err
				}
				if a.names(s.UserName, s.ExternalID, p.address()) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}
