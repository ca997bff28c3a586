package provision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// personal are the texts by which a person can be found in the database, folded; each is hers alone.
var personal = []string{"zada@acme.test", "zada.private@home.test", "zada-login", "ext-zada-77", "nameid-zada", "zadalina", "lovelacy", "+44 7700 900123",
	"zada%40acme.test", "192.0.2.77", "zada's browser", "zada session index", "hash of zada", "zada nonce group"}

// namesNobody are the tables without a person's data, and why. Every other one must have something of hers before she is
// erased, so that a table that is added is thought of here.
var namesNobody = map[string]string{
	"workspace_handle": "a slug", "role": "settings", "role_mapping": "settings", "connection": "settings", "connection_handle": "an id",
	"application": "settings", "application_handle": "an id", "grp": "names of groups", "scim_schema": "settings", "attribute": "settings", "attribute_map": "settings", "schema_serves": "a level",
	"domain_claim": "domains", "domain_handle": "domains", "metadata_watch": "IdPs", "key_warning": "keys", "signing_key": "keys", "directory_heard": "counts",
	"code_handle": "hashes", "access_handle": "hashes", "refresh_handle": "hashes", "session_handle": "hashes", "scim_access_handle": "hashes", "secret_handle": "hashes",
	"attempt": "hashes and counts", "replay": "ids of messages", "state_handle": "who is signing in is not known yet", "test_handle": "an administrator's test, by ids",
	"staged_person": "people of a directory that tests, who are nobody's members yet; they go with the test",
	"oidc_grant":    "ids", "group_member": "ids", "member_seen": "an id and a time", "link_handle": "an id and a hash", "team_member": "ids",
	"erasure": "what is searched for, for as long as it is",
}

// idOnly are tables whose rows of a member go although they name only the id.
var idOnly = []string{"group_member", "member_seen", "link_handle", "team_member", "credential", "second_factor", "recovery_code", "identity", "claim", "mail_link", "invitation"}

