package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
)

// furnished is a small house whose server runs in this process, on a SQLite file.
func furnished(t *testing.T, r *report) *house {
	t.Helper()
	h := bare(t, 0)
	if err := h.furnish(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := h.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// bare is a house without people, whose server takes rate requests a second of each directory.
func bare(t *testing.T, rate int) *house {
	t.Helper()
	driver, err := sqlite.Open(filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), driver, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	if err != nil {
		t.Fatal(err)
	}
	site, outbox, err := handler(ctx, db, driver, master, slog.New(slog.DiscardHandler), rate)
	if err != nil {
		t.Fatal(err)
	}
	var beside sync.WaitGroup
	for _, helper := range []func(context.Context) error{outbox, db.Listen} {
		beside.Go(func() {
			if err := helper(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	application, err := startApplication()
	if err != nil {
		t.Fatal(err)
	}
	openid, err := startOpenID()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		server.Close()
		application.close()
		openid.close()
		cancel()
		beside.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	address := strings.TrimPrefix(server.URL, "http://")
	control, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return &house{name: "sqlite", application: application, openid: openid, child: &child{address: address, control: control},
		plan: plan{rounds: 1, each: 20 * time.Millisecond, people: 50, large: 200, ends: 3, concurrency: []int{2}}}
}

// nothing is a limit that costs nothing.
type nothing struct{ limits }

func (nothing) insert(context.Context, string) error      { return nil }
func (nothing) insertAll(context.Context, []string) error { return nil }
func (nothing) grouped() bool                             { return false }

func TestTheLargeMeasures_DoTheirWorkInSmall(t *testing.T) {
	r := newReport()
	h := bare(t, 0)
	h.limits = nothing{}
	h.plan.people = 100
	h.plan.scale = &scale{sync: 100, groups: []int{10, 20, 1100}, replaced: 250, walked: 1600, repeats: 2}
	if err := h.grow(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	r.text(&text)
	for _, want := range []string{"first sync of 100 creates", "50 groups of 2", "member change, group of 1,100", "replacing 250 members", "group read of 1,100, to the first byte",
		"import of 1,600 by number", "import of 1,600 by cursor", "that no walk leads to"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}

func TestTheNeighbour_IsServedBesideAFlood(t *testing.T) {
	r := newReport()
	h := bare(t, floodRate/4)
	if err := h.beside(t.Context(), r, 1, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	r.text(&text)
	if !strings.Contains(text.String(), "p99 beside the flood against alone") {
		t.Errorf("%s", text.String())
	}
}

// Figures are never judged here; that each measure does what it says is.
func TestEveryMeasure_DoesItsWork(t *testing.T) {
	r := newReport()
	h := furnished(t, r)
	for _, m := range slices.Concat(h.measures(), h.signInMeasures(), h.groupMeasures(), h.garbage()) {
		if m.prepare != nil {
			if err := m.prepare(t.Context(), time.Millisecond); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
		for range 3 {
			if err := m.op(t.Context(), h.slots[0]); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
			h.slots[0].done++
		}
	}
	if err := h.deprovision(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := h.farewell(t.Context(), r); err != nil {
		t.Error(err)
	}
	var text strings.Builder
	r.text(&text)
	for _, want := range []string{"long run of 50 creates", "0 of 3 checks said yes", "deprovision to back-channel logout", "deprovision to open tab told"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}

func TestPerGroup_SaysWhetherCostGrowsWithTheirNumber(t *testing.T) {
	ms := time.Millisecond
	if got := perGroup(2000, 21*ms, ms, 4*ms); got != "10.00 µs a group, 0.50 times that at 150" {
		t.Errorf("%s", got)
	}
	if perGroup(0, ms, ms, 2*ms) != "" || perGroup(500, ms, 2*ms, 3*ms) != "" {
		t.Error("what cannot be said is said")
	}
	if n, ok := groupsOf("groups1000/81234"); !ok || n != 1000 {
		t.Errorf("%d, %t", n, ok)
	}
	if _, ok := groupsOf("g150/1"); ok {
		t.Error("another benchmark")
	}
}

func TestMedian_OfOddAndEvenLists(t *testing.T) {
	same := func(x float64) float64 { return x }
	if got := median([]float64{9, 1, 3}, same); got != 3 {
		t.Errorf("median %v, want 3", got)
	}
	if got := median([]float64{9, 1, 3, 4}, same); got != 3.5 {
		t.Errorf("median %v, want 3.5", got)
	}
}

func TestReadBenchmark_ReadsFiguresByTheirUnits(t *testing.T) {
	names, runs := readBenchmark([]byte("goos: linux\nBenchmarkVerifyResponse/assertion/9578 \t 100\t 120500 ns/op\t 2.90 x_raw\t 20480 B/op\t 61 allocs/op\n" +
		"BenchmarkVerifyResponse/g150/21000 \t 100\t 1 ns/op\t 4 x_raw\t 1 B/op\t 62 allocs/op\nPASS\n"))
	if !slices.Equal(names, []string{"assertion/9578", "g150/21000"}) {
		t.Fatalf("names %q", names)
	}
	if got, want := runs[names[0]], (verified{120500 * time.Nanosecond, 2.9, 61}); len(got) != 1 || got[0] != want {
		t.Errorf("runs %v, want one of %v", got, want)
	}
	if got := describe(names[0]); got != "assertion signed, 9.6 KB" {
		t.Errorf("described as %q", got)
	}
}
