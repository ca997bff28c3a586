package scimserver_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func eachBench(b *testing.B, fn func(b *testing.B, w *tenant, d store.Driver)) {
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			db := storetest.Open(b, d, nil)
			h := &house{t: b, db: db, server: scimserver.New(scimserver.Options{DB: db, Provision: &provision.Service{DB: db}, Origin: origin, Log: slog.New(slog.DiscardHandler)})}
			fn(b, h.workspace("acme", "default", nil), d)
		})
	}
}

// BenchmarkImport reads 20,000 people, and as many groups, once by page numbers and once by cursor. The
// difference is what OFFSET skips: it grows with the square of the list.
func BenchmarkImport(b *testing.B) {
	const n = 20_000
	eachBench(b, func(b *testing.B, w *tenant, d store.Driver) {
		w.crowd(n)
		if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
			for i := range n {
				g := &store.Group{Group: directory.Group{ID: keys.ID("grp_", tx.Now()), Directory: w.directory, DisplayName: fmt.Sprintf("Group %d", i)}, Document: "{}"}
				tx.InsertGroup(g)
			}
			return tx.Record(audit.Event{Type: audit.SCIMGroupCreated})
		}); err != nil {
			b.Fatal(err)
		}
		if err := d.Tend(context.Background()); err != nil {
			b.Fatal(err)
		}
		for _, list := range []struct{ name, path, query string }{
			{"users", "/Users", ""}, {"users by userName", "/Users", "sortBy=userName"}, {"groups", "/Groups", "excludedAttributes=members"}} {
			for name, read := range map[string]func() []map[string]any{
				"index":  func() []map[string]any { return w.byIndex(list.path, list.query, 200) },
				"cursor": func() []map[string]any { return w.byCursor(list.path, list.query, 200, nil) },
			} {
				b.Run(list.name+"/"+name, func(b *testing.B) {
					for b.Loop() {
						if got := len(read()); got != n {
							b.Fatalf("%d were read", got)
						}
					}
					b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "resources/s")
				})
			}
		}
	})
}

// BenchmarkReadOfALargeGroup reads one group of 100,000 members, and without them.
func BenchmarkReadOfALargeGroup(b *testing.B) {
	const n = 100_000
	eachBench(b, func(b *testing.B, w *tenant, d store.Driver) {
		ids := w.crowd(n)
		id := w.do("POST", "/Groups", group("large")).want(201).str("id")
		if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
			if _, err := tx.AddGroupMembers(id, ids); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SCIMGroupUpdated})
		}); err != nil {
			b.Fatal(err)
		}
		if err := d.Tend(context.Background()); err != nil {
			b.Fatal(err)
		}
		for _, query := range []string{"", "?excludedAttributes=members"} {
			b.Run("members"+query, func(b *testing.B) {
				b.ReportAllocs()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for b.Loop() {
					r := httptest.NewRequest("GET", origin+"/scim/v2/Groups/"+id+query, nil)
					r.Header.Set("Authorization", "Bearer "+w.token)
					w.server.ServeHTTP(discard{http.Header{}, io.Discard}, r)
				}
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/n, "B/member")
			})
		}
	})
}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	io.Writer
}

func (d discard) Header() http.Header { return d.header }
func (d discard) WriteHeader(int)     {}
