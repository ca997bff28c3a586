package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Outcomes of a plan, as people read them.
const (
	PlanCreated     = "created"     // a member is made
	PlanLinked      = "linked"      // a member who is there becomes the directory's
	PlanRestored    = "restored"    // a member who was out comes back
	PlanDeactivated = "deactivated" // a member who is there goes out
	PlanStays       = "stays"       // the person is a member already: the pilot's
	PlanRefused     = "refused"     // the person stays staged
)

// PlanOutcomes are all of them, in the order in which they are shown.
func PlanOutcomes() []string {
	return []string{PlanCreated, PlanLinked, PlanRestored, PlanDeactivated, PlanRefused, PlanStays}
}

// PlanRow is what enabling a directory does to one person of it.
type PlanRow struct {
	ID         string `json:"id"` // SCIM id, which stays
	UserName   string `json:"user_name"`
	ExternalID string `json:"external_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Name       string `json:"name,omitempty"`
	Outcome    string `json:"outcome"`
	Member     string `json:"member,omitempty"` // id of a member who is there already
	// Status is the member's then, Role by name, with what decides it and whom it is taken from.
	Status     directory.Status `json:"status,omitempty"`
	RoleBefore string           `json:"role_before,omitempty"`
	Role       string           `json:"role,omitempty"`
	RoleReason string           `json:"role_reason,omitempty"`
	Invited    bool             `json:"invited,omitempty"`
	// Reason is the code of a refusal, else what brings the outcome about; Why is a refusal's sentence.
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Plan is what enabling a directory does.
type Plan struct {
	// Word names exactly this plan: Enable carries out no other.
	Word   string         `json:"word"`
	Staged int            `json:"staged"`
	Live   int            `json:"live"` // people who are members already
	Counts map[string]int `json:"counts"`
	Mails  int            `json:"invitations"`
	// Blocked says why the directory cannot be enabled now; "" when it can.
	Blocked     string    `json:"blocked,omitempty"`
	BlockedCode string    `json:"blocked_code,omitempty"`
	Rows        []PlanRow `json:"rows"`
	// More says that rows lie behind those that were asked for.
	More bool `json:"more,omitempty"`
}

// PlanPage chooses the rows of a plan that are shown.
type PlanPage struct {
	Outcome string // only this one; "" for all
	Skip    int
	Limit   int
}

// planner gathers a plan.
type planner struct {
	*feed
	page    PlanPage
	mail    bool
	plan    Plan
	matched int
	sum     hash.Hash
}

// PlanOf says what enabling a directory would do: the outcome of each staged person. It changes nothing and may
// run in a transaction that only reads. mail says that invitations can be sent.
func PlanOf(tx *store.Tx, cfg *directory.Config, directoryID string, page PlanPage, mail bool) (Plan, error) {
	plan, _, err := planOf(tx, cfg, Scope{Workspace: tx.Workspace(), Directory: directoryID}, page, mail, false)
	return plan, err
}

func planOf(tx *store.Tx, cfg *directory.Config, scope Scope, page PlanPage, mail, keep bool) (Plan, []outcome, error) {
	dir, ok := cfg.Directory(scope.Directory)
	if !ok {
		return Plan{}, nil, errs.NotFound("directory_unknown", "There is no such directory.")
	}
	f := feedOf(cfg, dir)
	p := &planner{feed: f, page: page, mail: mail, plan: Plan{Counts: map[string]int{}, Rows: []PlanRow{}}, sum: sha256.New()}
	var kept []outcome
	if err := f.reckon(tx, scope).all(func(o outcome) error {
		p.add(o)
		if keep {
			kept = append(kept, o)
		}
		return nil
	}); err != nil {
		return Plan{}, nil, err
	}
	var err error
	if p.plan.Live, err = tx.CountLive(dir.ID, MaxCounted); err != nil {
		return Plan{}, nil, err
	}
	if err := p.stay(tx); err != nil {
		return Plan{}, nil, err
	}
	if refused := f.mayBringIn(); refused != nil && p.plan.Staged > 0 {
		p.plan.Blocked, p.plan.BlockedCode = refused.Error(), errs.CodeOf(refused)
	}
	// The word is of everything that decides, and of nothing that is made anew each time.
	p.plan.Word = hex.EncodeToString(p.sum.Sum(nil)[:8])
	return p.plan, kept, nil
}

// add puts one outcome into the plan.
func (p *planner) add(o outcome) {
	row := p.row(o)
	p.plan.Staged++
	p.plan.Counts[row.Outcome]++
	if row.Invited {
		p.plan.Mails++
	}
	// A hash takes everything.
	_, _ = fmt.Fprintf(p.sum, "%q %d %q %q %q %q %q %q %t\n", row.ID, o.staged.UpdatedAt.UnixMicro(), row.Outcome, row.Member, row.Status, row.Role, row.RoleReason, row.Reason, row.Invited)
	p.show(row)
}

func (p *planner) show(row PlanRow) {
	if p.page.Outcome != "" && p.page.Outcome != row.Outcome {
		return
	}
	p.matched++
	switch {
	case p.matched <= p.page.Skip:
	case len(p.plan.Rows) >= p.page.Limit:
		p.plan.More = true
	default:
		p.plan.Rows = append(p.plan.Rows, row)
	}
}

func (p *planner) row(o outcome) PlanRow {
	row := PlanRow{ID: o.staged.ID, UserName: o.staged.UserName, ExternalID: o.staged.ExternalID, Email: o.person.address(), Name: o.person.name()}
	if o.err != nil {
		row.Outcome, row.Reason, row.Why = PlanRefused, errs.CodeOf(o.err), o.err.Error()
		return row
	}
	c := o.change
	m := c.after
	row.Outcome, row.Reason, row.Status, row.Email, row.Name = PlanCreated, c.why, m.Status(), m.Email, m.Name
	row.Role, row.RoleReason = roleName(p.Config, m.Role), m.RoleReason.Sentence()
	row.Invited = p.mail && invited(c)
	if c.before.ID == "" {
		return row
	}
	row.Member, row.RoleBefore = m.ID, roleName(p.Config, c.before.Role)
	switch {
	case c.before.Sources == 0 && m.Sources != 0:
		row.Outcome = PlanDeactivated
	case c.before.Sources != 0 && m.Sources == 0:
		row.Outcome = PlanRestored
	default:
		row.Outcome = PlanLinked
	}
	return row
}

// MaxCounted is how many people are counted at the most: a plan is of a directory in which few are live yet.
const MaxCounted = 10_000

// maxStaying is how many people who are members already a plan shows; more are only counted.
const maxStaying = 500

// stay adds those who are members already. Enabling does nothing to them, so that they are not in the word.
func (p *planner) stay(tx *store.Tx) error {
	if p.plan.Live > 0 {
		p.plan.Counts[PlanStays] = p.plan.Live
	}
	live, err := tx.LiveUsers(p.dir.ID, maxStaying)
	for _, u := range live {
		m := u.Behind
		p.show(PlanRow{ID: u.ID, UserName: u.UserName, ExternalID: u.ExternalID, Email: m.Email, Name: m.Name, Outcome: PlanStays, Member: m.ID,
			Status: m.Status(), Role: roleName(p.Config, m.Role), RoleReason: m.RoleReason.Sentence()})
	}
	return err
}

// Enable makes members of a directory's staged people, inside a transaction that holds the policy exclusively: of
// all of them, by exactly the plan with that word. Who is refused in it stays staged. A plan that has
// moved since it was shown is a conflict, plan_changed. The caller makes the directory enabled in the same
// transaction.
func Enable(tx *store.Tx, cfg *directory.Config, scope Scope, word string, mail bool) (Plan, error) {
	plan, outcomes, err := planOf(tx, cfg, scope, PlanPage{}, mail, true)
	switch {
	case err != nil:
		return plan, err
	case plan.Blocked != "":
		return plan, errs.Forbidden(plan.BlockedCode, "%s", plan.Blocked)
	case plan.Word != word:
		return plan, errs.Conflict("plan_changed", "What enabling would do has changed since the plan was shown. Nothing was changed; look at the plan again.")
	}
	var turned []outcome
	for _, o := range outcomes {
		if o.err == nil {
			turned = append(turned, o)
		} else if err := queue(tx, scope, o.err); err != nil {
			return plan, err
		}
	}
	f := feedOf(cfg, mustDirectory(cfg, scope.Directory))
	return plan, f.turn(tx, scope, turned, mail)
}

// TurnPilots makes members of those staged people of a directory who are on its pilot list, inside a
// transaction that holds the policy exclusively. It returns who became one, and who was refused and stays
// staged, with the reason.
func TurnPilots(tx *store.Tx, cfg *directory.Config, scope Scope, mail bool) (rows []PlanRow, err error) {
	f := feedOf(cfg, mustDirectory(cfg, scope.Directory))
	if f.dir.Status != directory.DirectoryTesting {
		return nil, nil
	}
	p := &planner{feed: f, mail: mail}
	seen := map[string]bool{}
	for _, name := range f.dir.Pilot {
		people, err := tx.StagedNamed(f.dir.ID, name)
		if err != nil {
			return rows, err
		}
		for _, s := range people {
			person, err := personOf(s)
			if err != nil {
				return rows, err
			}
			if seen[s.ID] || !f.dir.Pilots(s.UserName, s.ExternalID, person.address()) {
				continue
			}
			seen[s.ID] = true
			o, err := f.outcomeFor(tx, s)
			if err != nil {
				return rows, err
			}
			if o.err == nil && s.Active {
				o.err = f.mayBringIn()
			}
			rows = append(rows, p.row(o))
			if o.err != nil {
				if err := queue(tx, scope, o.err); err != nil {
					return rows, err
				}
				continue
			}
			if err := f.turn(tx, scope, []outcome{o}, mail); err != nil {
				return rows, err
			}
		}
	}
	return rows, nil
}

// Discard throws away what a directory has staged, inside a transaction that holds the policy exclusively: its
// staged people, and the groups in which nobody is left. Their ids are unknown from then on.
func Discard(tx *store.Tx, directoryID string) (people, groups int64, err error) {
	return tx.DiscardStaged(directoryID)
}

// PeopleOf counts the people of a directory, MaxCounted at the most, for directory.CheckStatus. More than a pilot has
// are outside of it without being looked at one by one.
func PeopleOf(tx *store.Tx, dir directory.Directory) (directory.DirectoryPeople, error) {
	var n directory.DirectoryPeople
	var err error
	if n.Staged, err = tx.CountStaged(dir.ID); err != nil {
		return n, err
	}
	if n.Live, err = tx.CountLive(dir.ID, MaxCounted); err != nil {
		return n, err
	}
	live, err := tx.LiveUsers(dir.ID, maxStaying)
	if err != nil {
		return n, err
	}
	n.Outside = n.Live - len(live)
	for _, u := range live {
		if !dir.Pilots(u.UserName, u.ExternalID, u.Behind.Email) {
			n.Outside++
		}
	}
	return n, nil
}

// mustDirectory is a directory that the caller has found before.
func mustDirectory(cfg *directory.Config, id string) directory.Directory {
	d, _ := cfg.Directory(id)
	return d
}
