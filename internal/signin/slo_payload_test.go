package signin

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// FuzzLogoutMessage sends anything through what the logout door does before and beside verification.
func FuzzLogoutMessage(f *testing.F) {
	idp := oktaIdP()
	l := idp.LogoutRequest("http://gatehouse.test"+oktaLogout, bobsName, (&clock{}).now())
	f.Add(idp.RedirectLogout(l, "r"), false)
	f.Add(url.Values{"SAMLRequest": {samltest.Encode(idp.SignLogout(l))}}.Encode(), true)
	f.Add("SAMLResponse=x&SAMLRequest=y", true)
	f.Add("SAMLRequest=%zz&RelayState=&SigAlg=&Signature=", false)
	known := idp.IdentityProvider()
	f.Fuzz(func(t *testing.T, query string, posted bool) {
		r := &logoutReceived{LogoutMessage: LogoutMessage{Connection: okta, Query: query}, idp: known, side: &side{connection: directory.Connection{ID: okta, SAML: &directory.SAML{}}}}
		if posted {
			r.Form, _ = url.ParseQuery(query)
			if r.Form == nil {
				r.Form = url.Values{}
			}
		}
		if r.decode() == nil {
			if _, err := saml.VerifyLogoutRequest(r.message, saml.LogoutExpectation{IdentityProvider: known, Destination: "x"}, (&clock{}).now()); err == nil {
				t.Error("accepted for another destination")
			}
		}
		for _, textless := range []bool{true, false} {
			out := r.payload(nil, textless)
			if len(out) > audit.MaxPayload || !json.Valid(out) {
				t.Errorf("%d bytes: %.200s", len(out), out)
			}
		}
	})
}
