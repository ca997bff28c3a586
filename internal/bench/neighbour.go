package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What a flood and its neighbour are.
const (
	floodRate    = 100 // requests a second that are served of each directory, the default of serve
	floodWorkers = 16
	calmWorkers  = 4
	calmEach     = 10 // requests a second of each
)

// neighbours measures what one directory's flood does to another's normal work, in rounds by turns.
func (h *house) neighbours(ctx context.Context, r *report) error {
	if !h.wants("neighbour") {
		return nil
	}
	progress("%s: a flood and its neighbour", h.name)
	// A server of its own, with the limit that serve has by default.
	for _, s := range h.slots {
		s.close()
	}
	before := h.child
	h.child = nil
	if err := before.stop(); err != nil {
		return err
	}
	var err error
	if h.child, err = startChild(ctx, h.database, h.plan.dir, floodRate); err != nil {
		return err
	}
	return h.beside(ctx, r, 4*h.plan.rounds, 2*time.Second)
}

// beside measures in rounds of a length.
func (h *house) beside(ctx context.Context, r *report, rounds int, length time.Duration) error {
	tokens := map[string]string{}
	for _, slug := range []string{"calm", "flood"} {
		var t tenant
		if err := h.child.control.ask(&t, "POST", "/control/neighbour?slug="+slug, "", ""); err != nil {
			return err
		}
		tokens[slug] = "Authorization: Bearer " + t.Token + "\r\n"
	}
	slots, err := h.neighbourSlots(ctx)
	if err != nil {
		return err
	}
	n := &neighbourhood{h: h, calm: slots[:calmWorkers], flood: slots[calmWorkers:], tokens: tokens, rounds: rounds, length: length}
	return n.measure(ctx, r)
}

func (h *house) neighbourSlots(ctx context.Context) (list []*slot, err error) {
	for i := range calmWorkers + floodWorkers {
		w, err := dial(ctx, h.child.address)
		if err != nil {
			return nil, err
		}
		list = append(list, &slot{wire: w, worker: i})
	}
	return list, nil
}

type neighbourhood struct {
	h           *house
	calm, flood []*slot
	tokens      map[string]string // header lines
	rounds      int
	length      time.Duration // of each
}

func (n *neighbourhood) measure(ctx context.Context, r *report) error {
	took := map[string][]time.Duration{}
	var ratios []float64
	served, refused := 0, 0
	if _, err := n.round(ctx); err != nil { // the first one warms up
		return err
	}
	for range n.rounds {
		alone, err := n.round(ctx)
		if err != nil {
			return err
		}
		var stop atomic.Bool
		var wg sync.WaitGroup
		full := make(chan struct{}, 2*len(n.flood)) // told of the first refusals: what was saved up before is used up
		failures, yes, no := make([]error, len(n.flood)), make([]int, len(n.flood)), make([]int, len(n.flood))
		for i, s := range n.flood {
			wg.Go(func() { yes[i], no[i], failures[i] = n.pour(s, &stop, full) })
		}
		select {
		case <-full:
		case <-time.After(20 * n.length): // a machine that serves no more than is allowed refuses nothing
		case <-ctx.Done():
		}
		under, err := n.round(ctx)
		stop.Store(true)
		wg.Wait()
		if err := errors.Join(append(failures, err)...); err != nil {
			return err
		}
		for i := range n.flood {
			served, refused = served+yes[i], refused+no[i]
		}
		took["alone"], took["under"] = append(took["alone"], alone...), append(took["under"], under...)
		ratios = append(ratios, p99(under).Seconds()/p99(alone).Seconds())
	}
	for _, s := range append(n.calm, n.flood...) {
		s.close()
	}
	seconds := float64(n.rounds) * n.length.Seconds()
	for _, what := range []string{"alone", "under"} {
		all := took[what]
		slices.Sort(all)
		name := "neighbour's work, 40 requests/s, alone"
		if what == "under" {
			name = "  beside another's flood"
		}
		r.add(row{what: name, database: n.h.name, c: calmWorkers, rate: float64(len(all)) / seconds, p50: all[len(all)/2], p99: p99(all)})
	}
	r.add(row{what: "  the flood: served and refused a second", database: n.h.name, c: floodWorkers, value: fmt.Sprintf("%.0f, %.0f", float64(served)/seconds, float64(refused)/seconds)})
	r.add(row{what: "  p99 beside the flood against alone", database: n.h.name, value: fmt.Sprintf("%.2f times", p99(took["under"]).Seconds()/p99(took["alone"]).Seconds()) +
		fmt.Sprintf(", median of rounds %.2f", median(ratios, func(x float64) float64 { return x })), aim: "1.5 times"})
	return nil
}

func p99(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)*99/100]
}

// round is the calm directory's work for a while: a person looked up, created, changed and read by turns, at a steady
// pace, each request at its own time whatever became of the one before.
func (n *neighbourhood) round(ctx context.Context) ([]time.Duration, error) {
	lists, failures := make([][]time.Duration, len(n.calm)), make([]error, len(n.calm))
	var wg sync.WaitGroup
	began := time.Now()
	for i, s := range n.calm {
		wg.Go(func() {
			for k := 0; failures[i] == nil; k++ {
				due := began.Add(time.Duration(k*len(n.calm)+i) * time.Second / time.Duration(calmEach*len(n.calm)))
				if due.Sub(began) >= n.length || ctx.Err() != nil {
					return
				}
				time.Sleep(time.Until(due))
				start := time.Now()
				failures[i] = n.work(s)
				lists[i] = append(lists[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	return slices.Concat(lists...), errors.Join(append(failures, ctx.Err())...)
}

// work is one request of the calm directory.
func (n *neighbourhood) work(s *slot) error {
	auth := n.tokens["calm"]
	k := int(n.h.next.Add(1))
	name := userName("calm", k)
	s.done++
	var err error
	switch s.done % 4 {
	case 0:
		_, err = s.want(200, "GET", "/scim/v2/Users?filter="+url.QueryEscape(`userName eq "`+name+`"`), auth, "")
	case 1:
		var answer []byte
		if answer, err = s.want(201, "POST", "/scim/v2/Users", auth, newUser(name, fmt.Sprintf("calm%d", k))); err == nil {
			s.last = idOf(answer)
		}
	case 2:
		_, err = s.want(200, "PATCH", "/scim/v2/Users/"+s.last, auth, patch(fmt.Sprintf(`{"op":"replace","path":"title","value":"Title %d"}`, k)))
	case 3:
		_, err = s.want(200, "GET", "/scim/v2/Users/"+s.last, auth, "")
	}
	return err
}

// pour sends as many requests as it can: creates, which cost the most where they are served.
func (n *neighbourhood) pour(s *slot, stop *atomic.Bool, full chan<- struct{}) (served, refused int, err error) {
	defer func() { full <- struct{}{} }()
	for !stop.Load() {
		k := int(n.h.next.Add(1))
		status, answer, err := s.do("POST", "/scim/v2/Users", n.tokens["flood"], newUser(userName("flood", k), fmt.Sprintf("flood%d", k)))
		switch {
		case err != nil:
			return served, refused, err
		case status == 201:
			served++
		case status == 429:
			if refused++; refused == 1 {
				full <- struct{}{}
			}
		default:
			return served, refused, fmt.Errorf("the flood is answered %d: %s", status, answer)
		}
	}
	return served, refused, nil
}
