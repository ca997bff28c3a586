package settings

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// sealing gives a service a master key, the environment that a file names and IdPs that it can ask.
func (s *Service) sealing(t *testing.T) *keys.Master {
	t.Helper()
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	if err != nil {
		t.Fatal(err)
	}
	s.Master = func(context.Context) (*keys.Master, error) { return master, nil }
	environment := map[string]string{"SECRET": "first secret", "OTHER": "second secret", "TWO_LINES": "a\nb"}
	s.Getenv = func(name string) string { return environment[name] }
	s.ReadFile = func(name string) ([]byte, error) {
		if strings.HasSuffix(name, "secret.txt") {
			return []byte("first secret\n"), nil
		}
		return nil, fs.ErrNotExist
	}
	s.Metadata = func(_ context.Context, address string) ([]byte, error) {
		if issuer, ok := strings.CutSuffix(address, "/.well-known/openid-configuration"); ok && issuer != "https://gone.test" {
			if issuer == "https://slash.test" {
				issuer += "/"
			}
			return []byte(`{"issuer":"` + issuer + `","authorization_endpoint":"https://idp.test/a","token_endpoint":"https://idp.test/t","jwks_uri":"https://idp.test/k"}`), nil
		}
		return nil, errors.New("nobody is there")
	}
	return master
}

const oidcHead = "workspace: acme\nconnections:\n- {name: oidc, provider: generic, protocol: oidc, "

func TestOIDC_IsAppliedExportedAndAppliedAgainWithoutAChange(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		master := s.sealing(t)
		text := oidcHead + "issuer: https://idp.test, client_id: gatehouse, client_secret_env: SECRET, status: active, scopes: [email, groups], max_age: 3600, " +
			"acr_values: ['urn:mfa'], algorithms: [ES256], audiences: [api], prompt: login, callback: own, response_mode: form_post, userinfo: always, logout: yes, idp_initiated: yes, " +
			"client_auth: post, attributes: {groups: roles}}\n"
		result := s.mustApply(t, text, ApplyOptions{})
		c := s.connection(t, "oidc")
		o := c.OIDC
		if !c.Verified() || o.Issuer != "https://idp.test" || *o.MaxAge != 3600 || !o.OwnCallback || !o.FormPost || !o.Logout || !o.IdPInitiated || o.UserInfo != "always" ||
			o.Algorithms[0] != "ES256" || o.Audiences[0] != "api" || o.ACRValues[0] != "urn:mfa" || o.Attributes.Groups != "roles" || o.Attributes.Email != "email" || o.ClientAuth != "post" {
			t.Errorf("the connection is %+v, %+v", c, o)
		}
		if !strings.HasSuffix(result.Connections[0].CallbackURL, "/auth/oidc/"+c.ID+"/callback") {
			t.Errorf("the redirect URI is %s", result.Connections[0].CallbackURL)
		}
		if plain, err := master.Open(directory.SecretPurpose(c.ID), o.Secret); err != nil || string(plain) != "first secret" {
			t.Errorf("the secret is kept as %q, %v", plain, err)
		}
		if _, err := master.Open(directory.SecretPurpose("con_other"), o.Secret); err == nil {
			t.Error("the sealed secret opens in another connection's place")
		}
		events := s.events(t)
		for _, again := range []string{text, strings.Replace(text, "client_secret_env: SECRET", "client_secret_file: secret.txt", 1), strings.Replace(text, "client_secret_env: SECRET, ", "", 1)} {
			if r := s.mustApply(t, again, ApplyOptions{}); len(r.Changes) != 0 {
				t.Errorf("applied again: %v", r.Changes)
			}
		}
		exported, err := s.Export(context.Background(), "acme")
		if err != nil || strings.Contains(string(exported), "secret") {
			t.Fatalf("%v: %s", err, exported)
		}
		if r := s.mustApply(t, string(exported), ApplyOptions{}); len(r.Changes) != 0 {
			t.Errorf("the export changes %v", r.Changes)
		}
		if s.events(t) != events {
			t.Error("something was recorded")
		}
		r := s.mustApply(t, strings.Replace(text, "SECRET", "OTHER", 1), ApplyOptions{})
		if len(r.Changes) != 1 || !strings.HasPrefix(r.Changes[0], "connections.oidc.client_secret: set, ") || strings.Contains(r.Changes[0], "secret secret") {
			t.Errorf("another secret changes %v", r.Changes)
		}
	})
}

