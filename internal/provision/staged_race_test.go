package provision_test

import (
	"fmt"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Enabling, discarding, deciding, undoing, a pilot, another directory and the IdP itself, all about the same people at
// once: each of them happens wholly or not at all, and it is told of nobody twice.
func TestEverythingAtOnceAboutStagedPeople_LeavesOneOfTheOrders(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			for round := range 4 {
				h.become(directory.DirectoryTesting)
				name := func(s string) string { return fmt.Sprint(s, round) }
				hand, theirs := h.hand(name("hand")), h.postTo(h.entra, person(name("theirs")))
				h.listen(name("app"))
				ada, pia := h.post(person(name("ada"))), h.post(person(name("pia")))
				linked, moved := h.post(person(name("hand"))), h.post(person(name("theirs")))
				inner := h.group(name("Inner"), ada.ID, linked.ID)
				h.group(name("Agents"), ada.ID, pia.ID, moved.ID, inner)
				one, two := h.the(store.AdoptionWaiting, hand), h.the(store.AdoptionWaiting, theirs.Member)
				h.hears()
				says := func(name string, in bool) func(provision.User) (provision.Person, error) {
					return func(provision.User) (provision.Person, error) { return with(person(name), active(in)), nil }
				}
				acts := []func() error{
					func() error { return h.enable(h.planOf().Word) },
					func() error { return h.enable(h.planOf().Word) },
					func() error { _, err := h.svc.AllowAdoption(bg, h.owner, one.ID, one.Seen); return err },
					func() error { _, err := h.svc.AllowAdoption(bg, h.owner, two.ID, two.Seen); return err },
					func() error {
						_, err := h.svc.UpdateUser(bg, h.okta, ada.ID, false, says(name("ada"), false))
						return err
					},
					func() error {
						_, err := h.svc.UpdateUser(bg, h.okta, linked.ID, false, says(name("hand"), true))
						return err
					},
					func() error { return h.svc.DeleteUser(bg, h.okta, moved.ID) },
					func() error { _, err := h.svc.CreateUser(bg, h.entra, person(name("ada"))); return err },
					func() error { return h.svc.DeleteGroup(bg, h.okta, inner) },
					func() error {
						return h.trySettle(func(tx *store.Tx, cfg *directory.Config) error {
							_, err := provision.TurnPilots(tx, cfg, h.okta, false)
							return err
						})
					},
				}
				if round%2 == 1 {
					acts = append(acts, func() error {
						return h.trySettle(func(tx *store.Tx, cfg *directory.Config) error {
							d, _ := cfg.Directory(h.okta.Directory)
							if d.Status != directory.DirectoryTesting {
								return errs.Conflict("directory_not_testing", "enabled meanwhile")
							}
							_, _, err := provision.Discard(tx, h.okta.Directory)
							return err
						})
					})
				}
				for _, err := range atOnce(acts...) {
					switch errs.KindOf(err) {
					case errs.KindConflict, errs.KindNotFound:
					default:
						h.ok(err)
					}
				}
				h.sound()
				created := map[string]int{}
				for _, e := range h.hears() {
					if e.Event == provision.EventCreated {
						created[e.Application+e.Path]++
					}
				}
				for what, n := range created {
					if n > 1 {
						t.Errorf("of %s it was told %d times", what, n)
					}
				}
				h.read(func(tx *store.Tx) error {
					n, err := tx.CountStaged(h.okta.Directory)
					if d, _ := h.config().Directory(h.okta.Directory); n > 4 || d.Status == directory.DirectoryEnabled && n > 3 {
						t.Errorf("%d people are staged in a directory that is %s", n, d.Status)
					}
					return err
				})
				h.discard() // whoever is left: refused, or of a plan that moved
			}
		})
	})
}
