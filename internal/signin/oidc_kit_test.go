package signin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// oidc is the OIDC connection of acme. No directory stands beside it.
const oidc = "con_oidc"

// parties is a world whose acme has an OIDC connection to idp.
type parties struct {
	*world
	idp *oidctest.IdP
}

// eachOIDC is each with acme connected to an IdP of OIDC.
func eachOIDC(t *testing.T, fn func(t *testing.T, w *parties)) {
	t.Helper()
	each(t, func(t *testing.T, w *world) { fn(t, newParties(t, w)) })
}

func newParties(t *testing.T, w *world) *parties {
	p := &parties{world: w, idp: oidctest.New(t)}
	p.idp.Now = w.clock.now
	p.idp.Person = map[string]any{"sub": "00u-carol", "email": "carol@partner.test", "email_verified": true, "name": "Carol Case", "given_name": "Carol", "family_name": "Case"}
	w.Outside = &relyingparty.RelyingParty{HTTP: &http.Client{Timeout: 5 * time.Second}}
	var err error
	w.Master, err = keys.NewMaster(make([]byte, keys.MasterBytes))
	w.must(err)
	p.join(acme, oidc, nil)
	return p
}

// join saves a connection of a workspace to the IdP, active unless change says otherwise.
func (w *parties) join(workspace, id string, change func(*directory.Connection)) {
	w.t.Helper()
	secret, err := w.Master.Seal(directory.SecretPurpose(id), []byte(w.idp.Secret))
	w.must(err)
	w.must(w.DB.Write(context.Background(), workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, old := cfg.Connection(id)
		if !old {
			o := directory.DefaultOIDC("generic")
			o.Issuer, o.ClientID, o.Secret = w.idp.Issuer, w.idp.ClientID, secret
			c = directory.Connection{ID: id, Name: id, Provider: "generic", Protocol: directory.ProtocolOIDC, Status: directory.ConnectionActive, VerifiedAt: tx.Now(), OIDC: &o}
		} else {
			o := *c.OIDC
			c.OIDC = &o
		}
		if change != nil {
			change(&c)
		}
		tx.SaveConnection(c, !old)
		return tx.Record(audit.Event{Type: audit.ConnectionChanged})
	}))
}

func (w *parties) person(claims map[string]any) {
	w.idp.Do(func(idp *oidctest.IdP) {
		for name, value := range claims {
			if idp.Person[name] = value; value == nil {
				delete(idp.Person, name)
			}
		}
	})
}

// begins asks for a sign-in and returns the address at the IdP.
func (b *browser) begins(connection string, more ...string) string {
	b.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	a := b.get("/auth/oidc/" + connection + "/login?" + q.Encode())
	if a.StatusCode != http.StatusFound {
		b.t.Fatalf("login answered %d: %s", a.StatusCode, a.body)
	}
	return a.to()
}

// back is where the IdP leads a browser that signs in there by address: path and query at our side.
func (w *parties) back(address string) (path string, answer url.Values) {
	w.t.Helper()
	redirect, answer, err := w.idp.Answer(address)
	w.must(err)
	return strings.TrimPrefix(redirect, w.PublicURL), answer
}

// entersBy is a whole sign-in through a connection, which must succeed.
func (b *browser) entersBy(w *parties, connection string, more ...string) answer {
	b.t.Helper()
	a := b.tries(w, connection, more...)
	if a.StatusCode != http.StatusSeeOther || b.cookie() == "" {
		b.t.Fatalf("the sign-in answered %d to %q: %s", a.StatusCode, a.to(), a.body)
	}
	return a
}

// tries is a whole sign-in through a connection, however it ends.
func (b *browser) tries(w *parties, connection string, more ...string) answer {
	b.t.Helper()
	path, q := w.back(b.begins(connection, more...))
	return b.get(path + "?" + q.Encode())
}

// oidcRefused is the refusal whose event a page names.
func (w *parties) oidcRefused(page answer) (audit.Event, oidcPayload) {
	w.t.Helper()
	for _, e := range w.events(acme, audit.SignInRefused) {
		if strings.Contains(page.body, "<code>"+e.ID+"</code>") {
			var p oidcPayload
			w.must(json.Unmarshal(e.Payload, &p))
			return e, p
		}
	}
	w.t.Fatalf("the page names no event of a refusal: %s", page.body)
	return audit.Event{}, oidcPayload{}
}

// wantBack checks that an answer is a refusal with its code on the page and its reason in the log.
func (w *parties) wantBack(a answer, code, reason string) {
	w.t.Helper()
	if a.StatusCode < 400 || !strings.Contains(a.body, "<code>"+code+"</code>") {
		w.t.Fatalf("the answer is %d to %q, want a page with the code %s: %s", a.StatusCode, a.to(), code, a.body)
	}
	if len(a.Header.Values("Set-Cookie")) != 0 {
		w.t.Errorf("a refusal sets cookies: %q", a.Header.Values("Set-Cookie"))
	}
	e, p := w.oidcRefused(a)
	if e.Reason != reason || e.Connection != oidc {
		w.t.Errorf("the event %s has the reason %q (%s) and the connection %q, want %s", e.ID, e.Reason, e.Payload, e.Connection, reason)
	}
	if strings.Contains(a.body, "http-equiv") || strings.Contains(a.body, "<script") || a.Header.Get("Refresh") != "" {
		w.t.Errorf("the page may begin again by itself: %s", a.body)
	}
	if p.Refusal == nil || p.Refusal.Code != reason {
		w.t.Errorf("the payload does not say why: %s", e.Payload)
	}
}
