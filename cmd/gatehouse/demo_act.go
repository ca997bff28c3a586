package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// firing is one measured deactivation. Instants that have not come are zero.
type firing struct {
	pressed time.Time     // the button here, or the IdP's request where that began it
	sent    time.Time     // the IdP's request to Gatehouse
	told    time.Time     // the product had the logout token
	shown   time.Time     // the product's open page said so
	came    chan struct{} // closed when the product is told; nil where the button here was not pressed
}

// startState is what changes on the page.
type startState struct {
	Notice string `json:"notice"`
	Fired  bool   `json:"fired"` // the admin is out at her IdP
	Filled bool   `json:"filled"`
	Sync   string `json:"sync"`
	// Told and Shown are milliseconds from the IdP's request, "" for not yet.
	Told    string `json:"told"`
	Shown   string `json:"shown"`
	Measure string `json:"measure"` // the same as a sentence
}

func (s *startPage) state() startState {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.firing
	v := startState{Notice: s.notice, Sync: s.sync, Filled: len(s.second.idp.State().People) > 0,
		Told: between(f.sent, f.told), Shown: between(f.sent, f.shown)}
	for _, x := range s.first.idp.State().People {
		if strings.EqualFold(x.UserName, s.admin()) {
			v.Fired = !x.Active
		}
	}
	switch {
	case f.pressed.IsZero():
	case v.Shown != "":
		v.Measure = fmt.Sprintf("%s ms from the IdP's request until the open page said so; the product had the word after %s ms.", v.Shown, v.Told)
	case v.Told != "":
		v.Measure = fmt.Sprintf("%s ms from the IdP's request until the product had the word. No page was open.", v.Told)
	default:
		v.Measure = "Nobody was signed in to the product as her. Sign in first, leave the page open, and try again."
	}
	return v
}

// between is the time from one instant to another in milliseconds, "" where either has not come.
func between(from, to time.Time) string {
	if from.IsZero() || to.Before(from) {
		return ""
	}
	return fmt.Sprintf("%.1f", float64(to.Sub(from).Microseconds())/1000)
}

// runSync fills the second company's IdP the first time, and lets it send what is to be sent.
func (s *startPage) runSync(ctx context.Context) error {
	t := s.second
	before, began := s.wire.traffic(t.kind), time.Now()
	if len(t.idp.State().People) == 0 {
		if err := t.idp.Seed(ctx, idpsim.Company{People: 25, Groups: 6, Domain: t.slug + ".test"}); err != nil {
			return err
		}
		if _, err := t.idp.AssignEverybody(ctx); err != nil {
			return err
		}
	} else if _, err := t.idp.Sync(ctx); err != nil {
		return err
	}
	took, now, state := time.Since(began), s.wire.traffic(t.kind), t.idp.State()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sync = fmt.Sprintf("%d people and %d groups; %d requests in %d ms, %d of them changed something.", len(state.People), len(state.Groups),
		now.reads+now.writes-before.reads-before.writes, took.Milliseconds(), now.writes-before.writes)
	return nil
}

// tellWait is how long a firing waits for the word to reach the product before it says that nobody
// was signed in there.
const tellWait = time.Second

// fire deactivates the admin of the first company in its IdP.
func (s *startPage) fire(ctx context.Context) error {
	came := make(chan struct{})
	s.mu.Lock()
	s.firing = firing{pressed: time.Now(), came: came}
	s.mu.Unlock()
	if err := s.first.idp.Deactivate(ctx, s.admin()); err != nil {
		return err
	}
	if err := (&chapter{world: s.world, t: s.first}).send(ctx); err != nil {
		return err
	}
	wait := time.NewTimer(tellWait)
	defer wait.Stop()
	select {
	case <-came:
	case <-wait.C:
	}
	return nil
}

// rehire brings her back.
func (s *startPage) rehire(ctx context.Context) error {
	if err := s.first.idp.Reactivate(ctx, s.admin()); err != nil {
		return err
	}
	s.mu.Lock()
	s.firing = firing{}
	s.mu.Unlock()
	return (&chapter{world: s.world, t: s.first}).send(ctx)
}

// seen notes what the product was told of the end of a session. Whoever fires on the IdP's own page
// is measured too.
func (s *startPage) seen(m moment) {
	sent := s.wire.lastEnd(s.first.kind)
	if m.Company != s.first.slug || sent.IsZero() || m.Received.Before(sent) || m.Received.Sub(sent) > causeTime {
		return // for another reason
	}
	s.mu.Lock()
	f := &s.firing
	if !f.sent.Equal(sent) { // the first word of this one
		if f.came == nil || !f.sent.IsZero() {
			*f = firing{pressed: sent}
		}
		f.sent = sent
	}
	if f.told.IsZero() {
		f.told = m.Received
		if f.came != nil {
			close(f.came)
		}
	}
	if !m.shown.IsZero() && f.shown.IsZero() {
		f.shown = m.shown
	}
	s.mu.Unlock()
	s.tell(web.Message{Event: "state", Data: s.state()})
}
