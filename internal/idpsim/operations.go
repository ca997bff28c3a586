package idpsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// This file holds what an administrator does with people. With Entra an operation is noted, and
// Sync sends it; with all others it is sent at once and its error is the application's refusal.

// AddPerson creates somebody in the IdP. Nothing is sent before they are assigned. ID, DisplayName
// and Email are filled in when empty; state in the application and Manager are ignored.
func (p *IdP) AddPerson(ctx context.Context, x Person) (Person, error) {
	var out Person
	err := p.run(ctx, "Add person", func(context.Context) (msg string, err error) {
		out, err = p.insertPerson(x)
		return out.DisplayName + " was added.", err
	})
	return out, err
}

// Assign gives somebody the application: all but Entra create or link them there at once.
func (p *IdP) Assign(ctx context.Context, who string) error {
	return p.run(ctx, "Assign", func(ctx context.Context) (string, error) {
		x, err := p.changePerson(who, func(x *Person) error { x.Assigned = true; return nil })
		if err != nil || p.kind.IsEntra() {
			return p.noted(x, "assigned"), err
		}
		return x.DisplayName + " was assigned.", p.personTask(ctx, x, "assign", true)
	})
}

// Unassign takes the application away from somebody, who is then deactivated there, unless
// the connection's DeleteAction says otherwise.
func (p *IdP) Unassign(ctx context.Context, who string) error {
	return p.change(ctx, "Unassign", who, "unassigned", func(x *Person) error { x.Assigned = false; return nil })
}

// Deactivate bars somebody at the IdP (Okta: deactivate; Entra: block sign-in).
func (p *IdP) Deactivate(ctx context.Context, who string) error {
	return p.change(ctx, "Deactivate", who, "deactivated", func(x *Person) error { x.Active = false; return nil })
}

// Reactivate undoes Deactivate; whoever is still assigned comes back in the application.
func (p *IdP) Reactivate(ctx context.Context, who string) error {
	return p.change(ctx, "Reactivate", who, "reactivated", func(x *Person) error { x.Active = true; return nil })
}

// Attributes are the changes of a person; nil means unchanged, "" clears.
type Attributes struct {
	UserName    *string           `json:"userName"`
	GivenName   *string           `json:"givenName"`
	FamilyName  *string           `json:"familyName"`
	DisplayName *string           `json:"displayName"`
	Email       *string           `json:"email"`
	Title       *string           `json:"title"`
	Department  *string           `json:"department"`
	Phone       *string           `json:"phone"`
	PostalCode  *string           `json:"postalCode"`
	Custom      map[string]string `json:"custom"` // merged; "" clears one
}

func (a Attributes) apply(x *Person) error {
	for _, f := range []struct {
		from *string
		to   *string
	}{{a.UserName, &x.UserName}, {a.GivenName, &x.GivenName}, {a.FamilyName, &x.FamilyName}, {a.DisplayName, &x.DisplayName},
		{a.Email, &x.Email}, {a.Title, &x.Title}, {a.Department, &x.Department}, {a.Phone, &x.Phone}, {a.PostalCode, &x.PostalCode}} {
		if f.from != nil {
			*f.to = strings.TrimSpace(*f.from)
		}
	}
	if x.UserName == "" {
		return fmt.Errorf("%w: userName cannot be empty", ErrInvalid)
	}
	for k, v := range a.Custom {
		if x.Custom == nil {
			x.Custom = map[string]string{}
		}
		x.Custom[k] = v
	}
	return nil
}

// Change sets attributes, the user name and the address among them.
func (p *IdP) Change(ctx context.Context, who string, a Attributes) error {
	return p.change(ctx, "Change attributes", who, "changed", a.apply)
}

// SetManager makes manager the manager of who; "" takes the manager away.
func (p *IdP) SetManager(ctx context.Context, who, manager string) error {
	id := ""
	if manager != "" {
		m, err := p.person(manager)
		if err != nil {
			return err
		}
		id = m.ID
	}
	return p.change(ctx, "Set manager", who, "given a manager", func(x *Person) error {
		if x.ID == id {
			return fmt.Errorf("%w: nobody manages themselves", ErrInvalid)
		}
		x.Manager = id
		return nil
	})
}

// SetRoles gives somebody Entra app roles; how they are sent is the connection's RoleMapping.
func (p *IdP) SetRoles(ctx context.Context, who string, roles []AppRole) error {
	if !p.kind.IsEntra() {
		return fmt.Errorf("set roles: %w", ErrNotOffered)
	}
	return p.change(ctx, "Set app roles", who, "given app roles", func(x *Person) error { x.Roles = slices.Clone(roles); return nil })
}

