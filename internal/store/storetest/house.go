package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// house is one workspace with a row of each kind, and the names by which they are asked for.
type house struct {
	Workspace, Slug                string
	Owner, Lowest                  string // roles
	Connection, Directory, Mapping string
	Domain                         string
	Member, Boss                   string
	Address                        string
	User, BossUser                 string // SCIM ids
	UserName, ExternalID           string
	Group, Empty                   string
	Session, SessionHash           string
	Token, TokenHash               string
	Secret, SecretHash, SCIMAccess string
	LinkHash, MailHash, Letter     string
	Import, Team                   string
	Subject, Replay, StateHash     string
	NameHash, LogoutHash           string
	Application, Event             string
	Grant, CodeHash                string
	AccessHash, RefreshHash        string
	Adoption, Claim                string
	Attempt, TestHash              string
}

// named makes the names of a workspace; nothing is stored yet.
func named(tag string) house {
	return house{
		Workspace: "ws_" + tag, Slug: tag, Owner: "rol_owner_" + tag, Lowest: "rol_low_" + tag,
		Connection: "con_" + tag, Directory: "dir_" + tag, Mapping: "map_" + tag, Domain: tag + ".test",
		Member: "mem_" + tag, Boss: "mem_boss_" + tag, Address: "ann@" + tag + ".test",
		User: "user-" + tag, BossUser: "user-boss-" + tag, UserName: "Ann@" + tag + ".test", ExternalID: "ext-" + tag,
		Group: "grp_" + tag, Empty: "grp_empty_" + tag,
		Session: "ses_" + tag, SessionHash: "sh-" + tag, Token: "tok_" + tag, TokenHash: "th-" + tag, Secret: "sec_" + tag, SecretHash: "sch-" + tag, SCIMAccess: "sah-" + tag, LinkHash: "lh-" + tag, MailHash: "mh-" + tag, Letter: "job_letter_" + tag, Import: "imp_" + tag, Team: "grp_team_" + tag,
		Subject: "subject-" + tag, Replay: "message-" + tag, StateHash: "st-" + tag, NameHash: "name-" + tag, LogoutHash: "leaving-" + tag, Application: "app_" + tag, Event: "evt_" + tag,
		Grant: "gra_" + tag, CodeHash: "ch-" + tag, AccessHash: "ah-" + tag, RefreshHash: "rh-" + tag,
		Adoption: "ado_" + tag, Claim: "claim-" + tag, Attempt: "att_" + tag, TestHash: "tst-" + tag,
	}
}

// schema is the extension that the workspace defines.
func (h house) schema() directory.Schema {
	return directory.Schema{URN: "urn:example:" + h.Slug + ":2.0:User", Resource: directory.SchemaUser, Name: "Extension of " + h.Slug, Attributes: []directory.SchemaAttribute{
		{Name: "badge", Type: "integer", CanonicalValues: []string{"1", "2"}}, {Name: "cards", Type: "complex", MultiValued: true, SubAttributes: []directory.SchemaAttribute{{Name: "value", Type: "string", Returned: "never"}}},
	}}
}

// idp is the other side of the connection.
func (h house) idp() *directory.SAML {
	certificate := []byte("certificate of " + h.Slug)
	return &directory.SAML{EntityID: "https://idp." + h.Domain, IdPInitiated: true, Certificates: [][]byte{certificate}, Watch: directory.Watch{
		MetadataURL: "https://idp." + h.Domain + "/metadata", NameIDFormats: []string{"{ a format } of " + h.Slug},
		IdPKeys: []directory.IdPKey{{Fingerprint: directory.KeyPrint(certificate), State: directory.KeyActive, Source: directory.FromURL, SeenAt: time.UnixMicro(1).UTC()}}}}
}

// config stores the workspace with its settings.
func (h house) config(tx *store.Tx) error {
	preset, _ := directory.FindPreset("omniflow")
	if err := tx.InsertWorkspace(directory.Workspace{Slug: h.Slug, Name: "Workspace " + h.Slug, Preset: "omniflow", Policy: preset.Policy,
		Enforcement: directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{h.Domain}}}); err != nil {
		return err
	}
	tx.SaveRole(directory.Role{ID: h.Owner, Name: "Owner", Permissions: []string{"all"}}, true)
	tx.SaveRole(directory.Role{ID: h.Lowest, Name: "Trainee", Rank: 1}, true)
	tx.SaveConnection(directory.Connection{ID: h.Connection, Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML,
		Status: directory.ConnectionActive, VerifiedAt: tx.Now(), SAML: h.idp()}, true)
	tx.InsertApplication(directory.Application{ID: h.Application, Name: "App", RedirectURIs: []string{"https://app." + h.Domain + "/callback"}}, "secret of "+h.Slug)
	loss := directory.GroupLossKeep
	tx.SaveDirectory(directory.Directory{ID: h.Directory, Name: "Okta", Connection: h.Connection, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient,
		Override: directory.Override{GroupLoss: &loss}}, true)
	tx.InsertMapping(directory.RoleMapping{ID: h.Mapping, Directory: h.Directory, Match: "Agents", Role: h.Lowest})
	tx.InsertDomain(h.Domain)
	tx.InsertDomainClaim(h.Domain, "challenge of "+h.Slug)
	tx.SaveSchema(h.schema())
	tx.SetApplied("applied " + h.Slug)
	if _, err := tx.FirstWarning(h.Connection, "of "+h.Slug, 30); err != nil {
		return err
	}
	return tx.Record(audit.Event{Type: audit.WorkspaceCreated, Subject: audit.Party{Kind: "workspace", ID: h.Workspace, Name: h.Slug},
		Payload: []byte(`{"of":"` + h.Slug + `"}`)})
}

