package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// What a transaction does about staged people, and what was heard of a directory, with the ids of h.
var stagedProbes = map[string]probe{
	"StagedBehind": func(tx *store.Tx, h house) (any, error) { return tx.StagedBehind(h.Directory, nil, 10) },
	"StagedUser":   func(tx *store.Tx, h house) (any, error) { return tx.StagedUser(h.Directory, stagedUser(h)) },
	"StagedNamed":  func(tx *store.Tx, h house) (any, error) { return tx.StagedNamed(h.Directory, stagedUser(h)) },
	"StagedHolder": func(tx *store.Tx, h house) (any, error) {
		return tx.StagedHolder(h.Directory, "staged@"+h.Domain, "")
	},
	"StagePerson":   does(func(tx *store.Tx, h house) { tx.StagePerson(h.Directory, stagedUser(h), "mine@over.test", "{}") }),
	"Unstage":       does(func(tx *store.Tx, h house) { tx.Unstage(h.Directory, stagedUser(h), h.Member) }),
	"DropStaged":    does(func(tx *store.Tx, h house) { tx.DropStaged(h.Directory, stagedUser(h)) }),
	"DiscardStaged": func(tx *store.Tx, h house) (any, error) { _, _, err := tx.DiscardStaged(h.Directory); return nil, err },
	"CountStaged":   func(tx *store.Tx, h house) (any, error) { return tx.CountStaged(h.Directory) },
	"CountLive":     func(tx *store.Tx, h house) (any, error) { return tx.CountLive(h.Directory, 10) },
	"LiveUsers":     func(tx *store.Tx, h house) (any, error) { return tx.LiveUsers(h.Directory, 10) },
	"MappedGroupsOfUsers": func(tx *store.Tx, h house) (any, error) {
		return tx.MappedGroupsOfUsers([]string{h.User, stagedUser(h)})
	},
	"Heard": func(tx *store.Tx, h house) (any, error) {
		day, all, err := tx.Heard(h.Directory)
		return []any{day, all}, err
	},
	"RequestsOf": func(tx *store.Tx, h house) (any, error) { return tx.RequestsOf(h.Directory, 10) },
}

// stagedUser is the SCIM id of the staged person of a workspace, and their userName.
func stagedUser(h house) string { return h.User + "-staged" }

// stage adds a staged person to a workspace.
func (h house) stage(tx *store.Tx) {
	tx.InsertSCIMUser(&store.SCIMUser{ID: stagedUser(h), Directory: h.Directory, UserName: stagedUser(h), Active: true, Document: "{}",
		Emails: []store.EmailKey{{Value: "staged@" + h.Domain, Type: "work"}}})
	tx.StagePerson(h.Directory, stagedUser(h), "Staged@"+h.Domain, `{"email":"x"}`)
}

func testStaged(t *testing.T, open func(t testing.TB) store.Driver) {
	d := open(t)
	db := Open(t, d, nil)
	h, b := furnish(t, db, "a"), furnish(t, db, "b")
	change(t, db, h.Workspace, func(tx *store.Tx) error { h.stage(tx); return nil })
	change(t, db, b.Workspace, func(tx *store.Tx) error { b.stage(tx); return nil })
	theirs := dump(t, d, b.Workspace)

	t.Run("a staged person is found by each name, as it was stored", func(t *testing.T) {
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			for _, name := range []string{"USER-a-staged", "staged@A.test"} {
				found, err := tx.StagedNamed(h.Directory, name)
				if err != nil || len(found) != 1 || found[0].ID != stagedUser(h) || found[0].Person != `{"email":"x"}` || !found[0].Active {
					t.Errorf("%s: %+v, %v", name, found, err)
				}
			}
			holder, err := tx.StagedHolder(h.Directory, "staged@a.TEST", "")
			same(t, "the holder", holder, stagedUser(h))
			none, _ := tx.StagedHolder(h.Directory, "staged@a.test", stagedUser(h))
			same(t, "another holder", none, "")
			page, _ := tx.StagedBehind(h.Directory, nil, 10)
			last, _ := tx.StagedBehind(h.Directory, &page[len(page)-1], 10)
			same(t, "people", []int{len(page), len(last)}, []int{1, 0})
			return err
		})
	})
	t.Run("no member is behind them, in no group and for no sign-in", func(t *testing.T) {
		change(t, db, h.Workspace, func(tx *store.Tx) error { _, err := tx.AddGroupMembers(h.Empty, []string{stagedUser(h)}); return err })
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			members, err := tx.MembersInGroup(h.Empty)
			same(t, "members", len(members), 0)
			people, err2 := tx.PeopleAsserted(h.Directory, stagedUser(h), "staged@a.test")
			same(t, "people of a sign-in", len(people), 0)
			_, _, missing := tx.SCIMUserAndMember(h.Directory, stagedUser(h))
			wantCode(t, missing, errs.KindNotFound, "resource_unknown")
			if err == nil {
				err = err2
			}
			return err
		})
	})
	t.Run("with the directory go the staged people, and the neighbour's stay", func(t *testing.T) {
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			people, groups, err := tx.DiscardStaged(h.Directory)
			same(t, "discarded", []int64{people, groups}, []int64{1, 1})
			return err
		})
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			_, err := tx.SCIMUser(h.Directory, stagedUser(h))
			wantCode(t, err, errs.KindNotFound, "resource_unknown")
			_, err = tx.SCIMUser(h.Directory, h.User)
			return err
		})
		same(t, "the neighbour", dump(t, d, b.Workspace), theirs)
	})
	t.Run("a status that an older binary changed is understood", func(t *testing.T) {
		for _, c := range []struct {
			enabled bool
			kept    string
			want    directory.DirectoryStatus
		}{
			{true, "testing", directory.DirectoryEnabled}, {false, "testing", directory.DirectoryTesting}, {false, "enabled", directory.DirectoryPaused},
			{false, "", directory.DirectoryDraft}, {true, "", directory.DirectoryEnabled}, {false, "paused", directory.DirectoryPaused},
		} {
			must(t, d.Write(context.Background(), func(conn store.Conn) error {
				_, err := conn.Exec(context.Background(), "UPDATE directory SET enabled = $1, status = $2 WHERE workspace_id = $3", c.enabled, c.kept, h.Workspace)
				return err
			}))
			holder, err := db.System().TokenByHash(context.Background(), h.TokenHash, db.Now())
			must(t, err)
			same(t, c.kept, holder.Status, c.want)
		}
	})
}

func testHeard(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	now := time.Date(2026, 3, 2, 12, 30, 0, 0, time.UTC)
	db := Open(t, open(t), func() time.Time { return now })
	h := furnish(t, db, "a")
	hear := func(ago time.Duration, kind store.HeardKind, refusal string) {
		db.Hear(h.Workspace, h.Directory, now.Add(-ago), kind, refusal)
	}
	hear(40*time.Hour, store.HeardCreated, "")
	hear(2*time.Hour, store.HeardRefused, "address_taken")
	must(t, db.FlushMarks(ctx))
	hear(2*time.Hour-time.Minute, store.HeardRead, "")
	hear(time.Minute, store.HeardDeactivated, "")
	must(t, db.FlushMarks(ctx))
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		day, all, err := tx.Heard(h.Directory)
		want := store.Heard{Reads: 1, Deactivated: 1, Refused: 1, LastAt: now.Add(-time.Minute), ServedAt: now.Add(-time.Minute), RefusedAt: now.Add(-2 * time.Hour), Refusal: "address_taken"}
		same(t, "the last day", day, want)
		want.Created = 1
		same(t, "all", all, want)
		return err
	})
}
