package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// The people of the story, before the @; every company has them.
const (
	promoted = "hoa.nguyen"  // an agent who becomes a supervisor
	moved    = "priya.r"     // a trainee who becomes an agent
	fired    = "zoe.mueller" // an admin who goes and comes back
)

// chapter is the story of one client and its workspace.
type chapter struct {
	*world
	t    *tenant
	then person   // the fired person as they were
	page *browser // their browser
}

// step is one line of the script.
type step struct {
	chapter, name string
	play          func(context.Context) (detail string, err error)
	alone         bool // nothing after it depends on it
}

// script is the whole story: the chapter of each client, then what concerns all of them.
func (w *world) script() []step {
	var all []step
	for _, t := range w.tenants {
		c, name := &chapter{world: w, t: t}, string(t.kind)
		all = append(all,
			step{chapter: name, name: "test credentials", play: c.testCredentials},
			step{chapter: name, name: "sync of 25 people and 6 groups", play: c.sync},
			step{chapter: name, name: "promotion by group", play: c.promotion},
			step{chapter: name, name: "move between groups", play: c.move},
			step{chapter: name, name: "deactivation ends the open session", play: c.deactivation},
			step{chapter: name, name: "reactivation with the same role", play: c.reactivation})
		if !t.kind.IsEntra() { // that client never lists
			all = append(all, step{chapter: name, name: "import", play: c.importAll})
		}
		all = append(all, step{chapter: name, name: "everything sent again changes nothing", play: c.again})
	}
	for _, t := range w.tenants {
		if t.signsIn {
			all = append(all, w.signInSteps(t)...)
		}
	}
	return append(all,
		step{chapter: "neighbour", name: "its token lists nothing of the others", play: w.neighbourLists},
		step{chapter: "neighbour", name: "foreign ids answer as unknown ones do", play: w.neighbourProbes},
		step{chapter: "event log", name: "every write is there with its payload", play: w.everyWriteIsLogged},
		step{chapter: "event log", name: "no token, password or link is in it", play: w.noSecretIsLogged})
}

func (c *chapter) address(who string) string { return who + "@" + c.t.slug + ".test" }

// who reads one person of the workspace.
func (c *chapter) who(ctx context.Context, name string) (person, error) {
	m, err := call[memberView](ctx, c.operator, "member.show", memberArgs{c.t.slug, c.address(name)})
	return personOf(m), err
}

// send lets the IdP send what was changed: Okta has done so already, Entra does it in a cycle.
func (c *chapter) send(ctx context.Context) error {
	if !c.t.kind.IsEntra() {
		return nil
	}
	_, err := c.t.idp.Sync(ctx)
	return err
}

func (c *chapter) testCredentials(ctx context.Context) (string, error) {
	before := c.wire.traffic(c.t.kind)
	if err := c.t.idp.TestCredentials(ctx); err != nil {
		return "", err
	}
	if n := c.wire.traffic(c.t.kind).reads - before.reads; n > 1 {
		return fmt.Sprintf("%d probes were answered", n), nil
	}
	return "the probe was answered", nil
}

