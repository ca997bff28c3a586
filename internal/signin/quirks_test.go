package signin

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// quirk is what one vendor does that another does not, and what its preset makes of it.
type quirk struct {
	provider string
	// set is what the administrator sets on the connection beside the preset.
	set func(*directory.SAML)
	// change is the vendor's manner; about bob unless it says otherwise.
	change func(*samltest.Response)
	// wrap changes the message once it is signed.
	wrap   func([]byte) []byte
	refuse string // the code of a refusal, "" where it signs in
	groups []string
	tile   bool // nobody asked for it
}

// carriage puts &#13; behind each line of the signature's value.
func carriage(doc []byte) []byte {
	return regexp.MustCompile(`<ds:SignatureValue>[^<]+`).ReplaceAllFunc(doc, func(value []byte) []byte {
		text := strings.TrimPrefix(string(value), "<ds:SignatureValue>")
		text = regexp.MustCompile(`\s`).ReplaceAllString(text, "")
		var lines []string
		for part := range slices.Chunk([]byte(text), 76) {
			lines = append(lines, string(part)+"&#13;\n")
		}
		return []byte("<ds:SignatureValue>" + strings.Join(lines, ""))
	})
}

func groupsAs(name string, values ...string) func(*samltest.Response) {
	return func(r *samltest.Response) {
		r.Assertion.Attributes = slices.DeleteFunc(r.Assertion.Attributes, func(a saml.Attribute) bool { return a.Name == "groups" })
		r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: name, Values: values})
	}
}

// attributesAs renames the four attributes of a response.
func attributesAs(names ...string) func(*samltest.Response) {
	return func(r *samltest.Response) {
		for i, name := range names {
			r.Assertion.Attributes[i].Name = name
		}
	}
}

const claimsOfEntra = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"

// quirks are the rows of what IdPs are known to do.
var quirks = map[string]quirk{
	"okta: response and assertion signed, by the tile": {provider: "okta", tile: true, change: func(r *samltest.Response) { r.Signing.Response, r.Signing.Assertion = true, true }},
	"okta: the assertion alone signed":                 {provider: "okta", change: func(r *samltest.Response) { r.Signing.Response, r.Signing.Assertion = false, true }},
	"okta: the response alone signed":                  {provider: "okta", change: func(r *samltest.Response) { r.Signing.Response, r.Signing.Assertion = true, false }},
	"entra: the assertion alone signed, claims by address, groups by object id": {provider: "entra", groups: []string{"0f3c"}, change: func(r *samltest.Response) {
		r.Style, r.Signing.Response, r.Signing.Assertion = samltest.Entra, false, true
		attributesAs(claimsOfEntra+"emailaddress", claimsOfEntra+"givenname", claimsOfEntra+"surname")(r)
		groupsAs("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", "0f3c")(r)
	}},
	"entra: a link in place of more than 150 groups": {provider: "entra", change: func(r *samltest.Response) {
		r.Style = samltest.Entra
		attributesAs(claimsOfEntra+"emailaddress", claimsOfEntra+"givenname", claimsOfEntra+"surname")(r)
		groupsAs("http://schemas.microsoft.com/claims/groups.link", "https://graph.windows.net/x")(r)
	}},
	"entra: the tile, which its preset does not take": {provider: "entra", tile: true, refuse: "unsolicited", change: func(r *samltest.Response) {
		attributesAs(claimsOfEntra+"emailaddress", claimsOfEntra+"givenname", claimsOfEntra+"surname")(r)
	}},
	"google: the response alone signed":              {provider: "google", change: func(r *samltest.Response) { r.Signing.Response, r.Signing.Assertion = true, false }},
	"onelogin: groups as one text":                   {provider: "onelogin", set: func(s *directory.SAML) { s.Attributes.GroupsDelimiter = ";" }, change: groupsAs("groups", "Agents; Night Shift;;"), groups: []string{"Agents", "Night Shift"}},
	"onelogin: groups as one text that nobody parts": {provider: "onelogin", change: groupsAs("groups", "Agents;Night Shift"), groups: []string{"Agents;Night Shift"}},
	"onelogin: SHA-1, as its older applications begin": {provider: "onelogin", refuse: "saml_refused", change: func(r *samltest.Response) {
		r.Signing.Method, r.Signing.Digest = samltest.RSASHA1, samltest.SHA1
	}},
	"adfs: long claim names, RSA key value": {provider: "generic", set: func(s *directory.SAML) {
		s.Attributes.Email, s.Attributes.FirstName, s.Attributes.LastName = claimsOfEntra+"emailaddress", claimsOfEntra+"givenname", claimsOfEntra+"surname"
	}, change: func(r *samltest.Response) {
		r.Signing.KeyInfo = samltest.WithKeyValue
		attributesAs(claimsOfEntra+"emailaddress", claimsOfEntra+"givenname", claimsOfEntra+"surname")(r)
	}},
	"pingfederate: a virtual server id, which is another entity id": {provider: "generic", refuse: "issuer", change: func(r *samltest.Response) {
		r.Issuer, r.Assertion.Issuer = "https://virtual.example", "https://virtual.example"
	}},
	"keycloak: carriage returns in the signature, the name of the key": {provider: "generic", wrap: carriage, change: func(r *samltest.Response) { r.Signing.KeyInfo = samltest.WithKeyName }},
	"keycloak: each role an attribute of its own": {provider: "generic", groups: []string{"a", "b"}, change: func(r *samltest.Response) {
		groupsAs("groups", "a")(r)
		r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: "groups", Values: []string{"b"}})
	}},
	"shibboleth: a transient NameID beside a subject-id": {provider: "generic", set: func(s *directory.SAML) { s.Attributes.Subject = "urn:oasis:names:tc:SAML:attribute:subject-id" }, change: func(r *samltest.Response) {
		r.Signing.Response, r.Signing.Assertion = true, false
		r.Assertion.NameID = &saml.NameID{Format: saml.FormatTransient, Value: "_" + saml.NewID()}
		r.Assertion.Attributes = append(r.Assertion.Attributes, saml.Attribute{Name: "urn:oasis:names:tc:SAML:attribute:subject-id", Values: []string{"bob@acme.test"}})
	}},
	"shibboleth: a transient NameID alone": {provider: "generic", refuse: "subject_transient", change: func(r *samltest.Response) {
		r.Assertion.NameID = &saml.NameID{Format: saml.FormatTransient, Value: "_x"}
	}},
}