// aLife gives the workspace everything that can be kept about a person.
func aLife(t *testing.T, h *house) (member string, user provision.User) {
	t.Helper()
	document := `{"displayName":"Zadalina Lovelacy","name":{"givenName":"Zadalina","familyName":"Lovelacy"},"emails":[{"value":"zada@acme.test","type":"work"},{"value":"zada.private@home.test","type":"home"}],"phoneNumbers":[{"value":"+44 7700 900123"}]}`
	h.okta.Payload = json.RawMessage(`{"body":` + document + `}`)
	user = h.post(provision.Person{UserName: "Zada-Login", ExternalID: "ext-zada-77", Email: "zada@acme.test", DisplayName: "Zadalina Lovelacy", GivenName: "Zadalina", FamilyName: "Lovelacy",
		Emails: []store.EmailKey{{Value: "zada@acme.test", Type: "work"}, {Value: "zada.private@home.test", Type: "home"}}, Document: document})
	member = user.Member
	group := h.group("Agents", user.ID)
	team, err := h.svc.CreateTeam(bg, h.owner, "Engine")
	h.ok(err)
	m := h.member(member)
	m.Asserted = []directory.AttributeSet{{From: h.conn, Values: map[string]string{"nickname": "Zadalina"}}}
	party := audit.Party{Kind: "member", ID: member, Name: m.Email}
	h.settle(func(tx *store.Tx, cfg *directory.Config) error {
		d, _ := cfg.Directory(h.entra.Directory)
		d.Pilot = []string{"zada-login", "someone"}
		tx.SaveDirectory(d, false)
		tx.SetApplied(`{"directories.entra.pilot":"Zada-Login, someone","name":"Acme"}`)
		return nil
	})
	h.write(func(tx *store.Tx) error {
		tx.UpdateMember(m)
		tx.InsertAPIKey(store.APIKey{ID: "key_zada", Member: member, Name: "script of zada@acme.test", ExpiresAt: tx.Now().Add(time.Hour)}, "kh zada")
		tx.SaveCredential(member, "hash of zada", tx.Now())
		tx.SaveSecondFactor(member, "hash of zada's secret")
		tx.SaveRecoveryCodes(member, []string{"hash of zada's code"})
		tx.InsertIdentity(store.Identity{Connection: h.conn, Subject: "persistent|nameid-zada", Shown: "nameid-zada", Email: "zada@acme.test", Member: member, How: "directory"})
		tx.SaveClaims(member, h.conn, []string{"zada nonce group"})
		tx.InsertSession(&session.Session{ID: "ses_zada", Member: member, Method: directory.MethodSAML, Connection: h.conn, ExpiresAt: tx.Now().Add(time.Hour), Address: "192.0.2.77",
			UserAgent: "Zada's browser", SessionIndex: "zada session index", NameID: `{"value":"nameid-zada"}`, NameHash: "x"}, "sh zada")
		tx.InsertGrant(store.Grant{ID: "gra_zada", Application: "app", Session: "ses_zada", Member: member, Scope: "openid"}, "ch zada", store.Code{ExpiresAt: tx.Now().Add(time.Hour)})
		tx.InsertLink("lh zada", member, tx.Now().Add(time.Hour))
		tx.InsertMailLink("mh zada", store.LinkInvitation, m, tx.Now().Add(time.Hour))
		tx.SaveInvitation(store.Invitation{Member: member, By: operator, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)})
		tx.SaveInvitation(store.Invitation{Member: h.root, By: party, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)})
		tx.SeeMember(member)
		tx.InsertLogout("zada", store.Leaving{Connection: h.conn, Member: member, ReturnTo: "https://app.test/?hint=zada@acme.test", ExpiresAt: tx.Now().Add(time.Hour)})
		if _, err := tx.AddTeamMember(team.ID, member); err != nil {
			return err
		}
		tx.InsertAdoption(&store.Adoption{ID: "ado_zada", Directory: h.entra.Directory, Member: member, Claim: "c", UserName: "zada-login", Address: "zada@acme.test", Name: "Zadalina Lovelacy", State: store.AdoptionWaiting, Attempts: 1})
		tx.InsertAdoption(&store.Adoption{ID: "ado_other", Directory: h.entra.Directory, Member: h.root, Claim: "c", State: store.AdoptionRefused, DecidedBy: "zada@acme.test", Attempts: 1})
		tx.InsertImport(store.Import{ID: "imp_zada", Actor: party, State: "done", Note: "asked by zada@acme.test"})
		tx.InsertImportRows("imp_zada", []store.ImportRow{{Line: 2, Email: "zada@acme.test", Name: "Zadalina", Member: member}, {Line: 3, Email: "someone@acme.test", Name: "Someone"}})
		tx.InsertToken(store.Token{ID: "tok_zada", Directory: h.okta.Directory, Name: "t", CreatedBy: "zada@acme.test"}, "th zada")
		tx.InsertClientCredential(store.ClientCredential{ID: "sec_zada", Directory: h.okta.Directory, Name: "s", CreatedBy: "zada@acme.test"}, "sch zada")
		tx.InsertJob(store.MailKind+"link", `{"member":"`+member+`","by":{"kind":"operator"}}`, tx.Now().Add(time.Hour))
		tx.InsertJob(store.MailKind+"notice", `{"member":"`+h.root+`","text":"zada@acme.test signed in by emergency access"}`, tx.Now().Add(time.Hour))
		tx.InsertJob(provision.JobSCIMEvent, `{"id":"`+user.ID+`","external_id":"ext-zada-77","at":1}`, tx.Now().Add(time.Hour))
		if _, err := tx.OnceMail("broke the glass zada@acme.test"); err != nil {
			return err
		}
		for i, a := range []store.Attempt{
			{Member: member, Name: m.Email, Steps: []audit.Step{{Text: "Zadalina Lovelacy came"}}, Found: json.RawMessage(`{"email":"zada@acme.test"}`), Outcome: audit.OK},
			{Name: "nameid-zada", Outcome: audit.Refused, Steps: []audit.Step{{Text: "nobody", Checks: []audit.Check{{Received: "zada@acme.test"}}}}},
			{Name: "someone@acme.test", Outcome: audit.Refused},
		} {
			a.ID, a.Connection, a.Method = fmt.Sprintf("att_%d", i), h.conn, directory.MethodSAML
			tx.EndAttempt(a)
		}
		return zadaSays(tx, h, party, user, group)
	})
	h.ok(h.db.LogRead(bg, store.ReadLogEntry{Workspace: h.ws, Directory: h.okta.Directory, Time: h.db.Now(), Method: "GET", Path: "/scim/v2/Users?filter=userName+eq+%22zada%40acme.test%22", Status: 200}))
	h.ok(h.db.LogRead(bg, store.ReadLogEntry{Workspace: h.ws, Directory: h.okta.Directory, Time: h.db.Now(), Method: "GET", Path: "/scim/v2/Users?filter=userName+eq+%22someone%22", Status: 200}))
	h.db.System().RecordStranger("192.0.2.0/24", "scim.token_unknown", json.RawMessage(`{"body":{"userName":"zada-login"}}`))
	h.ok(h.db.FlushMarks(bg))
	_, err = h.db.Sequence(bg)
	h.ok(err)
	return member, user
}

