package signin

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// keyed gives acme's connection a key of ours for each name, the newest first, of which the last signs.
func (w *world) keyed(change func(*directory.SAML), pairs ...*samltest.Key) {
	w.t.Helper()
	if w.Master == nil {
		master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
		w.must(err)
		w.Master = master
	}
	w.reconnect(func(c *directory.Connection) {
		c.SAML.Keys = nil
		for i, pair := range pairs {
			c.SAML.Keys = append(c.SAML.Keys, w.sealedKey(c.ID, pair, i == len(pairs)-1))
		}
		change(c.SAML)
	})
}

func (w *world) sealedKey(connection string, pair *samltest.Key, signs bool) directory.SPKey {
	w.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.Decrypter().(*rsa.PrivateKey))
	w.must(err)
	private, err := w.Master.Seal(directory.SPKeyPurpose(connection), der)
	w.must(err)
	return directory.SPKey{Certificate: pair.Certificate.Raw, Private: private, Signs: signs}
}

// notes are those of the last sign-in that went well.
func (w *world) notes() string {
	w.t.Helper()
	all := w.events(acme, audit.SignInSucceeded)
	return string(all[len(all)-1].Payload)
}

func encrypting(on *directory.SAML) { on.Encryption = "on" }

func TestSAML_AnEncryptedAssertionIsOpenedByTheKeysOfItsConnectionAlone(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		ours, old, neighbours := samltest.NewKey(), samltest.NewKey(), samltest.NewKey()
		tried := func(e *samltest.Encryption, whole bool) answer {
			w.clock.turn(time.Second) // events of one instant are in no order
			b := w.browser()
			q := b.begin(okta)
			r := w.response(q.id)
			r.Encryption, r.Signing.Response, r.Signing.Assertion = e, whole, true
			return b.answers(okta, sign(r), q.relay)
		}
		opened := func(e *samltest.Encryption, whole bool, notes ...string) {
			t.Helper()
			if a := tried(e, whole); a.StatusCode != http.StatusSeeOther {
				_, p := w.refused()
				t.Fatalf("answered %d: %+v", a.StatusCode, p.Refusal)
			}
			for _, note := range notes {
				if !strings.Contains(w.notes(), note) {
					t.Errorf("the event does not say %q: %s", note, w.notes())
				}
			}
		}
		opened(nil, true) // the control
		w.wantRefused(tried(&samltest.Encryption{For: ours.Certificate}, true), saml.ReasonEncrypted, saml.ReasonEncrypted)

		w.keyed(encrypting, ours, old)
		opened(nil, true)
		if strings.Contains(w.notes(), "encrypted") {
			t.Errorf("an answer in the clear is called encrypted: %s", w.notes())
		}
		opened(&samltest.Encryption{For: ours.Certificate}, true, "encrypted with aes256-gcm")
		opened(&samltest.Encryption{For: ours.Certificate, Content: samltest.AES128GCM, Transport: samltest.OAEP, Digest: samltest.SHA256, MGF: samltest.MGF1SHA256, Placement: samltest.Beside}, false)
		if strings.Contains(w.notes(), "older key") {
			t.Error("the newest key is called an older one")
		}
		opened(&samltest.Encryption{For: old.Certificate}, false, "older key")
		w.wantRefused(tried(&samltest.Encryption{For: neighbours.Certificate}, true), saml.ReasonDecryption, saml.ReasonDecryption)
		cbc := &samltest.Encryption{For: ours.Certificate, Content: samltest.AES256CBC}
		w.wantRefused(tried(cbc, true), saml.ReasonEncryptionAlgorithm, saml.ReasonEncryptionAlgorithm)
		w.wantRefused(tried(&samltest.Encryption{For: ours.Certificate, Transport: samltest.RSA15}, true), saml.ReasonEncryptionAlgorithm, saml.ReasonEncryptionAlgorithm)

		w.keyed(func(s *directory.SAML) { s.Encryption = "cbc" }, ours)
		opened(cbc, true, "AES-CBC was accepted")
		if a := tried(cbc, false); a.StatusCode == http.StatusSeeOther {
			t.Error("AES-CBC counts in a response that nobody signed")
		}
		w.wantRefused(tried(&samltest.Encryption{For: old.Certificate}, true), saml.ReasonDecryption, saml.ReasonDecryption)

		// Keys that were sealed for another connection, or under another master key, open nothing and say so.
		w.reconnect(func(c *directory.Connection) { c.SAML.Keys = []directory.SPKey{w.sealedKey("con_other", ours, true)} })
		if a := tried(&samltest.Encryption{For: ours.Certificate}, true); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, reasonSPKey) {
			t.Errorf("another connection's key answers %d: %s", a.StatusCode, a.body)
		}
		if e, _ := w.refused(); e.Reason != reasonSPKey {
			t.Errorf("the event says %s", e.Reason)
		}
	})
}

