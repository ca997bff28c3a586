package storetest

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// spy is a driver that notes every statement that goes through it.
type spy struct {
	store.Driver
	mu   sync.Mutex
	seen []statement
}

type statement struct {
	query string
	args  []any
}

func (s *spy) note(query string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, statement{query, args})
}

func (s *spy) take() []statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.seen
	s.seen = nil
	return out
}

func (s *spy) Write(ctx context.Context, fn func(store.Conn) error) error {
	return s.Driver.Write(ctx, func(c store.Conn) error { return fn(spyConn{c, s}) })
}

func (s *spy) Read(ctx context.Context, fn func(store.Conn) error) error {
	return s.Driver.Read(ctx, func(c store.Conn) error { return fn(spyConn{c, s}) })
}

func (s *spy) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	s.note(query, args)
	return s.Driver.Query(ctx, query, args...)
}

type spyConn struct {
	store.Conn
	spy *spy
}

func (c spyConn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	c.spy.note(query, args)
	return c.Conn.Exec(ctx, query, args...)
}

func (c spyConn) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	c.spy.note(query, args)
	return c.Conn.Query(ctx, query, args...)
}

func (c spyConn) Defer(query string, args ...any) {
	c.spy.note(query, args)
	c.Conn.Defer(query, args...)
}