// zadaSays records events of every shape about her, by her, and about others who mention her.
func zadaSays(tx *store.Tx, h *house, her audit.Party, user provision.User, group string) error {
	root := audit.Party{Kind: "member", ID: h.root, Name: "root@root.test"}
	for _, e := range []audit.Event{
		{Type: audit.SignInSucceeded, Actor: her, Subject: her, Payload: json.RawMessage(`{"address":"192.0.2.77","user_agent":"Zada's browser"}`)},
		{Type: audit.SignInRefused, Outcome: audit.Refused, Reason: "not_provisioned", Actor: audit.Party{Kind: "stranger", Name: "192.0.2.77"}, Subject: audit.Party{Kind: "stranger", Name: "nameid-zada"}},
		{Type: audit.MemberUpdated, Actor: root, Subject: her, Changes: []audit.Change{{Field: "email", From: "zada.private@home.test", To: "zada@acme.test"}, {Field: "role", From: "Trainee", To: "Agent"}}},
		{Type: audit.SettingsChanged, Actor: her, Subject: audit.Party{Kind: "workspace", ID: h.ws, Name: "acme"}, Changes: []audit.Change{{Field: "owner", To: "owners.zada@acme.test: added"}}},
		{Type: audit.SCIMGroupUpdated, Actor: audit.Party{Kind: "directory", Name: "okta"}, Subject: audit.Party{Kind: "group", ID: group, Name: "Agents"},
			Payload: json.RawMessage(`{"body":{"members":[{"value":"` + user.ID + `","display":"Zadalina Lovelacy"},{"value":"x","display":"Someone Else"}]}}`)},
		{Type: audit.SCIMRefused, Outcome: audit.Refused, Reason: "user_name_taken", Actor: audit.Party{Kind: "directory", Name: "okta"}, Subject: audit.Party{Kind: "directory", ID: h.okta.Directory},
			Payload: json.RawMessage(`{"path":"/Users?filter=userName%20eq%20%22zada%40acme.test%22","body":{"userName":"ZADA-LOGIN","name":{"givenName":"Zadalina"}}}`)},
		{Type: audit.SignInRefused, Outcome: audit.Refused, Actor: audit.Party{Kind: "stranger", Name: "192.0.2.1"}, Subject: audit.Party{Kind: "member", ID: h.root, Name: "root@root.test"}, Payload: json.RawMessage(`{"email":"root@root.test"}`)},
	} {
		if err := tx.Record(e); err != nil {
			return err
		}
	}
	return nil
}

// found are the places where something personal stands, as "table.column: text".
func found(cells []storetest.Cell) (places []string) {
	for _, c := range cells {
		folded := directory.Fold(c.Text)
		if i := slices.IndexFunc(personal, func(p string) bool { return strings.Contains(folded, p) }); i >= 0 {
			places = append(places, c.Table+"."+c.Column+": "+personal[i])
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// inBoth runs fn on a house in each database, with its driver and a clock.
func inBoth(t *testing.T, fn func(t *testing.T, h *house, d store.Driver, turn func(time.Duration))) {
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			at := time.Now()
			db := storetest.Open(t, d, func() time.Time { at = at.Add(time.Microsecond); return at })
			fn(t, build(t, db, omniflow(directory.ReactivationRestore)), d, func(by time.Duration) { at = at.Add(by) })
		})
	}
}

