package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// same compares what was read with what was written.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func testValues(t *testing.T, open func(t testing.TB) store.Driver) {
	t.Run("members, whole and bare", func(t *testing.T) { t.Parallel(); testMemberValues(t, open) })
	t.Run("resources of a directory", func(t *testing.T) { t.Parallel(); testSCIMValues(t, open) })
	t.Run("settings", func(t *testing.T) { t.Parallel(); testSettingValues(t, open) })
	t.Run("sessions", func(t *testing.T) { t.Parallel(); testSessionValues(t, open) })
	t.Run("events", func(t *testing.T) { t.Parallel(); testEventValues(t, open) })
	t.Run("the access that crosses workspaces", func(t *testing.T) { t.Parallel(); testSystemValues(t, open) })
}

func testMemberValues(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	at := c.now().Truncate(time.Microsecond)
	whole := directory.Member{ID: "mem_whole", Email: "Çağla.ÖZ@Straße.test", Name: "Çağla 🦊 Öz", GivenName: "Çağla", FamilyName: "Öz\u2028'\";--",
		Attributes: map[string]string{"title": "Ärztin", "ключ": "значение", "empty": ""}, Stage: directory.StageInvited,
		Sources: directory.Sources(directory.SourceIdP | directory.SourceSafetyNet), WasIn: true, Role: h.Lowest, ManualRole: h.Lowest,
		RoleReason: directory.RoleReason{Source: directory.RoleByMapping, Group: "Agents", GroupID: h.Group, At: at},
		Directory:  h.Directory, BreakGlass: true, Replaces: h.Member, CreatedAt: at, UpdatedAt: at}
	bare := directory.Member{ID: "mem_bare", Stage: directory.StagePending, RoleReason: directory.RoleReason{At: at}, CreatedAt: at, UpdatedAt: at}
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		tx.InsertMember(&whole)
		tx.InsertMember(&bare)
		return nil
	})
	c.pass(time.Hour)
	later := c.now().Truncate(time.Microsecond)
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		moved := whole
		moved.Sources, moved.Name = 0, ""
		tx.UpdateMember(&moved)
		return nil
	})
	whole.Sources, whole.Name, whole.UpdatedAt = 0, "", later
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		got, err := tx.Member("mem_whole")
		if err != nil {
			return err
		}
		same(t, "the whole member", *got, whole)
		got, err = tx.MemberByEmail("çağla.öZ@strAße.TEST")
		if err != nil {
			return err
		}
		same(t, "the member by address", *got, whole)
		list, err := tx.Members([]string{"mem_whole", "mem_bare", "mem_none", "mem_whole"})
		if err != nil {
			return err
		}
		same(t, "members by id", list, []directory.Member{bare, whole})
		list, err = tx.MembersAfter("mem_b", 2)
		if err != nil {
			return err
		}
		same(t, "the page behind mem_b", ids(list), []string{"mem_bare", h.Boss})
		list, err = tx.MembersByRole(h.Lowest, 10)
		if err != nil {
			return err
		}
		same(t, "members by role", ids(list), []string{h.Member, "mem_whole"})
		n, err := tx.OtherOwners(h.Owner, h.Boss)
		same(t, "owners beside the boss", n, directory.Others{})
		if err != nil {
			return err
		}
		n, err = tx.OtherOwners(h.Owner, "")
		same(t, "owners", n, directory.Others{Owners: 1, WithPassword: 1})
		if err != nil {
			return err
		}
		glass, err := tx.BreakGlass(h.Owner)
		if err != nil {
			return err
		}
		same(t, "break-glass", glass.ID, h.Boss)
		glass, err = tx.BreakGlass(h.Lowest)
		if glass != nil || err != nil {
			t.Errorf("an invited member is break-glass: %v, %v", glass, err)
		}
		hash, proven, err := tx.Credential(h.Boss)
		same(t, "credential", []any{hash, proven}, []any{"hash of a", at})
		if err != nil {
			return err
		}
		hash, proven, err = tx.Credential(h.Member)
		same(t, "no credential", []any{hash, proven}, []any{"", time.Time{}})
		return err
	})
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		tx.ProveCredential(h.Boss)
		return tx.GrantRoles([]store.RoleGrant{{Role: h.Owner, Reason: directory.RoleReason{Source: directory.RoleByHand, At: later}, Members: []string{"mem_bare", h.Member}}})
	})
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		_, proven, err := tx.Credential(h.Boss)
		same(t, "proven", proven, later)
		if err != nil {
			return err
		}
		m, err := tx.Member("mem_bare")
		if err != nil {
			return err
		}
		same(t, "granted role", []any{m.Role, m.RoleReason.Source, m.UpdatedAt}, []any{h.Owner, directory.RoleByHand, later})
		holder, foreign, err := tx.Address("ANN@a.test")
		same(t, "holder of an address", []any{holder, foreign}, []any{h.Member, false})
		return err
	})
}