func TestOIDC_ADiscoveryAddressInPlaceOfTheIssuerWorks(t *testing.T) {
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.sealing(t)
	const tail = "/.well-known/openid-configuration"
	for pasted, want := range map[string]string{"https://idp.test": "https://idp.test", "https://idp.test" + tail: "https://idp.test", "https://slash.test" + tail: "https://slash.test/",
		"https://gone.test" + tail: "https://gone.test", "https://slash.test/": "https://slash.test/"} {
		s.mustApply(t, oidcHead+"issuer: '"+pasted+"'}\n", ApplyOptions{Force: true})
		if got := s.connection(t, "oidc").OIDC.Issuer; got != want {
			t.Errorf("%s became %s, want %s", pasted, got, want)
		}
	}
	for pasted, want := range map[string]string{"https://login.microsoftonline.com/common/v2.0" + tail: "https://login.microsoftonline.com/{tenantid}/v2.0",
		"https://login.microsoftonline.com/organizations/v2.0": "https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/t-1/v2.0" + tail: "https://login.microsoftonline.com/t-1/v2.0"} {
		if got := s.completeIssuer(context.Background(), "entra", pasted); got != want {
			t.Errorf("%s became %s, want %s", pasted, got, want)
		}
	}
}

func TestOIDC_ItsMistakesAreNamed(t *testing.T) {
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	s.sealing(t)
	s.mustApply(t, "workspace: acme\n", ApplyOptions{})
	const whole = "issuer: https://idp.test, client_id: x, client_secret_env: SECRET, status: active"
	for rest, want := range map[string]string{
		"status: active}": "expected the IdP's issuer before the connection is active",
		"issuer: https://idp.test, status: active}":                        "expected the client id",
		"issuer: https://idp.test, client_id: x, status: active}":          "expected the client secret",
		"client_secret_env: NOT_SET}":                                      "line 3: connections[0].client_secret_env: the environment variable NOT_SET is not set",
		"client_secret_env: TWO_LINES}":                                    "expected a client secret of 1 to 1024 bytes on one line",
		"client_secret_file: gone.txt}":                                    "connections[0].client_secret_file: file does not exist",
		"issuer: http://idp.test}":                                         "issuer: expected https, received \"http://idp.test\"",
		"issuer: 'https://idp.test/?x=1'}":                                 "issuer: expected a URL without user name, query and fragment",
		"issuer: 'https://idp.test/{tenantid}'}":                           "only with the provider entra",
		"scopes: [a b]}":                                                   "expected scopes and acr_values as a list of single words",
		"client_id: https://gatehouse.test, client_auth: private_key_jwt}": "client_id: expected no address with client_auth private_key_jwt",
	} {
		s.wantRefusal(t, oidcHead+rest, ApplyOptions{}, errs.KindInvalid, want)
	}
	wantMistake(t, oidcHead+"client_secret_file: secret.txt, client_secret_env: SECRET}", "line 3: connections[0]: expected client_secret_env or client_secret_file, received both")
	for rest, want := range map[string]string{
		"client_auth: none}":   "client_auth: expected one of basic, post, private_key_jwt",
		"algorithms: [HS256]}": "algorithms[0]: expected one of RS256",
		"algorithms: [none]}":  "algorithms[0]: expected one of RS256",
		"max_age: soon}":       "max_age: expected a number of seconds",
	} {
		wantMistake(t, oidcHead+rest, "line 3: connections[0]."+want)
	}
	for provider, want := range map[string]string{"google": "issuer: expected one at accounts.google.com", "entra": "issuer: expected one at login.microsoftonline.com", "jumpcloud": "issuer: expected one at oauth.id.jumpcloud.com"} {
		s.wantRefusal(t, strings.Replace(oidcHead, "generic", provider, 1)+whole+"}", ApplyOptions{}, errs.KindInvalid, want)
	}
	s.wantRefusal(t, strings.Replace(oidcHead, "generic", "google", 1)+"client_id: x, client_secret_env: SECRET, status: active}", ApplyOptions{}, errs.KindInvalid, "give hosted_domains")
	s.wantRefusal(t, strings.Replace(oidcHead, "generic", "entra", 1)+"issuer: https://login.microsoftonline.com/common/v2.0, client_id: x, client_secret_env: SECRET, status: active}", ApplyOptions{}, errs.KindInvalid, "give tenants")
	s.wantRefusal(t, "workspace: acme\nconnections:\n- {name: c, provider: okta, protocol: saml, client_id: x}", ApplyOptions{}, errs.KindInvalid, "connections[0].client_id: expected only with protocol: oidc, received it with saml")
	s.AllowPrivate = true
	s.mustApply(t, strings.Replace(oidcHead, "generic", "google", 1)+"issuer: 'http://127.0.0.1:1', client_id: x, client_secret_env: SECRET, hosted_domains: [acme.test], status: active}", ApplyOptions{})
}

