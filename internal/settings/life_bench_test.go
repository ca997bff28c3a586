package settings

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// BenchmarkEnable is a test sync of 10,000 people, half of them in a mapped group: how long its plan takes to read,
// and how long enabling holds the workspace (and SQLite's writer).
func BenchmarkEnable(b *testing.B) {
	const people = 10_000
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			driver := open(b)
			s := service(storetest.Open(b, driver, nil))
			var plan, enable time.Duration
			for i := 0; b.Loop(); i++ {
				slug := fmt.Sprintf("acme%d", i)
				b.StopTimer()
				stagePeople(b, s, slug, people)
				if err := driver.Tend(ctx); err != nil { // as a server does every few seconds
					b.Fatal(err)
				}
				b.StartTimer()
				began := time.Now()
				p, err := s.DirectoryPlan(ctx, slug, "okta", provision.PlanPage{Limit: 100})
				plan += time.Since(began)
				if err != nil || p.Staged != people {
					b.Fatal(p.Staged, err)
				}
				began = time.Now()
				if _, err := s.EnableDirectory(ctx, slug, "okta", p.Word, operator); err != nil {
					b.Fatal(err)
				}
				enable += time.Since(began)
			}
			b.ReportMetric(plan.Seconds()/float64(b.N), "s/plan")
			b.ReportMetric(enable.Seconds()/float64(b.N), "s/enable")
		})
	}
}

// stagePeople makes a workspace with a test sync of n people.
func stagePeople(b testing.TB, s *Service, slug string, n int) {
	b.Helper()
	ctx := context.Background()
	if _, err := s.Apply(ctx, parse(b, "workspace: "+slug+"\npreset: omniflow\nrole_mappings: [{group: Admins, role: Admin}]\nconnections: [{name: okta, provider: okta, protocol: saml}]\n"+
		"directories: [{name: okta, connection: okta, status: testing}]\n"), ApplyOptions{}); err != nil {
		b.Fatal(err)
	}
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		b.Fatal(err)
	}
	d := cfg.Directories[0]
	role, _ := cfg.Roles.ByName("Admin")
	for from := 0; from < n; from += 1000 {
		if err := s.DB.Write(ctx, id, func(tx *store.Tx) error {
			g := &store.Group{Group: directory.Group{ID: keys.ID("grp_", tx.Now()), Directory: d.ID, DisplayName: fmt.Sprint("Admins ", from), MappedRole: role.ID}, Document: "{}"}
			tx.InsertGroup(g)
			var ids []string
			for i := from; i < from+1000; i++ {
				address := fmt.Sprintf("person%d@%s.test", i, slug)
				u := &store.SCIMUser{ID: keys.UUID(), Directory: d.ID, UserName: address, ExternalID: fmt.Sprint("x", i), Active: true,
					Document: `{"displayName":"Somebody"}`, Emails: []store.EmailKey{{Value: address, Type: "work"}}}
				tx.InsertSCIMUser(u)
				tx.StagePerson(d.ID, u.ID, address, `{"email":"`+address+`","display_name":"Somebody","attributes":{"title":"Engineer"}}`)
				if i%2 == 0 {
					ids = append(ids, u.ID)
				}
			}
			if _, err := tx.AddGroupMembers(g.ID, ids); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		}); err != nil {
			b.Fatal(err)
		}
	}
}
