package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

func (w *world) keys() (out []settings.APIKeyView) {
	w.t.Helper()
	out, err := w.settings.ListAPIKeys(w.t.Context(), "acme", "", "", audit.Party{Kind: "operator"})
	w.must(err)
	return out
}

func TestAPIKeys_AreMadeShownOnceAndRevokedByForms(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		n := len(w.events())
		page := b.page("/console/acme/api-keys")
		made := b.press(page, "create-api-key", "name", "<b>reporting</b>", "scope", "members:read", "lifetime", "2160h")
		key := made.value(t, "api-key")
		if made.StatusCode != http.StatusOK || !strings.HasPrefix(key, settings.APIKeyPrefix) || strings.Count(made.body, key) != 1 || !made.has("api-key-once") || strings.Contains(made.body, "<b>reporting") {
			t.Fatalf("%d %q %s", made.StatusCode, key, made.body)
		}
		if made.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the page with the key may be kept: %q", made.Header.Get("Cache-Control"))
		}
		// The same form again makes none.
		again := b.press(page, "create-api-key", "name", "reporting", "scope", "members:read", "lifetime", "720h")
		if again.StatusCode != http.StatusConflict || len(w.keys()) != 1 || again.has("api-key") {
			t.Errorf("sent twice: %d, %d keys", again.StatusCode, len(w.keys()))
		}
		page = b.page("/console/acme/api-keys")
		if strings.Contains(page.body, key) {
			t.Error("the key is shown again")
		}
		id := w.keys()[0].ID
		b.done(page, "revoke-"+id)
		if got := w.keys()[0]; got.RevokedWhy != "revoked" {
			t.Errorf("%+v", got)
		}
		w.wantEvents(n, audit.APIKeyCreated, audit.APIKeyRevoked)
		for _, e := range w.events() {
			for _, c := range e.Changes {
				if strings.Contains(c.From+c.To+string(e.Payload), key) {
					t.Errorf("the log has the key: %+v", e)
				}
			}
		}
	})
}

func TestAPIKeys_OutOfBoundsAreRefusedAtTheField(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		for field, form := range map[string]url.Values{
			"key-name":       {"scope": {"members"}, "lifetime": {"720h"}},
			"key-scopes":     {"name": {"n"}, "lifetime": {"720h"}},
			"key-lifetime":   {"name": {"n"}, "scope": {"members"}, "lifetime": {"90000h"}},
			"create-api-key": {"name": {"n"}, "scope": {"members"}, "lifetime": {"720h"}, "newest": {"key_other"}},
		} {
			a := b.do("POST", "/console/acme/api-keys", form)
			if a.StatusCode < 400 || a.StatusCode >= 500 || !a.has(field+"-error") {
				t.Errorf("%s: %d", field, a.StatusCode)
			}
		}
		if a := b.do("POST", "/console/acme/api-keys", url.Values{"name": {"n"}, "scope": {"all"}, "lifetime": {"720h"}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("everything: %d", a.StatusCode)
		}
		if len(w.keys()) != 0 {
			t.Errorf("keys were made: %+v", w.keys())
		}
	})
}

func TestAPIKeys_OfOthersAreForThoseWithThePermissionAndNobodyAboveThem(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		theirs, err := w.settings.CreateAPIKey(t.Context(), "acme", byID("mem_acme_owner"), settings.KeyOptions{Name: "of the owner", Scopes: []string{"members"}}, audit.Party{Kind: "operator"})
		w.must(err)
		neighbours, err := w.settings.CreateAPIKey(t.Context(), "beta", byID("mem_beta_owner"), settings.KeyOptions{Name: "next door", Scopes: []string{"members"}}, audit.Party{Kind: "operator"})
		w.must(err)
		admin := w.as("admin@acme.test")
		for _, id := range []string{theirs.ID, neighbours.ID, "key_nobody"} {
			if a := admin.post("/console/acme/api-keys/" + id + "/revoke"); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", id, a.StatusCode)
			}
		}
		owner := w.as("owner@acme.test")
		if page := owner.page("/console/acme/api-keys"); strings.Contains(page.body, "next door") || !strings.Contains(page.body, "of the owner") {
			t.Error(page.body)
		}
		for slug, want := range map[string]int{"acme": 1, "beta": 1} {
			list, err := w.settings.ListAPIKeys(t.Context(), slug, "", "", audit.Party{Kind: "operator"})
			if err != nil || len(list) != want || list[0].RevokedAt != nil {
				t.Errorf("%s: %+v %v", slug, list, err)
			}
		}
	})
}
