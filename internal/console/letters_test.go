package console

import (
	"net/http"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestLetters_ToSomebodyAboveAreNotThrownAway(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		ctx := t.Context()
		w.must(w.settings.AddRole(ctx, "acme", settings.NewRole{Name: "Recruiter", Permissions: []string{directory.PermissionMembers}}, operator))
		_, err := w.provision.SetRole(ctx, w.scope(), byID("mem_acme_member"), "Recruiter")
		w.must(err)
		b := w.as("member@acme.test")
		var id string
		w.write("acme", func(tx *store.Tx) error {
			if err := jobs.EnqueueLetter(tx, "mem_acme_owner", "", letter.Relaxed(letter.To{}, "somebody", tx.Now(), tx.Now(), "/console")); err != nil {
				return err
			}
			letters, err := tx.Letters("", 10)
			if err != nil {
				return err
			}
			id = letters[0].ID
			return tx.Record(audit.Event{Type: audit.SettingsChanged, Actor: operator})
		})
		if a := b.post("/console/acme/mail/" + id + "/discard"); a.StatusCode != http.StatusForbidden || !a.has("letters-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := w.as("owner@acme.test").post("/console/acme/mail/" + id + "/discard"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}
