package console

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// sealed gives a world a master key.
func (w *world) sealed() {
	w.t.Helper()
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	w.must(err)
	w.settings.Master = func(context.Context) (*keys.Master, error) { return master, nil }
	w.signin.Master = master
}

func (w *world) spKeys(id string) []settings.SPKeyView {
	for _, c := range w.setup().Connections {
		if c.ID == id {
			return c.SAML.Keys
		}
	}
	return nil
}

func TestSAMLChoices_AreSavedAndTheFirstMakesAKeyThatSignsIn(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		w.sealed()
		idp := idp("https://idp.test/1")
		b := w.as("owner@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "generic")
		page = b.imports(page, "import-xml", "xml", string(idp.Metadata()))
		page = b.done(page, "activate")
		if page.has("rotate-key") {
			t.Error("there is a key before a switch needs one")
		}
		plain := []string{"sign_requests", "", "force_authn", "", "cbc_understood", "", "encryption", "off", "sha1_until", "", "authn_contexts", "", "single_logout", "", "artifact", ""}
		save := func(pairs ...string) []string { return append(plain[:len(plain):len(plain)], pairs...) }
		for want, pairs := range map[string][]string{"only if the response as a whole is signed": {"encryption", "cbc"}, "expected one of off, on, cbc": {"encryption", "x"},
			"expected a day within a year": {"sha1_until", "2999-01-01"}, "changed these choices after": {"seen", "old"}} {
			if a := b.press(page, "save-saml-options", save(pairs...)...); a.StatusCode < 400 || a.StatusCode > 499 || !strings.Contains(a.text(t, "saml-options-error"), want) {
				t.Errorf("%v: %d: %s", pairs, a.StatusCode, a.body)
			}
		}
		w.passed.Store(int64(freshFor + time.Minute))
		if a := b.press(page, "save-saml-options", save("sign_requests", "1")...); a.StatusCode != http.StatusForbidden {
			t.Errorf("a key is made by an old sign-in: %d", a.StatusCode)
		}
		if a := b.press(page, "save-saml-options", save("force_authn", "1")...); a.StatusCode != http.StatusSeeOther {
			t.Errorf("a choice without a key answered %d: %s", a.StatusCode, a.body)
		}
		w.passed.Store(0)
		id := w.setup().Connections[0].ID
		page = b.done(b.page("/console/acme/sso/connections/"+id), "save-saml-options", save("sign_requests", "1", "encryption", "on", "authn_contexts", "urn:a\nurn:b")...)
		if ours := w.spKeys(id); len(ours) != 1 || !ours[0].Signs || !strings.Contains(page.body, inPairs(ours[0].Fingerprint)) || !strings.Contains(page.body, "BEGIN CERTIFICATE") {
			t.Fatalf("the page shows no certificate: %+v %s", ours, page.body)
		}
		page = b.done(page, "save-saml-options", save("sign_requests", "1", "encryption", "on")...)

		// Each step of a rotation leaves a sign-in that works.
		signs := func(step string, certificate string) {
			t.Helper()
			block, _ := pem.Decode([]byte(certificate))
			parsed, err := saml.ParseCertificate(block.Bytes)
			w.must(err)
			guest := w.as("")
			login := guest.get("/auth/saml/" + id + "/login").Header.Get("Location")
			if !strings.Contains(login, "Signature=") {
				t.Fatalf("%s: the request is not signed: %s", step, login)
			}
			con := w.setup().Connections[0]
			request, relay := requestOf(t, login)
			r := idp.Response(saml.ServiceProvider{EntityID: con.EntityID, ACS: con.ACSURL}, request, w.db.Now())
			r.Encryption = &samltest.Encryption{For: parsed}
			a := guest.post("/auth/saml/"+id+"/acs", "SAMLResponse", samltest.Encode(idp.Sign(r)), "RelayState", relay)
			if a.StatusCode != http.StatusSeeOther {
				t.Fatalf("%s: the sign-in answered %d: %s", step, a.StatusCode, a.body)
			}
		}
		first := w.spKeys(id)[0]
		signs("before", first.PEM)
		page = b.done(page, "rotate-key")
		second := w.spKeys(id)[0]
		signs("published, the IdP has the old one", first.PEM)
		signs("published, the IdP has the new one", second.PEM)
		page = b.done(page, "use-key-0")
		signs("in use, the IdP has the old one", first.PEM)
		page = b.done(page, "remove-key-1")
		signs("the old one removed", second.PEM)
		if a := b.post("/console/acme/sso/connections/" + id + "/keys/" + second.Fingerprint + "/remove"); a.StatusCode != http.StatusConflict {
			t.Errorf("the only key was removed: %d", a.StatusCode)
		}
		w.passed.Store(int64(freshFor + time.Minute))
		if a := b.press(page, "rotate-key"); a.StatusCode != http.StatusForbidden || !a.has("keys-error") || !a.has("sign-in-again") {
			t.Errorf("an old sign-in publishes a key: %d", a.StatusCode)
		}
		for _, path := range []string{"/saml", "/keys", "/keys/" + second.Fingerprint + "/use", "/keys/" + second.Fingerprint + "/remove"} {
			at := "/console/acme/sso/connections/" + id + path
			if a := b.do("POST", at, nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s from another site: %d", path, a.StatusCode)
			}
			if a := w.as("").post(at); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
				t.Errorf("%s by nobody: %d", path, a.StatusCode)
			}
		}
		if len(w.spKeys(id)) != 1 {
			t.Error("somebody changed the keys who may not")
		}
		for _, e := range w.events() {
			if e.Type == audit.ConnectionChanged && strings.Contains(string(e.Payload), "PRIVATE") {
				t.Error("a private key is in the log")
			}
		}
	})
}

// requestOf reads the request and the RelayState of a login's address as an IdP does.
func requestOf(t *testing.T, address string) (id, relay string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	deflated, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	xml, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(xml), ` ID="`)
	id, _, _ = strings.Cut(rest, `"`)
	return id, u.Query().Get("RelayState")
}
