package idpsim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// quiet is a simulator whose sleeping is recorded instead of done.
func quiet(t *testing.T) (*Server, *sleeps) {
	t.Helper()
	z := &sleeps{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	s := New(Options{Clock: z.clock, Sleep: z.sleep})
	t.Cleanup(s.Close)
	return s, z
}

// connected is an IdP of that kind, filled with a company and connected to a fake application.
func connected(t *testing.T, kind Kind, c Connection) (*IdP, *fakeApp, *sleeps) {
	t.Helper()
	f, base := startFake(t)
	s, z := quiet(t)
	p := s.IdP(kind)
	c.BaseURL, c.Token = base, "gscim_0123456789"
	must(t, p.Seed(t.Context(), Company{}))
	must(t, p.Connect(t.Context(), c))
	return p, f, z
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settle sends what an Entra IdP has noted; Okta has sent it already.
func settle(t *testing.T, p *IdP) {
	t.Helper()
	if p.Kind().IsEntra() {
		_, err := p.Sync(t.Context())
		must(t, err)
	}
}

// groupsOf is how many of a company's groups a client of that kind pushes.
func groupsOf(kind Kind, n int) int {
	if kind.PushesGroups() {
		return n
	}
	return 0
}

func TestEveryClientBringsACompanyIntoTheApplication(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{Parallel: 4})
			must(t, p.TestCredentials(t.Context()))
			_, err := p.AssignEverybody(t.Context())
			must(t, err)
			if len(f.users) != 25 || len(f.groups) != groupsOf(kind, 6) {
				t.Fatalf("the application has %d people and %d groups, want 25 and %d", len(f.users), len(f.groups), groupsOf(kind, 6))
			}
			want := []string{"ann.lee@acme.test", "zoe.mueller@acme.test"}
			if got := f.memberNames("Omniflow-Admins"); kind.PushesGroups() && !slices.Equal(got, want) {
				t.Errorf("admins are %v, want %v", got, want)
			}
			for _, x := range p.State().People {
				if x.State() != "provisioned" {
					t.Errorf("%s is %s", x.UserName, x.State())
				}
			}
		})
	}
}

func TestEveryClientFollowsAPersonThroughTheirLife(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{})
			ctx := t.Context()
			_, err := p.AssignEverybody(ctx)
			must(t, err)
			const ivan = "ivan.petrov@acme.test"
			id := f.user(ivan)["id"]

			must(t, p.Deactivate(ctx, ivan))
			settle(t, p)
			if f.user(ivan)["active"] != false {
				t.Error("deactivation did not arrive")
			}
			must(t, p.Reactivate(ctx, ivan))
			settle(t, p)
			if u := f.user(ivan); u["active"] != true || u["id"] != id {
				t.Errorf("reactivation gave %v with id %v, want true with id %v", u["active"], u["id"], id)
			}
			pushes := kind.PushesGroups()
			if pushes && !slices.Contains(f.memberNames("Omniflow-Agents"), ivan) {
				t.Error("the group was lost on the way")
			}

			must(t, p.Move(ctx, ivan, "Omniflow-Agents", "Omniflow-Supervisors"))
			settle(t, p)
			if slices.Contains(f.memberNames("Omniflow-Agents"), ivan) || pushes && !slices.Contains(f.memberNames("Omniflow-Supervisors"), ivan) {
				t.Error("the move between groups did not arrive")
			}

			name, family := "ivan.sidorov@acme.test", "Сидоров"
			must(t, p.Change(ctx, ivan, Attributes{UserName: &name, Email: &name, FamilyName: &family}))
			settle(t, p)
			u := f.user(name)
			if u == nil || u["id"] != id || u["name"].(map[string]any)["familyName"] != family {
				t.Fatalf("the rename gave %v", u)
			}
			if got := u["emails"].([]any)[0].(map[string]any)["value"]; got != name {
				t.Errorf("the address is %v, want %s", got, name)
			}

			must(t, p.RenameGroup(ctx, "Engineering", "Technik"))
			settle(t, p)
			if f.group("Engineering") != nil || len(f.memberNames("Technik")) != groupsOf(kind, 4) {
				t.Errorf("the renamed group has %v", f.memberNames("Technik"))
			}
			must(t, p.Unassign(ctx, name))
			settle(t, p)
			if f.user(name)["active"] != false {
				t.Error("unassignment did not deactivate")
			}
			must(t, p.Assign(ctx, name))
			settle(t, p)
			if u := f.user(name); u["active"] != true || u["id"] != id {
				t.Error("assignment did not bring the same person back")
			}
			must(t, p.DeleteGroup(ctx, "Technik"))
			settle(t, p)
			if _, err := p.group("Technik"); f.group("Technik") != nil || !errors.Is(err, ErrUnknown) {
				t.Error("the group was not deleted")
			}
		})
	}
}

