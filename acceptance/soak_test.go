package acceptance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// TestSoak lets all clients work over 20 workspaces while the server is killed again and again: for GATEHOUSE_SOAK (a duration
// such as 10m), every 30 seconds, or shorter. Afterwards the IdPs catch up, and every person, group and membership is as its
// IdP knows it; catching up once more changes nothing.
func TestSoak(t *testing.T) {
	// In short with the other stories: two kills, one workspace of each client. Longer with make accept, as long as asked
	// with make soak.
	length, between, workspaces := 6*time.Second, 2*time.Second, len(idpsim.Kinds())
	if os.Getenv("GATEHOUSE_ACCEPT") == "1" {
		length, between, workspaces = time.Minute, 10*time.Second, 20
	}
	if text := os.Getenv("GATEHOUSE_SOAK"); text != "" {
		asked, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("GATEHOUSE_SOAK: %v", err)
		}
		length, between, workspaces = asked, min(30*time.Second, asked/4), 20
	}
	story(t, func(t *testing.T, w *world) {
		var feeds []*idpsim.IdP
		var slugs []string
		for i := range workspaces {
			slug := fmt.Sprintf("soak%d", i)
			w.mustApply(workspace(slug, "omniflow", ""))
			feeds = append(feeds, w.seeded(idpsim.Kinds()[i%len(idpsim.Kinds())], slug))
			slugs = append(slugs, slug)
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		var wg sync.WaitGroup
		for i, p := range feeds {
			wg.Go(func() { disturb(t.Context(), ctx.Done(), p, rand.New(rand.NewPCG(uint64(i), seed))) })
		}
		kills := 0
		tick := time.NewTicker(between)
		defer tick.Stop()
		for running := true; running; {
			select {
			case <-ctx.Done():
				running = false
			case <-tick.C:
				w.kill()
				w.start()
				kills++
			}
		}
		wg.Wait()
		t.Logf("%d kills", kills)
		for i, p := range feeds {
			w.catchUp(p)
			w.wantSame(p, slugs[i])
			seen := len(w.changes(slugs[i]))
			w.catchUp(p)
			if now := w.changes(slugs[i]); len(now) != seen {
				t.Errorf("%s: catching up again changed %+v", slugs[i], now[seen:])
			}
		}
	})
}

// disturb does what IdP administrators do, until end. Requests that fail while the server is down
// are the IdP's to repeat.
func disturb(ctx context.Context, end <-chan struct{}, p *idpsim.IdP, random *rand.Rand) {
	for {
		select {
		case <-end:
			return
		default:
		}
		state := p.State()
		x := state.People[random.IntN(len(state.People))]
		g := state.Groups[random.IntN(len(state.Groups))]
		title := fmt.Sprintf("Title %d", random.IntN(1000))
		// Whether it reached the server is found out at the end.
		switch random.IntN(7) {
		case 0:
			_ = p.Deactivate(ctx, x.UserName)
		case 1, 2:
			_ = p.Reactivate(ctx, x.UserName)
		case 3:
			_ = p.Change(ctx, x.UserName, idpsim.Attributes{Title: &title})
		case 4:
			_ = p.AddMembers(ctx, g.Name, x.UserName)
		case 5:
			_ = p.RemoveMembers(ctx, g.Name, x.UserName)
		case 6:
			_, _ = p.Sync(ctx)
		}
	}
}

// catchUp brings everything to the server that an IdP knows.
func (w *world) catchUp(p *idpsim.IdP) {
	w.t.Helper()
	if p.Kind() == idpsim.Entra || p.Kind() == idpsim.EntraFlag {
		_, _ = p.Restart(w.ctx()) // lifts a quarantine; not quarantined is fine
	}
	var report idpsim.Report
	var err error
	for range 10 {
		_, _ = p.Retry(w.ctx()) // what fails here shows in the report below
		if report, err = p.AssignEverybody(w.ctx()); err == nil && len(report.Failed) == 0 && report.Waiting == 0 {
			break
		}
	}
	if err != nil || len(report.Failed) > 0 {
		w.t.Fatalf("%s does not catch up: %v %s", p.Kind(), err, report)
	}
	for _, g := range p.State().Groups {
		if p.Kind().PushesGroups() {
			w.must(p.PushNow(w.ctx(), g.Name))
		}
	}
}

// wantSame compares people and groups with what their IdP holds.
func (w *world) wantSame(p *idpsim.IdP, slug string) {
	w.t.Helper()
	_, token := w.token(slug)
	state := p.State()
	for _, x := range state.People {
		status, got := w.scim(token, http.MethodGet, "/Users/"+x.App.RemoteID, "")
		if status != http.StatusOK || got["active"] != x.Active || got["userName"] != x.UserName {
			w.t.Errorf("%s: %s is active=%v at the IdP and %d %v here", slug, x.UserName, x.Active, status, got["active"])
		}
	}
	_, groups := w.scim(token, http.MethodGet, "/Groups", "")
	pushed := len(state.Groups)
	if !p.Kind().PushesGroups() {
		pushed = 0
	}
	if n, ok := groups["totalResults"].(float64); !ok || int(n) != pushed {
		w.t.Errorf("%s: %v groups, the IdP has pushed %d", slug, groups["totalResults"], pushed)
	}
	w.wantSameMembers(p, slug, token)
	base, fresh := w.token(slug)
	w.must(p.Connect(w.ctx(), idpsim.Connection{BaseURL: base, Token: fresh, Attempts: 1}))
}

// wantSameMembers compares the members of all groups with those that their IdP believes to be there.
// Entra's adds are repeated and never taken back, so that it may not know of some. Nor does any IdP of
// somebody who was suspended before a change that got no answer was told again.
func (w *world) wantSameMembers(p *idpsim.IdP, slug, token string) {
	w.t.Helper()
	if p.Kind().IsEntra() || !p.Kind().PushesGroups() {
		return
	}
	state := p.State()
	remote, active := map[string]string{}, map[string]bool{}
	for _, x := range state.People {
		remote[x.ID], active[x.ID] = x.App.RemoteID, x.Active
	}
	for _, g := range state.Groups {
		var want, here []string
		for _, id := range g.App.Members {
			want = append(want, remote[id])
		}
		_, got := w.scim(token, http.MethodGet, "/Groups/"+g.App.RemoteID, "")
		members, _ := got["members"].([]any)
		for _, m := range members {
			m, _ := m.(map[string]any)
			id, _ := m["value"].(string)
			here = append(here, id)
		}
		for _, id := range g.App.Doubtful {
			if active[id] {
				w.t.Errorf("%s: what became of %s in group %s is still in doubt", slug, id, g.Name)
			}
			unknown := func(m string) bool { return m == remote[id] }
			want, here = slices.DeleteFunc(want, unknown), slices.DeleteFunc(here, unknown)
		}
		slices.Sort(want)
		slices.Sort(here)
		if !slices.Equal(want, here) {
			w.t.Errorf("%s: group %s has %d members here and %d at the IdP, or others", slug, g.Name, len(here), len(want))
		}
	}
}

// changes are the events that changed somebody: not the ones that say that nothing was to do.
func (w *world) changes(slug string) []event {
	w.t.Helper()
	var out []event
	for _, e := range w.events(slug) {
		if e.Outcome == "ok" && e.Reason != "no_change" && e.Actor.Kind == "directory" {
			out = append(out, e)
		}
	}
	return out
}
