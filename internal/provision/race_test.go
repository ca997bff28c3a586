package provision_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// atOnce runs fns side by side, released together, and returns their errors in order.
func atOnce(fns ...func() error) []error {
	out := make([]error, len(fns))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() {
			<-start
			out[i] = fn()
		})
	}
	close(start)
	wg.Wait()
	return out
}

// meeting makes two meet inside their transactions if the locks let them: the first waits for the
// second for a tenth of a second, which is as long as the locks may hold it up in vain.
func meeting() func() {
	arrived := make(chan struct{}, 2)
	both := make(chan struct{})
	var once sync.Once
	return func() {
		arrived <- struct{}{}
		if len(arrived) == 2 {
			once.Do(func() { close(both) })
		}
		select {
		case <-both:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// put is tryPut without the memory of what was said, for use side by side.
func put(h *house, id string, p provision.Person) error {
	_, err := h.svc.UpdateUser(bg, h.okta, id, false, func(provision.User) (provision.Person, error) { return p, nil })
	return err
}

func TestTwoOwnersWhoLeaveAtOnce_LeaveOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		a, b := h.post(person("a")), h.post(person("b"))
		ga, gb := h.group("Agents", a.ID), h.group("Admins", b.ID)
		h.setRole(a.Member, "Owner")
		h.setRole(b.Member, "Owner")
		h.deactivate(h.root)
		byHand := func(u provision.User) func() error {
			return func() error { _, err := h.svc.Deactivate(bg, h.owner, provision.Who(u.Member)); return err }
		}
		demote := func(u provision.User) func() error {
			return func() error { _, err := h.svc.SetRole(bg, h.owner, provision.Who(u.Member), "Agent"); return err }
		}
		off := func(u provision.User, name string) func() error {
			return func() error { return put(h, u.ID, with(person(name), active(false))) }
		}
		met := func(u provision.User, name string, meet *func()) func() error {
			return func() error {
				_, err := h.svc.UpdateUser(bg, h.okta, u.ID, false, func(provision.User) (provision.Person, error) {
					(*meet)()
					return with(person(name), active(false)), nil
				})
				return err
			}
		}
		var meet func()
		ways := map[string][2]func() error{
			"by hand":            {byHand(a), byHand(b)},
			"by the directory":   {met(a, "a", &meet), met(b, "b", &meet)},
			"by group loss":      {func() error { return h.tryMembers(ga, remove(a.ID)) }, func() error { return h.tryMembers(gb, remove(b.ID)) }},
			"loss and directory": {func() error { return h.tryMembers(ga, remove(a.ID)) }, off(b, "b")},
			"demotion and loss":  {demote(a), func() error { return h.tryMembers(gb, remove(b.ID)) }},
			"hand and directory": {byHand(a), off(b, "b")},
		}
		for what, fns := range ways {
			for range 4 {
				meet = meeting()
				got := atOnce(fns[0], fns[1])
				left := slices.ContainsFunc(got, func(err error) bool { return err == nil })
				kept := slices.ContainsFunc(got, func(err error) bool { return errs.CodeOf(err) == "protected_member" })
				if !left || !kept {
					t.Fatalf("%s: %v", what, got)
				}
				h.sound()
				// Back to two owners.
				for _, u := range []provision.User{a, b} {
					h.restore(u.Member)
					h.setRole(u.Member, "Owner")
					h.setActive(u.ID, true)
				}
				h.members(ga, replace(a.ID))
				h.members(gb, replace(b.ID))
			}
		}
	})
}

func TestTwentyPostsOfOnePerson_MakeOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			for round := range 3 {
				name := fmt.Sprint("ada", round)
				fns := make([]func() error, 20)
				for i := range fns {
					fns[i] = func() error { _, err := h.svc.CreateUser(bg, h.okta, person(name)); return err }
				}
				won := 0
				for _, err := range atOnce(fns...) {
					switch {
					case err == nil:
						won++
					case !errs.Is(err, errs.KindConflict):
						t.Errorf("got %v", err)
					}
				}
				if won != 1 {
					t.Errorf("%d of 20 were made", won)
				}
			}
			h.sound()
		})
	})
}

func TestFiftyAtOnceOnOneGroup_LeaveExactlyWhatTheySaid(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.setPolicy(func(p *directory.Policy) { p.GroupLoss = directory.GroupLossKeep })
		const workers = 50
		ids := make([]string, workers)
		for i := range ids {
			ids[i] = h.post(person(fmt.Sprint("p", i))).ID
		}
		group := h.group("Agents", ids[:workers/2]...)
		names := []string{"Agents", "Admins", "Tea"}
		fns := make([]func() error, workers)
		var want []string
		for i := range fns {
			stays := i%3 != 0
			if stays {
				want = append(want, ids[i])
			}
			fns[i] = func() error {
				var all []error
				for round := range 3 {
					if i%10 == 7 {
						all = append(all, h.tryRename(group, names[(i+round)%3]))
					}
					all = append(all, h.tryMembers(group, add(ids[i])), h.tryMembers(group, remove(ids[i])))
				}
				if stays {
					all = append(all, h.tryMembers(group, add(ids[i])))
				}
				return errors.Join(all...)
			}
		}
		for _, err := range atOnce(fns...) {
			if err != nil {
				t.Error(err)
			}
		}
		slices.Sort(want)
		if got := h.groupIDs(group); !slices.Equal(got, want) {
			t.Errorf("%d are left, want %d", len(got), len(want))
		}
		h.sound()
	})
}