func TestAManagerIsSentOnceTheApplicationKnowsThem(t *testing.T) {
	for _, kind := range []Kind{Entra, EntraFlag} {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{})
			must(t, p.SetManager(t.Context(), "ann.lee@acme.test", "tomas.cerny@acme.test"))
			_, err := p.AssignEverybody(t.Context())
			must(t, err)
			ext, _ := f.user("ann.lee@acme.test")[enterpriseSchema].(map[string]any)
			if want := f.user("tomas.cerny@acme.test")["id"]; ext["manager"] != want {
				t.Errorf("manager is %v, want %v", ext["manager"], want)
			}
		})
	}
}

func TestAnEntraCycleSendsOnlyWhatChanged(t *testing.T) {
	p, f, _ := connected(t, Entra, Connection{})
	_, err := p.AssignEverybody(t.Context())
	must(t, err)
	n := len(f.since(0))
	settle(t, p)
	if got := f.since(n); len(got) != 0 {
		t.Errorf("a cycle without changes sent %v", got)
	}
	title := "Head of Agents"
	must(t, p.Change(t.Context(), "ivan.petrov@acme.test", Attributes{Title: &title}))
	settle(t, p)
	if got := f.since(n); len(got) != 1 || !strings.HasPrefix(got[0], "PATCH /scim/v2/Users/") {
		t.Errorf("one change sent %v", got)
	}
}

func TestEntraMatchesBeforeItCreates(t *testing.T) {
	p, f, _ := connected(t, Entra, Connection{})
	twice := doc{"userName": "zoe.mueller@acme.test", "active": true}
	f.users = []doc{
		{"id": "old", "userName": "Ann.Lee@acme.test", "active": false},
		{"id": "z1", "userName": twice["userName"], "active": true}, {"id": "z2", "userName": twice["userName"], "active": true},
	}
	_, err := p.AssignEverybody(t.Context())
	var failed *SyncError
	if !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].Name != "zoe.mueller@acme.test" {
		t.Fatalf("two matches must fail for that one person, got %v", err)
	}
	if u := f.user("ann.lee@acme.test"); u["id"] != "old" || u["active"] != true {
		t.Errorf("the one match was not taken over: %v", u)
	}
	if len(f.users) != 26 {
		t.Errorf("the application has %d people, want 26", len(f.users))
	}
}

func TestAFailedObjectWaitsLongerEachTime(t *testing.T) {
	p, f, _ := connected(t, Entra, Connection{})
	f.deny = func(r *http.Request) int {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Groups") {
			return 400
		}
		return 0
	}
	_, err := p.AssignEverybody(t.Context())
	if err == nil {
		t.Fatal("refused groups must be reported")
	}
	var tried []int
	for range 7 {
		n := len(f.since(0))
		_, _ = p.Sync(t.Context())
		tried = append(tried, len(f.since(n)))
	}
	// Six groups, each a match and a create: at the first retry at once, then after 2 and 4 cycles.
	want := []int{12, 0, 12, 0, 0, 0, 12}
	if !slices.Equal(tried, want) {
		t.Errorf("requests per cycle %v, want %v", tried, want)
	}
}

