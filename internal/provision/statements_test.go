package provision_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// counter is a driver that counts what its transactions ask for.
type counter struct {
	store.Driver
	answers  atomic.Int64 // statements whose answer is waited for: round trips
	deferred atomic.Int64 // statements that travel with others
}

func (c *counter) Write(ctx context.Context, fn func(store.Conn) error) error {
	return c.Driver.Write(ctx, func(conn store.Conn) error { return fn(&countedConn{conn, c}) })
}

type countedConn struct {
	store.Conn
	c *counter
}

func (c *countedConn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	c.c.answers.Add(1)
	return c.Conn.Exec(ctx, query, args...)
}

func (c *countedConn) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	c.c.answers.Add(1)
	return c.Conn.Query(ctx, query, args...)
}

func (c *countedConn) Defer(query string, args ...any) {
	c.c.deferred.Add(1)
	c.Conn.Defer(query, args...)
}

// during returns how many statements fn took.
func (c *counter) during(fn func()) (answers, deferred int64) {
	a, d := c.answers.Load(), c.deferred.Load()
	fn()
	return c.answers.Load() - a, c.deferred.Load() - d
}

// eachCounted runs fn on both databases with a counter in between.
func eachCounted(t *testing.T, fn func(t *testing.T, db *store.DB, c *counter)) {
	t.Run("sqlite", func(t *testing.T) {
		c := &counter{Driver: storetest.SQLite(t)}
		fn(t, storetest.Open(t, c, nil), c)
	})
	t.Run("postgres", func(t *testing.T) {
		c := &counter{Driver: storetest.Postgres(t)}
		fn(t, storetest.Open(t, c, nil), c)
	})
}

// crowd puts n people into a group of its own, in one transaction, and returns the group and their
// SCIM ids.
func (h *house) crowd(name string, n int) (group string, ids []string) {
	h.t.Helper()
	cfg := h.config()
	lowest := cfg.Roles.Lowest().ID
	group = h.group(name)
	h.write(func(tx *store.Tx) error {
		for i := range n {
			m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: fmt.Sprintf("%s-%d@acme.test", name, i), Stage: directory.StageActive, WasIn: true,
				Role: lowest, RoleReason: directory.RoleReason{Source: directory.RoleByDefault}, Directory: h.okta.Directory}
			u := &store.SCIMUser{ID: keys.UUID(), Directory: h.okta.Directory, Member: m.ID, UserName: m.Email, Active: true, Document: "{}"}
			tx.InsertMember(m)
			tx.InsertSCIMUser(u)
			ids = append(ids, u.ID)
		}
		if _, err := tx.AddGroupMembers(group, ids); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SCIMGroupUpdated})
	})
	return group, ids
}

// size is n on PostgreSQL. What is asked does not depend on the driver, and SQLite, being Go, is slow
// under the race detector: a fifth does there, or enough for two lists of ids.
func size(db *store.DB, n int) int {
	if db.Name() == "sqlite" {
		return max(n/5, 800)
	}
	return n
}

func TestOneMemberChange_CostsTheSameInEveryGroup(t *testing.T) {
	t.Parallel()
	eachCounted(t, func(t *testing.T, db *store.DB, c *counter) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.setPolicy(func(p *directory.Policy) { p.GroupLoss = directory.GroupLossKeep })
		small, _ := h.crowd("small", 10)
		large, _ := h.crowd("large", size(db, 5000))
		h.remap(map[string]string{"small": "Agent", "large": "Admin"})
		u := h.post(person("ada"))
		h.members(small, add(u.ID), remove(u.ID)) // statements are prepared, configuration is cached
		for what, op := range map[string]func(group string){
			"add":    func(g string) { h.members(g, add(u.ID)) },
			"remove": func(g string) { h.members(g, remove(u.ID)) },
		} {
			h.members(small, remove(u.ID))
			h.members(large, remove(u.ID))
			if what == "remove" {
				h.members(small, add(u.ID))
			}
			a1, d1 := c.during(func() { op(small) })
			if what == "remove" {
				h.members(large, add(u.ID))
			} else {
				h.members(small, remove(u.ID))
			}
			a2, d2 := c.during(func() { op(large) })
			if a1 != a2 || d1 != d2 {
				t.Errorf("%s: %d+%d statements in a group of 10, %d+%d in a large one", what, a1, d1, a2, d2)
			}
			if a1 > 10 {
				t.Errorf("%s takes %d round trips", what, a1)
			}
		}
	})
}

func TestRolesOfAWholeGroup_AreResolvedInABoundedNumberOfRoundTrips(t *testing.T) {
	t.Parallel()
	eachCounted(t, func(t *testing.T, db *store.DB, c *counter) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		few, _ := h.crowd("few", 100)
		many, ids := h.crowd("many", size(db, 2000))
		a1, _ := c.during(func() { h.rename(few, "Agents") })
		a2, _ := c.during(func() { h.rename(many, "Admins") })
		// Members and their groups are read 512 at a time.
		if a2 > a1+2*4 {
			t.Errorf("a rename takes %d round trips for 100 people and %d for all", a1, a2)
		}
		a3, _ := c.during(func() { h.remap(map[string]string{"Admins": "Agent"}) })
		if a3 > 60 {
			t.Errorf("a mapping edit takes %d round trips", a3)
		}
		// All of them lose the group at once: they go out with their sessions, 512 at a time.
		a4, _ := c.during(func() { h.members(many, replace()) })
		if a4 > 60 {
			t.Errorf("a whole group goes out in %d round trips", a4)
		}
		u, err := h.svc.GetUser(bg, h.okta, ids[777], false)
		h.ok(err)
		h.is(u.Member, "deactivated group_loss")
		h.sound()
	})
}

func TestAPost_TakesFewRoundTrips(t *testing.T) {
	t.Parallel()
	eachCounted(t, func(t *testing.T, db *store.DB, c *counter) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.post(person("first"))
		if a, _ := c.during(func() { h.post(person("ada")) }); a > 3 {
			t.Errorf("a POST takes %d round trips before its commit", a)
		}
	})
}