func ids(list []directory.Member) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.ID)
	}
	return out
}

func testSCIMValues(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	c.pass(time.Second)
	at := c.now().Truncate(time.Microsecond)
	u := store.SCIMUser{ID: "0b7e-É", Directory: h.Directory, Member: h.Member, UserName: "ÉMILE", ExternalID: "Ext", Active: false,
		Manager: h.BossUser, Document: `{"n":"\u0000🦊"}`, CreatedAt: at, UpdatedAt: at}
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		full := u
		full.Emails = []store.EmailKey{{Value: "e@x.test", Type: "work"}, {Value: "e@x.test", Type: "home"}, {Value: "f@x.test", Type: ""}, {Value: "e@x.test", Type: "work"}}
		tx.InsertSCIMUser(&full)
		return nil
	})
	find := func(tx *store.Tx, what string, where store.Cond, want ...string) {
		t.Helper()
		page, total, err := tx.SelectSCIMUsers(h.Directory, store.Select{Where: where, Start: 1, Count: 10})
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		var got []string
		for _, u := range page {
			got = append(got, u.ID)
		}
		if !slices.Equal(got, want) || total != len(want) {
			t.Errorf("%s: got %v of %d, want %v", what, got, total, want)
		}
	}
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		got, err := tx.SCIMUser(h.Directory, u.ID)
		if err != nil {
			return err
		}
		same(t, "the resource", *got, u)
		got, m, err := tx.SCIMUserAndMember(h.Directory, u.ID)
		if err != nil {
			return err
		}
		same(t, "the resource with its member", []any{*got, m.ID, m.Attributes["title"]}, []any{u, h.Member, "Agent"})
		_, err = tx.SCIMUser("dir_other", u.ID)
		wantCode(t, err, errs.KindNotFound, "resource_unknown")
		of, err := tx.SCIMUsersOfMember(h.Member)
		if err != nil {
			return err
		}
		same(t, "resources of a member", len(of), 2)
		known, err := tx.KnownSCIMUsers(h.Directory, []string{u.ID, h.User, "none", u.ID})
		if err != nil {
			return err
		}
		same(t, "known", known, map[string]string{u.ID: h.Member, h.User: h.Member})

		find(tx, "by folded userName", store.Eq(store.FieldUserName, directory.Fold("émile")), u.ID)
		find(tx, "by externalId, which has a letter case", store.Eq(store.FieldExternalID, "Ext"), u.ID)
		find(tx, "by externalId in another letter case", store.Eq(store.FieldExternalID, "ext"))
		find(tx, "by id", store.Eq(store.FieldID, u.ID), u.ID)
		find(tx, "by e-mail", store.EmailEq("e@x.test", ""), u.ID)
		find(tx, "by e-mail and type", store.EmailEq("f@x.test", "work"))
		find(tx, "inactive", store.ActiveIs(false), u.ID)
		find(tx, "active", store.ActiveIs(true), h.User, h.BossUser)
		find(tx, "either", store.Or(store.Eq(store.FieldID, u.ID), store.EmailEq(directory.Fold(h.Address), "work")), h.User, u.ID)
		find(tx, "both", store.And(store.Eq(store.FieldID, u.ID), store.ActiveIs(true)))
		find(tx, "in a group", store.Eq(store.FieldMember, h.User))
		find(tx, "none of nothing", store.Or())
		find(tx, "all", store.And(), h.User, h.BossUser, u.ID)
		find(tx, "all", store.All(), h.User, h.BossUser, u.ID)
		groups, total, err := tx.SelectGroups(h.Directory, store.Select{Where: store.And(store.Eq(store.FieldMember, h.User), store.Eq(store.FieldDisplayName, "agents")), Start: 1, Count: 5})
		if err != nil || total != 1 || groups[0].ID != h.Group {
			t.Errorf("the groups of a user: %v of %d, %v", groups, total, err)
		}
		return nil
	})

	c.pass(time.Hour)
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		bare := store.SCIMUser{ID: u.ID, Directory: h.Directory, Member: h.Boss, UserName: "émile", Document: "{}", Emails: []store.EmailKey{{Value: "g@x.test", Type: ""}}}
		tx.UpdateSCIMUser(&bare)
		u.Member, u.UserName, u.ExternalID, u.Manager, u.Document, u.UpdatedAt = h.Boss, "émile", "", "", "{}", c.now().Truncate(time.Microsecond)
		return nil
	})
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		got, err := tx.SCIMUser(h.Directory, u.ID)
		if err != nil {
			return err
		}
		same(t, "the changed resource", *got, u)
		find(tx, "by the old e-mail", store.EmailEq("e@x.test", ""))
		find(tx, "by the new e-mail", store.EmailEq("g@x.test", ""), u.ID)
		return nil
	})

	change(t, db, h.Workspace, func(tx *store.Tx) error { tx.RetireSCIMUser(h.BossUser); return nil })
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		got, err := tx.SCIMUser(h.Directory, h.User)
		if err != nil {
			return err
		}
		same(t, "who had the retired one as manager", got.Manager, "")
		left, err := tx.GroupMemberIDs(h.Group)
		if err != nil {
			return err
		}
		same(t, "the group that the retired one was in", left, []string{h.User})
		_, err = tx.SCIMUser(h.Directory, h.BossUser)
		wantCode(t, err, errs.KindNotFound, "resource_unknown")
		claims, err := tx.SCIMUserClaims(h.Directory, "BOSS@A.TEST", h.ExternalID)
		if err != nil {
			return err
		}
		retired := slices.IndexFunc(claims, func(u store.SCIMUser) bool { return u.ID == h.BossUser && !u.RetiredAt.IsZero() && !u.Active })
		if len(claims) != 2 || retired < 0 {
			t.Errorf("claims: %+v", claims)
		}
		return nil
	})
	change(t, db, h.Workspace, func(tx *store.Tx) error { return tx.ForgetDirectory(h.Directory) })
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		find(tx, "of a forgotten directory", store.All())
		groups, err := tx.GroupsAfter("", 10)
		groups = slices.DeleteFunc(groups, func(g store.Group) bool { return g.Directory == "" }) // teams stay
		same(t, "groups of a forgotten directory", len(groups), 0)
		return err
	})
}

