package provision_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Several who arrive at once, and arrivals beside what directories do.

// arriving is one sign-in for use side by side; it notes whom it was.
func (h *house) arriving(a provision.Arrival, who *string) func() error {
	return func() (err error) {
		*who, _, err = h.tryArrive(a)
		return err
	}
}

func TestManyFirstSignInsOfOneSubject_MakeOneMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		for round := range 4 {
			made := make([]string, 12)
			fns := make([]func() error, len(made))
			known := h.post(person(fmt.Sprint("known", round)))
			for i := range made {
				name := fmt.Sprint("ada", round)
				if i%2 == 0 {
					name = fmt.Sprint("known", round)
				}
				fns[i] = h.arriving(h.asserted(name, in("Agents")), &made[i])
			}
			before := h.people()
			for i, err := range atOnce(fns...) {
				h.ok(err)
				if i%2 == 0 && made[i] != known.Member || made[i] != made[i%2] {
					t.Errorf("%d arrived as %s, want %s", i, made[i], made[i%2])
				}
			}
			if n := h.people(); n != before+1 {
				t.Errorf("%d people were made", n-before)
			}
			h.linkedTo(made[0], fmt.Sprint("persistent|known", round), "directory")
			h.linkedTo(made[1], fmt.Sprint("persistent|ada", round), "first_sign_in")
		}
		h.sound()
	})
}

func TestTwoSubjectsWithOneAddress_AreNotBothMade(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		for round := range 4 {
			var a, b string
			mail := email(fmt.Sprintf("shared%d@acme.test", round))
			got := atOnce(h.arriving(h.asserted(fmt.Sprint("a", round), shown("a"), mail), &a), h.arriving(h.asserted(fmt.Sprint("b", round), shown("b"), mail), &b))
			won := slices.IndexFunc(got, func(err error) bool { return err == nil })
			if won < 0 {
				t.Fatalf("nobody was made: %v", got)
			}
			h.refused(got[1-won], errs.KindForbidden, "address_taken")
		}
	})
}

func TestASignInBesideTheirDirectorysPost_IsOnePerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			for round := range 8 {
				name := fmt.Sprint("ada", round)
				edit := email(name + "@acme.test")
				if round%2 == 0 {
					edit = email("other." + name + "@acme.test") // nothing unique stops them
				}
				var arrived, posted string
				for _, err := range atOnce(h.arriving(h.asserted(name, edit), &arrived), func() error {
					u, err := h.svc.CreateUser(bg, h.okta, person(name))
					posted = u.Member
					return err
				}) {
					h.ok(err)
				}
				if arrived != posted {
					t.Errorf("%s arrived as %s and was posted as %s", name, arrived, posted)
				}
			}
			h.sound()
		})
	})
}

func TestAFirstSignInBesideADeactivation_LeavesNoSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			for round := range 8 {
				name := fmt.Sprint("ada", round)
				u := h.post(person(name))
				var who, hash string
				got := atOnce(func() (err error) {
					who, hash, err = h.tryArrive(h.asserted(name))
					return err
				}, func() error {
					if round%2 == 0 {
						return h.svc.DeleteUser(bg, h.okta, u.ID)
					}
					return put(h, u.ID, with(person(name), active(false)))
				})
				h.ok(got[1])
				if got[0] != nil && errs.CodeOf(got[0]) != "account_deactivated" {
					t.Errorf("the sign-in got %v", got[0])
				}
				if who != u.Member || h.lives(hash) {
					t.Errorf("%s, who is out, has a session: %v", who, h.lives(hash))
				}
			}
			h.sound()
		})
	})
}

func TestASignInBesideARenewal_EndsWithTheFreshMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		for round := range 8 {
			name := fmt.Sprint("ada", round)
			u := h.post(person(name))
			if round%2 == 0 {
				h.arrive(h.asserted(name))
			}
			h.setActive(u.ID, false)
			var who string
			got := atOnce(h.arriving(h.asserted(name), &who), func() error { return put(h, u.ID, with(person(name), active(true))) })
			h.ok(got[1])
			fresh, err := h.svc.GetUser(bg, h.okta, u.ID, false)
			h.ok(err)
			if got[0] != nil {
				h.refused(got[0], errs.KindForbidden, "account_deactivated") // it came first
			} else if who != fresh.Member {
				t.Errorf("the sign-in is %s, the fresh member %s", who, fresh.Member)
			}
			if again := h.arrive(h.asserted(name)); again != fresh.Member {
				t.Errorf("the next sign-in is %s, want %s", again, fresh.Member)
			}
		}
		h.sound()
	})
}

func TestAnArrivalThatWaitedForAnother_LooksAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if db.Name() == "sqlite" {
			return // its one writer lets nobody look before another has finished
		}
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		runs := 0
		for round := 0; round < 10 && runs < 2; round++ {
			name := fmt.Sprint("ada", round)
			u := h.post(person(name))
			h.arrive(h.asserted(name))
			h.setActive(u.ID, false)
			runs = 0
			looked, done := make(chan struct{}, maxRuns), make(chan error, 1)
			held := false
			_, err := h.svc.UpdateUser(bg, h.okta, u.ID, false, func(provision.User) (provision.Person, error) {
				if !held {
					held = true
					go func() {
						done <- h.db.Write(bg, h.ws, func(tx *store.Tx) error {
							runs++
							cfg, err := tx.Config()
							if err != nil {
								return err
							}
							looked <- struct{}{}
							m, err := provision.Arrive(tx, cfg, h.asserted(name))
							if err == nil && m.Replaces != u.Member {
								t.Errorf("the sign-in is %+v", m)
							}
							return err
						})
					}()
					<-looked
					select { // by then it has read the link and waits for the member's lock, nearly always
					case <-looked:
					case <-time.After(50 * time.Millisecond):
					}
				}
				return with(person(name), active(true)), nil
			})
			h.ok(err)
			h.ok(<-done)
		}
		if runs < 2 {
			t.Error("the member whom it waited for was replaced, and it did not look again")
		}
	})
}

// maxRuns is more than a transaction runs.
const maxRuns = 100