func TestSAML_RequestsAreSignedByTheKeyThatTheMetadataNames(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		next, now := samltest.NewKey(), samltest.NewKey()
		w.keyed(func(s *directory.SAML) { s.SignRequests, s.Encryption = true, "on" }, next, now)
		text := w.browser().get("/auth/saml/" + okta + "/metadata").body
		for _, pair := range []*samltest.Key{next, now} {
			if n := strings.Count(strings.Join(strings.Fields(text), ""), base64.StdEncoding.EncodeToString(pair.Certificate.Raw)); n != 2 {
				t.Errorf("a certificate is in the metadata %d times, want for signing and for encryption: %s", n, text)
			}
		}
		if !strings.Contains(text, `AuthnRequestsSigned="true"`) {
			t.Errorf("the metadata does not say that requests are signed: %s", text)
		}
		address := w.browser().get("/auth/saml/" + okta + "/login").to()
		if err := signedBy(address, now); err != nil {
			t.Errorf("the request in %s: %v", address, err)
		}
		if signedBy(address, next) == nil {
			t.Error("a key signs that is only published yet")
		}
		w.browser().enters(w, nil)

		w.reconnect(func(c *directory.Connection) {
			c.SAML.SSO = slices.DeleteFunc(slices.Clone(c.SAML.SSO), func(e directory.Endpoint) bool { return e.Binding == saml.BindingRedirect })
		})
		page := w.browser().get("/auth/saml/" + okta + "/login").body
		field := regexp.MustCompile(`name="SAMLRequest" value="([^"]+)"`).FindStringSubmatch(page)
		if field == nil {
			t.Fatalf("no form: %s", page)
		}
		posted, err := base64.StdEncoding.DecodeString(html.UnescapeString(field[1]))
		w.must(err)
		if !strings.Contains(string(posted), "SignatureValue") || !strings.Contains(strings.Join(strings.Fields(string(posted)), ""), base64.StdEncoding.EncodeToString(now.Certificate.Raw)) {
			t.Errorf("the posted request is not signed: %s", posted)
		}

		// Without the key nobody is sent away unsigned.
		w.Master = nil
		a := w.browser().get("/auth/saml/" + okta + "/login")
		if e, _ := w.refused(); a.StatusCode < 400 || e.Reason != reasonSPKey {
			t.Errorf("without the key: %d, %s", a.StatusCode, e.Reason)
		}
		w.keyless(t)
	})
}

// keyless checks the control: without the switch requests are plain and the metadata names no key.
func (w *world) keyless(t *testing.T) {
	w.connect(acme, okta, oktaIdP(), nil)
	if address := w.browser().get("/auth/saml/" + okta + "/login").to(); strings.Contains(address, "Signature=") || strings.Contains(w.browser().get("/auth/saml/"+okta+"/metadata").body, "X509Certificate") {
		t.Errorf("a request is signed without the switch: %s", address)
	}
}

// signedBy checks the signature over a query (Bindings section 3.4.4.1).
func signedBy(address string, pair *samltest.Key) error {
	_, query, _ := strings.Cut(address, "?")
	at := strings.Index(query, "SAMLRequest=")
	signed, rest, _ := strings.Cut(query[at:], "&Signature=")
	text, err := url.QueryUnescape(rest)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(pair.Certificate.Raw)
	if err != nil {
		return err
	}
	return certificate.CheckSignature(x509.SHA256WithRSA, []byte(signed), signature)
}

func TestSAML_ForceAuthnIsAskedForAndEnforcedOnReturn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		old := func(r *samltest.Response) {
			r.Assertion.Authn[0].AuthnInstant = samltest.Instant(w.clock.now().Add(-time.Hour))
		}
		w.browser().enters(w, old) // the control
		tile := func() answer { return w.browser().answers(okta, sign(w.response("")), "") }
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated, c.SAML.ForceAuthn = true, true })
		b := w.browser()
		q := b.begin(okta)
		if !strings.Contains(q.xml, `ForceAuthn="true"`) {
			t.Errorf("the request asks for nothing: %s", q.xml)
		}
		r := w.response(q.id)
		old(r)
		w.wantRefused(b.answers(okta, sign(r), q.relay), saml.ReasonAuthnInstant, saml.ReasonAuthnInstant)
		w.browser().enters(w, nil)
		w.wantRefused(tile(), saml.ReasonUnsolicited, saml.ReasonUnsolicited)
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated, c.SAML.ForceAuthn = true, false })
		if a := tile(); a.StatusCode != http.StatusSeeOther {
			t.Errorf("without it the tile answers %d", a.StatusCode)
		}
	})
}

