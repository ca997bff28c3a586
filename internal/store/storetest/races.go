package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Unlocked is a driver without locks: what goes wrong on it is what the locks are for.
type Unlocked struct{ store.Driver }

// Lock does nothing.
func (Unlocked) Lock(context.Context, store.Conn, int64, bool) error { return nil }

// Steered runs first up to the pause that it calls itself, then second until it pauses, ends or
// waits for a lock of first, and then lets both go on.
func Steered(t testing.TB, d store.Driver, first, second func(pause func()) error) (firstErr, secondErr error) {
	t.Helper()
	goOn := make(chan struct{})
	run := func(fn func(pause func()) error) (paused chan struct{}, ended chan error) {
		paused, ended = make(chan struct{}), make(chan error, 1)
		var once sync.Once
		go func() {
			ended <- fn(func() {
				once.Do(func() { close(paused) })
				<-goOn
			})
		}()
		return paused, ended
	}
	paused, firstEnded := run(first)
	await(t, paused, "the first one's pause")
	paused, secondEnded := run(second)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	deadline := time.After(patience)
	for waiting := d.Name() != "sqlite"; waiting; { // with one writer the second has not begun
		select {
		case <-paused:
			waiting = false
		case err := <-secondEnded:
			secondEnded <- err
			waiting = false
		case <-look.C:
			waiting = !Waiting(t, d)
		case <-deadline:
			t.Fatal("the second neither pauses nor ends nor waits")
		}
	}
	close(goOn)
	return await(t, firstEnded, "the first one's end"), await(t, secondEnded, "the second one's end")
}

// Waiting reports whether a transaction of the database waits for an advisory lock.
func Waiting(t testing.TB, d store.Driver) bool {
	t.Helper()
	return number(t, d, `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) > 0
}

// signIn opens a session for a member who is in, as the sign-in room does.
func signIn(db *store.DB, h house, pause func()) error {
	return changed(db, h.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{h.Member}, false); err != nil {
			return err
		}
		m, err := tx.Member(h.Member)
		if err != nil {
			return err
		}
		pause()
		if !m.In() {
			return errs.Forbidden("account_deactivated", "%s", m.OutSentence())
		}
		tx.InsertSession(&session.Session{ID: "ses_race", Member: h.Member, Method: directory.MethodSAML, Connection: h.Connection, ExpiresAt: tx.Now().Add(time.Hour)}, "race")
		return nil
	})
}

// putOut deactivates the member and ends every session, as the one way out does.
func putOut(db *store.DB, h house, pause func()) error {
	return changed(db, h.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{h.Member}, false); err != nil {
			return err
		}
		m, err := tx.Member(h.Member)
		if err != nil {
			return err
		}
		m.Sources = m.Sources.With(directory.SourceIdP)
		tx.UpdateMember(m)
		if _, err = tx.EndSessions(h.Member, "", "deactivated", false); err == nil {
			pause()
		}
		return err
	})
}

// leave puts an owner out unless no other is left.
func leave(db *store.DB, h house, id string, pause func()) error {
	return changed(db, h.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		others, err := tx.OtherOwners(h.Owner, id)
		if err != nil {
			return err
		}
		pause()
		if others.Owners == 0 {
			return errs.Forbidden("last_owner", "The last owner stays.")
		}
		tx.UpdateMember(&directory.Member{ID: id, Email: id + "@x.test", Stage: directory.StageActive, Role: h.Owner, Sources: 1})
		return nil
	})
}

const liveOfDead = `
	SELECT COUNT(*) FROM session s JOIN member m ON m.workspace_id = s.workspace_id AND m.id = s.member_id
	WHERE  s.ended_at IS NULL AND m.sources <> 0`

const ownersLeft = `SELECT COUNT(*) FROM member WHERE workspace_id = 'ws_a' AND role_id = 'rol_owner_a' AND sources = 0`

func testRaces(t *testing.T, open func(t testing.TB) store.Driver) {
	for _, race := range []struct {
		name  string
		run   func(t *testing.T, d store.Driver, db *store.DB, h house)
		query string
		bad   int // what the query gives when the race was lost
	}{
		{"a sign-in that meets a deactivation leaves no live session", func(t *testing.T, d store.Driver, db *store.DB, h house) {
			_, err := Steered(t, d, func(pause func()) error { return signIn(db, h, pause) }, func(func()) error { return putOut(db, h, func() {}) })
			must(t, err)
		}, liveOfDead, 1},
		{"a deactivation that meets a sign-in leaves no live session", func(t *testing.T, d store.Driver, db *store.DB, h house) {
			err, _ := Steered(t, d, func(pause func()) error { return putOut(db, h, pause) }, func(func()) error { return signIn(db, h, func() {}) })
			must(t, err)
		}, liveOfDead, 1},
		{"of two owners who leave at once one stays", func(t *testing.T, d store.Driver, db *store.DB, h house) {
			change(t, db, h.Workspace, func(tx *store.Tx) error {
				tx.InsertMember(&directory.Member{ID: "second", Email: "second@x.test", Stage: directory.StageActive, Role: h.Owner})
				return nil
			})
			Steered(t, d, func(pause func()) error { return leave(db, h, h.Boss, pause) }, func(pause func()) error { return leave(db, h, "second", pause) })
		}, ownersLeft, 0},
	} {
		t.Run(race.name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			db := Open(t, d, nil)
			h := furnish(t, db, "a")
			race.run(t, d, db, h)
			if number(t, d, race.query) == race.bad {
				t.Error("it came to the bad end")
			}
		})
		t.Run("without locks it goes wrong: "+race.name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			db := Open(t, Unlocked{d}, nil)
			if d.Name() == "sqlite" {
				return // the one writer is the lock
			}
			h := furnish(t, db, "a")
			race.run(t, d, db, h)
			if number(t, d, race.query) != race.bad {
				t.Error("it goes right without the lock, so this test shows nothing")
			}
		})
	}
}