func TestRefusedCredentialsPutEntraIntoQuarantineForADay(t *testing.T) {
	p, f, z := connected(t, Entra, Connection{})
	f.deny = func(*http.Request) int { return 401 }
	_, err := p.AssignEverybody(t.Context())
	if statusOf(err) != 401 || p.State().Quarantine == nil {
		t.Fatalf("got %v and quarantine %v", err, p.State().Quarantine)
	}
	n := len(f.since(0))
	if n != 1 {
		t.Errorf("%d requests were sent with refused credentials, want 1", n)
	}
	f.deny = nil
	if _, err := p.Sync(t.Context()); !errors.Is(err, ErrQuarantined) || len(f.since(n)) != 0 {
		t.Errorf("a cycle in quarantine gave %v and %v", err, f.since(n))
	}
	z.pass(24 * time.Hour)
	if _, err := p.Sync(t.Context()); err != nil || p.State().Quarantine != nil {
		t.Errorf("a day later: %v, quarantine %v", err, p.State().Quarantine)
	}
}

func TestMostCallsFailingIsQuarantine(t *testing.T) {
	p, f, z := connected(t, Entra, Connection{})
	f.deny = func(r *http.Request) int {
		if r.Method == http.MethodPost {
			return 400
		}
		return 0
	}
	_, err := p.AssignEverybody(t.Context())
	if err == nil || p.State().Quarantine == nil {
		t.Fatalf("got %v and no quarantine", err)
	}
	z.pass(28 * 24 * time.Hour)
	f.deny = nil
	if _, err := p.Sync(t.Context()); !errors.Is(err, ErrQuarantined) {
		t.Errorf("after four weeks the job must be disabled, got %v", err)
	}
	_, err = p.Restart(t.Context())
	must(t, err)
	if len(f.users) != 25 || p.State().Quarantine != nil {
		t.Errorf("after the restart: %d people, quarantine %v", len(f.users), p.State().Quarantine)
	}
}

func TestAnApplicationThatGoesAwayInTheMiddleIsCarriedOnWithLater(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{Attempts: 1})
			posts := 0
			f.deny = func(r *http.Request) int {
				if r.Method == http.MethodPost {
					posts++
				}
				if posts > 10 {
					return 503
				}
				return 0
			}
			report, err := p.AssignEverybody(t.Context())
			var failed *SyncError
			if !errors.As(err, &failed) || failed.Cause == nil || len(report.Failed) != silentLimit || len(f.users) != 10 {
				t.Fatalf("got %v with %d people acknowledged", err, len(f.users))
			}
			f.deny = nil
			_, err = p.AssignEverybody(t.Context())
			must(t, err)
			if len(f.users) != 25 || len(f.groups) != groupsOf(kind, 6) {
				t.Errorf("after the second run: %d people, %d groups", len(f.users), len(f.groups))
			}
		})
	}
}

// A change that got no answer may have been carried out. What the person is at the IdP afterwards must
// reach the application, though it equals what was acknowledged last.
func TestWhatGotNoAnswerIsSaidAgain(t *testing.T) {
	const who = "ann.lee@acme.test"
	changes := func(r *http.Request) bool { return r.Method != http.MethodGet }
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{Attempts: 1})
			_, err := p.AssignEverybody(t.Context())
			must(t, err)
			send := func(change func(context.Context, string) error) {
				t.Helper()
				err := change(t.Context(), who)
				if err == nil && kind.IsEntra() {
					_, err = p.Retry(t.Context())
				}
				if f.hangUp == nil {
					must(t, err)
				} else if err == nil {
					t.Error("a change that got no answer was taken for carried out")
				}
			}
			want := func(active bool) {
				t.Helper()
				if got := truthy(f.user(who)["active"]); got != active {
					t.Errorf("the application has active=%v", got)
				}
			}
			f.silent(changes)
			send(p.Deactivate)
			want(false)
			f.silent(nil)
			send(p.Reactivate)
			want(true)
			send(p.Deactivate)
			f.silent(changes)
			send(p.Reactivate)
			want(true)
			f.silent(nil)
			send(p.Deactivate)
			want(false)
		})
	}
}