// An answer that nobody asked for begins a sign-in where the connection converts it: nobody is signed in by it, also
// where each sign-in must be proven anew, and what it says of where to go is a path of ours or nothing.
func TestSAML_AnAnswerThatNobodyAskedForBeginsASignInWhereItIsConverted(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) {
			c.SAML.IdPInitiated, c.SAML.ConvertUnasked, c.SAML.ForceAuthn = false, true, true
		})
		login := "/auth/saml/" + okta + "/login"
		for relay, want := range map[string]string{"": login, "/w/acme": login + "?continue=%2Fw%2Facme", "//evil.test/": login, "https://evil.test/": login} {
			b := w.browser()
			a := b.answers(okta, sign(w.response("")), relay)
			if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want || b.get("/auth/session").StatusCode != http.StatusUnauthorized {
				t.Errorf("with %q: %d to %q", relay, a.StatusCode, a.Header.Get("Location"))
			}
		}
		// What was asked for is an answer, and what is no answer is refused as ever.
		w.browser().enters(w, nil)
		r := w.response("")
		r.Assertion.Audiences = [][]string{{"https://another.test"}}
		w.wantRefused(w.browser().answers(okta, sign(r), ""), saml.ReasonAudience, saml.ReasonAudience)
		w.clock.turn(time.Second)
		w.wantRefused(w.browser().answers(okta, sign(w.response("_of-nobody")), ""), saml.ReasonInResponseTo, saml.ReasonInResponseTo)
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionDisabled })
		b := w.browser()
		if a := b.get(b.answers(okta, sign(w.response("")), "").Header.Get("Location")); a.StatusCode != http.StatusForbidden {
			t.Errorf("at a disabled connection the sign-in that begins is answered %d", a.StatusCode)
		}
		w.clock.turn(time.Second) // the newest event is the next one
		w.reconnect(func(c *directory.Connection) { c.Status, c.SAML.ConvertUnasked = directory.ConnectionActive, false })
		w.wantRefused(w.browser().answers(okta, sign(w.response("")), ""), saml.ReasonUnsolicited, saml.ReasonUnsolicited)
	})
}

func TestSAML_AuthnContextsAreAskedForAndEnforcedOnReturn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		const mfa = "https://refeds.org/profile/mfa"
		w.reconnect(func(c *directory.Connection) { c.SAML.AuthnContexts = []string{mfa, "urn:other"} })
		b := w.browser()
		q := b.begin(okta)
		if !strings.Contains(q.xml, "<saml:AuthnContextClassRef>"+mfa+"<") {
			t.Errorf("the request asks for nothing: %s", q.xml)
		}
		w.wantRefused(b.answers(okta, sign(w.response(q.id)), q.relay), saml.ReasonContext, saml.ReasonContext)
		w.browser().enters(w, func(r *samltest.Response) { r.Assertion.Authn[0].Class = mfa })
	})
}

func TestSAML_SHA1CountsUntilTheDayOfItsGraceAndIsNoted(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		legacy := func(r *samltest.Response) { r.Signing.Method, r.Signing.Digest = samltest.RSASHA1, samltest.SHA1 }
		refused := func() {
			t.Helper()
			b := w.browser()
			q := b.begin(okta)
			r := w.response(q.id)
			legacy(r)
			w.wantRefused(b.answers(okta, sign(r), q.relay), "saml_refused", saml.ReasonAlgorithm)
		}
		refused()
		today := w.clock.now().Format(time.DateOnly)
		w.reconnect(func(c *directory.Connection) { c.SAML.SHA1Until = today })
		w.browser().enters(w, legacy)
		if !strings.Contains(w.notes(), "SHA-1 was accepted, by the grace of this connection that ends on "+today) {
			t.Errorf("the event does not say so: %s", w.notes())
		}
		w.clock.turn(24 * time.Hour)
		refused()
	})
}

func TestSAML_PrivateKeysAreInNoEvent(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		pair := samltest.NewKey()
		w.keyed(encrypting, pair)
		w.browser().enters(w, func(r *samltest.Response) { r.Encryption = &samltest.Encryption{For: pair.Certificate} })
		w.must(func() error {
			cfg, err := w.config(context.Background(), acme)
			if err != nil {
				return err
			}
			c, _ := cfg.Connection(okta)
			for _, e := range w.events(acme, audit.SignInSucceeded) {
				if strings.Contains(string(e.Payload), c.SAML.Keys[0].Private) || strings.Contains(string(e.Payload), "PRIVATE") {
					t.Error("a key is in the log")
				}
			}
			return nil
		}())
	})
}
