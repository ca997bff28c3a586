package signin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestOIDC_MappedClaimsBecomeAttributes(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.direct(func(tx *store.Tx) {
			tx.SaveAttribute(directory.Attribute{Name: "level", Type: directory.AttributeInteger})
			tx.SaveAttribute(directory.Attribute{Name: "tags", Type: directory.AttributeList})
			tx.SaveAttributeMap(oidc, directory.AttributeMap{"level": {"job.level"}, "tags": {"https://acme.test/tags"}, "title": {"job.title", "job_title"}, "department": {"department"}})
		})
		w.person(map[string]any{"job": map[string]any{"level": 7}, "https://acme.test/tags": []any{"a", 2, true}, "job_title": "Boss", "department": map[string]any{"deep": []any{1}}})
		w.browser().entersBy(w, oidc)
		m := w.memberBy("carol@partner.test")
		if got := fmt.Sprint(m.Attributes); got != `map[level:7 tags:["a","2","true"] title:Boss]` {
			t.Errorf("attributes %s", got)
		}
		dropped := w.events(acme, audit.AttributeDropped)
		if len(dropped) != 1 || dropped[0].Subject.ID != m.ID || !strings.Contains(dropped[0].Changes[0].To, "received an object") {
			t.Errorf("%+v", dropped)
		}
		// A claim that is at userinfo alone is asked for there.
		asked := w.idp.Asked("/userinfo")
		w.idp.Do(func(idp *oidctest.IdP) { idp.Thin = true })
		w.person(map[string]any{"department": "R&D"})
		w.browser().entersBy(w, oidc)
		if m := w.memberBy("carol@partner.test"); m.Attributes["department"] != "R&D" || w.idp.Asked("/userinfo") == asked {
			t.Errorf("attributes %v, userinfo asked %d times", m.Attributes, w.idp.Asked("/userinfo"))
		}
	})
}