func testSettingValues(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	at := c.now().Truncate(time.Microsecond)
	var before *directory.Config
	read(t, db, h.Workspace, func(tx *store.Tx) (err error) {
		before, err = tx.Config()
		return err
	})
	preset, _ := directory.FindPreset("omniflow")
	keep := directory.GroupLossKeep
	same(t, "settings", *before, directory.Config{
		Workspace: directory.Workspace{ID: h.Workspace, Slug: "a", Name: "Workspace a", Preset: "omniflow", Policy: preset.Policy,
			Enforcement: directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{"a.test"}},
			Version:     before.Workspace.Version, CreatedAt: at, UpdatedAt: at},
		Roles:    directory.Roles{{ID: h.Owner, Name: "Owner", Permissions: []string{"all"}}, {ID: h.Lowest, Name: "Trainee", Rank: 1, Permissions: []string{}}},
		Mappings: []directory.RoleMapping{{ID: h.Mapping, Directory: h.Directory, Match: "Agents", Role: h.Lowest}},
		Connections: []directory.Connection{{ID: h.Connection, Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive, VerifiedAt: at, CreatedAt: at,
			SAML: h.idp()}},
		Directories:  []directory.Directory{{ID: h.Directory, Name: "Okta", Connection: h.Connection, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient, Override: directory.Override{GroupLoss: &keep}, CreatedAt: at}},
		Applications: []directory.Application{{ID: h.Application, Name: "App", RedirectURIs: []string{"https://app.a.test/callback"}, CreatedAt: at}},
		Domains:      []string{"a.test"},
		Schemas:      []directory.Schema{h.schema()},
	})
	c.pass(time.Minute)
	var oidc directory.OIDC
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		w := before.Workspace
		w.Name, w.Slug = "Ölmühle", "never-changes"
		if err := tx.UpdateWorkspace(w); err != nil {
			return err
		}
		tx.SaveRole(directory.Role{ID: h.Lowest, Name: "Lehrling", Rank: 7, Permissions: []string{"x"}}, false)
		age := 60
		oidc = directory.DefaultOIDC("entra")
		oidc.Issuer, oidc.MaxAge, oidc.Secret, oidc.Tenants = "https://idp.test/é", &age, "sealed", []string{"a", "b"}
		tx.SaveConnection(directory.Connection{ID: h.Connection, Name: "Entra", Provider: "entra", Protocol: directory.ProtocolOIDC, Status: directory.ConnectionDraft, OIDC: &oidc,
			Domains: []string{"a.test", "xn--b-cha.test"}, SessionsRun: true}, false)
		tx.SaveDirectory(directory.Directory{ID: h.Directory, Name: "Entra", Status: directory.DirectoryTesting, Pilot: []string{"Ann, the \"first\"", "a b"}, Mode: directory.ModeStrict}, false)
		tx.DeleteMapping(h.Mapping)
		tx.DeleteDomain(h.Domain)
		shouted := h.schema()
		shouted.URN, shouted.Required = strings.ToUpper(shouted.URN), true
		tx.SaveSchema(shouted)
		tx.SetApplied("later")
		return nil
	})
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		w := cfg.Workspace
		same(t, "the workspace", []any{w.Name, w.Slug, w.CreatedAt, w.UpdatedAt}, []any{"Ölmühle", "a", at, at.Add(time.Minute)})
		same(t, "the role", cfg.Roles[1], directory.Role{ID: h.Lowest, Name: "Lehrling", Rank: 7, Permissions: []string{"x"}})
		same(t, "the connection", cfg.Connections[0], directory.Connection{ID: h.Connection, Name: "Entra", Provider: "entra", Protocol: directory.ProtocolOIDC, Status: directory.ConnectionDraft, CreatedAt: at, OIDC: &oidc,
			Domains: []string{"a.test", "xn--b-cha.test"}, SessionsRun: true})
		same(t, "the directory", cfg.Directories[0], directory.Directory{ID: h.Directory, Name: "Entra", Status: directory.DirectoryTesting, Pilot: []string{"Ann, the \"first\"", "a b"}, Mode: directory.ModeStrict, CreatedAt: at})
		same(t, "what is gone", len(cfg.Mappings)+len(cfg.Domains), 0)
		if len(cfg.Schemas) != 1 || cfg.Schemas[0].URN != strings.ToUpper(h.schema().URN) || !cfg.Schemas[0].Required {
			t.Errorf("the schema in other letters is another one: %+v", cfg.Schemas)
		}
		if w.Version <= before.Workspace.Version {
			t.Errorf("version %d after %d", w.Version, before.Workspace.Version)
		}
		applied, err := tx.Applied()
		same(t, "what was applied", applied, "later")
		return err
	})
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		tx.DeleteConnection(h.Connection)
		tx.DeleteDirectory(h.Directory)
		tx.DeleteRole(h.Lowest)
		tx.DeleteSchema(h.schema().URN)
		return nil
	})
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		same(t, "what is left", []int{len(cfg.Connections), len(cfg.Directories), len(cfg.Roles), len(cfg.Schemas)}, []int{0, 0, 1, 0})
		return err
	})
	err := db.Read(context.Background(), "ws_none", func(tx *store.Tx) error { _, err := tx.Config(); return err })
	wantCode(t, err, errs.KindNotFound, "workspace_unknown")
}

