package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// newMember queues a member with an address of their own.
func newMember(tx *store.Tx, id string) {
	tx.InsertMember(&directory.Member{ID: id, Email: id + "@x.test", Stage: directory.StageActive})
}

// isThere asks for a member in a transaction of its own.
func isThere(t testing.TB, db *store.DB, workspace, id string) bool {
	t.Helper()
	err := db.Read(context.Background(), workspace, func(tx *store.Tx) error { _, err := tx.Member(id); return err })
	if err != nil && !errs.Is(err, errs.KindNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func testTransactions(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	d := open(t)
	db := Open(t, d, nil)
	h := furnish(t, db, "a")
	before := dump(t, d, h.Workspace)
	untouched := func(t *testing.T) {
		t.Helper()
		if after := dump(t, d, h.Workspace); after != before {
			t.Errorf("something stayed:\n%s\nwas\n%s", after, before)
		}
	}

	t.Run("an error of the closure comes back as it is and nothing stays", func(t *testing.T) {
		err := changed(db, h.Workspace, func(tx *store.Tx) error {
			newMember(tx, "mem_queued")
			if _, err := tx.Member(h.Member); err != nil {
				return err
			}
			newMember(tx, "mem_late")
			return errOwn
		})
		if err != errOwn {
			t.Errorf("got %v", err)
		}
		untouched(t)
	})
	t.Run("a change without an event does not commit and is named", func(t *testing.T) {
		for what, fn := range map[string]func(tx *store.Tx){
			"member":    func(tx *store.Tx) { newMember(tx, "mem_silent") },
			"role":      func(tx *store.Tx) { tx.SaveRole(directory.Role{ID: "rol_silent", Name: "S"}, true) },
			"SCIM user": func(tx *store.Tx) { tx.RetireSCIMUser(h.User) },
			"group":     func(tx *store.Tx) { tx.DeleteGroup(h.Group) },
			"api key":   func(tx *store.Tx) { tx.InsertAPIKey(store.APIKey{ID: "key_silent"}, "silent key") },
			"token":     func(tx *store.Tx) { tx.InsertToken(store.Token{ID: "tok_silent"}, "silent") },
			"session":   func(tx *store.Tx) { _, _ = tx.EndSessions(h.Member, "", "silent", false) },
		} {
			err := db.Write(ctx, h.Workspace, func(tx *store.Tx) error { fn(tx); return nil })
			if err == nil || !strings.Contains(err.Error(), what+" changed and no event was recorded") {
				t.Errorf("%s: %v", what, err)
			}
		}
		untouched(t)
	})
	t.Run("marks need no event", func(t *testing.T) {
		must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error { tx.EndLinks("mem_none"); return nil }))
		must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error { return nil }))
	})
	t.Run("a transaction without a workspace does not begin", func(t *testing.T) {
		ran := func(*store.Tx) error { t.Error("the closure ran"); return nil }
		if db.Write(ctx, "", ran) == nil || db.Read(ctx, "", ran) == nil {
			t.Error("no error")
		}
	})
	t.Run("who asks to run again runs again, and not for ever", func(t *testing.T) {
		runs := 0
		must(t, changed(db, h.Workspace, func(tx *store.Tx) error {
			if runs++; runs < 3 {
				newMember(tx, fmt.Sprint("mem_run", runs))
				return fmt.Errorf("wrapped: %w", store.Rerun())
			}
			return nil
		}))
		if runs != 3 || isThere(t, db, h.Workspace, "mem_run1") {
			t.Errorf("%d runs", runs)
		}
		err := changed(db, h.Workspace, func(*store.Tx) error { return store.Rerun() })
		wantCode(t, err, errs.KindUnavailable, "busy")
	})
	before = dump(t, d, h.Workspace)
	t.Run("now is frozen at whole microseconds", func(t *testing.T) {
		must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error {
			first := tx.Now()
			if _, err := tx.Member(h.Member); err != nil {
				return err
			}
			if tx.Now() != first || first.Location() != time.UTC || first.Nanosecond()%1000 != 0 {
				t.Errorf("%v, then %v", first, tx.Now())
			}
			return nil
		}))
	})
	t.Run("a panic is an error, nothing stays and the next transaction runs", func(t *testing.T) {
		err := changed(db, h.Workspace, func(tx *store.Tx) error {
			newMember(tx, "mem_panic")
			if _, err := tx.Member(h.Member); err != nil {
				return err
			}
			panic("boom")
		})
		if err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("got %v", err)
		}
		if err := db.Read(ctx, h.Workspace, func(*store.Tx) error { panic("boom") }); err == nil {
			t.Error("a panic in a reading transaction is no error")
		}
		must(t, db.Write(ctx, h.Workspace, func(*store.Tx) error { return nil }))
		untouched(t)
	})
	t.Run("who is gone before their turn does not run", func(t *testing.T) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		err := db.Write(gone, h.Workspace, func(*store.Tx) error { t.Error("the closure ran"); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := db.Read(gone, h.Workspace, func(*store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a reading transaction changes nothing", func(t *testing.T) {
		for name, call := range probes {
			if call == nil {
				continue
			}
			// An error or none: what matters is that nothing changed. The loud ones follow.
			_ = db.Read(ctx, h.Workspace, func(tx *store.Tx) error { _, err := call(tx, h); return err })
			if after := dump(t, d, h.Workspace); after != before {
				t.Fatalf("Tx.%s wrote in a reading transaction", name)
			}
		}
		for what, fn := range map[string]func(tx *store.Tx) error{
			"queued":         func(tx *store.Tx) error { newMember(tx, "mem_read"); return nil },
			"with rows":      func(tx *store.Tx) error { _, err := tx.AddGroupMembers(h.Empty, []string{h.User}); return err },
			"with a count":   func(tx *store.Tx) error { _, err := tx.RevokeTokens(h.Directory, "", "x"); return err },
			"event":          func(tx *store.Tx) error { return noted(tx) },
			"end of session": func(tx *store.Tx) error { return tx.EndSession(h.Session, "x") },
		} {
			if err := db.Read(ctx, h.Workspace, fn); err == nil || errs.KindOf(err) != errs.KindInternal {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	t.Run("the driver's own reading transaction changes nothing", func(t *testing.T) {
		const insert = `INSERT INTO attempt (bucket, window_start, count) VALUES ('read', 1, 1)`
		for what, fn := range map[string]func(c store.Conn) error{
			"exec":  func(c store.Conn) error { _, err := c.Exec(ctx, insert); return err },
			"defer": func(c store.Conn) error { c.Defer(insert); return nil },
			"query": func(c store.Conn) error { return drain(c.Query(ctx, insert+" RETURNING bucket")) },
		} {
			if err := d.Read(ctx, fn); err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		if n := number(t, d, `SELECT COUNT(*) FROM attempt WHERE bucket = 'read'`); n != 0 {
			t.Errorf("%d rows were written", n)
		}
	})
	t.Run("a reading transaction has one view", func(t *testing.T) {
		err := db.Read(ctx, h.Workspace, func(tx *store.Tx) error {
			if _, err := tx.Member("mem_meanwhile"); !errs.Is(err, errs.KindNotFound) {
				return fmt.Errorf("too early: %w", err)
			}
			if err := changed(db, h.Workspace, func(tx *store.Tx) error { newMember(tx, "mem_meanwhile"); return nil }); err != nil {
				return err
			}
			if _, err := tx.Member("mem_meanwhile"); !errs.Is(err, errs.KindNotFound) {
				t.Errorf("the view moved: %v", err)
			}
			return nil
		})
		must(t, err)
		if !isThere(t, db, h.Workspace, "mem_meanwhile") {
			t.Error("the next view is old")
		}
	})
	t.Run("readers that are cut short leave no old view behind", func(t *testing.T) {
		for i := range 50 {
			atOnce(8, func(n int) error {
				short, cancel := context.WithCancel(ctx)
				if n%2 == 0 {
					go cancel()
				}
				defer cancel()
				_ = db.Read(short, h.Workspace, func(tx *store.Tx) error { _, err := tx.MembersAfter("", 100); return err })
				return nil
			})
			id := fmt.Sprint("mem_view", i)
			must(t, changed(db, h.Workspace, func(tx *store.Tx) error { newMember(tx, id); return nil }))
			for _, err := range atOnce(8, func(int) error {
				rows, err := d.Query(ctx, `SELECT id FROM member WHERE workspace_id = $1 AND id = $2`, h.Workspace, id)
				if err != nil {
					return err
				}
				defer rows.Close()
				if !rows.Next() {
					return fmt.Errorf("%s was committed and is not seen", id)
				}
				return rows.Err()
			}) {
				must(t, err)
			}
		}
	})
	t.Run("a result that is left open leaves no old view behind", func(t *testing.T) {
		for range 40 { // more than there are connections
			_ = d.Read(ctx, func(c store.Conn) error {
				rows, err := c.Query(ctx, `SELECT id FROM member`)
				if err == nil {
					rows.Next()
				}
				return err
			})
		}
		must(t, changed(db, h.Workspace, func(tx *store.Tx) error { newMember(tx, "mem_open"); return nil }))
		for range 40 {
			if !isThere(t, db, h.Workspace, "mem_open") {
				t.Fatal("an old view")
			}
			if n := number(t, d, `SELECT COUNT(*) FROM member WHERE id = 'mem_open'`); n != 1 {
				t.Fatal("an old view")
			}
		}
	})
	t.Run("after a statement that failed nothing commits, even when the closure goes on", func(t *testing.T) {
		const insert = `INSERT INTO attempt (bucket, window_start, count) VALUES ($1, 1, 1)`
		for what, fail := range map[string]func(c store.Conn){
			"exec":  func(c store.Conn) { _, _ = c.Exec(ctx, "INSERT INTO no_such_table VALUES (1)") },
			"query": func(c store.Conn) { _ = drain(c.Query(ctx, "SELECT no_such_column FROM attempt")) },
			"unique": func(c store.Conn) {
				_, _ = c.Exec(ctx, insert, "twice")
				_, _ = c.Exec(ctx, insert, "twice")
			},
		} {
			err := d.Write(ctx, func(c store.Conn) error {
				if _, err := c.Exec(ctx, insert, "before"); err != nil {
					return err
				}
				fail(c)
				if _, err := c.Exec(ctx, insert, "after"); err == nil {
					t.Errorf("%s: the next statement ran", what)
				}
				c.Defer(insert, "queued")
				return nil
			})
			if err == nil {
				t.Errorf("%s: a false yes", what)
			}
			if n := number(t, d, `SELECT COUNT(*) FROM attempt WHERE bucket IN ('before', 'after', 'queued', 'twice')`); n != 0 {
				t.Errorf("%s: %d rows stayed", what, n)
			}
		}
	})
}

// drain reads a result to its end.
func drain(rows store.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

func testUnique(t *testing.T, open func(t testing.TB) store.Driver) {
	db := fresh(t, open)
	h := furnish(t, db, "a")
	scim := func(id, name, external string) *store.SCIMUser {
		return &store.SCIMUser{ID: id, Directory: h.Directory, Member: h.Member, UserName: name, ExternalID: external, Document: "{}"}
	}
	group := func(id, name, external string) *store.Group {
		return &store.Group{Group: directory.Group{ID: id, Directory: h.Directory, DisplayName: name, ExternalID: external}, Document: "{}"}
	}
	for code, fn := range map[string]func(tx *store.Tx){
		"address_taken": func(tx *store.Tx) {
			tx.InsertMember(&directory.Member{ID: "m", Email: strings.ToUpper(h.Address), Stage: directory.StagePending})
		},
		"user_name_taken":    func(tx *store.Tx) { tx.InsertSCIMUser(scim("u", strings.ToUpper(h.UserName), "")) },
		"external_id_taken":  func(tx *store.Tx) { tx.InsertSCIMUser(scim("u", "someone", h.ExternalID)) },
		"display_name_taken": func(tx *store.Tx) { tx.InsertGroup(group("g", "AGENTS", "")) },
		"already_exists":     func(tx *store.Tx) { tx.InsertMember(&directory.Member{ID: h.Member, Email: "free@x.test"}) },
		"slug_taken": func(tx *store.Tx) {
			_ = tx.InsertWorkspace(directory.Workspace{Slug: "a"})
		},
	} {
		t.Run(code+", found at the next question", func(t *testing.T) {
			err := changed(db, h.Workspace, func(tx *store.Tx) error {
				fn(tx)
				_, err := tx.LastSeq()
				return err
			})
			wantCode(t, err, errs.KindConflict, code)
		})
		t.Run(code+", found at the commit", func(t *testing.T) {
			err := changed(db, h.Workspace, func(tx *store.Tx) error {
				newMember(tx, "mem_beside")
				fn(tx)
				return nil
			})
			wantCode(t, err, errs.KindConflict, code)
			if isThere(t, db, h.Workspace, "mem_beside") {
				t.Error("the rest of the transaction stayed")
			}
		})
	}
	t.Run("an externalId of a group of its own", func(t *testing.T) {
		err := changed(db, h.Workspace, func(tx *store.Tx) error { tx.InsertGroup(group("g", "Free", "g-a")); return nil })
		wantCode(t, err, errs.KindConflict, "external_id_taken")
	})
	t.Run("an update to a taken name", func(t *testing.T) {
		err := changed(db, h.Workspace, func(tx *store.Tx) error { tx.UpdateSCIMUser(scim(h.BossUser, h.UserName, "")); return nil })
		wantCode(t, err, errs.KindConflict, "user_name_taken")
	})
	t.Run("of many who insert one address at once, one does", func(t *testing.T) {
		made := 0
		for _, err := range atOnce(20, func(i int) error {
			return changed(db, h.Workspace, func(tx *store.Tx) error {
				tx.InsertMember(&directory.Member{ID: fmt.Sprint("mem_race", i), Email: "Race@x.test", Stage: directory.StageActive})
				return nil
			})
		}) {
			if err == nil {
				made++
				continue
			}
			wantCode(t, err, errs.KindConflict, "address_taken")
		}
		if made != 1 {
			t.Errorf("%d were made", made)
		}
	})
	t.Run("an address, a name and an externalId are free again", func(t *testing.T) {
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.RetireSCIMUser(h.User)
			tx.InsertSCIMUser(scim("u2", h.UserName, h.ExternalID))
			tx.UpdateMember(&directory.Member{ID: h.Member, Email: h.Address, Stage: directory.StageActive, Sources: 1})
			tx.InsertMember(&directory.Member{ID: "mem_again", Email: h.Address, Stage: directory.StageActive})
			return nil
		})
		err := changed(db, h.Workspace, func(tx *store.Tx) error {
			tx.UpdateMember(&directory.Member{ID: h.Member, Email: h.Address, Stage: directory.StageActive})
			return nil
		})
		wantCode(t, err, errs.KindConflict, "address_taken")
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			m, err := tx.MemberByEmail(h.Address)
			same(t, "of two with one address, who is in", m.ID, "mem_again")
			return err
		})
	})
}

func testRefusals(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	db := fresh(t, open)
	h := furnish(t, db, "a")
	told := errs.Forbidden("protected_member", "No.")
	refusal := audit.Event{Type: audit.MemberRefused, Outcome: audit.Refused, Reason: "protected_member", Subject: audit.Party{Kind: "member", ID: "x"}}
	events := func(t *testing.T) int {
		t.Helper()
		_, err := db.Sequence(ctx)
		must(t, err)
		var n int
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			list, err := tx.EventsOf("x", 100)
			n = len(list)
			return err
		})
		return n
	}
	t.Run("only the event and what goes with it stay", func(t *testing.T) {
		err := db.Write(ctx, h.Workspace, func(tx *store.Tx) error {
			newMember(tx, "mem_refused")
			if err := noted(tx); err != nil {
				return err
			}
			return fmt.Errorf("outside: %w", store.Refuse(told, func(tx *store.Tx) error {
				_, err := tx.EndSessions(h.Member, "", "protected", false)
				return err
			}, refusal, refusal))
		})
		if err != told {
			t.Errorf("the caller is told %v", err)
		}
		if isThere(t, db, h.Workspace, "mem_refused") {
			t.Error("what was refused stayed")
		}
		if n := events(t); n != 2 {
			t.Errorf("%d events, want 2", n)
		}
		if _, err := db.SessionByToken(ctx, h.SessionHash, db.Now()); !errs.Is(err, errs.KindUnauthenticated) {
			t.Errorf("the session: %v", err)
		}
	})
	t.Run("who hangs up meanwhile leaves the event all the same", func(t *testing.T) {
		gone, cancel := context.WithCancel(ctx)
		err := db.Write(gone, h.Workspace, func(*store.Tx) error {
			cancel()
			return store.Refuse(told, nil, refusal)
		})
		if err != told {
			t.Errorf("the caller is told %v", err)
		}
		if n := events(t); n != 3 {
			t.Errorf("%d events, want 3", n)
		}
	})
	t.Run("where the event cannot be recorded, that is the answer", func(t *testing.T) {
		err := db.Write(ctx, h.Workspace, func(*store.Tx) error {
			return store.Refuse(told, func(*store.Tx) error { return errOwn }, refusal)
		})
		if err != errOwn {
			t.Errorf("got %v", err)
		}
	})
	t.Run("text that cannot be stored does not keep an event out", func(t *testing.T) {
		for _, bad := range badTexts {
			err := db.Write(ctx, h.Workspace, func(*store.Tx) error {
				e := refusal
				e.Reason, e.Subject.Name, e.Actor.Name, e.Connection = bad, bad, bad, bad
				e.Changes = []audit.Change{{Field: bad, To: bad}}
				return store.Refuse(told, nil, e)
			})
			if err != told {
				t.Errorf("the caller is told %v", err)
			}
		}
		if n := events(t); n != 5 {
			t.Errorf("%d events, want 5", n)
		}
	})
}