func (c *chapter) sync(ctx context.Context) (string, error) {
	if err := c.t.idp.Seed(ctx, idpsim.Company{People: 25, Groups: 6, Domain: c.t.slug + ".test"}); err != nil {
		return "", err
	}
	began := time.Now()
	if _, err := c.t.idp.AssignEverybody(ctx); err != nil {
		return "", err
	}
	took, sent := time.Since(began), c.wire.traffic(c.t.kind)
	people, err := c.agree(ctx, c.t)
	if err != nil {
		return "", err
	}
	if err := same("people", 25, len(people)); err != nil {
		return "", err
	}
	groups := map[string]bool{}
	for _, p := range people {
		for _, g := range p.groups {
			groups[g] = true
		}
	}
	if err := same("groups", 6, len(groups)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; %d requests in %s", census(people), sent.reads+sent.writes, took.Round(time.Millisecond)), nil
}

// promotion puts an agent into a group of a higher role, beside the one that they are in.
func (c *chapter) promotion(ctx context.Context) (string, error) {
	if err := c.t.idp.AddMembers(ctx, "Omniflow-Supervisors", c.address(promoted)); err != nil {
		return "", err
	}
	return c.changesRole(ctx, promoted, "Agent", "Supervisor")
}

// move takes a trainee into another group. The client adds before it removes, so that they are
// never without a mapped group, which would put them out for a moment (policy group_loss).
func (c *chapter) move(ctx context.Context) (string, error) {
	if err := c.t.idp.Move(ctx, c.address(moved), "Omniflow-Trainees", "Omniflow-Agents"); err != nil {
		return "", err
	}
	detail, err := c.changesRole(ctx, moved, "Trainee", "Agent")
	if err != nil {
		return "", err
	}
	p, err := c.who(ctx, moved)
	if err != nil {
		return "", err
	}
	events, err := c.events(ctx, c.t)
	if err != nil {
		return "", err
	}
	for _, e := range events {
		if e.Subject.ID == p.id && e.Type == "member.deactivated" {
			return "", differs(c.address(moved)+" to stay in throughout", "an event "+e.Type)
		}
	}
	return detail + ", in throughout", nil
}

// changesRole sends what the IdP's administrator did and sees the role go from one to the other.
func (c *chapter) changesRole(ctx context.Context, name, from, to string) (string, error) {
	if err := c.send(ctx); err != nil {
		return "", err
	}
	people, err := c.agree(ctx, c.t)
	if err != nil {
		return "", err
	}
	p := people[c.address(name)]
	if err := same("role", to, p.role); err != nil {
		return "", err
	}
	events, err := c.events(ctx, c.t)
	if err != nil {
		return "", err
	}
	for _, e := range slices.Backward(events) {
		if e.Type == "member.role_changed" && e.Subject.ID == p.id {
			if got := e.change("role"); got.From != from || got.To != to {
				return "", differs("a change of role from "+from+" to "+to, got.From+" to "+got.To)
			}
			return fmt.Sprintf("%s: %s -> %s by %q", name, from, to, p.byGroup), nil
		}
	}
	return "", differs("an event of the change of role", "none")
}

// deactivation fires somebody who is signed in with a page open, and measures from the SCIM answer
// how long the session lives on: it must be dead at the first check.
func (c *chapter) deactivation(ctx context.Context) (string, error) {
	var err error
	if c.then, err = c.who(ctx, fired); err != nil {
		return "", err
	}
	told, err := c.signIn(ctx)
	if err != nil {
		return "", err
	}
	checked := c.checkAfterAnswer(ctx)
	if err := c.t.idp.Deactivate(ctx, c.address(fired)); err != nil {
		return "", err
	}
	if err := c.send(ctx); err != nil {
		return "", err
	}
	k := <-checked
	if k.err != nil {
		return "", k.err
	}
	if err := same("the first check after the SCIM answer to be answered", http.StatusUnauthorized, k.status); err != nil {
		return "", err
	}
	n, err := wait(ctx, told)
	if err != nil {
		return "", err
	}
	if err := c.isOut(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("first check refused %s the SCIM answer, open page told %s it: %s",
		fromAnswer(k.refused.Sub(k.answered)), fromAnswer(n.at.Sub(k.answered)), n.reason), nil
}

// check is the first question after a SCIM answer whether the session lives.
type check struct {
	answered, refused time.Time // when the SCIM answer came, and that of the check
	status            int
	err               error
}

// checkAfterAnswer asks at the moment at which the client's next write is answered.
func (c *chapter) checkAfterAnswer(ctx context.Context) <-chan check {
	checked, answers := make(chan check, 1), c.wire.nextWrite(c.t.kind)
	go func() {
		var k check
		select {
		case k.answered = <-answers:
			k.status, _, k.err = c.page.session(ctx)
			k.refused = time.Now()
		case <-ctx.Done():
			k.err = fmt.Errorf("wait for the SCIM answer: %w", ctx.Err())
		}
		checked <- k
	}()
	return checked
}

// tellTime is how long the word may take to an open page; that it takes milliseconds is printed.
const tellTime = 5 * time.Second

// wait returns what the open page was told.
func wait(ctx context.Context, told <-chan notice) (notice, error) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	select {
	case n := <-told:
		return n, n.err
	case <-ctx.Done():
		return notice{}, differs("the open page to be told", "no word within "+tellTime.String())
	}
}

// signIn signs the person in by a one-time link and opens their page.
func (c *chapter) signIn(ctx context.Context) (told <-chan notice, err error) {
	if c.page, err = newBrowser(c.origin, c.transport); err != nil {
		return nil, err
	}
	c.browsers = append(c.browsers, c.page)
	link, err := c.link(ctx, c.t, c.address(fired))
	if err != nil {
		return nil, err
	}
	c.wire.secret(path.Base(link)) // the token in it
	if err := c.page.follow(ctx, link); err != nil {
		return nil, err
	}
	for _, value := range c.page.cookies() {
		c.wire.secret(value)
	}
	status, member, err := c.page.session(ctx)
	if err != nil {
		return nil, err
	}
	if err := same("the session check to be answered", http.StatusOK, status); err != nil {
		return nil, err
	}
	if err := same("the session of", c.then.id, member); err != nil {
		return nil, err
	}
	return c.page.listen(ctx)
}

func (c *chapter) isOut(ctx context.Context) error {
	people, err := c.agree(ctx, c.t)
	if err != nil {
		return err
	}
	if now := people[c.address(fired)]; now.status != "deactivated" || strings.Join(now.outBy, ",") != "idp" {
		return differs(c.address(fired)+" to be deactivated by the idp alone", now)
	}
	return nil
}

func (c *chapter) reactivation(ctx context.Context) (string, error) {
	if err := c.t.idp.Reactivate(ctx, c.address(fired)); err != nil {
		return "", err
	}
	if err := c.send(ctx); err != nil {
		return "", err
	}
	now, err := c.who(ctx, fired)
	if err != nil {
		return "", err
	}
	if err := same("the member id", c.then.id, now.id); err != nil {
		return "", err
	}
	if now.String() != c.then.String() {
		return "", differs(c.address(fired)+" as "+c.then.String(), now)
	}
	status, _, err := c.page.session(ctx)
	if err != nil {
		return "", err
	}
	if err := same("the old session to be answered", http.StatusUnauthorized, status); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is %s again under the same id, the old session stays dead", fired, now.role), nil
}

// importAll lets Okta list everything that the application has, page by page.
func (c *chapter) importAll(ctx context.Context) (string, error) {
	seen, err := c.t.idp.Sync(ctx)
	if err != nil {
		return "", err
	}
	if err := same("imported groups", 6, len(seen.ImportedGroups)); err != nil {
		return "", err
	}
	people, err := c.people(ctx, c.t)
	if err != nil {
		return "", err
	}
	names := map[string]bool{}
	for _, x := range seen.ImportedUsers {
		if !x.Active {
			return "", differs(x.Name+" to be active in the list", "inactive")
		}
		names[strings.ToLower(x.Name)] = true
	}
	if !slices.Equal(slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(people))) || len(seen.ImportedUsers) != len(people) {
		return "", differs(fmt.Sprintf("the %d people of the workspace, each once", len(people)), fmt.Sprintf("%d in the list", len(seen.ImportedUsers)))
	}
	return fmt.Sprintf("%d people and %d groups were listed", len(seen.ImportedUsers), len(seen.ImportedGroups)), nil
}

