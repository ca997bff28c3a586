package signin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// fuzzed is a service on SQLite with a SAML connection that takes answers nobody asked for, and one of OpenID Connect whose IdP is out of
// reach but for its documents. Nobody who fuzzes it has a key of either.
func fuzzed(f *testing.F) *Service {
	f.Helper()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	db := storetest.Open(f, storetest.SQLite(f), func() time.Time { return at })
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	if err != nil {
		f.Fatal(err)
	}
	s := &Service{DB: db, Passwords: keys.NewPasswords(0), PublicURL: "http://gatehouse.test", Master: master,
		Outside: &relyingparty.RelyingParty{HTTP: &http.Client{Transport: documents{key: oidctest.NewRSA("k1")}}}}
	secret, err := master.Seal(directory.SecretPurpose(oidc), []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	err = errors.Join(db.Write(context.Background(), acme, furnishAcme), db.Write(context.Background(), acme, func(tx *store.Tx) error {
		tile := sideOf(oktaIdP())
		tile.IdPInitiated = true
		tx.SaveConnection(directory.Connection{ID: okta, Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive, VerifiedAt: tx.Now(), SAML: tile}, false)
		o := directory.DefaultOIDC("generic")
		o.Issuer, o.ClientID, o.Secret = "https://idp.test", "gatehouse", secret
		tx.SaveConnection(directory.Connection{ID: oidc, Name: "OIDC", Provider: "generic", Protocol: directory.ProtocolOIDC, Status: directory.ConnectionActive, VerifiedAt: tx.Now(), OIDC: &o}, true)
		return tx.Record(audit.Event{Type: audit.ConnectionChanged})
	}))
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// documents answers as https://idp.test, for its discovery document and keys alone.
type documents struct{ key oidctest.Key }

func (d documents) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(text string) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}
	}
	switch r.URL.String() {
	case "https://idp.test/.well-known/openid-configuration":
		return answer(`{"issuer":"https://idp.test","authorization_endpoint":"https://idp.test/a","token_endpoint":"https://idp.test/t","jwks_uri":"https://idp.test/k"}`), nil
	case "https://idp.test/k":
		jwk, err := d.key.JWK().MarshalJSON()
		return answer(`{"keys":[` + string(jwk) + `]}`), err
	}
	return nil, errors.New("called " + r.URL.String())
}

// isRefusal fails where somebody got in, and where what came of it was no refusal.
func isRefusal(t *testing.T, entered *Entered, err error) {
	t.Helper()
	if entered != nil || err == nil {
		t.Fatal("signed in")
	}
	if errs.As(err) == nil && !errors.As(err, new(*PassOn)) {
		t.Fatalf("%v", err)
	}
}

// Whoever has no key signs nobody in, whatever they post, and nothing breaks.
func FuzzACS(f *testing.F) {
	s := fuzzed(f)
	r := oktaIdP().Response(ServiceProvider(s.PublicURL, directory.Connection{ID: okta}), "", s.DB.Now())
	about(r, "bob@acme.test", "Bob", "Builder")
	r.Signing = samltest.Signing{}
	unsigned := string(oktaIdP().Sign(r))
	r.Signing = samltest.Signing{Assertion: true, Key: otherKey()}
	forged := string(oktaIdP().Sign(r))
	for _, doc := range []string{unsigned, forged, strings.Replace(forged, ">bob@", "><!-- x -->bob@", 1), "<!DOCTYPE x>" + unsigned, copied(forged, "</saml2p:Response>"), copied(forged, "</saml2:Assertion>"),
		strings.Repeat("<a>", 100), `<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" Version="2.0" ID="a"><Status><StatusCode Value="x"/></Status></Response>`, ""} {
		f.Add(samltest.Encode([]byte(doc)), "/w/acme", false)
	}
	f.Add("%%%", statePrefix+strings.Repeat("A", 43), true)
	f.Add("PHg+", "//evil.example", true)
	f.Fuzz(func(t *testing.T, response, relay string, direct bool) {
		for _, text := range []string{response, samltest.Encode([]byte(response))} {
			entered, err := s.SAML(context.Background(), Answer{Connection: okta, Response: text, RelayState: relay, Browser: "gbs_x", Direct: direct, Client: from("192.0.2.1")})
			isRefusal(t, entered, err)
			var away *TurnedAway
			if errors.As(err, &away) && (away.Detail != "" || errs.CodeOf(err) != "saml_refused") {
				t.Errorf("whoever proves nothing is told %q: %v", away.Detail, err)
			}
		}
	})
}

func FuzzOIDCCallback(f *testing.F) {
	s := fuzzed(f)
	for _, c := range []Callback{{Code: "x", State: statePrefix + strings.Repeat("A", 43)}, {State: "x", Error: "access_denied", ErrorDescription: "<b>"}, {Code: "x", Issuer: "https://idp.test"}, {}} {
		f.Add(c.Code, c.State, c.Error, c.ErrorDescription, c.Issuer)
	}
	f.Fuzz(func(t *testing.T, code, state, failure, description, issuer string) {
		for _, connection := range []string{"", oidc, okta} {
			entered, err := s.OIDC(context.Background(), Callback{Connection: connection, Code: code, State: state, Error: failure, ErrorDescription: description, Issuer: issuer, Browser: "gbs_x", Client: from("192.0.2.1")})
			isRefusal(t, entered, err)
		}
	})
}

// Nobody but the IdP ends a session.
func FuzzLogoutToken(f *testing.F) {
	s := fuzzed(f)
	claims := map[string]any{"iss": "https://idp.test", "aud": "gatehouse", "iat": 1777888800, "exp": 1777888900, "jti": "1", "sub": "x", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	f.Add(oidctest.Forge(map[string]any{"alg": "RS256", "kid": "k1", "typ": "logout+jwt"}, claims, nil))
	f.Add(oidctest.Forge(map[string]any{"alg": "none"}, claims, nil))
	f.Add(oidctest.Forge(map[string]any{"alg": "HS256", "kid": "k1"}, claims, oidctest.HMAC([]byte("secret"))))
	f.Add(oidctest.NewRSA("k1").SignAs("logout+jwt", claims))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		err := s.BackchannelLogout(context.Background(), oidc, token, from("192.0.2.1"))
		if errs.As(err) == nil {
			t.Fatalf("believed, or not refused: %v", err)
		}
	})
}