// atOnce are the clients that send without waiting for a cycle.
func atOnce() []Kind { return slices.DeleteFunc(Kinds(), Kind.IsEntra) }

// A change that goes without an answer again and again is one change.
func TestMembersInDoubtSeveralTimesAreToldOnce(t *testing.T) {
	p, f, _ := connected(t, JumpCloud, Connection{Attempts: 1})
	_, err := p.AssignEverybody(t.Context())
	must(t, err)
	const who, group = "ann.lee@acme.test", "Omniflow-Supervisors"
	must(t, p.AddMembers(t.Context(), group, who))
	f.silent(func(r *http.Request) bool { return r.Method == http.MethodPatch })
	for range 3 {
		if p.RemoveMembers(t.Context(), group, who) == nil || p.AddMembers(t.Context(), group, who) == nil {
			t.Fatal("a change that got no answer was taken for carried out")
		}
	}
	f.silent(nil)
	must(t, p.AddMembers(t.Context(), group, who))
	for _, g := range p.State().Groups {
		if unique := len(setOf(g.App.Members)); g.Name == group && unique != len(g.App.Members) {
			t.Errorf("%d members are noted, %d of them different", len(g.App.Members), unique)
		}
	}
	for _, e := range p.Trace().Last(1) {
		if n := strings.Count(e.RequestBody, `"value":"`); n != 1 {
			t.Errorf("%d values were sent for one person: %s", n, e.RequestBody)
		}
	}
}

// Okta's client brings somebody back in two requests. When only the first got through, they are back.
func TestSomebodyWhoIsHalfBackCanBePutOutAgain(t *testing.T) {
	const who = "ann.lee@acme.test"
	p, f, _ := connected(t, Okta, Connection{Attempts: 1})
	_, err := p.AssignEverybody(t.Context())
	must(t, err)
	must(t, p.Deactivate(t.Context(), who))
	f.deny = func(r *http.Request) int {
		if r.Method == http.MethodGet {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	if err := p.Reactivate(t.Context(), who); err == nil || !truthy(f.user(who)["active"]) {
		t.Fatalf("the application has active=%v, and the client said %v", f.user(who)["active"], err)
	}
	f.deny = nil
	must(t, p.Deactivate(t.Context(), who))
	if truthy(f.user(who)["active"]) {
		t.Error("they are still in the application")
	}
}

func TestSomebodyWhoLeavesWhileTheirCreateIsInDoubtIsPutOut(t *testing.T) {
	const who = "ann.lee@acme.test"
	for _, kind := range atOnce() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{Attempts: 1})
			f.silent(func(r *http.Request) bool { return r.Method == http.MethodPost })
			if err := p.Assign(t.Context(), who); err == nil {
				t.Fatal("a create that got no answer was taken for carried out")
			}
			f.silent(nil)
			must(t, p.Deactivate(t.Context(), who))
			if truthy(f.user(who)["active"]) {
				t.Error("the application still has them")
			}
		})
	}
}

func TestARestartAddsMembersTwiceAndReassertsActive(t *testing.T) {
	p, f, _ := connected(t, Entra, Connection{})
	_, err := p.AssignEverybody(t.Context())
	must(t, err)
	before := f.memberNames("Omniflow-Agents")
	_, err = p.Restart(t.Context())
	must(t, err)
	if got := f.memberNames("Omniflow-Agents"); !slices.Equal(got, before) || len(f.users) != 25 {
		t.Errorf("after the restart: members %v of %d people", got, len(f.users))
	}
	adds := 0
	for _, e := range p.Trace().Last(0) {
		if strings.Contains(e.RequestBody, `{"op":"Add","path":"active","value":"True"}`) {
			adds++
		}
	}
	if adds != 25 {
		t.Errorf("active was said again for %d people, want 25", adds)
	}
}