// populate fills a furnished workspace with people, all in one large group but for the last
// hundred, each with a session and two events, of which the last few have no number yet.
func populate(t testing.TB, d store.Driver, h house) {
	t.Helper()
	ctx := context.Background()
	people := 10_000
	if d.Name() == "sqlite" {
		people = 100 // it plans without statistics: few rows give the plan of many
	}
	n := fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, people)
	for _, table := range []string{
		`INSERT INTO member SELECT CAST($1 AS TEXT), 'm' || i, 'p' || i || '@x.test', 'p' || i || '@x.test', '', '', '', '{}', 'active', 0, TRUE, CAST($3 AS TEXT), '', '{}', CAST($2 AS TEXT), FALSE, '', i, i, '' FROM n`,
		`INSERT INTO scim_user SELECT CAST($1 AS TEXT), 'u' || i, CAST($2 AS TEXT), 'm' || i, 'p' || i, 'p' || i, 'x' || i, i % 20 <> 0, CASE WHEN CAST($3 AS TEXT) = '' THEN '' END, '{}', i, i, CASE WHEN i % 10 = 0 THEN i END FROM n`,
		`INSERT INTO scim_user_email SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), 'p' || i || '@x.test', 'work', 'u' || i FROM n WHERE CAST($3 AS TEXT) <> ''`,
		`INSERT INTO grp SELECT CAST($1 AS TEXT), 'g' || i, CAST($2 AS TEXT), 'Group ' || i, 'group ' || i, 'gx' || i, CASE WHEN i % 2 = 0 THEN CAST($3 AS TEXT) ELSE '' END, '{}', i, i FROM n`,
		`INSERT INTO group_member SELECT CAST($1 AS TEXT), 'g1', 'u' || i FROM n WHERE i < 9900 AND CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO group_member SELECT CAST($1 AS TEXT), 'g' || (2 + i / 10), 'u' || i FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO session SELECT CAST($1 AS TEXT), 's' || i, 'm' || i, 'password', '', FALSE, i, 4000000000000000, 4000000000000000, CASE WHEN i % 3 = 0 THEN i END, '', '', '', i, '', 'idp' || i, '', '{}', 'name' || i, 43200000000, '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO session_handle SELECT $1 || 'h' || i, CAST($1 AS TEXT), 's' || i, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO token_handle SELECT $1 || 't' || i, CAST($1 AS TEXT), 'd' || i, 'k' || i, '', '', i, NULL, NULL, '', NULL, NULL, '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO client_credential SELECT CAST($1 AS TEXT), 'cs' || i, 'd' || i, '', '', '', i, '', NULL, NULL, NULL, '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO secret_handle SELECT $1 || 'cs' || i, CAST($1 AS TEXT), 'cs' || i FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO scim_access_handle SELECT $1 || 'sa' || i, CAST($1 AS TEXT), 'cs' || i, i, 4000000000000000 FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO api_key_handle SELECT $1 || 'ak' || i, CAST($1 AS TEXT), 'm' || (i % 1000), 'key_x' || i, '', '', '[]', i, 4000000000000000 + i, NULL, NULL, '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO link_handle SELECT $1 || 'l' || i, CAST($1 AS TEXT), 'm' || i, i, i, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO mail_link SELECT $1 || 'ml' || i, CAST($1 AS TEXT), 'm' || i, 'invitation', '', i, i, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO import_row SELECT CAST($1 AS TEXT), '` + h.Import + `', 10 + i, '', '', '', '', '', CASE WHEN i % 3 = 0 THEN 'new' ELSE 'member' END, '', '', '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO team_member SELECT CAST($1 AS TEXT), 'g1', 'm' || i FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO invitation SELECT CAST($1 AS TEXT), 'm' || i, '{}', 1, i, i, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO job SELECT CAST($1 AS TEXT), 'job_' || i, CASE WHEN i % 10 = 0 THEN 'mail.test' ELSE 'test' END, '{}', i, 4000000000000000 + i, 0, '', '', NULL, '', 0 FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO identity SELECT CAST($1 AS TEXT), '` + h.Connection + `', 's' || i, 'p' || i, 'p' || i, 'p' || i || '@x.test', 'p' || i || '@x.test', 'm' || i, 'directory', i, i FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO adoption SELECT CAST($1 AS TEXT), 'ad' || i, 'd' || (i % 20), 'm' || i, 'c' || i, '', '', '', '', TRUE, '', CASE WHEN i % 4 = 0 THEN 'waiting' ELSE 'adopted' END, '', 1, i, i, NULL, '', '', '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO domain_claim SELECT CAST($1 AS TEXT), 'd' || i || '.test', 'c', i, i, NULL, i, '', '', 0, NULL, 0, CASE WHEN i > 10 THEN 4000000000000000 + i ELSE i END FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO domain_handle SELECT 'd' || i || $1 || '.test', CAST($1 AS TEXT), i, TRUE FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO sign_in_attempt SELECT CAST($1 AS TEXT), 'att_' || SUBSTR(CAST($1 AS TEXT), 4) || (1000 + i), '` + h.Connection + `', 'saml', FALSE, i, i, 'ok', '', '', 'm' || i, 'p' || i || '@x.test', 'p' || i || '@x.test', 'b', 'e' || i, NULL, FALSE, NULL, NULL, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO member_seen SELECT CAST($1 AS TEXT), 'm' || i, i FROM n WHERE i % 2 = 0 AND CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO claim SELECT CAST($1 AS TEXT), 'm' || i, '` + h.Connection + `', '["Agents"]', i FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO oidc_grant SELECT CAST($1 AS TEXT), 'gr' || i, 'a' || (i % 3), 's' || i, 'm' || i, 'openid', '', i, i, 4000000000000000 + i, NULL, '' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO code_handle SELECT $1 || 'c' || i, CAST($1 AS TEXT), 'gr' || i, '', '', 4000000000000000, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO access_handle SELECT $1 || 'at' || i, CAST($1 AS TEXT), 'gr' || i, '', i, 4000000000000000, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO refresh_handle SELECT $1 || 'rt' || i, CAST($1 AS TEXT), 'gr' || i, i, 4000000000000000, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO event SELECT CAST($1 AS TEXT), 'e' || (100000 + i), CASE WHEN i < 9990 THEN i + 100 END, i, 'x', 'ok', '', '{}', 'member', 'm' || i, '', '', CAST($2 AS TEXT), '[]' FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO event_payload SELECT CAST($1 AS TEXT), 'e' || (100000 + i), i, CAST('' AS BYTEA) FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO request_log SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), 'r' || i, i, 'GET', '/', 200, 1, 1 FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO recovery_code SELECT CAST($1 AS TEXT), 'm' || i, 'rc' || i, i, NULL FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
		`INSERT INTO credential SELECT CAST($1 AS TEXT), 'm' || i, 'hash', i FROM n WHERE CAST($3 AS TEXT) <> CAST($2 AS TEXT)`,
	} {
		if d.Name() == "sqlite" {
			table = strings.ReplaceAll(table, "AS BYTEA", "AS BLOB")
		}
		must(t, d.Write(ctx, func(c store.Conn) error {
			_, err := c.Exec(ctx, n+table, h.Workspace, h.Directory, h.Lowest)
			return err
		}))
	}
}

// hot are the calls that are made again and again, each of which must cost its own size only.
// Those in walks go over a directory or workspace in the order of an index, page by page.
var hot = map[string]func(tx *store.Tx, h house) error{
	"a member": func(tx *store.Tx, h house) error { _, err := tx.Member("m5"); return err },
	"an address": func(tx *store.Tx, h house) error {
		if _, _, err := tx.Address("p77@x.test"); err != nil {
			return err
		}
		_, err := tx.MemberByEmail("p77@x.test")
		return err
	},
	"members by id":  func(tx *store.Tx, h house) error { _, err := tx.Members([]string{"m5", "m6", "m7"}); return err },
	"other owners":   func(tx *store.Tx, h house) error { _, err := tx.OtherOwners(h.Owner, "m5"); return err },
	"break-glass":    func(tx *store.Tx, h house) error { _, err := tx.BreakGlass(h.Owner); return err },
	"a role's grant": func(tx *store.Tx, h house) error { return grant(tx, h) },
	"a changed member": func(tx *store.Tx, h house) error {
		tx.UpdateMember(&directory.Member{ID: "m5", Email: "p5@x.test", Role: h.Lowest, Stage: directory.StageActive})
		return nil
	},
	"a resource":           func(tx *store.Tx, h house) error { _, _, err := tx.SCIMUserAndMember(h.Directory, "u5"); return err },
	"resources of members": func(tx *store.Tx, h house) error { _, err := tx.SCIMUsersOfMembers([]string{"m5", "m6"}); return err },
	"an attribute": func(tx *store.Tx, h house) error {
		tx.DeleteAttribute("badge")
		tx.SaveAttributeMap(h.Directory, nil)
		return nil
	},
	"resources of a member": func(tx *store.Tx, h house) error { _, err := tx.SCIMUsersOfMember("m5"); return err },
	"claims":                func(tx *store.Tx, h house) error { _, err := tx.SCIMUserClaims(h.Directory, "p5", "x7"); return err },
	"known resources": func(tx *store.Tx, h house) error {
		_, err := tx.KnownSCIMUsers(h.Directory, []string{"u5", "u6"})
		return err
	},
	"resources by id": func(tx *store.Tx, h house) error {
		_, err := tx.SCIMUsers(h.Directory, []string{"u5", "u6"})
		return err
	},
	"staged people": func(tx *store.Tx, h house) error {
		_, err := tx.StagedBehind(h.Directory, &store.Staged{ID: "u", CreatedAt: tx.Now()}, 10)
		return err
	},
	"a staged person by name":     func(tx *store.Tx, h house) error { _, err := tx.StagedNamed(h.Directory, "p5@x.test"); return err },
	"a staged person's address":   func(tx *store.Tx, h house) error { _, err := tx.StagedHolder(h.Directory, "p5@x.test", ""); return err },
	"a staged person who is none": func(tx *store.Tx, h house) error { tx.DropStaged(h.Directory, "u33"); return nil },
	"mapped groups of people": func(tx *store.Tx, h house) error {
		_, err := tx.MappedGroupsOfUsers([]string{"u9950", "u9951"})
		return err
	},
	"known groups": func(tx *store.Tx, h house) error {
		_, err := tx.KnownGroups(h.Directory, []string{"g5", "g6"})
		return err
	},
	"a deleted group":         func(tx *store.Tx, h house) error { tx.DeleteGroup("g33"); return nil },
	"a retired resource":      func(tx *store.Tx, h house) error { tx.RetireSCIMUser("u33"); return nil },
	"a changed resource":      changeResource,
	"userName eq":             find(store.Eq(store.FieldUserName, "p5")),
	"externalId eq":           find(store.Eq(store.FieldExternalID, "x5")),
	"userName or externalId":  find(store.Or(store.Eq(store.FieldUserName, "p5"), store.Eq(store.FieldExternalID, "x6"))),
	"emails eq":               find(store.EmailEq("p5@x.test", "")),
	"work e-mail or userName": find(store.Or(store.EmailEq("p5@x.test", "work"), store.Eq(store.FieldUserName, "p5"))),
	"id eq":                   find(store.Eq(store.FieldID, "u5")),
	"userName eq and active":  find(store.And(store.Eq(store.FieldUserName, "p5"), store.ActiveIs(true))),
	"a group":                 func(tx *store.Tx, h house) error { _, err := tx.Group(h.Directory, "g5"); return err },
	"displayName eq":          findGroup(store.Eq(store.FieldDisplayName, "group 5")),
	"a group's externalId eq": findGroup(store.Eq(store.FieldExternalID, "gx5")),
	"groups of a user":        findGroup(store.Eq(store.FieldMember, "u9950")),
	"a member joins a group":  func(tx *store.Tx, h house) error { _, err := tx.AddGroupMembers("g1", []string{"u9999"}); return err },
	"a member leaves a group": func(tx *store.Tx, h house) error {
		_, err := tx.RemoveGroupMembers("g1", []string{"u9999", "u5"})
		return err
	},
	"groups of users":    func(tx *store.Tx, h house) error { _, err := tx.GroupsOfUsers([]string{"u9950", "u9951"}); return err },
	"pushed groups":      func(tx *store.Tx, h house) error { _, err := tx.PushedGroups([]string{"m9951", "m9961"}); return err },
	"mapped groups":      func(tx *store.Tx, h house) error { _, err := tx.MappedGroups([]string{"m9951", "m9961"}); return err },
	"names of groups":    func(tx *store.Tx, h house) error { _, err := tx.GroupNames("m9951"); return err },
	"members of a group": func(tx *store.Tx, h house) error { _, err := tx.MembersInGroup("g900"); return err },
	"members of groups":  func(tx *store.Tx, h house) error { _, err := tx.MembersOfGroups([]string{"g900", "g901"}); return err },
	"three conditions":   find(store.Or(store.EmailEq("p5@x.test", ""), store.And(store.Eq(store.FieldUserName, "p6"), store.ActiveIs(true)), store.Eq(store.FieldMember, "u9950"))),
	"two by userName, sorted": func(tx *store.Tx, h house) error {
		_, _, err := tx.SCIMUsersBehind(h.Directory, store.Select{Where: store.Or(store.Eq(store.FieldUserName, "p5"), store.Eq(store.FieldExternalID, "x6")),
			Sort: store.Sort{By: store.FieldModified}, Count: 20}, &store.Place{At: 1, ID: "u"})
		return err
	},
	"a mapped role": func(tx *store.Tx, h house) error { tx.SetMappedRole("g5", h.Lowest); tx.TouchGroup("g5"); return nil },
	"the sessions of a member": func(tx *store.Tx, h house) error {
		_, err := tx.Sessions("m4")
		return err
	},
	"the end of a member's sessions": func(tx *store.Tx, h house) error {
		if _, err := tx.EndSessions("m5", "", "x", true); err != nil {
			return err
		}
		_, err := tx.EndSessionsOf([]string{"m7", "m8"}, "x")
		return err
	},
	"a session that gets a new token": func(tx *store.Tx, h house) error {
		if err := tx.RenewSessions([]string{"m10", "m11"}, "x"); err != nil {
			return err
		}
		_, err := tx.RenewSession("s10", "h10", "fresh")
		return err
	},
	"the sessions of everybody who has a role": func(tx *store.Tx, h house) error {
		tx.RenewSessionsWith(h.Owner, "x")
		_, err := tx.Member(h.Member) // what is queued runs first
		return err
	},
	"the sessions that an IdP names": func(tx *store.Tx, h house) error {
		_, err := tx.SessionsOfIdP("", "idp10")
		return err
	},
	"the sessions of a name that an IdP logs out": func(tx *store.Tx, h house) error {
		if _, err := tx.SessionsOfName("", "name10", ""); err != nil {
			return err
		}
		if _, err := tx.NamelessSessions("", "m10", ""); err != nil {
			return err
		}
		if _, err := tx.NameOfSession("s10"); err != nil {
			return err
		}
		_, err := tx.ApplicationsOf([]string{"s10", "s11"})
		return err
	},
	"a sign-out that waits for its IdP": func(tx *store.Tx, h house) error {
		tx.InsertLogout("hash", store.Leaving{Connection: h.Connection, ExpiresAt: tx.Now()})
		if _, err := tx.Logout(h.Connection, "hash"); err != nil {
			return err
		}
		if err := tx.UseLogout(h.Connection, "other"); err != nil && !errs.Is(err, errs.KindNotFound) {
			return err
		}
		return tx.Record(audit.Event{Type: audit.LogoutSent})
	},
	"the end of a session": func(tx *store.Tx, h house) error { return tx.EndSession("s10", "x") },
	"a sign-in link": func(tx *store.Tx, h house) error {
		if _, err := tx.Identity(h.Connection, "s5"); err != nil {
			return err
		}
		_, _, err := tx.IdentityAndMember(h.Connection, "s5")
		return err
	},
	"links of a member":    func(tx *store.Tx, h house) error { _, err := tx.IdentitiesOf("m5"); return err },
	"a link that was used": func(tx *store.Tx, h house) error { tx.TouchIdentity(h.Connection, "s5", "p5@x.test"); return nil },
	"a link that moves": func(tx *store.Tx, h house) error {
		tx.RelinkIdentity(store.Identity{Connection: h.Connection, Subject: "s5", Member: "m5"}, "m6", "directory", "p5@x.test")
		return nil
	},
	"links that move": func(tx *store.Tx, h house) error { tx.MoveIdentities("m5", "m6"); return nil },
	"links of a person": func(tx *store.Tx, h house) error {
		_, err := tx.LinksAsserting(h.Directory, "p5", "x5", "p5@x.test")
		return err
	},
	"people of a subject": func(tx *store.Tx, h house) error {
		_, err := tx.PeopleAsserted(h.Directory, "p5", "p5@x.test")
		return err
	},
	"holders of an address": func(tx *store.Tx, h house) error { _, err := tx.MembersByEmail("p5@x.test"); return err },
	"group claims": func(tx *store.Tx, h house) error {
		tx.SaveClaims("m5", h.Connection, []string{"a"})
		tx.TouchClaims("m5", h.Connection)
		_, err := tx.Claims([]string{"m5", "m6"})
		return err
	},
	"links": func(tx *store.Tx, h house) error { tx.EndLinks("m5"); _, _ = tx.UseLink(h.LinkHash); return nil },
	"holders of addresses": func(tx *store.Tx, h house) error {
		_, err := tx.HoldersOf([]string{"p77@x.test", "p78@x.test"})
		return err
	},
	"rows of a list": func(tx *store.Tx, h house) error {
		tx.SettleImportRow(h.Import, store.ImportRow{Line: 77})
		_, err := tx.ImportRows(h.Import, 50, 20, "new")
		return err
	},
	"a team": func(tx *store.Tx, h house) error {
		if _, err := tx.AddTeamMember("g1", "m77"); err != nil {
			return err
		}
		_, err := tx.RemoveTeamMember("g1", "m77")
		tx.LeaveTeams("m78")
		return err
	},
	"members by the beginning of an address": func(tx *store.Tx, h house) error { _, err := tx.MembersNamed("p77@", 20); return err },
	"links by mail": func(tx *store.Tx, h house) error {
		tx.EndMailLinks("m5", store.LinkInvitation)
		return tx.UseMailLink(h.MailHash, h.Member, store.LinkInvitation)
	},
	"an invitation":     func(tx *store.Tx, h house) error { _, err := tx.Invitation(h.Member); return err },
	"a letter":          func(tx *store.Tx, h house) error { _, err := tx.RetryLetter(h.Letter); return err },
	"events for owners": func(tx *store.Tx, h house) error { _, err := tx.EventsForOwners(tx.Now(), 20); return err },
	"the look at an IdP's metadata": func(tx *store.Tx, h house) error {
		if _, err := tx.AskMetadata(h.Connection, 0); err != nil {
			return err
		}
		tx.SaveMetadataWatch(h.Connection, store.MetadataWatch{})
		_, _, err := tx.MetadataWatch(h.Connection)
		return err
	},
	"warnings of certificates": func(tx *store.Tx, h house) error {
		if _, err := tx.FirstWarning(h.Connection, "x", 1); err != nil {
			return err
		}
		_, err := tx.Warnings(h.Connection)
		return err
	},
	"recovery codes": func(tx *store.Tx, h house) error {
		if _, err := tx.RecoveryCode("m5", "rc5"); err != nil {
			return err
		}
		_, _, err := tx.RecoveryCodesLeft("m5")
		return err
	},
	"a second factor": func(tx *store.Tx, h house) error { _, err := tx.SecondFactor("m5"); return err },
	"connections of people": func(tx *store.Tx, h house) error {
		_, err := tx.ConnectionsOf([]string{"m5", "m6"})
		return err
	},
	"events of a subject": func(tx *store.Tx, h house) error { _, err := tx.EventsOf("m5", 20); return err },
	"events by number":    func(tx *store.Tx, h house) error { _, err := tx.EventsAfter(9000, 20); return err },
	"an event":            func(tx *store.Tx, h house) error { _, err := tx.Event("e100007"); return err },
	"a person's log": func(tx *store.Tx, h house) error {
		_, _, err := tx.EventPage(store.EventQuery{Before: 9000, Subjects: []string{"m5"}, Outcome: audit.Refused, Limit: 20})
		return err
	},
}

var walks = map[string]func(tx *store.Tx, h house) error{
	"a page of users":              find(store.All()),
	"active users":                 find(store.ActiveIs(true)),
	"inactive users":               find(store.ActiveIs(false)),
	"a page of groups":             findGroup(store.All()),
	"the last members of a group":  func(tx *store.Tx, h house) error { _, err := tx.MembersBehind("g1", "u9890", 20); return err },
	"the first members of a group": func(tx *store.Tx, h house) error { _, err := tx.MembersBehind("g1", "", 20); return err },
	"the rows of a list":           func(tx *store.Tx, h house) error { _, err := tx.ImportRows(h.Import, 50, 20, ""); return err },
	"members of a team":            func(tx *store.Tx, h house) error { _, err := tx.TeamMembers("g1", "m5", 20); return err },
	"teams":                        func(tx *store.Tx, h house) error { _, err := tx.Teams("", 20); return err },
	"letters":                      func(tx *store.Tx, h house) error { _, err := tx.Letters("", 20); return err },
	"a page of members":            func(tx *store.Tx, h house) error { _, err := tx.MembersAfter("m5", 20); return err },
	"a page of the log": func(tx *store.Tx, h house) error {
		// A filter costs up to store.EventWindow rows, whatever the size of the log.
		_, _, err := tx.EventPage(store.EventQuery{Before: 9000, Limit: 20})
		return err
	},
	"the last number":  func(tx *store.Tx, h house) error { _, err := tx.LastSeq(); return err },
	"a role's members": func(tx *store.Tx, h house) error { _, err := tx.MembersByRole(h.Lowest, 20); return err },
	"the request log":  func(tx *store.Tx, h house) error { _, err := tx.Reads(h.Directory, 20); return err },
	"the keys of a member": func(tx *store.Tx, _ house) error {
		if _, err := tx.APIKeysOf("m5", 10); err != nil {
			return err
		}
		if _, err := tx.CountAPIKeys("m5"); err != nil {
			return err
		}
		_, err := tx.EndAPIKeysOf([]string{"m5", "m6"}, "x")
		return err
	},
	"a page of keys": func(tx *store.Tx, _ house) error { _, err := tx.APIKeysBehind("key_x5", 10); return err },
	"a key": func(tx *store.Tx, _ house) error {
		if _, err := tx.APIKey("key_x7"); err != nil {
			return err
		}
		_, err := tx.RevokeAPIKey("key_x7", "x")
		return err
	},
	"keys that end soon":    func(tx *store.Tx, _ house) error { _, err := tx.APIKeysEnding(time.UnixMicro(1), 10); return err },
	"tokens of a directory": func(tx *store.Tx, h house) error { _, err := tx.RevokeTokens(h.Directory, "", "x"); return err },
	"groups, by id":         func(tx *store.Tx, h house) error { _, err := tx.GroupsAfter("g5", 20); return err },
	"the last groups": func(tx *store.Tx, h house) error {
		_, _, err := tx.GroupsBehind(h.Directory, store.Select{Count: 20}, &store.Place{At: 9900, ID: "g9900"})
		return err
	},
	"groups by name":           behindGroup(store.FieldDisplayName, false, nil),
	"groups by name, backward": behindGroup(store.FieldDisplayName, true, &store.Place{Text: "group 5"}),
	"groups by externalId":     behindGroup(store.FieldExternalID, false, &store.Place{Text: "gx5"}),
	"groups by id":             behindGroup(store.FieldID, false, &store.Place{Text: "g5"}),
	"the last users":           behind(store.FieldCreated, false, store.All(), &store.Place{At: 9900, ID: "u9900"}),
	"the last inactive users":  behind(store.FieldCreated, false, store.ActiveIs(false), &store.Place{At: 8000, ID: "u8000"}),
	"users by name":            behind(store.FieldUserName, false, store.All(), &store.Place{Text: "p5"}),
	"users by name, backward":  behind(store.FieldUserName, true, store.ActiveIs(true), &store.Place{Text: "p5"}),
	"users by externalId":      behind(store.FieldExternalID, false, store.All(), &store.Place{Text: "x5"}),
	"users by id":              behind(store.FieldID, false, store.All(), &store.Place{Text: "u5"}),
	"users by id, backward":    behind(store.FieldID, true, store.All(), nil),
	"the newest users":         behind(store.FieldCreated, true, store.All(), nil),
}

func behind(by store.Field, descending bool, where store.Cond, after *store.Place) func(tx *store.Tx, h house) error {
	return func(tx *store.Tx, h house) error {
		_, _, err := tx.SCIMUsersBehind(h.Directory, store.Select{Where: where, Sort: store.Sort{By: by, Descending: descending}, Count: 20}, after)
		return err
	}
}

func behindGroup(by store.Field, descending bool, after *store.Place) func(tx *store.Tx, h house) error {
	return func(tx *store.Tx, h house) error {
		_, _, err := tx.GroupsBehind(h.Directory, store.Select{Sort: store.Sort{By: by, Descending: descending}, Count: 20}, after)
		return err
	}
}

func grant(tx *store.Tx, h house) error {
	return tx.GrantRoles([]store.RoleGrant{{Role: h.Lowest, Members: []string{"m5", "m6"}}})
}

func changeResource(tx *store.Tx, h house) error {
	tx.UpdateSCIMUser(&store.SCIMUser{ID: "u5", Directory: h.Directory, Member: "m5", UserName: "p5", ExternalID: "x5", Document: "{}", Emails: []store.EmailKey{{Value: "p5@x.test"}}})
	return nil
}

func find(where store.Cond) func(tx *store.Tx, h house) error {
	return func(tx *store.Tx, h house) error {
		_, _, err := tx.SelectSCIMUsers(h.Directory, store.Select{Where: where, Start: 1, Count: 20})
		return err
	}
}

func findGroup(where store.Cond) func(tx *store.Tx, h house) error {
	return func(tx *store.Tx, h house) error {
		_, _, err := tx.SelectGroups(h.Directory, store.Select{Where: where, Start: 1, Count: 20})
		return err
	}
}

// testPlans asks the database how it runs each hot statement on two large workspaces.
func testPlans(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	s := &spy{Driver: open(t)}
	db := Open(t, s, nil)
	a, b := furnish(t, db, "a"), furnish(t, db, "b")
	populate(t, s.Driver, a)
	populate(t, s.Driver, b)
	if s.Name() == "postgres" {
		must(t, drain(s.Driver.Query(ctx, "ANALYZE")))
	}
	run := func(name string, walk bool, call func() error) {
		s.take()
		if err := call(); err != nil && err != errOwn {
			t.Errorf("%s: %v", name, err)
		}
		statements := s.take()
		if len(statements) == 0 {
			t.Errorf("%s: no statement", name)
		}
		for _, st := range statements {
			if why := slow(t, s.Driver, st, walk); why != "" {
				t.Errorf("%s: %s\n%s", name, why, strings.TrimSpace(st.query))
			}
		}
	}
	inside := func(call func(tx *store.Tx, h house) error) func() error {
		return func() error {
			return db.Write(ctx, a.Workspace, func(tx *store.Tx) error {
				if err := call(tx, a); err != nil {
					return err
				}
				return errOwn
			})
		}
	}
	for name, call := range hot {
		run(name, false, inside(call))
	}
	for name, call := range hotGrants {
		run(name, false, inside(call))
	}
	for name, call := range hotAdoptions {
		run(name, false, inside(call))
	}
	for name, call := range hotDomains {
		run(name, false, inside(call))
	}
	for name, call := range hotAttempts {
		run(name, false, inside(call))
	}
	for name, call := range walkAttempts {
		run(name, true, inside(call))
	}
	for name, call := range walkAdoptions {
		run(name, true, inside(call))
	}
	for name, call := range walks {
		run(name, true, inside(call))
	}
	run("a session check", false, func() error { _, err := db.SessionByToken(ctx, a.SessionHash, db.Now()); return err })
	run("an access token", false, func() error { _, err := db.HolderByAccess(ctx, a.AccessHash, db.Now()); return err })
	run("a refresh token", false, func() error { _, err := db.HolderByRefresh(ctx, a.RefreshHash, db.Now()); return err })
	run("sessions that may have run out", false, func() error { _, err := db.System().DueSessions(ctx, db.Now(), 20); return err })
	run("an API key", false, func() error { _, err := db.System().APIKeyByHash(ctx, a.KeyHash, db.Now()); return err })
	run("a token", false, func() error { _, err := db.System().TokenByHash(ctx, a.TokenHash, db.Now()); return err })
	run("a client's secret", false, func() error { _, err := db.System().HolderBySecret(ctx, a.SecretHash, db.Now()); return err })
	run("an access token of SCIM", false, func() error {
		_, err := db.System().HolderBySCIMAccess(ctx, a.SCIMAccess, db.Now())
		return err
	})
	run("whose a client is", true, func() error { _, err := db.System().WorkspaceOfClient(ctx, a.Directory); return err })
	run("who vouches for a client", true, func() error { _, err := db.System().TrustsOfClient(ctx, a.Directory, db.Now()); return err })
	run("the marks", false, func() error { return db.FlushMarks(ctx) })
	run("a slug", false, func() error { _, err := db.System().WorkspaceBySlug(ctx, "a"); return err })
	run("a domain", false, func() error { _, err := db.System().WorkspacesOfDomain(ctx, "a.test"); return err })
	run("domains to be looked at again", false, func() error {
		_, err := db.System().TakeDueDomains(ctx, time.Minute, 20)
		return err
	})
	run("the sequencer", true, func() error { _, err := db.Sequence(ctx); return err })
}

// wide is how many rows a hot statement may look at.
const wide = 200

// slow says why a statement's plan is not good enough, or "".
func slow(t testing.TB, d store.Driver, st statement, walk bool) string {
	t.Helper()
	if strings.HasPrefix(strings.TrimSpace(st.query), "INSERT") || strings.Contains(st.query, "pg_") {
		return "" // an insert looks at its own row, a lock at none
	}
	if d.Name() == "sqlite" {
		return slowSQLite(t, d, st, walk)
	}
	return slowPostgres(t, d, st, walk && strings.Contains(st.query, "COUNT(*)"))
}

var (
	searched = regexp.MustCompile(`^SEARCH .* \((.*)\)`)
	// A scan of these is over what the statement itself brings, or over an index that holds only
	// what is wanted.
	ownScan = regexp.MustCompile(`SCAN (numbered|windowed|by_name|by_external|CONSTANT ROW|\d+ CONSTANT ROWS|\(subquery.*|\w+ USING (COVERING )?INDEX event_unsequenced)$`)
)

func slowSQLite(t testing.TB, d store.Driver, st statement, walk bool) string {
	rows, err := d.Query(context.Background(), "EXPLAIN QUERY PLAN "+st.query, st.args...)
	must(t, err)
	defer rows.Close()
	var plan []string
	bad := ""
	for rows.Next() {
		var id, parent, unused int64
		var detail string
		must(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
		if strings.Contains(detail, "SCAN") && !ownScan.MatchString(detail) {
			bad = "a whole table is scanned"
		}
		m := searched.FindStringSubmatch(detail)
		if m == nil || walk {
			if walk && strings.Contains(detail, "TEMP B-TREE FOR ORDER BY") {
				bad = "a walk is sorted as a whole"
			}
			continue
		}
		narrow := strings.Contains(detail, "workspace USING") || strings.Contains(detail, " w USING")
		for _, column := range strings.Split(m[1], " AND ") {
			if column != "workspace_id=?" && column != "directory_id=?" {
				narrow = true
			}
		}
		if !narrow {
			bad = "a whole workspace or directory is searched"
		}
	}
	must(t, rows.Err())
	if bad != "" {
		return bad + ":\n  " + strings.Join(plan, "\n  ")
	}
	return ""
}

var (
	visited = regexp.MustCompile(`actual time=\S+ rows=(\d+) loops=(\d+)`)
	removed = regexp.MustCompile(`Rows Removed by (?:Filter|Index Recheck|Join Filter): (\d+)`)
	// The tables of settings are small in every workspace.
	bigScan = regexp.MustCompile(`Seq Scan on (member|sign_in_attempt|member_seen|scim_user|scim_user_email|grp|group_member|session|session_handle|event|event_payload|token_handle|api_key_handle|client_credential|secret_handle|scim_access_handle|link_handle|mail_link|team_member|invitation|import_row|job|request_log|oidc_grant|code_handle|access_handle|refresh_handle)\b`)
)

func slowPostgres(t testing.TB, d store.Driver, st statement, counts bool) string {
	var plan []string
	rowsSeen := 0
	err := d.Write(context.Background(), func(c store.Conn) error {
		rows, err := c.Query(context.Background(), "EXPLAIN ANALYZE "+st.query, st.args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			plan = append(plan, line)
			if m := visited.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[1])
				loops, _ := strconv.Atoi(m[2])
				rowsSeen = max(rowsSeen, n*loops)
			}
			if m := removed.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[1])
				rowsSeen = max(rowsSeen, n)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return errOwn // an EXPLAIN ANALYZE of a change makes it
	})
	if err != errOwn {
		return err.Error()
	}
	text := strings.Join(plan, "\n  ")
	switch {
	case bigScan.MatchString(text):
		return "a large table is scanned:\n  " + text
	case rowsSeen > wide && !counts:
		return fmt.Sprintf("%d rows are looked at:\n  %s", rowsSeen, text)
	default:
		return ""
	}
}
