package storetest

import (
	"context"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestSmoke(t *testing.T) {
	Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		p, _ := directory.FindPreset("omniflow")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(db.Write(ctx, "ws_1", func(tx *store.Tx) error {
			if err := tx.InsertWorkspace(directory.Workspace{Slug: "acme", Name: "Acme", Policy: p.Policy}); err != nil {
				return err
			}
			tx.SaveRole(directory.Role{ID: "rol_1", Name: "Owner"}, true)
			tx.SaveRole(directory.Role{ID: "rol_2", Name: "Member", Rank: 1}, true)
			tx.SaveDirectory(directory.Directory{ID: "dir_1", Name: "okta", Enabled: true, Mode: directory.ModeLenient}, true)
			tx.InsertMember(&directory.Member{ID: "mem_1", Email: "A@x.test", Stage: directory.StageActive, Role: "rol_1"})
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u1", Directory: "dir_1", Member: "mem_1", UserName: "a@x.test", Active: true, Document: "{}",
				Emails: []store.EmailKey{{Value: "a@x.test", Type: "work"}}})
			return tx.Record(audit.Event{Type: audit.WorkspaceCreated, Payload: []byte(`{"a":1}`)})
		}))
		err := db.Write(ctx, "ws_1", func(tx *store.Tx) error {
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u2", Directory: "dir_1", Member: "mem_1", UserName: "A@X.test", Active: true, Document: "{}"})
			return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
		})
		if errs.CodeOf(err) != "user_name_taken" {
			t.Fatalf("%v", err)
		}
		n, err := db.Sequence(ctx)
		must(err)
		if n != 1 {
			t.Fatal(n)
		}
		must(db.Read(ctx, "ws_1", func(tx *store.Tx) error {
			cfg, err := tx.Config()
			must(err)
			if len(cfg.Roles) != 2 || !cfg.Directories[0].Enabled {
				t.Errorf("%+v", cfg)
			}
			us, total, err := tx.SelectSCIMUsers("dir_1", store.Select{Where: store.EmailEq("a@x.test", ""), Start: 1, Count: 10})
			must(err)
			if total != 1 || us[0].ID != "u1" {
				t.Errorf("%v %d", us, total)
			}
			_, err = tx.SCIMUserClaims("dir_1", "A@x.TEST", "")
			must(err)
			m, err := tx.MemberByEmail("a@x.test")
			must(err)
			t.Log(m)
			ev, err := tx.EventsAfter(0, 10)
			must(err)
			if len(ev) != 1 || string(ev[0].Payload) != `{"a":1}` {
				t.Errorf("%+v", ev)
			}
			return nil
		}))
		must(db.FlushMarks(ctx))
	})
}