func testSessionValues(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	c := newClock()
	d := open(t)
	db := Open(t, d, c.now)
	h := furnish(t, db, "a")
	at := c.now().Truncate(time.Microsecond)
	want := session.Session{ID: h.Session, Workspace: h.Workspace, Member: h.Member, Method: directory.MethodSAML, Connection: h.Connection,
		CreatedAt: at, LastUsedAt: at, AuthenticatedAt: at, ExpiresAt: at.Add(session.Absolute), Address: "192.0.2.1", UserAgent: "a browser"}
	live, err := db.SessionByToken(ctx, h.SessionHash, c.now())
	must(t, err)
	same(t, "the session", []any{live.Session, live.Slug, live.RoleName, live.Member.ID}, []any{want, "a", "Trainee", h.Member})

	dead := func(t *testing.T, why string, now time.Time) {
		t.Helper()
		if _, err := db.SessionByToken(ctx, h.SessionHash, now); err == nil || errs.KindOf(err) != errs.KindUnauthenticated {
			t.Errorf("%s: %v", why, err)
		}
	}
	_, err = db.SessionByToken(ctx, "unknown", c.now())
	wantCode(t, err, errs.KindUnauthenticated, "session_ended")
	dead(t, "idle", at.Add(session.Idle))
	dead(t, "too old", at.Add(session.Absolute))
	states := func(fn func(tx *store.Tx)) {
		change(t, db, h.Workspace, func(tx *store.Tx) error { fn(tx); return nil })
	}
	okta := directory.Connection{ID: h.Connection, Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML, Status: directory.ConnectionDisabled}
	states(func(tx *store.Tx) { tx.SaveConnection(okta, false) })
	dead(t, "its connection is disabled", c.now())
	okta.SessionsRun = true
	states(func(tx *store.Tx) { tx.SaveConnection(okta, false) })
	if _, err := db.SessionByToken(ctx, h.SessionHash, c.now()); err != nil {
		t.Errorf("a disabled connection that lets its sessions run ends one: %v", err)
	}
	okta.Status = directory.ConnectionDraft
	states(func(tx *store.Tx) { tx.SaveConnection(okta, false) })
	dead(t, "its connection is a draft, whatever it let run", c.now())
	states(func(tx *store.Tx) { tx.DeleteConnection(h.Connection) })
	dead(t, "its connection is gone", c.now())
	okta.Status = directory.ConnectionActive
	states(func(tx *store.Tx) { tx.SaveConnection(okta, true) })
	for _, m := range []directory.Member{
		{Stage: directory.StageActive, Sources: 1}, {Stage: directory.StagePending}, {Stage: directory.StageErased},
	} {
		m.ID, m.Email, m.Role = h.Member, h.Address, h.Lowest
		states(func(tx *store.Tx) { tx.UpdateMember(&m) })
		dead(t, "the member is "+string(m.Status()), c.now())
	}
	states(func(tx *store.Tx) {
		tx.UpdateMember(&directory.Member{ID: h.Member, Email: h.Address, Role: h.Lowest, Stage: directory.StageActive})
	})
	if _, err := db.SessionByToken(ctx, h.SessionHash, c.now()); err != nil {
		t.Errorf("everything stands again: %v", err)
	}

	states(func(tx *store.Tx) {
		tx.InsertSession(&session.Session{ID: "ses_pw", Member: h.Member, Method: directory.MethodPassword, ExpiresAt: at.Add(time.Hour)}, "pw")
		tx.InsertSession(&session.Session{ID: "ses_glass", Member: h.Boss, Method: directory.MethodPassword, BreakGlass: true, ExpiresAt: at.Add(time.Hour)}, "glass")
	})
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		list, err := tx.Sessions(h.Member)
		same(t, "sessions of the member", len(list), 2)
		if err != nil {
			return err
		}
		ended, err := tx.EndSessions(h.Member, "", "sso", true)
		same(t, "ended by connection", ended, []string{h.Session})
		if err != nil {
			return err
		}
		n, err := tx.EndPasswordSessions("enforced", func(member string) bool { return true })
		same(t, "ended by enforcement, break-glass not", n, 1)
		if err != nil {
			return err
		}
		ended, err = tx.EndSessions(h.Boss, "ses_glass", "others", false)
		same(t, "ended but one", len(ended), 0)
		return err
	})
	dead(t, "it was ended", c.now())
	err = changed(db, h.Workspace, func(tx *store.Tx) error { return tx.EndSession(h.Session, "again") })
	wantCode(t, err, errs.KindNotFound, "session_unknown")
	if n := number(t, d, "SELECT COUNT(*) FROM session WHERE end_reason = 'sso' AND ended_at = $1", at.UnixMicro()); n != 1 {
		t.Errorf("the end of the session was not kept as it was")
	}
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		ended, err := tx.EndSessionsOf([]string{h.Boss, h.Member, "mem_none"}, "all")
		same(t, "ended of many", ended, []string{"ses_glass"})
		return err
	})
}