func TestSigningInWhileBeingPutOut_LeavesNoSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		u := h.post(person("ada"))
		group := h.group("Agents", u.ID)
		enter := func() error {
			_, err := h.signIn(u.Member, directory.MethodSAML)
			if errs.CodeOf(err) == "account_deactivated" {
				return nil
			}
			return err
		}
		leave := map[string]func() error{
			"active:false": func() error { return put(h, u.ID, with(person("ada"), active(false))) },
			"group loss":   func() error { return h.tryMembers(group, remove(u.ID)) },
			"an owner":     func() error { _, err := h.svc.Deactivate(bg, h.owner, provision.Who(u.Member)); return err },
		}
		for what, out := range leave {
			for range 6 {
				for _, err := range atOnce(enter, enter, out, enter, enter) {
					h.ok(err)
				}
				if m := h.member(u.Member); m.Sources == 0 || h.liveRows(u.Member) != 0 {
					t.Fatalf("%s: out by %q with %d live sessions", what, m.Sources, h.liveRows(u.Member))
				}
				h.restore(u.Member)
				h.setActive(u.ID, true)
				h.members(group, replace(u.ID))
			}
		}
		// All at once, in and out.
		var fns []func() error
		for range 4 {
			fns = append(fns, enter, enter, leave["active:false"], leave["group loss"],
				func() error { return put(h, u.ID, with(person("ada"), active(true))) },
				func() error { return h.tryMembers(group, add(u.ID)) })
		}
		for _, err := range atOnce(fns...) {
			h.ok(err)
		}
		h.sound()
	})
}

func TestARenewalBesideAGroupChange_GivesTheFreshMemberItsRole(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		h.setPolicy(func(p *directory.Policy) { p.GroupLoss = directory.GroupLossKeep })
		u := h.post(person("ada"))
		agents, admins := h.group("Agents"), h.group("Admins")
		for range 12 {
			h.setActive(u.ID, false)
			for _, err := range atOnce(
				func() error { return put(h, u.ID, with(person("ada"), active(true))) },
				func() error { return h.tryMembers(agents, add(u.ID)) },
				func() error { return h.tryMembers(admins, add(u.ID)) },
				func() error { return put(h, u.ID, with(person("ada"), active(true))) },
			) {
				h.ok(err)
			}
			h.sound()
			h.members(agents, replace())
			h.members(admins, replace())
		}
	})
}

func TestADeletionBesideAGroupChange_LeavesNoRowBehind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		group := h.group("Agents")
		for i := range 12 {
			u := h.post(person(fmt.Sprint("p", i)))
			got := atOnce(
				func() error { return h.svc.DeleteUser(bg, h.okta, u.ID) },
				func() error { return h.tryMembers(group, add(u.ID)) },
				func() error { return h.tryMembers(group, add(u.ID)) },
			)
			h.ok(got[0])
			for _, err := range got[1:] {
				if err != nil && errs.CodeOf(err) != "member_unknown" {
					t.Error(err)
				}
			}
			h.sound()
		}
	})
}

func TestAPostBesideAReturn_LeavesNobodyInsideWithoutAResource(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		for i := range 12 {
			p := person(fmt.Sprint("p", i))
			u := h.post(p)
			h.setActive(u.ID, false)
			// Another address, so that the address does not keep one of them out.
			elsewhere := with(p, func(p *provision.Person) { p.Email = "elsewhere-" + p.Email })
			for _, err := range atOnce(
				func() error { return put(h, u.ID, with(p, active(true))) },
				func() error { _, err := h.svc.CreateUser(bg, h.okta, elsewhere); return err },
			) {
				if err != nil && !errs.Is(err, errs.KindConflict) && !errs.Is(err, errs.KindNotFound) {
					t.Error(err)
				}
			}
			h.read(func(tx *store.Tx) error {
				members, err := tx.MembersAfter("", 1000)
				for _, m := range members {
					users, uerr := tx.SCIMUsersOfMember(m.ID)
					live := slices.ContainsFunc(users, func(u store.SCIMUser) bool { return u.RetiredAt.IsZero() })
					if m.In() && m.ID != h.root && !live {
						t.Errorf("%s is in without a resource", m.Email)
					}
					err = errors.Join(err, uerr)
				}
				return err
			})
			h.sound()
		}
	})
}
