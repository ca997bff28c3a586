package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxConcurrency is how many connections there are at the most.
const maxConcurrency = 64

// slot is one worker: its connection, and how many operations it has done.
type slot struct {
	*wire
	worker int
	done   int
	last   string // id of whom it created last
}

// sample is one round of one measure.
type sample struct {
	rate     float64       // operations per second
	cpu      time.Duration // the server's, per operation
	p50, p99 time.Duration
	ratio    float64 // to the limit, within the round; 0 without one
}

// measured is one measure.
type measured struct {
	name string
	// against is the name of the limit that the rate is held against, "" for none.
	against string
	// limit says that this is a limit itself: the server does nothing in it.
	limit bool
	// per is how many units one call of op does; 0 means one.
	per int
	// inverse shows the ratio as cost, in operations of the limit, which unit names.
	inverse bool
	unit    string
	// byCPU makes the ratio one of the server's processor time, as cost.
	byCPU bool
	// grows is how many of something one operation brings along, for measures that are held against each other by it.
	grows int
	// alone is for one worker, whatever the concurrency: what one core does.
	alone bool
	// prepare gets ready, before a round and outside its figures, what the round uses up.
	prepare func(ctx context.Context, d time.Duration) error
	op      func(ctx context.Context, s *slot) error
}

// errDry ends a round early and well: what it needs is used up.
var errDry = errors.New("used up")

// round runs one measure with c workers for a while.
func (h *house) round(ctx context.Context, m measured, c int, d time.Duration) (sample, error) {
	if m.alone {
		c = 1
	}
	before, err := h.child.used(ctx)
	if err != nil {
		return sample{}, err
	}
	took := make([][]time.Duration, c)
	failures := make([]error, c)
	var stop atomic.Bool
	var wg sync.WaitGroup
	began := time.Now()
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	for i := range c {
		wg.Go(func() {
			s := h.slots[i]
			for !stop.Load() && ctx.Err() == nil {
				start := time.Now()
				if err := m.op(ctx, s); err != nil {
					if !errors.Is(err, errDry) {
						failures[i] = err
					}
					stop.Store(true)
					return
				}
				s.done++
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began)
	if err := errors.Join(append(failures, ctx.Err())...); err != nil {
		return sample{}, fmt.Errorf("%s: %w", m.name, err)
	}
	after, err := h.child.used(ctx)
	if err != nil {
		return sample{}, err
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	if len(all) == 0 {
		return sample{}, fmt.Errorf("%s: nothing was done in a round", m.name)
	}
	n := len(all) * max(m.per, 1)
	s := sample{rate: float64(n) / elapsed.Seconds(), p50: all[len(all)/2], p99: all[len(all)*99/100]}
	if !m.limit {
		s.cpu = (after.CPU - before.CPU) / time.Duration(n)
	}
	return s, nil
}

// rounds runs measures in turns, several times, and returns the medians in the same order.
func (h *house) rounds(ctx context.Context, list []measured, c int) ([]sample, error) {
	all := make([][]sample, len(list))
	for n := range h.plan.rounds {
		rates, costs := map[string]float64{}, map[string]time.Duration{}
		for i, m := range list {
			s, err := h.profiled(ctx, m, c, n == h.plan.rounds-1)
			if err != nil {
				return nil, err
			}
			rates[m.name], costs[m.name] = s.rate, s.cpu
			switch {
			case m.byCPU && s.cpu > 0:
				s.ratio = float64(costs[m.against]) / float64(s.cpu)
			case rates[m.against] > 0:
				s.ratio = s.rate / rates[m.against]
			}
			all[i] = append(all[i], s)
		}
	}
	out := make([]sample, len(list))
	for i, samples := range all {
		out[i] = medians(samples)
	}
	return out, nil
}

func medians(list []sample) sample {
	return sample{
		rate:  median(list, func(s sample) float64 { return s.rate }),
		cpu:   time.Duration(median(list, func(s sample) float64 { return float64(s.cpu) })),
		p50:   time.Duration(median(list, func(s sample) float64 { return float64(s.p50) })),
		p99:   time.Duration(median(list, func(s sample) float64 { return float64(s.p99) })),
		ratio: median(list, func(s sample) float64 { return s.ratio }),
	}
}

func median[T any](list []T, of func(T) float64) float64 {
	if len(list) == 0 {
		return 0
	}
	values := make([]float64, len(list))
	for i, x := range list {
		values[i] = of(x)
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}
