package scimserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestTheMemoryOfWalks_IsBoundedAndForgets(t *testing.T) {
	var w walks
	now := time.Unix(1_800_000_000, 0)
	at := func(id string) cursor { return cursor{Query: "q", Place: store.Place{ID: id}} }
	for d := range maxTrails + 50 {
		for i := range maxSteps + 50 {
			w.keep(fmt.Sprint(d), 1+i, at(fmt.Sprint(i)), now)
		}
		now = now.Add(time.Millisecond)
	}
	if len(w.of) > maxTrails {
		t.Errorf("%d directories are remembered", len(w.of))
	}
	for d, trail := range w.of {
		if len(trail.steps) > maxSteps {
			t.Fatalf("%d pages of %s are remembered", len(trail.steps), d)
		}
	}
	last := fmt.Sprint(maxTrails + 49)
	if c := w.behind(last, "q", maxSteps+50, now); c == nil || c.Place.ID != fmt.Sprint(maxSteps+49) {
		t.Errorf("the newest page is forgotten: %v", c)
	}
	if w.behind("0", "q", maxSteps+50, now) != nil || w.behind(last, "q", 1, now) != nil {
		t.Error("the oldest ones are remembered")
	}
	if w.behind(last, "other", maxSteps+50, now) != nil {
		t.Error("a page of another list")
	}
	if w.behind(last, "q", maxSteps+50, now.Add(walkTime+time.Second)) != nil || w.behind(last, "q", maxSteps+50, now.Add(-time.Hour)) != nil {
		t.Error("a page is remembered for too long")
	}
	w.keep("d", 7, cursor{Query: "q", Place: store.Place{Text: strings.Repeat("x", maxStep+1)}}, now)
	if w.behind("d", "q", 7, now) != nil {
		t.Error("a value of any length is remembered")
	}
}

func TestTwoWalksAtOnce_PassOverNobody(t *testing.T) {
	var w walks
	now := time.Unix(1_800_000_000, 0)
	first, second := cursor{Query: "q", Place: store.Place{ID: "100"}}, cursor{Query: "q", Place: store.Place{ID: "101"}}
	w.keep("d", 101, first, now)
	w.keep("d", 101, second, now) // somebody of the first page has left meanwhile
	for range 2 {
		if c := w.behind("d", "q", 101, now); c == nil || c.Place.ID != "100" {
			t.Errorf("page 2 begins behind %v, want 100", c)
		}
	}
	// A new walk, behind one that went on.
	w.keep("d", 101, second, now)
	if c := w.behind("d", "q", 101, now); c == nil || c.Place.ID != "101" {
		t.Errorf("page 2 of the next walk begins behind %v, want 101", c)
	}
}