// change alters a person; all but Entra then send what follows from it.
func (p *IdP) change(ctx context.Context, name, who, verb string, fn func(*Person) error) error {
	return p.run(ctx, name, func(ctx context.Context) (string, error) {
		before, err := p.person(who)
		if err != nil {
			return "", err
		}
		x, err := p.changePerson(who, fn)
		if err != nil || p.kind.IsEntra() {
			return p.noted(x, verb), err
		}
		return x.DisplayName + " was " + verb + ".", p.personTask(ctx, x, name, x.inScope() && !before.inScope())
	})
}

func (p *IdP) noted(x Person, verb string) string {
	return x.DisplayName + " was " + verb + "; the next sync sends it."
}

// personTask brings one person's state in the application up to date and keeps a refusal for Retry.
// entering says that they have just come into scope: then a group that they are in follows.
func (p *IdP) personTask(ctx context.Context, x Person, name string, entering bool) error {
	if !p.connected() {
		return nil // assignments before the connection are sent by AssignEverybody
	}
	send := p.putSend
	if p.kind.isOkta() {
		send = p.oktaSend
	}
	err := send(ctx, x, name)
	p.noteApp(x.ID, func(a *AppUser) {
		a.inDoubt = inDoubt(err) || err != nil && a.inDoubt
		a.Error = ""
		if err != nil {
			a.Error = err.Error()
			a.Attempts++
		} else {
			a.Attempts = 0
		}
	})
	if err != nil || !entering {
		return err
	}
	for _, g := range p.State().Groups {
		if g.App.RemoteID != "" && slices.Contains(g.Members, x.ID) && !slices.Contains(g.App.Members, x.ID) {
			err = errors.Join(err, p.groupTask(ctx, g.ID))
		}
	}
	return err
}

func (p *IdP) oktaSend(ctx context.Context, x Person, name string) error {
	switch {
	case x.App.RemoteID == "" && !x.inScope():
		return p.oktaWithdraw(ctx, x)
	case x.App.RemoteID == "" || name == "assign":
		return p.oktaProvision(ctx, x)
	case x.inScope() != x.App.Active, x.App.inDoubt:
		return p.oktaSetActive(ctx, x, x.inScope())
	case !x.inScope():
		return nil
	}
	return p.oktaPut(ctx, x, oktaUpdate, func(read object) object {
		o := p.oktaMerge(read, p.profileOf(x))
		if o.get("active") == nil || p.kind.usesPut() {
			o = o.set("active", true) // custom apps say so in every PUT
		}
		return o
	})
}

// Delete removes somebody from the IdP. Entra purges: the next cycle sends DELETE, unless they
// were unassigned before. Okta never sends DELETE /Users: it deactivates and forgets. With the others the
// connection's DeleteAction says.
func (p *IdP) Delete(ctx context.Context, who string) error {
	return p.run(ctx, "Delete person", func(ctx context.Context) (string, error) {
		x, err := p.changePerson(who, func(x *Person) error {
			x.Active, x.Deleted = false, true
			return nil
		})
		if err != nil || p.kind.IsEntra() {
			return p.noted(x, "deleted"), err
		}
		if err := p.personTask(ctx, x, "delete", false); err != nil {
			return "", err
		}
		p.forgetPerson(x.ID)
		return x.DisplayName + " was deleted.", nil
	})
}

// ResetPassword sends a password to the application, as Okta does when password sync is on.
func (p *IdP) ResetPassword(ctx context.Context, who, password string) error {
	return p.run(ctx, "Sync password", func(ctx context.Context) (string, error) {
		conn, err := p.settings()
		if err != nil {
			return "", err
		}
		x, err := p.person(who)
		switch {
		case err != nil:
			return "", err
		case !p.kind.isOkta():
			return "", fmt.Errorf("sync password: %w", ErrNotOffered)
		case !conn.PasswordSync || x.App.RemoteID == "":
			return "", fmt.Errorf("%w: password sync is off, or %s is not provisioned", ErrInvalid, x.UserName)
		}
		return "The password was sent.", p.oktaSendPassword(ctx, x, password)
	})
}

// Provision is Entra's provisioning on demand: one person now, whatever back-off or quarantine
// say, and always in the default dialect, since the compliance flag does not work there.
func (p *IdP) Provision(ctx context.Context, who string) error {
	return p.run(ctx, "Provision on demand", func(ctx context.Context) (string, error) {
		x, err := p.person(who)
		if err != nil {
			return "", err
		}
		if !p.kind.IsEntra() {
			return x.DisplayName + " was sent.", p.personTask(ctx, x, "assign", true)
		}
		j := p.entraPersonJob(x, dialect{})
		verb, err := j.send(ctx)
		if err != nil {
			j.failed(err.Error())
		}
		if verb == "" {
			verb = "up to date"
		}
		return x.DisplayName + " was " + verb + ".", err
	})
}