// people stores members, their resources, groups, sessions and handles.
func (h house) people(tx *store.Tx) error {
	why := directory.RoleReason{Source: directory.RoleByDefault, At: tx.Now()}
	tx.InsertMember(&directory.Member{ID: h.Member, Email: h.Address, Name: "Ann", Stage: directory.StageActive, WasIn: true,
		Role: h.Lowest, RoleReason: why, Directory: h.Directory, Attributes: map[string]string{"title": "Agent"}})
	tx.InsertMember(&directory.Member{ID: h.Boss, Email: "boss@" + h.Domain, Name: "Boss", Stage: directory.StageActive, WasIn: true,
		Role: h.Owner, RoleReason: why, BreakGlass: true})
	tx.SaveCredential(h.Boss, "hash of "+h.Slug, tx.Now())
	tx.SaveSecondFactor(h.Boss, "sealed of "+h.Slug)
	tx.SaveRecoveryCodes(h.Boss, []string{h.LinkHash})
	tx.InsertSCIMUser(&store.SCIMUser{ID: h.BossUser, Directory: h.Directory, Member: h.Boss, UserName: "boss@" + h.Domain, Active: true, Document: "{}"})
	tx.InsertSCIMUser(&store.SCIMUser{ID: h.User, Directory: h.Directory, Member: h.Member, UserName: h.UserName, ExternalID: h.ExternalID,
		Active: true, Manager: h.BossUser, Document: `{"of":"` + h.Slug + `"}`,
		Emails: []store.EmailKey{{Value: directory.Fold(h.Address), Type: "work"}}})
	tx.InsertGroup(&store.Group{Group: directory.Group{ID: h.Group, Directory: h.Directory, DisplayName: "Agents", ExternalID: "g-" + h.Slug, MappedRole: h.Lowest}, Document: "{}"})
	tx.InsertGroup(&store.Group{Group: directory.Group{ID: h.Empty, Directory: h.Directory, DisplayName: "Empty"}, Document: "{}"})
	if _, err := tx.AddGroupMembers(h.Group, []string{h.User, h.BossUser}); err != nil {
		return err
	}
	tx.InsertSession(&session.Session{ID: h.Session, Member: h.Member, Method: directory.MethodSAML, Connection: h.Connection,
		ExpiresAt: tx.Now().Add(session.Absolute), Address: "192.0.2.1", UserAgent: "a browser", NameID: `{"value":"` + h.Address + `"}`, NameHash: h.NameHash}, h.SessionHash)
	tx.InsertToken(store.Token{ID: h.Token, Directory: h.Directory, Name: "first", Hint: "abcd"}, h.TokenHash)
	tx.InsertClientCredential(store.ClientCredential{ID: h.Secret, Directory: h.Directory, Name: "secret", Hint: "efgh", CreatedBy: "root"}, h.SecretHash)
	tx.InsertSCIMAccess(h.SCIMAccess, h.Secret, tx.Now().Add(time.Hour))
	tx.InsertLink(h.LinkHash, h.Member, tx.Now().Add(time.Hour))
	tx.InsertMailLink(h.MailHash, store.LinkInvitation, &directory.Member{ID: h.Member, Email: h.Address}, tx.Now().Add(time.Hour))
	tx.SaveInvitation(store.Invitation{Member: h.Member, By: audit.Party{Kind: "operator"}, Round: 1, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)})
	tx.InsertGroup(&store.Group{Group: directory.Group{ID: h.Team, DisplayName: h.Team}, Document: "{}"})
	if _, err := tx.AddTeamMember(h.Team, h.Member); err != nil {
		return err
	}
	tx.InsertImport(store.Import{ID: h.Import, Actor: audit.Party{Kind: "operator"}, State: "planned"})
	tx.InsertImportRows(h.Import, []store.ImportRow{{Line: 2, Email: h.Address}})
	tx.InsertJob(store.MailKind+"test", `{"member":"`+h.Member+`"}`, tx.Now().Add(time.Hour))
	tx.InsertAdoption(h.adoption())
	if err := h.signsIn(tx); err != nil {
		return err
	}
	if err := h.gives(tx); err != nil {
		return err
	}
	return tx.Record(audit.Event{ID: h.Event, Type: audit.MemberCreated, Subject: audit.Party{Kind: "member", ID: h.Member}})
}