func TestErasingAPerson_LeavesNothingOfThemInAnyTable(t *testing.T) {
	inBoth(t, func(t *testing.T, h *house, d store.Driver, turn func(time.Duration)) {
		member, user := aLife(t, h)
		before := storetest.Cells(t, d)
		full := map[string]bool{}
		for _, c := range before {
			folded := directory.Fold(c.Text)
			full[c.Table] = full[c.Table] || slices.ContainsFunc(personal, func(p string) bool { return strings.Contains(folded, p) })
		}
		for _, table := range storetest.Tables(t, d) {
			if why := namesNobody[table]; full[table] == (why != "") {
				t.Errorf("the table %s: something of the person in it: %v; it is said to have none because of %q", table, full[table], why)
			}
		}
		log := h.log()

		done, err := h.svc.Erase(bg, h.owner, provision.Who("zada@acme.test"))
		h.ok(err)
		if done.ID != member || done.Status() != directory.StatusErased {
			t.Errorf("erased %+v", done)
		}
		if places := found(storetest.Cells(t, d)); len(places) > 0 {
			for _, p := range places {
				if !strings.HasPrefix(p, "erasure.") && !strings.HasPrefix(p, "stranger.") {
					t.Errorf("at once: %s", p)
				}
			}
		}
		turn(2 * time.Minute)
		if n, err := h.svc.EraseDue(bg); n != 1 || err != nil {
			t.Fatalf("the second search: %d, %v", n, err)
		}
		after := storetest.Cells(t, d)
		if places := found(after); len(places) > 0 {
			t.Errorf("left:\n%s", strings.Join(places, "\n"))
		}
		for _, c := range after {
			if slices.Contains(idOnly, c.Table) && (c.Text == member || c.Text == user.ID) && c.Column != "invited_by" {
				t.Errorf("a row of theirs is still in %s", c.Table)
			}
			if c.Table == "erasure" {
				t.Error("the search is remembered")
			}
		}
		if n, err := h.svc.EraseDue(bg); n != 0 || err != nil {
			t.Errorf("a third search: %d, %v", n, err)
		}

		if d, _ := h.config().Directory(h.entra.Directory); !slices.Equal(d.Pilot, []string{"someone"}) {
			t.Errorf("the pilot list is %v", d.Pilot)
		}
		// What is another's stays.
		text := fmt.Sprint(after)
		for _, stays := range []string{"someone@acme.test", "root@root.test", "%22someone%22", `"email":"root@root.test"`, "Someone Else"} {
			if !strings.Contains(text, stays) {
				t.Errorf("%s is gone", stays)
			}
		}
		// The log has every event in its place, about the same id.
		now := h.log()
		if len(now) < len(log)+1 {
			t.Fatalf("%d events, had %d", len(now), len(log))
		}
		for i, e := range log {
			if now[i].Seq != e.Seq || now[i].ID != e.ID || now[i].Type != e.Type || !now[i].Time.Equal(e.Time) || now[i].Outcome != e.Outcome || now[i].Actor.ID != e.Actor.ID ||
				e.Subject.ID != "" && now[i].Subject.ID != e.Subject.ID {
				t.Errorf("event %d was %+v, is %+v", i, e, now[i])
			}
		}
		if last := now[len(now)-1]; last.Type != audit.MemberErased || last.Subject.ID != member || last.Subject.Name != "" {
			t.Errorf("the log ends with %+v", last)
		}
	})
}

// log is the whole log, in order.
func (h *house) log() (events []audit.Event) {
	h.t.Helper()
	if _, err := h.db.Sequence(bg); err != nil {
		h.t.Fatalf("%v", err)
	}
	h.read(func(tx *store.Tx) (err error) {
		events, err = tx.EventsAfter(0, 1000)
		return err
	})
	return events
}