// AssignEverybody assigns all people, pushes all groups and sends all of it: the first sync of a
// company. With Entra this is a cycle. An application that has SAML settings and no connection is
// only signed in to: nothing is sent then.
func (p *IdP) AssignEverybody(ctx context.Context) (Report, error) {
	p.mu.Lock()
	for _, x := range p.people {
		x.Assigned = true
	}
	for _, g := range p.groups {
		g.Pushed = !g.Deleted && p.kind.PushesGroups()
	}
	p.mu.Unlock()
	if p.signsIn() && !p.connected() {
		return Report{IdP: p.kind}, nil
	}
	if p.kind.IsEntra() {
		return p.Sync(ctx)
	}
	return p.reporting(ctx, "Assign everybody", func(ctx context.Context) (Report, error) { return p.sendAll(ctx, false) })
}

// Sync runs Entra's incremental cycle or the others' import; Google and PingOne have none and send
// what is due. A *SyncError lists objects that failed; the report is filled in beside it.
func (p *IdP) Sync(ctx context.Context) (Report, error) {
	return p.reporting(ctx, "Sync", func(ctx context.Context) (Report, error) {
		switch {
		case p.kind.IsEntra():
			return p.entraCycle(ctx, false)
		case p.kind.isOkta():
			return p.oktaImport(ctx)
		}
		return p.putImport(ctx)
	})
}

// Retry sends again what failed: tasks, or an Entra cycle without back-off.
func (p *IdP) Retry(ctx context.Context) (Report, error) {
	return p.reporting(ctx, "Retry", func(ctx context.Context) (Report, error) {
		if p.kind.IsEntra() {
			return p.entraCycle(ctx, true)
		}
		return p.sendAll(ctx, true)
	})
}

// Restart is Entra's "restart provisioning": quarantine is lifted, what was sent before is
// forgotten, and one cycle matches everybody anew. Members are then added twice and active=true
// is said again, which applications must bear.
func (p *IdP) Restart(ctx context.Context) (Report, error) {
	if !p.kind.IsEntra() {
		return Report{IdP: p.kind}, fmt.Errorf("restart: %w", ErrNotOffered)
	}
	return p.reporting(ctx, "Restart provisioning", func(ctx context.Context) (Report, error) {
		p.mu.Lock()
		p.quarantine = nil
		for _, x := range p.people {
			// Purged and unassigned people keep their link, or nobody could be told about them.
			if x.inScope() {
				x.App = AppUser{reassertion: true}
			}
		}
		for _, g := range p.groups {
			if g.Pushed && !g.Deleted {
				g.App = AppGroup{Members: g.leavers()}
			}
		}
		p.mu.Unlock()
		return p.entraCycle(ctx, true)
	})
}

func (p *IdP) reporting(ctx context.Context, name string, fn func(context.Context) (Report, error)) (Report, error) {
	var report Report
	err := p.run(ctx, name, func(ctx context.Context) (msg string, err error) {
		report, err = fn(ctx)
		return report.String(), err
	})
	return report, err
}

// sendAll sends people, then groups; with onlyFailed those whose last task failed.
func (p *IdP) sendAll(ctx context.Context, onlyFailed bool) (Report, error) {
	conn, err := p.settings()
	if err != nil {
		return Report{IdP: p.kind}, err
	}
	start := p.opts.Clock()
	t := &tally{report: Report{IdP: p.kind}}
	t.work(ctx, p.peopleJobs(onlyFailed), conn.Parallel)
	if t.stopped() == nil && !conn.WithoutGroups {
		t.work(ctx, p.groupJobs(onlyFailed), 1)
	}
	t.report.Duration = p.opts.Clock().Sub(start)
	return t.report, t.err()
}

func (p *IdP) peopleJobs(onlyFailed bool) []job {
	var jobs []job
	for _, x := range p.State().People {
		pending := x.inScope() && (x.App.RemoteID == "" || !x.App.Active)
		if (onlyFailed || !pending) && x.App.Error == "" {
			continue
		}
		jobs = append(jobs, job{object: "user", id: x.ID, name: x.UserName,
			send:   func(ctx context.Context) (string, error) { return "provisioned", p.personTask(ctx, x, "all", false) },
			failed: func(string) {}}) // personTask has noted it
	}
	return jobs
}

func (p *IdP) groupJobs(onlyFailed bool) []job {
	var jobs []job
	for _, g := range p.State().Groups {
		if !g.Pushed || onlyFailed && g.App.Error == "" && !p.groupDue(g) {
			continue
		}
		jobs = append(jobs, job{object: "group", id: g.ID, name: g.Name,
			send:   func(ctx context.Context) (string, error) { return "pushed", p.pushTask(ctx, g) },
			failed: func(string) {}})
	}
	return jobs
}