// signsIn stores what signing in through a connection leaves.
func (h house) signsIn(tx *store.Tx) error {
	tx.InsertIdentity(store.Identity{Connection: h.Connection, Subject: h.Subject, Shown: h.Address, Member: h.Member, How: "directory"})
	tx.SaveClaims(h.Member, h.Connection, []string{"Agents", "of " + h.Slug})
	tx.InsertSignInState(h.StateHash, store.SignInState{Connection: h.Connection, RequestID: "_" + h.Slug, Browser: "browser", ExpiresAt: tx.Now().Add(time.Hour)})
	tx.InsertLogout(h.LogoutHash, store.Leaving{Connection: h.Connection, Member: h.Member, ReturnTo: "https://" + h.Slug, ExpiresAt: tx.Now().Add(time.Hour)})
	tx.InsertJob("test", `{"of":"`+h.Slug+`"}`, tx.Now().Add(time.Hour))
	tx.InsertJobInQueue("queue of "+h.Slug, "test", `{"first of":"`+h.Slug+`"}`)
	tx.BeginAttempt(store.Attempt{ID: h.Attempt, Connection: h.Connection, Method: directory.MethodSAML, Steps: []audit.Step{{Text: "of " + h.Slug}}})
	tx.InsertTestState(h.TestHash, store.TestState{Connection: h.Connection, Attempt: h.Attempt, Kind: store.TestRound, ExpiresAt: tx.Now().Add(time.Hour)})
	_, err := tx.FirstSight(h.Connection, h.Replay, tx.Now().Add(time.Hour))
	return err
}

// gives stores what a session gives to an application.
func (h house) gives(tx *store.Tx) error {
	tx.InsertGrant(store.Grant{ID: h.Grant, Application: h.Application, Session: h.Session, Member: h.Member, Scope: "openid of " + h.Slug, Nonce: "n"},
		h.CodeHash, store.Code{RedirectURI: "https://app." + h.Domain + "/callback", Challenge: "challenge", ExpiresAt: tx.Now().Add(time.Hour)})
	tx.InsertAccess(h.AccessHash, h.Grant, "openid", tx.Now().Add(time.Hour))
	tx.InsertRefresh(h.RefreshHash, h.Grant, tx.Now().Add(time.Hour))
	_, err := tx.HoldGrant(h.Grant)
	return err
}

// furnish makes a workspace with a row of each kind.
func furnish(t testing.TB, db *store.DB, tag string) house {
	t.Helper()
	h := named(tag)
	must(t, db.Write(context.Background(), h.Workspace, h.config))
	must(t, db.Write(context.Background(), h.Workspace, h.people))
	must(t, db.LogRead(context.Background(), store.ReadLogEntry{Workspace: h.Workspace, Directory: h.Directory, Time: db.Now(),
		Method: "GET", Path: "/Users", Status: 200, Took: time.Millisecond, Results: 1}))
	must(t, db.FlushMarks(context.Background()))
	must(t, db.Read(context.Background(), h.Workspace, func(tx *store.Tx) error {
		letters, err := tx.Letters("", 1)
		if err == nil {
			h.Letter = letters[0].ID // ids of jobs are the store's to make
		}
		return err
	}))
	_, err := db.Sequence(context.Background())
	must(t, err)
	return h
}

// dump returns every row of a workspace in every table, one line each.
func dump(t testing.TB, d store.Driver, workspace string) string {
	t.Helper()
	var out strings.Builder
	for _, table := range tables(t, d) {
		columns := columnsOf(t, d, table)
		key := "workspace_id"
		if table == "workspace" {
			key = "id"
		} else if !strings.Contains(strings.Join(columns, " "), key) {
			continue
		}
		parts := make([]string, len(columns))
		for i, c := range columns {
			parts[i] = "COALESCE(CAST(" + c + " AS TEXT), 'NULL')"
			if d.Name() == "sqlite" {
				parts[i] = "quote(" + c + ")"
			}
		}
		line := strings.Join(parts, " || '|' || ")
		for _, row := range column(t, d, "SELECT "+line+" AS line FROM "+table+" WHERE "+key+" = $1 ORDER BY line", workspace) {
			fmt.Fprintf(&out, "%s: %s\n", table, row)
		}
	}
	return out.String()
}

func tables(t testing.TB, d store.Driver) []string {
	t.Helper()
	query := `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY 1`
	if d.Name() == "sqlite" {
		query = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%' ORDER BY 1`
	}
	return column(t, d, query)
}

func columnsOf(t testing.TB, d store.Driver, table string) []string {
	t.Helper()
	query := `SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`
	if d.Name() == "sqlite" {
		query = `SELECT name FROM pragma_table_info($1) ORDER BY cid`
	}
	return column(t, d, query, table)
}

// column runs a query of one text column.
func column(t testing.TB, d store.Driver, query string, args ...any) []string {
	t.Helper()
	rows, err := d.Query(context.Background(), query, args...)
	must(t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		out = append(out, s)
	}
	must(t, rows.Err())
	return out
}

// number runs a query of one whole number.
func number(t testing.TB, d store.Driver, query string, args ...any) int {
	t.Helper()
	rows, err := d.Query(context.Background(), query, args...)
	must(t, err)
	defer rows.Close()
	var n int64
	for rows.Next() {
		must(t, rows.Scan(&n))
	}
	must(t, rows.Err())
	return int(n)
}