func TestAnErasedPersonWhomTheDirectorySendsAgain_IsSomebodyNew(t *testing.T) {
	for _, back := range []directory.Reactivation{directory.ReactivationRestore, directory.ReactivationNewIdentity} {
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			h := build(t, db, omniflow(back))
			p := person("ada")
			first := h.post(p)
			link := h.session(first.Member, directory.MethodPassword)
			_, err := h.svc.Erase(bg, h.owner, provision.Who(first.Member))
			h.ok(err)
			if h.lives(link) {
				t.Error("a session of theirs lives")
			}
			_, err = h.svc.GetUser(bg, h.okta, first.ID, false)
			h.refused(err, errs.KindNotFound, "resource_unknown")
			again := h.post(p)
			if again.Member == first.Member || again.ID == first.ID || h.member(again.Member).Status() != directory.StatusActive {
				t.Errorf("came back as %+v, was %+v", again, first)
			}
			if m := h.member(first.Member); m.Status() != directory.StatusErased || m.Email != "" || m.Name != "" {
				t.Errorf("the erased one is %+v", m)
			}
			// The new one is not touched by what is still searched for the old one.
			h.ok(h.svc.EraseTraces(bg, h.ws, first.Member))
			if m := h.member(again.Member); m.Email != p.Email {
				t.Errorf("the new one is %+v", m)
			}
		})
	}
}

func TestErasing_IsRefusedWhereItWouldLockTheCompanyOutOrIsNotOnesPlace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		_, err := h.svc.Erase(bg, h.owner, provision.Who(h.root))
		h.refused(err, errs.KindForbidden, "protected_member")
		admin := h.staff("admin", "Admin")
		_, err = h.svc.Erase(bg, admin, provision.Who(h.root))
		h.refused(err, errs.KindForbidden, "rank_too_high")
		_, err = h.svc.Erase(bg, admin, provision.Who(admin.Actor.ID))
		h.refused(err, errs.KindForbidden, "self")
		agent := h.staff("agent", "Agent")
		_, err = h.svc.Erase(bg, agent, provision.Who(admin.Actor.ID))
		h.refused(err, errs.KindForbidden, "permission_missing")
		_, err = h.svc.Erase(bg, h.owner, provision.Who("mem_unknown"))
		h.refused(err, errs.KindNotFound, "member_unknown")
		ada := h.post(person("ada"))
		_, err = h.svc.Erase(bg, admin, provision.Who(ada.Member))
		h.ok(err)
		_, err = h.svc.Erase(bg, admin, provision.Who(ada.Member))
		h.refused(err, errs.KindConflict, "member_erased")
	})
}

func TestASearchThatDiesInTheMiddle_IsCarriedOnFromThere(t *testing.T) {
	inBoth(t, func(t *testing.T, h *house, d store.Driver, turn func(time.Duration)) {
		member, _ := aLife(t, h)
		for range 3 { // more than one page of the log
			h.write(func(tx *store.Tx) error {
				for range 150 {
					if err := tx.Record(audit.Event{Type: audit.SignInRefused, Outcome: audit.Refused, Actor: audit.Party{Kind: "stranger"}, Subject: audit.Party{Kind: "stranger", Name: "zada@acme.test"}}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		// The process dies right behind the first commit: nobody searches.
		dead, cancel := context.WithCancel(bg)
		defer cancel()
		_, err := h.svc.Erase(dead, h.owner, provision.Who(member))
		h.ok(err)
		for n := 0; ; n++ {
			more, err := h.svc.EraseStep(bg, h.ws, member)
			h.ok(err)
			if !more {
				break
			}
		}
		if n, err := h.svc.EraseDue(bg); n != 0 || err != nil {
			t.Errorf("a search before its time: %d, %v", n, err)
		}
		turn(2 * time.Minute)
		_, err = h.svc.EraseDue(bg)
		h.ok(err)
		if places := found(storetest.Cells(t, d)); len(places) > 0 {
			t.Errorf("left:\n%s", strings.Join(places, "\n"))
		}
	})
}
