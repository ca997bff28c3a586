package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// house is one database with the server on it.
type house struct {
	plan     plan
	name     string // "sqlite" or "postgres"
	database string // as -serve takes it
	child    *child
	limits   limits
	slots    []*slot
	next     atomic.Int64 // numbers new people and rows

	crowd, synced        int      // people brought in, and those of a first sync
	ids                  []string // SCIM ids of the crowd
	small, large, mapped []string // groups
	cookies              []string // header lines
	idp                  *samltest.IdP
	application          *application
	openid               *openID
	stock                stock
}

// measure runs the whole plan.
func measure(ctx context.Context, p plan) (*report, error) {
	r := newReport()
	binary, size, err := buildProduct(ctx, p.dir)
	if err != nil {
		r.note("The product's own binary does not build here; start-up and memory at rest are those of this program's server. %v", err)
	} else {
		r.add(row{what: "binary, stripped", value: megabytes(size), aim: "37 MB with console"})
	}
	if p.scale == nil {
		if err := verification(ctx, p, r); err != nil {
			return r, err
		}
	}
	for _, name := range p.databases {
		if err := measureOn(ctx, p, name, binary, r); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

func measureOn(ctx context.Context, p plan, name, binary string, r *report) (err error) {
	h := &house{plan: p, name: name}
	if h.application, err = startApplication(); err != nil {
		return err
	}
	defer h.application.close()
	if h.openid, err = startOpenID(); err != nil {
		return err
	}
	defer h.openid.close()
	clean, err := h.open(ctx)
	defer func() { err = errors.Join(err, clean()) }()
	if err != nil {
		return err
	}
	version, err := h.limits.version(ctx)
	if err != nil {
		return err
	}
	r.versions = append(r.versions, version)
	if p.scale != nil {
		return h.grow(ctx, r)
	}
	if err := h.furnish(ctx, r); err != nil {
		return err
	}
	for _, c := range p.concurrency {
		list := h.chosen(h.limitMeasures(), h.measures())
		if len(list) == 0 {
			break
		}
		progress("%s: %d at once", name, c)
		if err := h.connect(ctx); err != nil {
			return err
		}
		samples, err := h.rounds(ctx, list, c)
		if err != nil {
			return err
		}
		for i, m := range list {
			r.addSample(name, c, m, samples[i])
		}
	}
	if err := h.oneCore(ctx, r); err != nil {
		return err
	}
	if h.wants("deprovision") {
		if err := h.connect(ctx); err != nil {
			return err
		}
		if err := h.deprovision(ctx, r); err != nil {
			return err
		}
		if err := h.farewell(ctx, r); err != nil {
			return err
		}
	}
	if err := h.neighbours(ctx, r); err != nil {
		return err
	}
	return h.starts(ctx, r, binary)
}

// open makes the database and the limits beside it. clean is never nil.
func (h *house) open(ctx context.Context) (clean func() error, err error) {
	var undo []func() error
	clean = func() error {
		var errs []error
		for _, fn := range slices.Backward(undo) {
			errs = append(errs, fn())
		}
		return errors.Join(errs...)
	}
	if h.name == "sqlite" {
		h.database = "sqlite:" + filepath.Join(h.plan.dir, "gatehouse.db")
		l, err := openSQLiteLimits(ctx, h.plan.dir)
		if err != nil {
			return clean, err
		}
		h.limits = l
	} else {
		cluster, err := pgtest.Start(pgtest.Options{Fsync: true, Settings: map[string]string{"shared_buffers": "512MB", "max_wal_size": "4GB"}})
		if err != nil {
			return clean, err
		}
		undo = append(undo, cluster.Stop)
		dsn, _, err := cluster.CreateDatabase(ctx)
		if err != nil {
			return clean, err
		}
		h.database = dsn
		limitDSN, _, err := cluster.CreateDatabase(ctx)
		if err != nil {
			return clean, err
		}
		l, err := openPGLimits(ctx, limitDSN)
		if err != nil {
			return clean, err
		}
		h.limits = l
	}
	undo = append(undo, h.limits.close)
	if h.child, err = startChild(ctx, h.database, h.plan.dir, 0); err != nil {
		return clean, err
	}
	undo = append(undo, func() error {
		if h.child == nil {
			return nil
		}
		return h.child.stop()
	})
	return clean, nil
}

// furnish makes the workspace, brings in people one by one over SCIM, which is measured, then the
// crowd, groups and sessions for the rest.
func (h *house) furnish(ctx context.Context, r *report) error {
	if err := h.workspace(); err != nil {
		return err
	}
	var rest usage
	if err := h.child.control.ask(&rest, "POST", "/control/usage?settle=1", "", ""); err != nil {
		return err
	}
	if h.wants("long run") {
		if _, err := h.longRun(ctx, r, "long run", rest); err != nil {
			return err
		}
	}
	control := h.child.control
	h.crowd = max(h.plan.crowd-h.plan.people, maxConcurrency*reserved+h.plan.large+100*outsideBatches+sessions)
	progress("%s: bringing in %d people", h.name, h.crowd)
	if err := control.ask(&h.ids, "POST", fmt.Sprintf("/control/crowd?from=0&to=%d", h.crowd), "", ""); err != nil {
		return err
	}
	if slices.ContainsFunc(h.measures(), func(m measured) bool { return h.wants(m.name) && strings.Contains(m.name, "member") }) {
		progress("%s: making groups", h.name)
		if err := h.groups(control); err != nil {
			return err
		}
	}
	for i := range sessions {
		var s tenant
		// People behind all those who are changed.
		if err := control.ask(&s, "POST", "/control/session?email="+userName("crowd", h.crowd-1-i), "", ""); err != nil {
			return err
		}
		h.cookies = append(h.cookies, "Cookie: gatehouse_session="+s.Token+"\r\n")
	}
	return nil
}

// workspace makes the measured workspace.
func (h *house) workspace() error {
	var t tenant
	h.idp = samltest.NewIdP("https://okta.example/exk1")
	outside, err := json.Marshal(outsiders{EntityID: h.idp.EntityID, SSO: h.idp.SSO, Certificate: h.idp.Keys[0].Certificate.Raw, Logout: h.application.url, Issuer: h.openid.url})
	if err != nil {
		return err
	}
	if err := h.child.control.ask(&t, "POST", "/control/workspace", "", string(outside)); err != nil {
		return err
	}
	h.child.auth = "Authorization: Bearer " + t.Token + "\r\n"
	return nil
}

// connect gives every worker a fresh connection: the server closes those that stay silent.
func (h *house) connect(ctx context.Context) error {
	for i := range slices.Max(append(slices.Clone(h.plan.concurrency), 8)) {
		w, err := dial(ctx, h.child.address)
		if err != nil {
			return err
		}
		if i == len(h.slots) {
			h.slots = append(h.slots, &slot{worker: i})
		} else {
			h.slots[i].close()
		}
		h.slots[i].wire = w
	}
	return nil
}

func (h *house) groups(control *wire) (err error) {
	named := func(kind string) func(int) string { return func(n int) string { return fmt.Sprintf("%s %d", kind, n) } }
	if h.small, err = h.makeGroups(control, named("Small"), groupsEach, smallGroup); err != nil {
		return err
	}
	if h.large, err = h.makeGroups(control, named("Large"), groupsEach, h.plan.large); err != nil {
		return err
	}
	h.mapped, err = h.makeGroups(control, func(int) string { return mappedGroup }, 1, smallGroup)
	return err
}

// sessions is how many sessions are open while the rest is measured.
const sessions = 64

// longRun creates many people one by one and compares the last tenth with the first. It returns their SCIM ids.
func (h *house) longRun(ctx context.Context, r *report, name string, rest usage) (ids []string, err error) {
	const workers = 8
	n := h.plan.people
	progress("%s: %d people one by one", h.name, n)
	if err := h.connect(ctx); err != nil {
		return nil, err
	}
	before, err := h.child.used(ctx)
	if err != nil {
		return nil, err
	}
	ids = make([]string, n)
	stamps := make([]time.Time, n)
	failures := make([]error, workers)
	var at atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range workers {
		wg.Go(func() {
			for failures[i] == nil {
				k := int(at.Add(1)) - 1
				if k >= n || ctx.Err() != nil {
					return
				}
				ids[k], failures[i] = h.made(h.slots[i])
				stamps[k] = time.Now()
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(began)
	if err := errors.Join(append(failures, ctx.Err())...); err != nil {
		return nil, err
	}
	if err := h.child.redial(ctx); err != nil {
		return nil, err
	}
	after, err := h.child.used(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(stamps, time.Time.Compare)
	tenth := n / 10
	first, last := stamps[tenth-1].Sub(began), stamps[n-1].Sub(stamps[n-1-tenth])
	r.add(row{what: fmt.Sprintf("%s of %d creates", name, n), database: h.name, c: workers, rate: float64(n) / elapsed.Seconds(),
		cpu: (after.CPU - before.CPU) / time.Duration(n)})
	r.add(row{what: "  the last tenth against the first", database: h.name, c: workers, value: fmt.Sprintf("%.2f times the time", last.Seconds()/first.Seconds()), aim: "1.2 times"})
	if rest.RSS > 0 {
		r.add(row{what: "  memory before and after them", database: h.name, value: megabytes(rest.RSS) + ", " + megabytes(after.RSS), aim: "33 MB; 50 MB more for 100,000"})
	}
	return ids, nil
}

// wants reports whether the plan has a measure of that name.
func (h *house) wants(name string) bool {
	return h.plan.only == "" || strings.Contains(strings.ToLower(name), strings.ToLower(h.plan.only))
}

// chosen are the measures of the plan with the limits that they need.
func (h *house) chosen(limitsOf, measures []measured) []measured {
	var picked []measured
	needed := map[string]bool{}
	for _, m := range measures {
		if h.wants(m.name) {
			picked = append(picked, m)
			needed[m.against] = true
		}
	}
	var limits []measured
	for _, l := range limitsOf {
		if h.plan.only == "" || needed[l.name] || h.wants(l.name) {
			limits = append(limits, l)
		}
	}
	return append(limits, picked...)
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
