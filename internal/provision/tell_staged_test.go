package provision_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// heard are the events that wait, as "path event", sorted.
func (h *house) heard() []string {
	h.t.Helper()
	var out []string
	for _, e := range h.hears() {
		out = append(out, e.Path+" "+strings.TrimPrefix(e.Event, "urn:ietf:params:scim:event:prov:"))
	}
	slices.Sort(out)
	return out
}

// wantHeard compares all the events that wait with "path event".
func (h *house) wantHeard(want ...string) {
	h.t.Helper()
	slices.Sort(want)
	if got := h.heard(); !slices.Equal(got, want) {
		h.t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestATestSync_IsToldOfOnceItIsEnabledAndNotBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.listen("app_one")
			theirs := h.postTo(h.entra, person("other"))
			group, err := h.svc.CreateGroup(bg, h.entra, named("Theirs"), nil)
			h.ok(err)
			h.wantHeard("/Users/"+theirs.ID+" create:notice", "/Groups/"+group.ID+" create:notice")
			h.become(directory.DirectoryTesting, "pia@acme.test")

			ada, bob := h.post(person("ada")), h.post(person("bob"))
			admins, empty, gone := h.group("Admins", ada.ID), h.group("Empty"), h.group("Gone", bob.ID)
			outer := h.group("Outer", admins)
			h.put(ada.ID, func(p *provision.Person) { p.DisplayName, p.Document = "Ada L", `{"displayName":"Ada L"}` })
			h.setActive(bob.ID, false)
			h.setActive(bob.ID, true)
			h.delete(h.post(person("carl")).ID)
			h.rename(admins, "Supervisors")
			h.members(admins, add(bob.ID), remove(ada.ID), add(ada.ID))
			h.ok(h.svc.DeleteGroup(bg, h.okta, gone))
			h.wantHeard()

			// Of the pilot it is told at once, and of nobody beside them.
			pia := h.post(person("pia"))
			at := "/Users/" + pia.ID
			h.members(admins, add(pia.ID))
			h.setActive(pia.ID, false)
			h.wantHeard(at+" create:notice", at+" patch:notice", at+" deactivate")
			h.setActive(pia.ID, true)
			h.wantHeard(at+" patch:notice", at+" activate")

			h.ok(h.enable(h.planOf().Word))
			var names []string
			for _, e := range h.hears() {
				names = append(names, e.Path+" "+strings.Join(e.Attributes, ","))
				if e.Event != provision.EventCreated || e.ExternalID == "" && strings.HasPrefix(e.Path, "/Users") {
					t.Errorf("on enabling it was told %+v", e)
				}
			}
			slices.Sort(names)
			want := []string{"/Users/" + ada.ID + " displayName,id,userName,active,externalId", "/Users/" + bob.ID + " displayName,id,userName,active,externalId",
				"/Groups/" + admins + " id,displayName,members", "/Groups/" + outer + " id,displayName,members", "/Groups/" + empty + " id,displayName"}
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("on enabling it was told\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
			}
			h.rename(admins, "Agents")
			h.setActive(ada.ID, false)
			h.wantHeard("/Groups/"+admins+" patch:notice", "/Users/"+ada.ID+" patch:notice", "/Users/"+ada.ID+" deactivate")
		})
	})
}

func TestDiscarding_TellsNothingAndAStagedPersonOfThePilotIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.listen("app_one")
		h.become(directory.DirectoryTesting)
		ada := h.post(person("ada"))
		h.group("Admins", ada.ID)
		h.discard()
		h.wantHeard()

		bob, cat := h.post(person("bob")), h.post(person("cat"))
		h.group("Admins", bob.ID, cat.ID)
		h.become(directory.DirectoryTesting, "bob@acme.test", "cat@acme.test")
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			_, err := provision.TurnPilots(tx, cfg, h.okta, false)
			return err
		})
		h.wantHeard("/Users/"+bob.ID+" create:notice", "/Users/"+cat.ID+" create:notice")
	})
}

// Whoever is linked or brought back by a plan has a resource that is new to who listens, and access that began.
func TestEnabling_TellsOfWhoIsBroughtBackAndWhoseOtherResourceEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		back := h.post(person("back"))
		h.delete(back.ID)
		moved := h.postTo(h.entra, person("moved"))
		h.listen("app_one")
		h.become(directory.DirectoryTesting)
		again, taken := h.post(person("back")), h.post(person("moved"))
		h.allow(h.the(store.AdoptionWaiting, moved.Member))
		h.wantHeard()
		h.ok(h.enable(h.planOf().Word))
		h.told(again.ID, true, back.Member)
		h.told(taken.ID, true, moved.Member)
		h.wantHeard("/Users/"+again.ID+" create:notice", "/Users/"+again.ID+" activate", "/Users/"+taken.ID+" create:notice", "/Users/"+moved.ID+" delete")
		h.undo(moved.Member)
		h.wantHeard("/Users/" + taken.ID + " delete")
	})
}

// Enabling costs no round trip more for each person where somebody listens.
func TestEnabling_IsToldWithoutARoundTripForEachPerson(t *testing.T) {
	eachCounted(t, func(t *testing.T, db *store.DB, c *counter) {
		costs := map[bool]int64{}
		for _, listens := range []bool{false, true} {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			if listens {
				h.listen("app_one")
			}
			h.become(directory.DirectoryTesting)
			for i := range 60 {
				u := h.post(person(fmt.Sprintf("p%d%t", i, listens)))
				h.group(fmt.Sprint("g", i), u.ID)
			}
			word := h.planOf().Word
			costs[listens], _ = c.during(func() { h.ok(h.enable(word)) })
			if n := len(h.hears()); listens && n != 60+60 {
				t.Errorf("%d events", n)
			}
		}
		if costs[true] > costs[false]+8 {
			t.Errorf("%d round trips with a listener, %d without", costs[true], costs[false])
		}
	})
}