// again sends everything a second time: Entra restarts provisioning, Okta assigns everybody and
// pushes every group anew. Nobody changes.
func (c *chapter) again(ctx context.Context) (string, error) {
	before, err := c.people(ctx, c.t)
	if err != nil {
		return "", err
	}
	log, err := c.events(ctx, c.t)
	if err != nil {
		return "", err
	}
	sent := c.wire.traffic(c.t.kind)
	if err := c.sendAll(ctx); err != nil {
		return "", err
	}
	after, err := c.people(ctx, c.t)
	if err != nil {
		return "", err
	}
	for _, address := range slices.Sorted(maps.Keys(before)) {
		p := before[address]
		if now := after[address]; now.id != p.id || now.String() != p.String() {
			return "", differs(address+" unchanged as "+p.String(), now)
		}
	}
	if err := same("people", len(before), len(after)); err != nil {
		return "", err
	}
	since, err := c.events(ctx, c.t)
	if err != nil {
		return "", err
	}
	for _, e := range since[len(log):] {
		if strings.HasPrefix(e.Type, "member.") {
			return "", differs("no change of a member", "an event "+e.Type)
		}
	}
	now := c.wire.traffic(c.t.kind)
	if now.writes == sent.writes {
		return "", differs("writes to be sent again", "none")
	}
	return fmt.Sprintf("%d writes, no member changed", now.writes-sent.writes), nil
}

func (c *chapter) sendAll(ctx context.Context) error {
	if c.t.kind.IsEntra() {
		quiet := c.wire.traffic(c.t.kind)
		if err := c.send(ctx); err != nil {
			return err
		}
		if err := same("writes of a cycle without changes", quiet.writes, c.wire.traffic(c.t.kind).writes); err != nil {
			return err
		}
		_, err := c.t.idp.Restart(ctx)
		return err
	}
	for _, x := range c.t.idp.State().People {
		if err := c.t.idp.Provision(ctx, x.UserName); err != nil {
			return err
		}
	}
	_, err := c.t.idp.AssignEverybody(ctx)
	return err
}