func TestOIDC_AnotherIssuerOrClientEndsSessionsAndHasToBeProvenAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.sealing(t)
		ctx := context.Background()
		s.mustApply(t, oidcHead+"issuer: https://idp.test, client_id: gatehouse, client_secret_env: SECRET, status: active}\n", ApplyOptions{})
		c := s.connection(t, "oidc")
		to := OIDCProvider{Issuer: "https://idp.test", ClientID: "gatehouse", Secret: "another secret", ClientAuth: "basic"}
		for i, change := range []func(){func() {}, func() { to.ClientID = "another" }, func() { to.Issuer = "https://other.test" }} {
			s.write(t, func(tx *store.Tx) error {
				c := s.connection(t, "oidc")
				c.VerifiedAt = tx.Now()
				tx.SaveConnection(c, false)
				return nil
			})
			hash := s.signIn(t, string(rune('a'+i)), c.ID)
			change()
			found, err := s.FindOIDCProvider(ctx, "acme", "oidc", to)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.SetOIDCProvider(ctx, "acme", "oidc", found, administrator); err != nil {
				t.Fatal(err)
			}
			now := s.connection(t, "oidc")
			if same := i == 0; s.signedIn(hash) != same || now.Verified() != same {
				t.Errorf("step %d: signed in %v, verified %v", i, s.signedIn(hash), now.Verified())
			}
			if !now.OIDC.Unconfirmed && i > 0 {
				t.Error("owners are believed by what an administrator has set alone")
			}
		}
		for why, bad := range map[string]OIDCProvider{"issuer_invalid": {Issuer: "nonsense"}, "discovery_invalid": {Issuer: "https://gone.test"}} {
			if _, err := s.FindOIDCProvider(ctx, "acme", "oidc", bad); errs.CodeOf(err) != why {
				t.Errorf("%v, want %s", err, why)
			}
		}
		if _, err := s.SetOIDCProvider(ctx, "acme", "oidc", OIDCProvider{Issuer: "https://idp.test", ClientAuth: "basic"}, administrator); errs.CodeOf(err) != "connection_incomplete" {
			t.Errorf("an active connection loses its client id: %v", err)
		}
		s.mustApply(t, "workspace: neighbour\n", ApplyOptions{})
		if _, err := s.SetOIDCProvider(ctx, "neighbour", c.ID, to, administrator); errs.CodeOf(err) != "connection_unknown" {
			t.Errorf("the neighbour changes it: %v", err)
		}
	})
}