func TestNoDeleteComesForSomebodyWhoWasUnassignedBefore(t *testing.T) {
	p, f, _ := connected(t, EntraFlag, Connection{})
	ctx := t.Context()
	_, err := p.AssignEverybody(ctx)
	must(t, err)
	must(t, p.Delete(ctx, "bjork@acme.test"))
	must(t, p.Unassign(ctx, "sam.smith@acme.test"))
	settle(t, p)
	must(t, p.Delete(ctx, "sam.smith@acme.test"))
	settle(t, p)
	if f.user("bjork@acme.test") != nil {
		t.Error("the purged person is still there")
	}
	if u := f.user("sam.smith@acme.test"); u == nil || u["active"] != false {
		t.Errorf("somebody unassigned before must stay, deactivated: %v", u)
	}
	if _, err := p.person("sam.smith@acme.test"); !errors.Is(err, ErrUnknown) {
		t.Error("the purged person is still in the IdP")
	}
}

func TestOnDemandUsesTheDefaultDialectDespiteTheFlag(t *testing.T) {
	p, _, _ := connected(t, EntraFlag, Connection{})
	ctx := t.Context()
	_, err := p.AssignEverybody(ctx)
	must(t, err)
	must(t, p.Deactivate(ctx, "bjork@acme.test"))
	must(t, p.Provision(ctx, "bjork@acme.test"))
	last := p.Trace().Last(1)[0]
	if !strings.Contains(last.RequestBody, `{"op":"Replace","path":"active","value":"False"}`) {
		t.Errorf("on demand sent %s", last.RequestBody)
	}
	if !strings.Contains(last.Target, "?aadOptscim062020") {
		t.Errorf("the flag left the URL: %s", last.Target)
	}
}

func TestOktaNeverPushesSomebodyWhoIsNotProvisioned(t *testing.T) {
	for _, kind := range []Kind{Okta, OktaCustom} {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{})
			ctx := t.Context()
			must(t, p.Assign(ctx, "ann.lee@acme.test"))
			must(t, p.PushGroup(ctx, "Omniflow-Admins"))
			if got := f.memberNames("Omniflow-Admins"); !slices.Equal(got, []string{"ann.lee@acme.test"}) || len(f.users) != 1 {
				t.Fatalf("members %v of %d people", got, len(f.users))
			}
			must(t, p.Assign(ctx, "zoe.mueller@acme.test"))
			if got := f.memberNames("Omniflow-Admins"); len(got) != 2 {
				t.Errorf("a new assignment did not reach the pushed group: %v", got)
			}
		})
	}
}

func TestOktaLeavesOutInactivePeopleWhenItPushesAWholeGroup(t *testing.T) {
	for _, kind := range []Kind{Okta, OktaCustom} {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{})
			ctx := t.Context()
			_, err := p.AssignEverybody(ctx)
			must(t, err)
			must(t, p.Deactivate(ctx, "ann.lee@acme.test"))
			if got := f.memberNames("Omniflow-Admins"); len(got) != 2 {
				t.Errorf("deactivation itself changed the group to %v", got)
			}
			must(t, p.PushNow(ctx, "Omniflow-Admins"))
			if got := f.memberNames("Omniflow-Admins"); !slices.Equal(got, []string{"zoe.mueller@acme.test"}) {
				t.Errorf("pushed %v", got)
			}
		})
	}
}

