package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// deprovision measures the time from the answer of the PATCH that puts a person out to the first
// refused check of their session, and counts checks after the answer that still said yes.
func (h *house) deprovision(ctx context.Context, r *report) error {
	progress("%s: deprovisioning", h.name)
	provisioner, browser := h.slots[0], h.slots[1]
	var took []time.Duration
	late := 0
	for i := range h.plan.ends {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := maxConcurrency*reserved - 1 - i%maxConcurrency // people whom no other measure changes
		if err := h.activate(provisioner, n, true); err != nil {
			return err
		}
		var t tenant
		if err := h.child.control.ask(&t, "POST", "/control/session?email="+userName("crowd", n), "", ""); err != nil {
			return err
		}
		cookie := "Cookie: gatehouse_session=" + t.Token + "\r\n"
		if _, err := browser.want(200, "GET", "/auth/session", cookie, ""); err != nil {
			return err
		}
		if err := h.activate(provisioner, n, false); err != nil {
			return err
		}
		answered := time.Now()
		for {
			status, answer, err := browser.do("GET", "/auth/session", cookie, "")
			if err != nil {
				return err
			}
			if status == 401 {
				break
			}
			if late++; late > 1000 {
				return fmt.Errorf("a dead session goes on: %d %s", status, answer)
			}
		}
		took = append(took, time.Since(answered))
	}
	slices.Sort(took)
	r.add(row{what: "deprovision to refusal", database: h.name, c: 1, p50: took[len(took)/2], p99: took[len(took)*99/100],
		value: fmt.Sprintf("%d of %d checks said yes", late, late+len(took)), aim: "refused at the first check"})
	return nil
}

func (h *house) activate(w *slot, n int, active bool) error {
	_, err := w.want(200, "PATCH", "/scim/v2/Users/"+h.ids[n], h.child.auth, patch(fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, active)))
	return err
}

// starts measures start-up and memory at rest, on an empty database and on the one that is full
// now. The product's own binary does it where it builds.
func (h *house) starts(ctx context.Context, r *report, binary string) error {
	if !h.wants("start-up") {
		return nil
	}
	progress("%s: starting", h.name)
	for _, s := range h.slots {
		s.close()
	}
	stopping := h.child
	h.child = nil
	if err := stopping.stop(); err != nil {
		return err
	}
	var took []time.Duration
	var resting []int64
	for range h.plan.starts {
		p, err := h.startProduct(ctx, binary)
		if err != nil {
			return err
		}
		w, err := dial(ctx, p.address)
		if err != nil {
			return err
		}
		if _, err := w.want(200, "GET", "/livez", "", ""); err != nil {
			return err
		}
		w.close()
		took = append(took, p.took)
		resting = append(resting, residentSize(p.cmd.Process.Pid))
		if err := p.stop(); err != nil {
			return err
		}
	}
	slices.Sort(took)
	slices.Sort(resting)
	r.add(row{what: fmt.Sprintf("start-up with %d people", h.crowd+h.plan.people), database: h.name, p50: took[len(took)/2],
		p99: took[len(took)-1], aim: "300 ms at 1,000,000"})
	if resting[0] > 0 {
		r.add(row{what: "  memory at rest then", database: h.name, value: megabytes(resting[len(resting)/2]), aim: "33 MB"})
	}
	return nil
}

func (h *house) startProduct(ctx context.Context, binary string) (*process, error) {
	if binary == "" {
		c, err := startChild(ctx, h.database, h.plan.dir, 0)
		if err != nil {
			return nil, err
		}
		c.control.close()
		return c.process, nil
	}
	return start(ctx, binary, "serve", "--listen", "127.0.0.1:0", "--database", h.database, "--data-dir", h.plan.dir)
}

func megabytes(n int64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1e6), ".0") + " MB"
}
