package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profiled gets a round ready and runs it; where the plan wants profiles, the last round of each measure of the server is
// longer and leaves one of processor time and one of allocations.
func (h *house) profiled(ctx context.Context, m measured, c int, last bool) (sample, error) {
	const seconds = 3
	wanted, d := h.plan.profiles != "" && !m.limit && last, h.plan.each
	if wanted {
		d = (seconds + 1) * time.Second // a profile begins a moment late
	}
	if m.prepare != nil {
		if err := m.prepare(ctx, d); err != nil {
			return sample{}, fmt.Errorf("%s: prepare: %w", m.name, err)
		}
	}
	if !wanted {
		return h.round(ctx, m, c, d)
	}
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ,:", r) {
			return '_'
		}
		return r
	}, fmt.Sprintf("%s-%d-%s", h.name, c, m.name))
	fetched := make(chan error, 1)
	go func() { fetched <- h.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), name+".cpu") }()
	s, err := h.round(ctx, m, c, d)
	return s, errors.Join(err, <-fetched, h.fetch(ctx, "/debug/pprof/allocs", name+".allocs"))
}

func (h *house) fetch(ctx context.Context, path, name string) error {
	if err := os.MkdirAll(h.plan.profiles, 0o755); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.child.address+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.Create(filepath.Join(h.plan.profiles, name))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, res.Body)
	return errors.Join(err, f.Close())
}