func TestOktaWithoutGroupPushNeverAsksForGroups(t *testing.T) {
	p, f, _ := connected(t, Okta, Connection{WithoutGroups: true})
	must(t, p.TestCredentials(t.Context()))
	_, err := p.AssignEverybody(t.Context())
	must(t, err)
	_, err = p.Sync(t.Context())
	must(t, err)
	for _, call := range f.since(0) {
		if strings.Contains(call, "/Groups") {
			t.Errorf("sent %s", call)
		}
	}
}

func TestTwoGroupsOfOneNameAreAnErrorForThatGroup(t *testing.T) {
	p, f, _ := connected(t, Entra, Connection{})
	f.groups = []doc{{"id": "g1", "displayName": "Engineering"}, {"id": "g2", "displayName": "engineering"}}
	_, err := p.AssignEverybody(t.Context())
	var failed *SyncError
	if !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].Object != "group" {
		t.Errorf("got %v", err)
	}
	if len(f.groups) != 7 || f.groups[0]["members"] != nil || f.groups[1]["members"] != nil {
		t.Errorf("one of the two was touched: %v", f.groups[:2])
	}
}

func TestOktaLinksAGroupOfThatNameAndUnlinksAsTold(t *testing.T) {
	p, f, _ := connected(t, Okta, Connection{})
	ctx := t.Context()
	f.groups = []doc{{"id": "mine", "displayName": "Engineering"}}
	_, err := p.AssignEverybody(ctx)
	must(t, err)
	g, err := p.group("Engineering")
	must(t, err)
	if g.App.RemoteID != "mine" || !g.App.Linked || len(f.memberNames("Engineering")) != 4 {
		t.Fatalf("the group was not linked: %+v", g.App)
	}
	must(t, p.UnlinkGroup(ctx, "Engineering", false))
	if f.group("Engineering") == nil {
		t.Error("a group that should be left was deleted")
	}
	must(t, p.PushGroup(ctx, "Engineering"))
	must(t, p.UnlinkGroup(ctx, "Engineering", true))
	if f.group("Engineering") != nil {
		t.Error("a group that should be deleted was left")
	}
}

func TestAFailedTaskIsRetriedByHand(t *testing.T) {
	for _, kind := range atOnce() {
		t.Run(string(kind), func(t *testing.T) {
			p, f, _ := connected(t, kind, Connection{})
			ctx := t.Context()
			f.deny = func(*http.Request) int { return 403 }
			err := p.Assign(ctx, "ann.lee@acme.test")
			var se *StepError
			if !errors.As(err, &se) || se.Step != "pre-check" || se.Status != 403 || se.Detail != "the test says no" {
				t.Fatalf("got %v", err)
			}
			f.deny = nil
			_, err = p.Retry(ctx)
			must(t, err)
			if f.user("ann.lee@acme.test") == nil {
				t.Error("the retry did not provision")
			}
		})
	}
}

func TestAnImportReadsEveryPage(t *testing.T) {
	for kind, want := range map[Kind][2]int{Okta: {250, 120}, OktaCustom: {250, 120}, JumpCloud: {250, 0}, OneLogin: {0, 120}, CyberArk: {0, 120}} {
		p, f, _ := connected(t, kind, Connection{ImportPastEnd: true})
		for i := range 250 {
			f.users = append(f.users, doc{"id": itoa(i), "userName": itoa(i), "active": true})
		}
		for i := range 120 {
			f.groups = append(f.groups, doc{"id": itoa(i), "displayName": itoa(i)})
		}
		report, err := p.Sync(t.Context())
		must(t, err)
		if got := [2]int{len(report.ImportedUsers), len(report.ImportedGroups)}; got != want {
			t.Errorf("%s imported %v people and groups, want %v", kind, got, want)
		}
	}
}

func TestAnOperationOfSomebodyElseIsWaitedForWithTheContext(t *testing.T) {
	s, _ := quiet(t)
	p := s.IdP(Okta)
	p.turn <- struct{}{} // somebody else's operation
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Assign(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-p.turn
}
