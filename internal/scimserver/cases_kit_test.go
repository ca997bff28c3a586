package scimserver_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// docs/scim-cases.md says which of the bugs of others and of the acceptance cases the tests of this package show.

// second is another directory of the same workspace.
func (w *tenant) second() *tenant {
	w.t.Helper()
	other := *w
	token, hash := keys.NewToken("gscim_")
	other.directory, other.token = keys.ID("dir_", w.db.Now()), token
	w.write(func(tx *store.Tx) error {
		tx.SaveDirectory(directory.Directory{ID: other.directory, Name: "entra", Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
		tx.InsertToken(store.Token{ID: keys.ID("tok_", tx.Now()), Directory: other.directory, Name: "entra", Hint: keys.Hint(token)}, hash)
		return nil
	})
	return &other
}

// byHand is a member whom no directory made.
func (w *tenant) byHand(address, role string) *directory.Member {
	w.t.Helper()
	m := &directory.Member{ID: keys.ID("mem_", w.db.Now()), Email: address, Stage: directory.StageActive, WasIn: true}
	w.write(func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		found, _ := cfg.Roles.ByName(role)
		m.Role, m.RoleReason = found.ID, directory.RoleReason{Source: directory.RoleByHand}
		tx.InsertMember(m)
		return nil
	})
	return m
}

// signIn gives a member a session and returns its token.
func (w *tenant) signIn(member string) string {
	w.t.Helper()
	token, hash := keys.NewToken("gses_")
	w.write(func(tx *store.Tx) error {
		tx.InsertSession(&session.Session{ID: keys.ID("ses_", tx.Now()), Member: member, Method: directory.MethodSAML, ExpiresAt: tx.Now().Add(time.Hour)}, hash)
		return nil
	})
	return token
}

// proves makes a domain the workspace's own.
func (w *tenant) proves(domain string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		tx.InsertDomain(domain)
		return nil
	})
}

// living is how many sessions of a member live.
func (w *tenant) living(member string) (n int) {
	w.t.Helper()
	if err := w.db.Read(context.Background(), w.id, func(tx *store.Tx) error {
		list, err := tx.Sessions(member)
		n = len(list)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// picture is all that provisioning keeps of a workspace, but for its events.
func (w *tenant) picture() string {
	w.t.Helper()
	var b strings.Builder
	if err := w.db.Read(context.Background(), w.id, func(tx *store.Tx) error {
		members, err := tx.MembersAfter("", 1000)
		if err != nil {
			return err
		}
		for _, m := range members {
			users, err := tx.SCIMUsersOfMember(m.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%+v %+v\n", m, users)
		}
		groups, err := tx.GroupsAfter("", 1000)
		if err != nil {
			return err
		}
		for _, g := range groups {
			ids, err := tx.GroupMemberIDs(g.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%+v %v\n", g, ids)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// unchanged expects fn to change nothing.
func (w *tenant) unchanged(what string, fn func()) {
	w.t.Helper()
	before := w.picture()
	fn()
	if after := w.picture(); after != before {
		w.t.Errorf("%s changed something:\n%s\nbecame\n%s", what, before, after)
	}
}

// total is how many a filter finds.
func (w *tenant) total(path, filter string) float64 {
	w.t.Helper()
	n, _ := w.do("GET", path+"?filter="+url.QueryEscape(filter), "").want(200).body["totalResults"].(float64)
	return n
}

// raw sends a request to a path as it is written, with an Authorization header or none.
func (h *house) raw(t testing.TB, method, path, authorization string) *answer {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil // no server would pass it on
	}
	r := httptest.NewRequest(method, origin+"/", nil)
	r.URL, r.RequestURI = u, path
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return h.send(r)
}
