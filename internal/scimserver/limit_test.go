package scimserver_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// counting counts what is asked of the database.
type counting struct {
	store.Driver
	asked atomic.Int64
}

func (c *counting) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	c.asked.Add(1)
	return c.Driver.Query(ctx, query, args...)
}

func (c *counting) Read(ctx context.Context, fn func(store.Conn) error) error {
	c.asked.Add(1)
	return c.Driver.Read(ctx, fn)
}

func (c *counting) Write(ctx context.Context, fn func(store.Conn) error) error {
	c.asked.Add(1)
	return c.Driver.Write(ctx, fn)
}

// limited is a house whose directories have 25 requests a second, on a clock that stands still.
func limited(t *testing.T, fn func(t *testing.T, h *house, asked *atomic.Int64, pass func(time.Duration))) {
	begin := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			d := &counting{Driver: driver(t)}
			db := storetest.Open(t, d, func() time.Time { return begin.Add(time.Duration(passed.Load())) })
			h := newHouse(t, db)
			h.server = scimserver.New(scimserver.Options{DB: db, Provision: &provision.Service{DB: db}, Origin: origin,
				Log: slog.New(slog.DiscardHandler), Rate: scimserver.MinRate})
			fn(t, h, &d.asked, func(d time.Duration) { passed.Add(int64(d)) })
		})
	}
}

// AC65 of the acceptance cases: one directory's flood is its own.
func TestFlood_OfOneDirectoryTakesNothingFromAnother(t *testing.T) {
	limited(t, func(t *testing.T, h *house, asked *atomic.Int64, pass func(time.Duration)) {
		flood, calm := h.workspace("flood", "default", nil), h.workspace("calm", "default", nil)
		const burst = 2 * scimserver.MinRate
		var served, refused, neighbour atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					if a := flood.do("GET", "/Users?count=0", ""); a.status == 200 {
						served.Add(1)
					} else if a.status == 429 && a.header.Get("Retry-After") == "1" && a.str("status") == "429" && a.str("detail") != "" {
						refused.Add(1)
					} else {
						t.Errorf("%d %v %s", a.status, a.header, a.text)
					}
				}
			})
		}
		all.Go(func() {
			for range burst {
				if calm.do("GET", "/Users?count=0", "").status == 200 {
					neighbour.Add(1)
				}
			}
		})
		all.Wait()
		if served.Load() != burst || refused.Load() != 400-burst || neighbour.Load() != burst {
			t.Errorf("served %d, refused %d, the neighbour %d; want %d, %d, %d", served.Load(), refused.Load(), neighbour.Load(), burst, 400-burst, burst)
		}
		before := asked.Load()
		for range 100 {
			flood.do("POST", "/Users", user("ann@acme.test")).want(429)
		}
		if n := asked.Load() - before; n != 0 {
			t.Errorf("100 refused requests asked the database %d times", n)
		}
		// Once a second has passed, as Retry-After says.
		pass(time.Second)
		for range scimserver.MinRate {
			flood.do("GET", "/Users?count=0", "").want(200)
		}
		flood.do("GET", "/Users?count=0", "").want(429)

		var told, logged int
		for _, e := range flood.events() {
			if e.Type == audit.SCIMRefused && e.Reason == "rate_limited" {
				told++
			}
		}
		if err := h.db.FlushMarks(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.db.Read(t.Context(), flood.id, func(tx *store.Tx) error {
			reads, err := tx.Reads(flood.directory, 1000)
			for _, r := range reads {
				if r.Status == 429 {
					logged++
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if told != 1 || logged == 0 || logged > 60 {
			t.Errorf("451 refusals are %d events and %d lines of the request log, want 1, and 1 to 60", told, logged)
		}
		if n := len(calm.events()); n != 1 {
			t.Errorf("the neighbour's log has %d events", n)
		}
	})
}

func TestAC65_TwentyFiveRequestsASecondAreAlwaysServedOfSixty(t *testing.T) {
	limited(t, func(t *testing.T, h *house, _ *atomic.Int64, pass func(time.Duration)) {
		w, neighbour := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		for second := range 10 {
			served := 0
			for i := range 60 {
				a := w.do("GET", "/Users?count=0", "")
				switch {
				case a.status == 200:
					served++
				case a.status != 429 || a.header.Get("Retry-After") == "":
					t.Fatalf("%d %v", a.status, a.header)
				}
				if i%3 == 0 {
					neighbour.do("GET", "/Users?count=0", "").want(200)
				}
				pass(time.Second / 60)
			}
			if served < scimserver.MinRate {
				t.Errorf("in second %d, %d of 60 requests are served", second, served)
			}
		}
	})
}

func TestFlood_WithADeadTokenTakesNothingFromTheLivingOne(t *testing.T) {
	limited(t, func(t *testing.T, h *house, _ *atomic.Int64, pass func(time.Duration)) {
		w := h.workspace("acme", "default", nil)
		w.do("GET", "/Users?count=0", "").want(200)
		w.write(func(tx *store.Tx) error {
			_, err := tx.RevokeTokens(w.directory, "", store.TokenReplaced)
			return err
		})
		old := w.rotate(time.Time{})
		living := w.token
		w.token = old
		for range 200 {
			w.do("GET", "/Users?count=0", "").want(401)
		}
		w.token = living
		for range 2*scimserver.MinRate - 1 {
			w.do("GET", "/Users?count=0", "").want(200)
		}
		w.do("GET", "/Users?count=0", "").want(429)
	})
}
