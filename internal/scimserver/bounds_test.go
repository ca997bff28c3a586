package scimserver_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestToken_ThatWasReplacedCannotFillTheLog(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		if err := h.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
			if _, err := tx.RevokeTokens(w.directory, "", "replaced"); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.TokenRotated})
		}); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			w.do("GET", "/Users", "").want(401)
		}
		events := 0
		for _, e := range w.events() {
			if e.Type == audit.TokenReplacedUsed {
				events++
			}
		}
		if events == 0 || events > 20 {
			t.Errorf("60 uses of a replaced token are %d events, want 1 to 20", events)
		}
		if err := h.db.FlushMarks(context.Background()); err != nil {
			t.Fatal(err)
		}
		sums, err := h.db.System().Strangers(context.Background(), h.db.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if len(sums) != 1 || sums[0].Reason != "scim.token_replaced" || sums[0].Count != 60 {
			t.Errorf("the sum of strangers is %+v, want 60 uses", sums)
		}
	})
}

func TestAddress_LeavesNoSecretBehind(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		for _, path := range []string{"/" + w.token + "/Users", "/Users?x=" + w.token, "/Nothing?p%61ssword=" + w.token[10:], "/Nothing?token=" + w.token[10:]} {
			w.do("GET", path, "")
		}
		if err := h.db.FlushMarks(context.Background()); err != nil {
			t.Fatal(err)
		}
		var kept strings.Builder
		for _, e := range w.events() {
			kept.Write(e.Payload)
		}
		if err := h.db.Read(context.Background(), w.id, func(tx *store.Tx) error {
			reads, err := tx.Reads(w.directory, 100)
			for _, r := range reads {
				kept.WriteString(r.Path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(kept.String(), w.token[10:]) || !strings.Contains(kept.String(), "[redacted]") {
			t.Errorf("kept: %s", kept.String())
		}
	})
}

func TestResource_TooLargeIsRefusedAndNotAnErrorOfOurs(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		long := strings.Repeat("x7Qk", 2500) // does not compress in an index
		const head = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a@acme.test",`
		for name, body := range map[string]string{
			"externalId":    head + `"externalId":"` + long + `"}`,
			"an address":    head + `"emails":[{"value":"a@acme.test","primary":true},{"value":"` + long + `"}]}`,
			"an email type": head + `"emails":[{"value":"a@acme.test","type":"` + long + `"}]}`,
			"a title":       head + `"title":"` + strings.Repeat(long, 9) + `"}`,
		} {
			if a := w.do("POST", "/Users", body); a.status != 400 || a.str("scimType") != "invalidValue" {
				t.Errorf("%s: %d %.200s", name, a.status, a.text)
			}
		}
		if a := w.do("POST", "/Groups", group(long)); a.status != 400 {
			t.Errorf("a group's name: %d", a.status)
		}
	})
}

func TestLeaver_GoesThoughTheObjectIsTooLarge(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		large := strings.Replace(user("ann@acme.test"), `"active":true`, `"active":false,"title":"`+strings.Repeat("x", 100_000)+`"`, 1)
		w.do("PUT", "/Users/"+id, large).want(200)
		if m := w.member("ann@acme.test"); m.Sources == 0 || m.Name != "ann@acme.test" || m.Attributes["title"] != "" {
			t.Errorf("after active:false in an object that is too large: %+v", m)
		}
	})
}

func TestFilter_ThatWouldSearchTooMuchTextIsRefused(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y"} {
			body := strings.Replace(user(name+"@acme.test"), `"active"`, `"title":"`+strings.Repeat("é", 30_000)+`","active"`, 1)
			w.do("POST", "/Users", body).want(201)
		}
		w.do("GET", "/Users?count=1&filter="+url.QueryEscape(`title co "q"`), "").want(200)
		filter := strings.TrimSuffix(strings.Repeat(`title co "q" or `, 95), " or ")
		if a := w.do("GET", "/Users?count=1&filter="+url.QueryEscape(filter), "").want(400); a.str("scimType") != "tooMany" {
			t.Errorf("95 searches of 25 long texts: %s", a.text)
		}
	})
}
