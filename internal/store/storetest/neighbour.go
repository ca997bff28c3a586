package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

// probe calls one method of a transaction with the ids of h and returns what it gave.
type probe func(tx *store.Tx, h house) (any, error)

func does(fn func(tx *store.Tx, h house)) probe {
	return func(tx *store.Tx, h house) (any, error) { fn(tx, h); return nil, nil }
}

// probes has every method of Tx; a method without ids has nil.
var probes = joined(peopleProbes, stagedProbes, signInProbes, grantProbes, jobProbes, adoptionProbes, watchProbes, domainProbes, attemptProbes, emergencyProbes, eraseProbes, apiKeyProbes)

func joined(parts ...map[string]probe) map[string]probe {
	all := map[string]probe{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

var peopleProbes = map[string]probe{
	"Now": nil, "Workspace": nil, "Config": nil, "Applied": nil, "SetApplied": nil, "LockPolicy": nil, "LastSeq": nil,
	"UpdateWorkspace": nil, // binds the workspace alone
	"InsertWorkspace": nil, // a taken slug is told on purpose

	"LockPeople": func(tx *store.Tx, h house) (any, error) { return nil, tx.LockPeople([]string{h.Member}, false) },
	"LockMember": func(tx *store.Tx, h house) (any, error) { return nil, tx.LockMember(h.Member) },
	"LockGroup":  func(tx *store.Tx, h house) (any, error) { return nil, tx.LockGroup(h.Group, false) },
	"Record": func(tx *store.Tx, h house) (any, error) {
		return nil, tx.Record(audit.Event{Type: audit.SCIMRefused, Subject: audit.Party{Kind: "member", ID: h.Member}, Directory: h.Directory})
	},

	"Member":            func(tx *store.Tx, h house) (any, error) { return tx.Member(h.Member) },
	"MemberByEmail":     func(tx *store.Tx, h house) (any, error) { return tx.MemberByEmail(h.Address) },
	"Members":           func(tx *store.Tx, h house) (any, error) { return tx.Members([]string{h.Member, h.Boss}) },
	"MembersAfter":      func(tx *store.Tx, h house) (any, error) { return tx.MembersAfter("zzz"+h.Member, 10) },
	"MembersByRole":     func(tx *store.Tx, h house) (any, error) { return tx.MembersByRole(h.Owner, 10) },
	"ReplaceManualRole": does(func(tx *store.Tx, h house) { tx.ReplaceManualRole(h.Owner, h.Lowest) }),
	"MembersWith":       func(tx *store.Tx, h house) (any, error) { return tx.MembersWith(h.Owner) },
	"OtherOwners":       func(tx *store.Tx, h house) (any, error) { return tx.OtherOwners(h.Owner, h.Member) },
	"Address": func(tx *store.Tx, h house) (any, error) {
		holder, _, err := tx.Address(h.Address) // that another workspace has proven a domain is told on purpose
		return holder, err
	},
	"BreakGlass": func(tx *store.Tx, h house) (any, error) { return tx.BreakGlass(h.Owner) },
	"Credential": func(tx *store.Tx, h house) (any, error) {
		hash, at, err := tx.Credential(h.Boss)
		return []any{hash, at}, err
	},
	"InsertMember": does(func(tx *store.Tx, h house) {
		tx.InsertMember(&directory.Member{ID: h.Member, Email: h.Address, Directory: h.Directory, Role: h.Owner, Replaces: h.Boss})
	}),
	"UpdateMember": does(func(tx *store.Tx, h house) {
		tx.UpdateMember(&directory.Member{ID: h.Member, Email: "taken@over.test"})
	}),
	"GrantRoles": func(tx *store.Tx, h house) (any, error) {
		return nil, tx.GrantRoles([]store.RoleGrant{{Role: h.Owner, Members: []string{h.Member}}})
	},
	"SaveCredential":  does(func(tx *store.Tx, h house) { tx.SaveCredential(h.Boss, "mine", tx.Now()) }),
	"ProveCredential": does(func(tx *store.Tx, h house) { tx.ProveCredential(h.Boss) }),

	"SCIMUser": func(tx *store.Tx, h house) (any, error) { return tx.SCIMUser(h.Directory, h.User) },
	"SCIMUserAndMember": func(tx *store.Tx, h house) (any, error) {
		u, m, err := tx.SCIMUserAndMember(h.Directory, h.User)
		return []any{u, m}, err
	},
	"SCIMUsersOfMember": func(tx *store.Tx, h house) (any, error) { return tx.SCIMUsersOfMember(h.Member) },
	"SCIMUserClaims": func(tx *store.Tx, h house) (any, error) {
		return tx.SCIMUserClaims(h.Directory, h.UserName, h.ExternalID)
	},
	"AskCreate": func(tx *store.Tx, h house) (any, error) {
		tx.AskCreate(h.Directory, h.UserName, h.ExternalID, h.Address)
		if _, err := tx.LastSeq(); err != nil { // sends the questions
			return nil, err
		}
		holder, _, err := tx.Address(h.Address)
		if err != nil {
			return nil, err
		}
		claims, err := tx.SCIMUserClaims(h.Directory, h.UserName, h.ExternalID)
		return []any{holder, claims}, err
	},
	"SCIMUsers":      func(tx *store.Tx, h house) (any, error) { return tx.SCIMUsers(h.Directory, []string{h.User}) },
	"KnownSCIMUsers": func(tx *store.Tx, h house) (any, error) { return tx.KnownSCIMUsers(h.Directory, []string{h.User}) },
	"SelectSCIMUsers": func(tx *store.Tx, h house) (any, error) {
		where := store.Or(store.Eq(store.FieldID, h.User), store.EmailEq(directory.Fold(h.Address), ""), store.Eq(store.FieldUserName, directory.Fold(h.UserName)), store.All())
		page, total, err := tx.SelectSCIMUsers(h.Directory, store.Select{Where: where, Start: 1, Count: 10})
		return []any{page, total}, err
	},
	"SCIMUsersBehind": func(tx *store.Tx, h house) (any, error) {
		page, more, err := tx.SCIMUsersBehind(h.Directory, store.Select{Sort: store.Sort{By: store.FieldUserName}, Count: 10}, &store.Place{Text: "!"})
		return []any{page, more}, err
	},
	"InsertSCIMUser": does(func(tx *store.Tx, h house) {
		tx.InsertSCIMUser(&store.SCIMUser{ID: h.User, Directory: h.Directory, Member: h.Member, UserName: h.UserName, ExternalID: h.ExternalID,
			Manager: h.BossUser, Emails: []store.EmailKey{{Value: h.Address, Type: "work"}}})
	}),
	"UpdateSCIMUser": does(func(tx *store.Tx, h house) {
		tx.UpdateSCIMUser(&store.SCIMUser{ID: h.User, Directory: h.Directory, Member: h.Member, UserName: "other", Emails: []store.EmailKey{}})
	}),
	"RetireSCIMUser":  does(func(tx *store.Tx, h house) { tx.RetireSCIMUser(h.BossUser) }),
	"ForgetDirectory": func(tx *store.Tx, h house) (any, error) { return nil, tx.ForgetDirectory(h.Directory) },

	"Group":       func(tx *store.Tx, h house) (any, error) { return tx.Group(h.Directory, h.Group) },
	"KnownGroups": func(tx *store.Tx, h house) (any, error) { return tx.KnownGroups(h.Directory, []string{h.Group}) },
	"GroupsAfter": func(tx *store.Tx, h house) (any, error) { return tx.GroupsAfter("zzz"+h.Group, 10) },
	"SelectGroups": func(tx *store.Tx, h house) (any, error) {
		where := store.Or(store.Eq(store.FieldMember, h.User), store.Eq(store.FieldID, h.Group))
		page, total, err := tx.SelectGroups(h.Directory, store.Select{Where: where, Start: 1, Count: 10})
		return []any{page, total}, err
	},
	"GroupsBehind": func(tx *store.Tx, h house) (any, error) {
		page, more, err := tx.GroupsBehind(h.Directory, store.Select{Count: 10}, &store.Place{At: 1, ID: h.Group})
		return []any{page, more}, err
	},
	"GroupMemberIDs":  func(tx *store.Tx, h house) (any, error) { return tx.GroupMemberIDs(h.Group) },
	"MembersBehind":   func(tx *store.Tx, h house) (any, error) { return tx.MembersBehind(h.Group, "", 10) },
	"MembersOfGroups": func(tx *store.Tx, h house) (any, error) { return tx.MembersOfGroups([]string{h.Group}) },
	"GroupSizes":      func(tx *store.Tx, h house) (any, error) { return tx.GroupSizes([]string{h.Group}) },
	"GroupsOfUsers":   func(tx *store.Tx, h house) (any, error) { return tx.GroupsOfUsers([]string{h.User}) },
	"CountMembers":    func(tx *store.Tx, _ house) (any, error) { return tx.CountMembers(1000) },
	"MembersByStatus": func(tx *store.Tx, _ house) (any, error) { return tx.MembersByStatus(1000) },
	"PushedGroups":    func(tx *store.Tx, h house) (any, error) { return tx.PushedGroups([]string{h.Member}) },
	"MappedGroups":    func(tx *store.Tx, h house) (any, error) { return tx.MappedGroups([]string{h.Member}) },
	"MembersInGroup":  func(tx *store.Tx, h house) (any, error) { return tx.MembersInGroup(h.Group) },
	"GroupNames":      func(tx *store.Tx, h house) (any, error) { return tx.GroupNames(h.Member) },
	"InsertGroup": does(func(tx *store.Tx, h house) {
		tx.InsertGroup(&store.Group{Group: directory.Group{ID: h.Group, Directory: h.Directory, DisplayName: "Agents"}})
	}),
	"UpdateGroup": does(func(tx *store.Tx, h house) {
		tx.UpdateGroup(&store.Group{Group: directory.Group{ID: h.Group, Directory: h.Directory, DisplayName: "Taken"}})
	}),
	"TouchGroup":    does(func(tx *store.Tx, h house) { tx.TouchGroup(h.Group) }),
	"DeleteGroup":   does(func(tx *store.Tx, h house) { tx.DeleteGroup(h.Group) }),
	"SetMappedRole": does(func(tx *store.Tx, h house) { tx.SetMappedRole(h.Group, h.Owner) }),
	"AddGroupMembers": func(tx *store.Tx, h house) (any, error) {
		return tx.AddGroupMembers(h.Empty, []string{h.User, h.BossUser})
	},
	"RemoveGroupMembers": func(tx *store.Tx, h house) (any, error) {
		return tx.RemoveGroupMembers(h.Group, []string{h.User, h.BossUser})
	},

	"InsertSession": does(func(tx *store.Tx, h house) {
		tx.InsertSession(&session.Session{ID: h.Session, Member: h.Member, Connection: h.Connection, ExpiresAt: tx.Now().Add(time.Hour)}, "own hash "+h.Session)
	}),
	"EndSessions":   func(tx *store.Tx, h house) (any, error) { return tx.EndSessions(h.Member, "", "taken", false) },
	"EndSessionsOf": func(tx *store.Tx, h house) (any, error) { return tx.EndSessionsOf([]string{h.Member}, "taken") },
	"EndSession":    func(tx *store.Tx, h house) (any, error) { return nil, tx.EndSession(h.Session, "taken") },
	"EndPasswordSessions": func(tx *store.Tx, h house) (any, error) {
		return tx.EndPasswordSessions("taken", func(member string) bool { return member == h.Member })
	},
	"Sessions":   func(tx *store.Tx, h house) (any, error) { return tx.Sessions(h.Member) },
	"InsertLink": does(func(tx *store.Tx, h house) { tx.InsertLink("own hash "+h.LinkHash, h.Member, tx.Now().Add(time.Hour)) }),
	"UseLink":    func(tx *store.Tx, h house) (any, error) { return tx.UseLink(h.LinkHash) },
	"EndLinks":   does(func(tx *store.Tx, h house) { tx.EndLinks(h.Member) }),

	"SaveRole":   does(func(tx *store.Tx, h house) { tx.SaveRole(directory.Role{ID: h.Owner, Name: "Taken"}, false) }),
	"DeleteRole": does(func(tx *store.Tx, h house) { tx.DeleteRole(h.Lowest) }),
	"InsertMapping": does(func(tx *store.Tx, h house) {
		tx.InsertMapping(directory.RoleMapping{ID: h.Mapping, Directory: h.Directory})
	}),
	"DeleteMapping": does(func(tx *store.Tx, h house) { tx.DeleteMapping(h.Mapping) }),
	"SaveConnection": does(func(tx *store.Tx, h house) {
		tx.SaveConnection(directory.Connection{ID: h.Connection, Name: "Taken"}, false)
	}),
	"DeleteConnection": does(func(tx *store.Tx, h house) { tx.DeleteConnection(h.Connection) }),
	"SaveDirectory": does(func(tx *store.Tx, h house) {
		tx.SaveDirectory(directory.Directory{ID: h.Directory, Name: "Taken"}, false)
	}),
	"DeleteDirectory": does(func(tx *store.Tx, h house) { tx.DeleteDirectory(h.Directory) }),
	"InsertDomain":    nil, // that another workspace has proven a domain is told on purpose
	"DeleteDomain":    does(func(tx *store.Tx, h house) { tx.DeleteDomain(h.Domain) }),
	"SaveSchema":      does(func(tx *store.Tx, h house) { tx.SaveSchema(directory.Schema{URN: h.schema().URN, Name: "Taken"}) }),
	"DeleteSchema":    does(func(tx *store.Tx, h house) { tx.DeleteSchema(h.schema().URN) }),
	"SaveAttribute": does(func(tx *store.Tx, h house) {
		tx.SaveAttribute(directory.Attribute{Name: h.attribute().Name, Label: "Taken", Type: directory.AttributeString})
	}),
	"DeleteAttribute":    does(func(tx *store.Tx, h house) { tx.DeleteAttribute(h.attribute().Name) }),
	"SaveAttributeMap":   does(func(tx *store.Tx, h house) { tx.SaveAttributeMap(h.Directory, nil) }),
	"SCIMUsersOfMembers": func(tx *store.Tx, h house) (any, error) { return tx.SCIMUsersOfMembers([]string{h.Member}) },
	"InsertToken": does(func(tx *store.Tx, h house) {
		tx.InsertToken(store.Token{ID: h.Token, Directory: h.Directory}, "own hash "+h.TokenHash)
	}),
	"RevokeTokens": func(tx *store.Tx, h house) (any, error) { return tx.RevokeTokens(h.Directory, "", "taken") },
	"InsertClientCredential": does(func(tx *store.Tx, h house) {
		tx.InsertClientCredential(store.ClientCredential{ID: h.Secret, Directory: h.Directory}, "own hash "+h.SecretHash)
	}),
	"ClientCredentials":       func(tx *store.Tx, h house) (any, error) { return tx.ClientCredentials(h.Directory) },
	"RevokeClientCredentials": func(tx *store.Tx, h house) (any, error) { return tx.RevokeClientCredentials(h.Directory, "") },
	"InsertSCIMAccess": does(func(tx *store.Tx, h house) {
		tx.InsertSCIMAccess("own hash "+h.SCIMAccess, h.Secret, tx.Now().Add(time.Hour))
	}),
	"RetireTokens": func(tx *store.Tx, h house) (any, error) {
		return tx.RetireTokens(h.Directory, tx.Now().Add(time.Hour))
	},
	"Tokens":      func(tx *store.Tx, h house) (any, error) { return tx.Tokens(h.Directory) },
	"EventsAfter": nil, // binds the workspace alone
	"EventsForOwners": func(tx *store.Tx, h house) (any, error) {
		list, err := tx.EventsForOwners(tx.Now().Add(-time.Hour), 10)
		return len(list), err
	},
	"EventsOf": func(tx *store.Tx, h house) (any, error) { return tx.EventsOf(h.Member, 10) },
	"EventPage": func(tx *store.Tx, h house) (any, error) {
		page, older, err := tx.EventPage(store.EventQuery{Subjects: []string{h.Member}, Limit: 10})
		return []any{page, older}, err
	},
	"Event": func(tx *store.Tx, h house) (any, error) { return tx.Event(h.Event) },
	"Reads": func(tx *store.Tx, h house) (any, error) { return tx.Reads(h.Directory, 10) },
}

// testNeighbour is law 1 at its root: in workspace a, every method that takes an id gives for an
// id of workspace b what it gives for an unknown one, and leaves b as it was.
func testNeighbour(t *testing.T, open func(t testing.TB) store.Driver) {
	methods := reflect.TypeFor[*store.Tx]()
	for i := range methods.NumMethod() {
		if _, ok := probes[methods.Method(i).Name]; !ok {
			t.Errorf("Tx.%s has no entry in probes: say what it does with the ids of another workspace", methods.Method(i).Name)
		}
	}
	d := open(t)
	db := Open(t, d, nil)
	furnish(t, db, "a")
	b := furnish(t, db, "b")
	before := dump(t, d, b.Workspace)
	if strings.Count(before, "\n") < 20 {
		t.Fatalf("the neighbour has too little to lose:\n%s", before)
	}
	for name, call := range probes {
		if _, ok := methods.MethodByName(name); !ok {
			t.Errorf("probes has an entry for %s, which Tx no longer has", name)
		}
		if call == nil {
			continue
		}
		theirs := told(t, db, call, b)
		if unknown := told(t, db, call, named("u")); theirs != unknown {
			t.Errorf("Tx.%s tells a neighbour's id from an unknown one:\nneighbour %s\nunknown   %s", name, theirs, unknown)
		}
		// Once more with a commit, in a workspace that has nothing of its own.
		err := changed(db, "ws_of_"+name, func(tx *store.Tx) error { _, err := call(tx, b); return err })
		if err != nil && errs.KindOf(err) != errs.KindNotFound && errs.KindOf(err) != errs.KindForbidden {
			t.Errorf("Tx.%s with the ids of a neighbour: %v", name, err)
		}
		if after := dump(t, d, b.Workspace); after != before {
			t.Fatalf("Tx.%s changed the neighbour:\n%s\nwas\n%s", name, after, before)
		}
	}
}

// told is everything that a caller in workspace a learns from a call, the ids themselves blanked.
func told(t *testing.T, db *store.DB, call probe, h house) string {
	t.Helper()
	var out string
	err := db.Write(context.Background(), "ws_a", func(tx *store.Tx) error {
		got, err := call(tx, h)
		text, jsonErr := json.Marshal(got)
		if jsonErr != nil {
			return jsonErr
		}
		out = fmt.Sprintf("%s, %v", text, err)
		// What was queued must run too, and nothing stay.
		if _, err := tx.LastSeq(); err != nil {
			out += ", then " + err.Error()
		}
		return errOwn
	})
	if err != errOwn {
		out += fmt.Sprintf(", ended with %v", err)
	}
	type name struct{ value, field string }
	var names []name
	for i, v := 0, reflect.ValueOf(h); i < v.NumField(); i++ {
		if field := v.Type().Field(i).Name; field != "Slug" {
			names = append(names, name{v.Field(i).String(), field})
		}
	}
	slices.SortFunc(names, func(a, b name) int { return len(b.value) - len(a.value) })
	for _, n := range names {
		out = strings.ReplaceAll(out, n.value, n.field)
	}
	return out
}