func testEventValues(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	big := []byte(`{"a":"` + strings.Repeat("Ä", audit.MaxPayload/2-10) + `"}`)
	e := audit.Event{Type: audit.SCIMRefused, Outcome: audit.Refused, Reason: "no_such_thing", Actor: audit.Party{Kind: "directory", ID: h.Directory, Name: "Öktå"},
		Subject: audit.Party{Kind: "scim_user", ID: "u", Name: "🦊"}, Connection: h.Connection, Directory: h.Directory,
		Changes: []audit.Change{{Field: "name", From: "", To: "ü"}}, Payload: big}
	many := audit.Event{Type: audit.MemberRoleChanged, Subject: audit.Party{Kind: "member", ID: "u"}}
	for i := range audit.MaxChanges + 5 {
		many.Changes = append(many.Changes, audit.Change{Field: fmt.Sprint(i)})
	}
	must(t, db.Write(context.Background(), h.Workspace, func(tx *store.Tx) error {
		if err := tx.Record(e); err != nil {
			return err
		}
		return tx.Record(many)
	}))
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		list, err := tx.EventsOf("u", 10)
		same(t, "events without a number", len(list), 0)
		return err
	})
	_, err := db.Sequence(context.Background())
	must(t, err)
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		list, err := tx.EventsAfter(2, 10)
		if err != nil || len(list) != 2 {
			t.Fatalf("events: %v, %v", list, err)
		}
		got := list[0]
		if !strings.HasPrefix(got.ID, "evt_") {
			t.Errorf("id %q", got.ID)
		}
		e.Seq, e.ID, e.Time, e.Workspace = 3, got.ID, c.now().Truncate(time.Microsecond), "a"
		same(t, "the event", got, e)
		if n := len(list[1].Changes); n != audit.MaxChanges || list[1].Changes[n-1] != (audit.Change{Field: "more", To: "6"}) || list[1].Outcome != audit.OK {
			t.Errorf("an event of too many changes: %d, the last is %+v", n, list[1].Changes[n-1])
		}
		of, err := tx.EventsOf("u", 1)
		if err != nil || len(of) != 1 || of[0].Seq != 4 {
			t.Errorf("the newest event of the subject: %+v, %v", of, err)
		}
		last, err := tx.LastSeq()
		same(t, "the last number", last, int64(4))
		return err
	})
	for what, bad := range map[string]audit.Event{
		"no type":             {},
		"a payload too large": {Type: audit.SCIMRefused, Payload: make([]byte, audit.MaxPayload+1)},
	} {
		if err := db.Write(context.Background(), h.Workspace, func(tx *store.Tx) error { return tx.Record(bad) }); err == nil {
			t.Errorf("an event with %s was recorded", what)
		}
	}
}

