package main

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
)

// furnished is a small house whose server runs in this process, on a SQLite file.
func furnished(t *testing.T, r *report) *house {
	t.Helper()
	driver, err := sqlite.Open(filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), driver, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	site, err := handler(db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		server.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	address := strings.TrimPrefix(server.URL, "http://")
	control, err := dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{name: "sqlite", child: &child{address: address, control: control},
		plan: plan{people: 50, large: 200, ends: 3, concurrency: []int{2}}}
	if err := h.furnish(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := h.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// Figures are never judged here; that each measure does what it says is.
func TestEveryMeasure_DoesItsWork(t *testing.T) {
	r := newReport()
	h := furnished(t, r)
	for _, m := range h.measures() {
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
	var text strings.Builder
	r.text(&text)
	for _, want := range []string{"long run of 50 creates", "0 of 3 checks said yes"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
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
