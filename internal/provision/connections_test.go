package provision_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// The same person through two connections of one workspace (law 6).

func through(connection string) func(*provision.Arrival) {
	return func(a *provision.Arrival) { a.Connection = connection }
}

// connectionsOf are those through which a member signs in.
func (h *house) connectionsOf(member string) (ids []string) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		links, err := tx.IdentitiesOf(member)
		for _, l := range links {
			ids = append(ids, l.Connection)
		}
		return err
	})
	slices.Sort(ids)
	return ids
}

func TestTwoConnections_WithTheSameMailInADomainThatNobodyHasProven_AreNotOnePerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			first, second := h.connect("first"), h.connect("second")
			carol := h.arrive(h.asserted("carol", through(first)))
			h.turnedAway(h.asserted("carol", through(second)), "address_taken", "")
			h.turnedAway(h.asserted("carol", through(second), email("CAROL@Acme.test")), "address_taken", "")
			// That a connection leads the people of a domain to itself proves nothing.
			h.settle(func(tx *store.Tx, cfg *directory.Config) error {
				c, _ := cfg.Connection(second)
				c.Domains = []string{"acme.test"}
				tx.SaveConnection(c, false)
				return nil
			})
			h.turnedAway(h.asserted("carol", through(second)), "address_taken", "")
			// Nor is a subject of the same text the same person: it is the other IdP's word.
			other := h.arrive(h.asserted("carol", through(second), email("carol@else.test"), shown("carol@else.test")))
			if other == carol || !slices.Equal(h.connectionsOf(carol), []string{first}) || !slices.Equal(h.connectionsOf(other), []string{second}) {
				t.Errorf("%s through %v, %s through %v", carol, h.connectionsOf(carol), other, h.connectionsOf(other))
			}
			h.sound()
		})
	})
}

func TestTwoConnections_WithTheSameMailInAProvenDomain_AreOnePersonUnlessItIsNotSaidToBeVerified(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			first, second := h.connect("first"), h.connect("second")
			carol := h.arrive(h.asserted("carol", through(first)))
			h.prove("acme.test")
			h.turnedAway(h.asserted("carol", through(second), email(""), func(a *provision.Arrival) { a.Unverified = "carol@acme.test" }), "address_taken", "")
			if got := h.arrive(h.asserted("carol", through(second), email("Carol@ACME.test"))); got != carol {
				t.Errorf("through the second she is %s, want %s", got, carol)
			}
			want := []string{first, second}
			slices.Sort(want)
			if got := h.connectionsOf(carol); !slices.Equal(got, want) {
				t.Errorf("she signs in through %v", got)
			}
			// The link stays when the proof goes: who was recognised once is not forgotten.
			h.unprove("acme.test")
			if got := h.arrive(h.asserted("carol", through(second))); got != carol {
				t.Errorf("without the proof she is %s", got)
			}
			// Out is out through each of them.
			h.deactivate(carol)
			for _, c := range want {
				h.turnedAway(h.asserted("carol", through(c)), "account_deactivated", carol)
			}
			h.sound()
		})
	})
}

func TestTwoConnections_ThePersonOfADirectoryIsLinkedByItsOwnAndByNoOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			second := h.connect("second")
			ada := h.post(person("ada"))
			h.turnedAway(h.asserted("ada", through(second)), "address_taken", "")
			if got := h.arrive(h.asserted("ada")); got != ada.Member {
				t.Errorf("through the directory's own connection ada is %s, want %s", got, ada.Member)
			}
			h.turnedAway(h.asserted("ada", through(second)), "address_taken", "") // also now
			h.prove("acme.test")
			if got := h.arrive(h.asserted("ada", through(second))); got != ada.Member {
				t.Errorf("by a proven domain ada is %s", got)
			}
			// The directory puts out whoever came through the other one as well.
			_, hash, err := h.tryArrive(h.asserted("ada", through(second)))
			h.ok(err)
			h.setActive(ada.ID, false)
			if h.lives(hash) {
				t.Error("a session through the other connection outlived the deactivation")
			}
			h.turnedAway(h.asserted("ada", through(second)), "account_deactivated", ada.Member)
			h.unprove("acme.test") // the next house is another workspace
			h.sound()
		})
	})
}
