package scimserver_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
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
	limitedAnd(t, func(context.Context, time.Duration) {}, fn)
}

// limitedAnd is limited with what is done where a refusal waits.
func limitedAnd(t *testing.T, wait func(context.Context, time.Duration), fn func(t *testing.T, h *house, asked *atomic.Int64, pass func(time.Duration))) {
	limitedTo(t, scimserver.MinRate, wait, fn)
}

// limitedTo is limitedAnd with rate requests a second.
func limitedTo(t *testing.T, rate int, wait func(context.Context, time.Duration), fn func(t *testing.T, h *house, asked *atomic.Int64, pass func(time.Duration))) {
	begin := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			d := &counting{Driver: driver(t)}
			db := storetest.Open(t, d, func() time.Time { return begin.Add(time.Duration(passed.Load())) })
			h := newHouse(t, db)
			h.server = scimserver.New(scimserver.Options{DB: db, Provision: &provision.Service{DB: db}, Origin: origin,
				Log: slog.New(slog.DiscardHandler), Rate: rate, Pause: wait})
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
		// Those of the second to come wait until it is their turn.
		const want = burst + scimserver.MinRate
		if served.Load() != want || refused.Load() != 400-want || neighbour.Load() != burst {
			t.Errorf("served %d, refused %d, the neighbour %d; want %d, %d, %d", served.Load(), refused.Load(), neighbour.Load(), want, 400-want, burst)
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

func TestFlood_ThatTakesNoNoticeOfRefusalsWaitsForThem(t *testing.T) {
	var held sync.Map // directories are random
	limitedAnd(t, func(ctx context.Context, d time.Duration) {
		n, _ := held.LoadOrStore(ctx.Value(whoKey{}), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		if d <= 0 {
			t.Errorf("a wait of %s", d)
		}
	}, func(t *testing.T, h *house, _ *atomic.Int64, pass func(time.Duration)) {
		waits := func(w *tenant) int64 {
			n, ok := held.Load(w.id)
			if !ok {
				return 0
			}
			return n.(*atomic.Int64).Load()
		}
		flood, calm := h.workspace("flood", "default", nil), h.workspace("calm", "default", nil)
		const burst = 2 * scimserver.MinRate
		for range burst {
			flood.doAs(flood.id).want(200)
		}
		for range burst {
			flood.doAs(flood.id).want(429)
		}
		if n := waits(flood); n != 0 {
			t.Errorf("%d of the first refusals wait", n)
		}
		flood.doAs(flood.id).want(429)
		for range scimserver.MinRate { // each waits until it is its turn
			flood.doAs(flood.id).want(200)
		}
		for range 100 {
			flood.doAs(flood.id).want(429)
		}
		const all = 1 + scimserver.MinRate + 100
		for range burst {
			calm.doAs(calm.id).want(200)
		}
		calm.doAs(calm.id).want(429)
		if f, c := waits(flood), waits(calm); f != all || c != 0 {
			t.Errorf("%d requests of the flood wait and %d of its neighbour, want %d and 0", f, c, all)
		}
		pass(time.Minute)
		for range burst {
			flood.doAs(flood.id).want(200)
		}
		flood.doAs(flood.id).want(429)
		if n := waits(flood); n != all {
			t.Errorf("after a quiet minute %d wait, want %d", n, all)
		}
	})
}

// A server with a rate above the least serves a flood the least until it is quiet, and nobody else less than its rate.
func TestFlood_ThatTakesNoNoticeOfRefusalsIsServedTheLeast(t *testing.T) {
	const rate = 4 * scimserver.MinRate
	limitedTo(t, rate, func(context.Context, time.Duration) {}, func(t *testing.T, h *house, _ *atomic.Int64, pass func(time.Duration)) {
		flood, polite := h.workspace("flood", "default", nil), h.workspace("polite", "default", nil)
		served := func(w *tenant, requests int) (n int) {
			t.Helper()
			for range requests {
				if w.do("GET", "/Users?count=0", "").status == 200 {
					n++
				}
			}
			return n
		}
		// Who comes again only when it was told to is served its rate, however often it is refused once.
		if n := served(polite, 2*rate+1); n != 2*rate {
			t.Errorf("%d are served at once, want %d", n, 2*rate)
		}
		for range 3 * rate {
			pass(time.Second / rate)
			if n := served(polite, 2); n != 1 {
				t.Fatalf("%d of two are served after Retry-After, want 1", n)
			}
		}
		if n := served(flood, 4*rate); n != 2*rate {
			t.Errorf("%d are served at once, want %d", n, 2*rate)
		}
		if n := served(flood, 1); n != 0 {
			t.Error("served although nothing is left") // and from here on it floods
		}
		if n := served(flood, rate); n != scimserver.MinRate {
			t.Errorf("a flood is served %d of the second to come, want %d", n, scimserver.MinRate)
		}
		if a := flood.do("GET", "/Users?count=0", ""); a.status != 429 || !strings.Contains(a.str("detail"), "the 25 requests a second") {
			t.Errorf("%d %s", a.status, a.text)
		}
		for second := range 20 {
			pass(time.Second)
			if n := served(flood, rate); n != scimserver.MinRate {
				t.Errorf("in second %d a flood is served %d, want %d", second, n, scimserver.MinRate)
			}
		}
		// One that is never refused because it waits its turn is let go, and caught again at once.
		for range 10*scimserver.MinRate + 1 {
			pass(time.Second / scimserver.MinRate)
			flood.do("GET", "/Users?count=0", "").want(200)
		}
		if n := served(flood, rate); n > scimserver.MinRate+10 {
			t.Errorf("a flood that goes on is served %d at once", n)
		}
		pass(11 * time.Second)
		if n := served(flood, 2*rate); n != 2*rate {
			t.Errorf("after 10 quiet seconds %d are served at once, want %d", n, 2*rate)
		}
	})
}

type whoKey struct{}

// doAs asks for a total, with who in the request's context.
func (w *tenant) doAs(who string) *answer {
	r := httptest.NewRequest("GET", origin+"/scim/v2/Users?count=0", nil)
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.send(r.WithContext(context.WithValue(r.Context(), whoKey{}, who)))
}

func TestFlood_OfManyConnectionsHoldsFewOfThem(t *testing.T) {
	arrived, release := make(chan struct{}, 1000), make(chan struct{})
	limitedAnd(t, func(context.Context, time.Duration) { arrived <- struct{}{}; <-release }, func(t *testing.T, h *house, _ *atomic.Int64, _ func(time.Duration)) {
		if h.db.Name() != "sqlite" {
			return // the database is not asked
		}
		w := h.workspace("flood", "default", nil)
		for range 4 * scimserver.MinRate {
			w.do("GET", "/Users?count=0", "")
		}
		var all sync.WaitGroup
		const most = 256 + scimserver.MinRate // refusals, and those that wait until it is their turn
		for range most {
			all.Go(func() { w.do("GET", "/Users?count=0", "") })
		}
		for range most {
			<-arrived
		}
		for range 50 {
			w.do("GET", "/Users?count=0", "").want(429) // at once, or this would never end
		}
		close(release)
		all.Wait()
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