// TestQuirks_OfEachVendorAreWhatItsPresetExpects: encryption, signed requests and logout of theirs have tests of their own.
func TestQuirks_OfEachVendorAreWhatItsPresetExpects(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		for name, q := range quirks {
			w.reconnect(func(c *directory.Connection) {
				preset := directory.DefaultSAML(q.provider)
				known := sideOf(oktaIdP())
				known.Attributes, known.IdPInitiated, known.Require = preset.Attributes, preset.IdPInitiated, preset.Require
				if q.set != nil {
					q.set(known)
				}
				c.Provider, c.SAML = q.provider, known
			})
			b := w.browser()
			request := asked{}
			if !q.tile {
				request = b.begin(okta)
			}
			r := w.response(request.id)
			r.Assertion.Attributes = slices.DeleteFunc(r.Assertion.Attributes, func(a saml.Attribute) bool { return a.Name == "groups" })
			q.change(r)
			message := oktaIdP().Sign(r)
			if q.wrap != nil {
				wrapped := q.wrap(message)
				if bytes.Equal(wrapped, message) {
					t.Errorf("%s: nothing was changed", name)
				}
				message = wrapped
			}
			a := b.answers(okta, base64.StdEncoding.EncodeToString(message), request.relay)
			if q.refuse != "" {
				if a.StatusCode < 400 || a.StatusCode > 499 || !strings.Contains(a.body, "<code>"+q.refuse+"</code>") {
					t.Errorf("%s: %d, want %s: %.1500s", name, a.StatusCode, q.refuse, a.body)
				}
				continue
			}
			if a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" {
				e, p := w.refused()
				t.Errorf("%s: %d by %s %+v", name, a.StatusCode, e.Reason, p)
				continue
			}
			if q.groups == nil {
				continue
			}
			var claims map[string][]store.Claims
			w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) (err error) {
				claims, err = tx.Claims([]string{bob})
				return err
			}))
			if own := claims[bob]; len(own) != 1 || !slices.Equal(own[0].Groups, q.groups) {
				t.Errorf("%s: the groups are %+v, want %q", name, own, q.groups)
			}
		}
	})
}

// TestRequests_AskNothingThatAVendorStumblesOver: Entra takes no ID that begins with a digit, and an authentication context
// asked for would lock people with a second factor out (AADSTS75011).
func TestRequests_AskNothingThatAVendorStumblesOver(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		for _, provider := range directory.Providers() {
			preset := directory.DefaultSAML(provider)
			if preset.ForceAuthn || preset.SignRequests || len(preset.AuthnContexts) > 0 || preset.Encryption != "" || preset.Require != "any" || preset.IdPInitiated != (provider == "okta") {
				t.Errorf("%s begins with %+v", provider, preset)
			}
			w.reconnect(func(c *directory.Connection) { c.Provider = provider })
			for range 20 {
				if q := w.browser().begin(okta); q.id[0] >= '0' && q.id[0] <= '9' || strings.Contains(q.xml, "RequestedAuthnContext") || strings.Contains(q.xml, "ForceAuthn=\"true\"") {
					t.Fatalf("%s is asked %s", provider, q.xml)
				}
			}
		}
	})
}

// TestTwoWorkspaces_WhoseIdPsHaveTheSameName: JumpCloud's administrators type it themselves. The connection and its key
// decide, never the name.
func TestTwoWorkspaces_WhoseIdPsHaveTheSameName(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		theirs := samltest.NewIdP(oktaIdP().EntityID, otherKey())
		w.connect(beta, "con_beta", theirs, nil)
		b := w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		r.Signing.Response, r.Signing.Assertion = true, true
		w.wantRefused(b.answers(okta, samltest.Encode(theirs.Sign(r)), q.relay), "saml_refused", "unknown_key")
		b.enters(w, nil)
	})
}
