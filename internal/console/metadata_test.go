package console

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// signs is a sign-in through a connection that a key has signed.
func (w *world) signs(con string, key *samltest.Key) {
	w.t.Helper()
	w.write("acme", func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		if err := settings.KeyProven(tx, cfg, con, key.Certificate.Raw); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SignInSucceeded})
	})
}

func TestMetadata_IsShownAsADifferenceAndAppliedAsItWasShown(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		ctx := context.Background()
		con, err := w.settings.CreateConnection(ctx, "acme", "Okta", "okta", operator)
		w.must(err)
		b := w.as("owner@acme.test")
		path := "/console/acme/sso/connections/" + con.ID
		first, second := idp("https://okta.example/exk1"), samltest.NewIdP("https://okta.example/exk1", samltest.NewKey())
		n := len(w.events())
		shown := b.press(b.page(path), "import-xml", "xml", string(first.Metadata()))
		if shown.StatusCode != http.StatusOK || !strings.Contains(shown.body, "<dt>entity ID</dt>") || !strings.Contains(shown.body, "sha256:"+first.Keys[0].Certificate.Fingerprint()) ||
			!strings.Contains(shown.body, "valid 2020-01-01 to 2049-12-31") {
			t.Fatalf("the difference is answered %d: %s", shown.StatusCode, shown.body)
		}
		if c, err := w.settings.Connection(ctx, "acme", con.ID); err != nil || c.IdP != nil || len(w.events()) != n {
			t.Fatal("to look at it changed something")
		}
		other := w.as("admin@acme.test")
		shownToo := other.press(other.page(path), "import-xml", "xml", string(second.Metadata()))
		b.done(shown, "apply-metadata")
		if late := other.press(shownToo, "apply-metadata"); late.StatusCode != http.StatusConflict || !strings.Contains(late.text(t, "metadata-error"), "changed after these differences were shown") {
			t.Errorf("the second administrator is answered %d: %s", late.StatusCode, late.body)
		}
		if a := b.post(path+"/metadata/apply", "xml", string(second.Metadata())); a.StatusCode != http.StatusBadRequest {
			t.Errorf("without a look it is answered %d", a.StatusCode)
		}
		if a := b.press(b.page(path), "import-xml", "xml", string(first.Metadata())); a.StatusCode != http.StatusOK || strings.Contains(a.body, `id="review"`) || !strings.Contains(a.body, "known already") {
			t.Errorf("the same again is answered %d", a.StatusCode)
		}
		// By single values, and what is wrong with them beside them.
		if a := b.press(b.page(path), "import-fields", "entity_id", "<b>x</b>", "sso_url", "https://x.test/", "certificate", "none"); a.StatusCode != http.StatusBadRequest ||
			!strings.Contains(a.text(t, "metadata-fields-error"), "not a certificate") || !strings.Contains(a.body, `value="&lt;b&gt;x&lt;/b&gt;"`) {
			t.Errorf("wrong values are answered %d: %s", a.StatusCode, a.body)
		}
	})
}

func TestMetadata_KeysAreSeenAndDecidedOn(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		ctx := context.Background()
		con, err := w.settings.CreateConnection(ctx, "acme", "Okta", "okta", operator)
		w.must(err)
		b := w.as("owner@acme.test")
		path := "/console/acme/sso/connections/" + con.ID
		keys := []*samltest.Key{samltest.NewKey(), samltest.NewKey()}
		const at = "http://okta.example/metadata"
		publish := func(sso string, keys ...*samltest.Key) {
			of := samltest.NewIdP("https://okta.example/exk1", keys...)
			of.SSO = sso
			w.fetched[at] = of.Metadata()
		}
		publish("https://okta.example/sso", keys[0])
		page := b.imports(b.page(path), "import-url", "url", at)
		b.done(page, "activate")
		w.signs(con.ID, keys[0])
		if page = b.page(path); !strings.Contains(page.text(t, "idp-keys"), "in use") || !strings.Contains(page.text(t, "watch"), at) {
			t.Errorf("the page says %q and %q", page.text(t, "idp-keys"), page.text(t, "watch"))
		}
		publish("https://okta.example/sso", keys[0], keys[1])
		page = b.done(page, "refresh")
		if got := page.body; !strings.Contains(got, `<span class="badge">new</span>`) || !strings.Contains(got, `<span class="badge ok">in use</span>`) {
			t.Errorf("after a look: %s", got)
		}
		w.signs(con.ID, keys[1])
		keep := b.post(path + "/idp-keys/" + keys[0].Certificate.Fingerprint() + "/keep")
		if keep.StatusCode != http.StatusSeeOther {
			t.Fatalf("keep answered %d: %s", keep.StatusCode, keep.body)
		}
		side := func() *directory.SAML {
			_, cfg, err := w.settings.Workspace(ctx, "acme")
			w.must(err)
			c, _ := cfg.Connection(con.ID)
			return c.SAML
		}
		if k, _ := side().IdPKey(keys[0].Certificate.Fingerprint()); k.State != directory.KeyRetiring || !k.Kept {
			t.Errorf("%+v", k)
		}
		for act, want := range map[string]int{"release": 303, "nonsense": 404} {
			if a := b.post(path + "/idp-keys/" + keys[0].Certificate.Fingerprint() + "/" + act); a.StatusCode != want {
				t.Errorf("%s answered %d", act, a.StatusCode)
			}
		}
		if a := b.post(path + "/idp-keys/00000000aaaaaaaa/drop"); a.StatusCode != http.StatusConflict || !strings.Contains(a.text(t, "idp-keys-error"), "no such key") {
			t.Errorf("an unknown key answered %d: %s", a.StatusCode, a.body)
		}
		if a := b.post(path + "/idp-keys/" + keys[0].Certificate.Fingerprint() + "/drop"); a.StatusCode != http.StatusSeeOther || len(side().Certificates) != 1 {
			t.Errorf("drop answered %d", a.StatusCode)
		}

		// What is not taken over by itself.
		publish("https://elsewhere.example/<sso>", keys[1])
		b.press(b.page(path), "refresh")
		publish("https://elsewhere.example/sso", keys[1])
		page = b.done(b.page(path), "refresh")
		if got := page.body; !strings.Contains(got, "redirect https://elsewhere.example/sso</ins>") || !strings.Contains(got, "publishes something else") {
			t.Fatalf("the proposal: %s", got)
		}
		if a := b.post(path+"/metadata/decide", "decision", "accept", "seen", "0123456789abcdef"); a.StatusCode != http.StatusConflict {
			t.Errorf("another word is answered %d", a.StatusCode)
		}
		if a := b.post(path+"/metadata/decide", "decision", "perhaps", "seen", "0123456789abcdef"); a.StatusCode != http.StatusBadRequest {
			t.Errorf("another decision is answered %d", a.StatusCode)
		}
		b.done(page, "accept")
		if side().SSO[0].Location != "https://elsewhere.example/sso" {
			t.Error("it was not taken over")
		}
		b.done(b.page(path), "forget")
		if side().MetadataURL != "" {
			t.Error("it is looked at still")
		}
		if a := b.post(path + "/metadata/refresh"); a.StatusCode != http.StatusConflict {
			t.Errorf("without an address a look is answered %d", a.StatusCode)
		}
	})
}
