package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scale is how large the large measures are.
type scale struct {
	sync     int   // people of a first sync
	groups   []int // sizes of groups, the last of which is read
	replaced int   // members that are sent as a whole list
	walked   int   // people of a directory that is imported
	repeats  int   // of what is measured singly
	masses   masses
}

// pageSize is how many resources a page has: the most that is served.
const pageSize = 200

// grow measures what grows with a customer: each part is held against its own small one.
func (h *house) grow(ctx context.Context, r *report) error {
	if err := h.workspace(); err != nil {
		return err
	}
	if err := h.masses(ctx, r); err != nil {
		return err
	}
	if err := h.firstSync(ctx, r); err != nil {
		return err
	}
	if err := h.largeGroups(ctx, r); err != nil {
		return err
	}
	return h.imports(ctx, r)
}

// peak runs fn and returns what the server's memory was before and at the most.
func (h *house) peak(ctx context.Context, fn func() error) (string, error) {
	var before, after usage
	if err := h.child.control.ask(&before, "POST", "/control/usage?peak=reset", "", ""); err != nil {
		return "", err
	}
	if err := fn(); err != nil {
		return "", err
	}
	if err := h.child.redial(ctx); err != nil {
		return "", err
	}
	err := h.child.control.ask(&after, "POST", "/control/usage", "", "")
	return megabytes(before.RSS) + ", " + megabytes(after.Peak), err
}

// memory adds the row of what peak returned.
func (h *house) memory(r *report, value string) {
	r.add(row{what: "  memory before, and at its peak", database: h.name, value: value})
}

// firstSync is what Okta sends for a company that is new: each person, then each group with its members.
func (h *house) firstSync(ctx context.Context, r *report) error {
	var rest usage
	if err := h.child.control.ask(&rest, "POST", "/control/usage?settle=1", "", ""); err != nil {
		return err
	}
	members := slices.Max(append(h.plan.scale.groups, h.plan.scale.replaced))
	value, err := h.peak(ctx, func() (err error) {
		if h.wants("first sync") {
			h.ids, err = h.longRun(ctx, r, "first sync", rest)
			h.synced = len(h.ids)
		}
		return err
	})
	if err != nil {
		return err
	}
	if h.wants("first sync") {
		h.memory(r, value)
		if err := h.pushGroups(r); err != nil {
			return err
		}
	}
	// Those whom the members of groups are taken from, and those whom workers have for themselves.
	more := max(members-len(h.ids), 0) + maxConcurrency*reserved
	var ids []string
	err = h.child.control.ask(&ids, "POST", fmt.Sprintf("/control/crowd?from=0&to=%d", more), "", "")
	h.ids, h.crowd = append(ids, h.ids...), more
	return err
}

// pushedGroups is how many groups a first sync has. Each person is in one.
const pushedGroups = 50

// pushGroups sends groups that have each person once.
func (h *house) pushGroups(r *report) error {
	progress("%s: groups", h.name)
	reservedIDs := make([]string, maxConcurrency*reserved) // makeGroups passes over these
	h.ids = append(reservedIDs, h.ids...)
	defer func() { h.ids = h.ids[maxConcurrency*reserved:] }()
	all, began := h.ids, time.Now()
	pushed := h.plan.scale.sync / pushedGroups
	for g := range pushedGroups {
		h.ids = append(slices.Clone(reservedIDs), all[maxConcurrency*reserved+g*pushed:][:pushed]...)
		if _, err := h.makeGroups(h.child.control, func(int) string { return fmt.Sprintf("Pushed %d", g) }, 1, pushed); err != nil {
			return err
		}
	}
	h.ids = all
	r.add(row{what: fmt.Sprintf("  its groups, memberships in PATCHes of 1,000, %d groups of %s", pushedGroups, thousands(pushed)), database: h.name, c: 1,
		rate: float64(pushedGroups*pushed) / time.Since(began).Seconds()})
	return nil
}

// largeGroups measures one member change in groups of several sizes, a whole list, and the reading of the largest group.
func (h *house) largeGroups(ctx context.Context, r *report) error {
	s := h.plan.scale
	var changes []measured
	ids := make([][]string, len(s.groups))
	for i, n := range s.groups {
		changes = append(changes, measured{name: "member change, group of " + thousands(n), against: limitCommit, inverse: true, op: h.memberOf(&ids[i])})
	}
	largest := s.groups[len(s.groups)-1]
	reading, replacing := "group read of "+thousands(largest), "replacing "+thousands(s.replaced)+" members"
	changes = h.chosen([]measured{h.limitMeasures()[0]}, changes)
	if len(changes) < 2 && !h.wants(reading) && !h.wants(replacing) {
		return nil
	}
	progress("%s: groups of up to %d", h.name, largest)
	for i, n := range s.groups {
		began := time.Now()
		var err error
		if ids[i], err = h.makeGroups(h.child.control, func(int) string { return fmt.Sprintf("Of %d", n) }, 1, n); err != nil {
			return err
		}
		r.add(row{what: "filling a group of " + thousands(n) + ", 1,000 in a request", database: h.name, c: 1, rate: float64(n) / time.Since(began).Seconds()})
	}
	if len(changes) > 1 {
		for _, c := range []int{1, 8} {
			if err := h.connect(ctx); err != nil {
				return err
			}
			samples, err := h.rounds(ctx, changes, c)
			if err != nil {
				return err
			}
			for i, m := range changes {
				r.addSample(h.name, c, m, samples[i])
			}
		}
	}
	if h.wants(replacing) {
		if err := h.replacing(ctx, r, replacing); err != nil {
			return err
		}
	}
	if h.wants(reading) {
		return h.reading(ctx, r, reading, ids[len(ids)-1][0])
	}
	return nil
}

