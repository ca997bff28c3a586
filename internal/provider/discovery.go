package provider

import (
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// metadata is the discovery document (OpenID Connect Discovery 1.0 section 3, RFC 8414).
type metadata struct {
	Issuer                 string   `json:"issuer"`
	Authorization          string   `json:"authorization_endpoint"`
	Token                  string   `json:"token_endpoint"`
	UserInfo               string   `json:"userinfo_endpoint"`
	JWKS                   string   `json:"jwks_uri"`
	Introspection          string   `json:"introspection_endpoint"`
	Revocation             string   `json:"revocation_endpoint"`
	EndSession             string   `json:"end_session_endpoint"`
	Scopes                 []string `json:"scopes_supported"`
	ResponseTypes          []string `json:"response_types_supported"`
	ResponseModes          []string `json:"response_modes_supported"`
	GrantTypes             []string `json:"grant_types_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	IDTokenAlgorithms      []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	ConfidentialMethods    []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods  []string `json:"revocation_endpoint_auth_methods_supported"`
	ChallengeMethods       []string `json:"code_challenge_methods_supported"`
	Claims                 []string `json:"claims_supported"`
	Prompts                []string `json:"prompt_values_supported"`
	IssInResponse          bool     `json:"authorization_response_iss_parameter_supported"`
	BackchannelLogout      bool     `json:"backchannel_logout_supported"`
	BackchannelWithSession bool     `json:"backchannel_logout_session_supported"`
	ClaimsParameter        bool     `json:"claims_parameter_supported"`
	RequestParameter       bool     `json:"request_parameter_supported"`
	RequestURIParameter    bool     `json:"request_uri_parameter_supported"`
}

func (d *Door) discovery(w http.ResponseWriter, _ *http.Request) error {
	confidential := []string{"client_secret_basic", "client_secret_post"}
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*") // public, and without credentials
	return web.WriteJSON(w, http.StatusOK, metadata{
		Issuer:        d.Issuer,
		Authorization: d.Issuer + authorizePath,
		Token:         d.Issuer + tokenPath,
		UserInfo:      d.Issuer + userinfoPath,
		JWKS:          d.Issuer + jwksPath,
		Introspection: d.Issuer + introspectPath,
		Revocation:    d.Issuer + revokePath,
		EndSession:    d.Issuer + endSessionPath,
		Scopes:        grants.Scopes(),
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, SubjectTypes: []string{"public"},
		IDTokenAlgorithms: []string{"RS256"},
		TokenAuthMethods:  append([]string{"none"}, confidential...), ConfidentialMethods: confidential,
		RevocationAuthMethods: append([]string{"none"}, confidential...),
		ChallengeMethods:      []string{"S256"},
		Claims: []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "acr", "amr", "email", "email_verified", grants.ScopeAttributes,
			"name", "given_name", "family_name", "workspace", "role", "groups"},
		Prompts: []string{"none", "login"}, IssInResponse: true, BackchannelLogout: true, BackchannelWithSession: true,
	})
}

func (d *Door) jwks(w http.ResponseWriter, r *http.Request) error {
	set, err := d.Grants.Keys.JWKS(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return web.WriteJSON(w, http.StatusOK, set)
}