func testSystemValues(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	c := newClock()
	d := open(t)
	db := Open(t, d, c.now)
	a, b := furnish(t, db, "a"), furnish(t, db, "b")
	sys := db.System()
	holder, err := sys.TokenByHash(ctx, b.TokenHash, c.now())
	must(t, err)
	same(t, "the holder of a token", *holder, store.TokenHolder{Token: b.Token, TokenName: "first", Workspace: b.Workspace, Slug: "b", Version: holder.Version, Directory: b.Directory, Name: "Okta", Status: directory.DirectoryEnabled, Mode: "lenient"})
	read(t, db, b.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		same(t, "the version that a token leads to", holder.Version, cfg.Workspace.Version)
		return err
	})
	id, err := sys.WorkspaceBySlug(ctx, "a")
	must(t, err)
	same(t, "the workspace of a slug", id, a.Workspace)
	_, err = sys.WorkspaceBySlug(ctx, "A")
	wantCode(t, err, errs.KindNotFound, "workspace_unknown")
	list, err := sys.Workspaces(ctx)
	must(t, err)
	same(t, "workspaces", list, []store.WorkspaceRef{{ID: a.Workspace, Slug: "a", Name: "Workspace a"}, {ID: b.Workspace, Slug: "b", Name: "Workspace b"}})
	secondProof(t, d, "a.test", b.Workspace)
	spaces, err := sys.WorkspacesOfDomain(ctx, "a.test")
	must(t, err)
	same(t, "workspaces of a domain", spaces, []string{a.Workspace, b.Workspace})
	id, whose, err := sys.LinkByHash(ctx, a.LinkHash)
	must(t, err)
	same(t, "the workspace of a link", id, a.Workspace)
	same(t, "the member of a link", whose, a.Member)
	_, _, err = sys.LinkByHash(ctx, "unknown")
	wantCode(t, err, errs.KindForbidden, "link_invalid")
	read(t, db, a.Workspace, func(tx *store.Tx) error {
		_, foreign, err := tx.Address("x@b.test")
		same(t, "a domain that a neighbour has proven", foreign, true)
		if err != nil {
			return err
		}
		_, foreign, err = tx.Address("x@A.test")
		same(t, "a domain that both have proven", foreign, false)
		return err
	})
	same(t, "the name", db.Name(), d.Name())
	must(t, db.Ping(ctx))
	read(t, db, a.Workspace, func(tx *store.Tx) error {
		same(t, "the transaction's workspace and instant", []any{tx.Workspace(), tx.Now()}, []any{a.Workspace, db.Now().Truncate(time.Microsecond)})
		reads, err := tx.Reads(a.Directory, 5)
		same(t, "the request log", reads, []store.ReadLogEntry{{Workspace: a.Workspace, Directory: a.Directory, Time: c.now().Truncate(time.Microsecond),
			Method: "GET", Path: "/Users", Status: 200, Took: time.Millisecond, Results: 1}})
		return err
	})
}