// replacing sends a whole list again and again, of which a hundred members change.
func (h *house) replacing(ctx context.Context, r *report, name string) error {
	n := h.plan.scale.replaced
	made, err := h.makeGroups(h.child.control, func(int) string { return "Replaced" }, 1, n)
	if err != nil {
		return err
	}
	var took []time.Duration
	value, err := h.peak(ctx, func() error {
		for i := range h.plan.scale.repeats {
			members := h.ids[maxConcurrency*reserved:][:n]
			if i%2 == 0 {
				members = slices.Concat(h.ids[:100], members[100:])
			}
			body := patch(`{"op":"replace","path":"members","value":[{"value":"` + strings.Join(members, `"},{"value":"`) + `"}]}`)
			began := time.Now()
			if _, err := h.child.control.want(204, "PATCH", "/scim/v2/Groups/"+made[0], h.child.auth, body); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(took)
	r.add(row{what: name + ", of whom 100 change", database: h.name, c: 1, p50: took[len(took)/2], p99: took[len(took)-1]})
	h.memory(r, value)
	return nil
}

// reading reads the largest group with all its members.
func (h *house) reading(ctx context.Context, r *report, name, group string) error {
	var first, whole []time.Duration
	size := 0
	value, err := h.peak(ctx, func() error {
		for range h.plan.scale.repeats {
			began := time.Now()
			answer, err := h.child.control.want(200, "GET", "/scim/v2/Groups/"+group, h.child.auth, "")
			if err != nil {
				return err
			}
			first, whole, size = append(first, h.child.control.first), append(whole, time.Since(began)), len(answer)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(first)
	slices.Sort(whole)
	r.add(row{what: name + ", to the first byte", database: h.name, c: 1, p50: first[len(first)/2], p99: first[len(first)-1]})
	r.add(row{what: "  to the last one, of " + megabytes(int64(size)), database: h.name, c: 1, p50: whole[len(whole)/2], p99: whole[len(whole)-1]})
	h.memory(r, value)
	return nil
}

// imports walks over a whole directory by cursor and by numbers.
func (h *house) imports(ctx context.Context, r *report) error {
	name := "import of " + thousands(h.plan.scale.walked)
	if !h.wants(name) {
		return nil
	}
	n := h.plan.scale.walked
	there := h.crowd + h.synced
	progress("%s: bringing in %d people", h.name, n-there)
	began := time.Now()
	for left := n - there; left > 0; {
		part := min(left, 5*bulkBatch) // the server gives an answer two minutes
		var done int
		if err := h.child.control.ask(&done, "POST", fmt.Sprintf("/control/bulk?n=%d", part), "", ""); err != nil {
			return err
		}
		left -= done
	}
	progress("%s: %.0f people a second", h.name, float64(n-there)/time.Since(began).Seconds())
	for _, way := range []string{"cursor", "number"} {
		progress("%s: walking by %s", h.name, way)
		if err := h.connect(ctx); err != nil {
			return err
		}
		var pages []time.Duration
		value, err := h.peak(ctx, func() (err error) {
			pages, err = h.walk(ctx, way == "cursor", n)
			return err
		})
		if err != nil {
			return err
		}
		var sum time.Duration
		for _, p := range pages {
			sum += p
		}
		few := max(len(pages)/50, 1)
		first, last := middle(pages[1:1+few]), middle(pages[len(pages)-few:])
		sorted := slices.Sorted(slices.Values(pages))
		r.add(row{what: name + " by " + way, database: h.name, c: 1, rate: float64(n) / sum.Seconds(), p50: sorted[len(sorted)/2], p99: sorted[len(sorted)*99/100], aim: "20,000 people/s"})
		r.add(row{what: "  the last pages against the first, and the one that counts", database: h.name,
			value: fmt.Sprintf("%.2f times, %s", last.Seconds()/first.Seconds(), milliseconds(pages[0])), aim: "1.2 times"})
		h.memory(r, value)
	}
	cold := fmt.Sprintf("/scim/v2/Users?startIndex=%d&count=%d", n-pageSize-17, pageSize)
	began = time.Now()
	if _, err := h.slots[0].want(200, "GET", cold, h.child.auth, ""); err != nil {
		return err
	}
	r.add(row{what: "  a page near the end that no walk leads to", database: h.name, c: 1, p50: time.Since(began)})
	return nil
}

func middle(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// walk reads all pages and returns how long each took.
func (h *house) walk(ctx context.Context, byCursor bool, n int) (pages []time.Duration, err error) {
	got, next := 0, ""
	for got < n {
		path := fmt.Sprintf("/scim/v2/Users?count=%d&startIndex=%d", pageSize, got+1)
		if byCursor {
			path = fmt.Sprintf("/scim/v2/Users?count=%d&cursor=%s", pageSize, next)
		}
		began := time.Now()
		answer, err := h.slots[0].want(200, "GET", path, h.child.auth, "")
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		pages = append(pages, time.Since(began))
		text := string(answer[:min(len(answer), 1000)])
		if !strings.Contains(text, fmt.Sprintf(`"totalResults":%d`, n)) {
			return nil, fmt.Errorf("a page of %d people: %s", n, text)
		}
		page := strings.Count(string(answer), `"userName":`)
		if got += page; page == 0 {
			return nil, fmt.Errorf("the walk ends after %d of %d people", got, n)
		}
		if byCursor {
			_, rest, _ := strings.Cut(text, `"nextCursor":"`)
			next, _, _ = strings.Cut(rest, `"`)
		}
	}
	if got != n {
		return nil, fmt.Errorf("the walk shows %d people, there are %d", got, n)
	}
	return pages, nil
}
