package idpsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// OIDCState is the OpenID side of an IdP as scripts see it.
type OIDCState struct {
	Kind         Kind            `json:"kind"`
	Issuer       string          `json:"issuer"`
	DiscoveryURL string          `json:"discovery_url"`
	Tenant       string          `json:"tenant,omitempty"` // Entra's
	Keys         []string        `json:"keys"`             // ids, the one that signs first
	Settings     OIDCSettings    `json:"settings"`
	Fault        OIDCFault       `json:"fault"` // of the next sign-in
	Faults       []oidcFaultInfo `json:"faults"`
	Sessions     []OIDCSession   `json:"sessions"`
	Last         *Outcome        `json:"last,omitempty"`
	Issued       []OIDCIssued    `json:"issued"` // newest first
}

// oidcState collects what is known, for a simulator whose origin is base.
func (p *IdP) oidcState(base string) (OIDCState, error) {
	if _, _, err := p.oidcKeys(); err != nil {
		return OIDCState{}, err
	}
	at := p.oidcPlaces(base)
	s := OIDCState{Kind: p.kind, Issuer: at.issuer, DiscoveryURL: strings.TrimSuffix(at.issuer, "/") + wellKnownOIDC, Tenant: p.Tenant(),
		Settings: p.OIDCSettings(), Faults: oidcFaultsOf(p.kind), Sessions: p.OIDCSessions()}
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	for _, k := range p.oidc.keys {
		s.Keys = append(s.Keys, k.id)
	}
	s.Fault, s.Issued = p.oidc.fault, slices.Clone(p.oidc.issued)
	if p.oidc.last != nil {
		last := *p.oidc.last
		s.Last = &last
	}
	return s, nil
}

// OIDC returns the OpenID side of this IdP with addresses at Options.BaseURL.
func (p *IdP) OIDC() (OIDCState, error) { return p.oidcState(p.opts.BaseURL) }

const wellKnownOIDC = "/.well-known/openid-configuration"

// oidcVerb makes a verb of the OpenID side from a function of decoded arguments.
func oidcVerb[T any](fn func(ctx context.Context, p *IdP, base string, v T) (any, error)) samlVerb {
	return func(ctx context.Context, p *IdP, base string, in input) (any, error) {
		var v T
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return fn(ctx, p, base, v)
	}
}

// oidcVerbs are the routes below POST /api/{idp}/oidc.
var oidcVerbs = map[string]samlVerb{
	"": oidcConfigure,
	"/fault": oidcVerb(func(_ context.Context, p *IdP, _ string, v struct {
		Fault OIDCFault `json:"fault"`
	}) (any, error) {
		return v, p.SetOIDCFault(v.Fault)
	}),
	"/authorize": oidcVerb(func(_ context.Context, p *IdP, base string, v struct {
		URL string `json:"url"`
		Who string `json:"who"`
	}) (any, error) {
		return p.authorizeAt(v.URL, base, v.Who)
	}),
	"/tile": oidcVerb(func(_ context.Context, p *IdP, base string, v struct {
		Who string `json:"who"`
	}) (any, error) {
		to, err := p.oidcTileAt(base, v.Who)
		return map[string]string{"url": to}, err
	}),
	"/rotate-key": oidcVerb(func(_ context.Context, p *IdP, base string, v struct {
		Immediate bool `json:"immediate"`
	}) (any, error) {
		if err := p.RotateKey(v.Immediate); err != nil {
			return nil, err
		}
		return p.oidcState(base)
	}),
	"/sign-out": oidcVerb(func(ctx context.Context, p *IdP, base string, v struct {
		Which string `json:"which"`
	}) (any, error) {
		return p.signOutAt(ctx, base, v.Which)
	}),
}

// oidcConfigure changes the settings that are given and leaves the others.
func oidcConfigure(_ context.Context, p *IdP, _ string, in input) (any, error) {
	s := p.OIDCSettings()
	if err := in.into(&s); err != nil {
		return nil, err
	}
	return s, p.ConfigureOIDC(s)
}

// oidcRoutes mounts the OpenID side of one IdP, and lets other sites post to what their pages may post to.
func (p *IdP) oidcRoutes(mux *http.ServeMux, protection *http.CrossOriginProtection) {
	if !p.kind.SpeaksOIDC() {
		return
	}
	at := "/" + string(p.kind)
	mux.HandleFunc("GET /api"+at+"/oidc", func(w http.ResponseWriter, r *http.Request) {
		s, err := p.oidcState(origin(r))
		if err != nil {
			refuse(w, err, nil)
			return
		}
		respond(w, http.StatusOK, s)
	})
	for path, v := range oidcVerbs {
		mux.HandleFunc("POST /api"+at+"/oidc"+path, func(w http.ResponseWriter, r *http.Request) {
			in, err := io.ReadAll(r.Body)
			if err != nil {
				refuse(w, fmt.Errorf("%w input: %w", ErrInvalid, err), nil)
				return
			}
			result, err := v(r.Context(), p, origin(r), in)
			if err != nil {
				refuse(w, err, nil)
				return
			}
			respond(w, http.StatusOK, map[string]any{"result": result})
		})
	}
	places := placesOf(p.kind, "{tenant}")
	for path, door := range map[string]http.HandlerFunc{
		"GET " + strings.TrimSuffix(places.issuer, "/") + wellKnownOIDC: p.discoveryDoor, "GET " + places.keys: p.keysDoor, "POST " + places.token: p.tokenDoor,
		"GET " + places.userinfo: p.userInfoDoor, "POST " + places.userinfo: p.userInfoDoor,
		"GET " + places.authorize: p.authorizePage, "POST " + places.authorize: p.authorizePage, "POST " + places.authorize + "/as": p.chooseOIDC,
	} {
		mux.HandleFunc(path, p.tenantOnly(door))
	}
	protection.AddInsecureBypassPattern("POST " + places.authorize)
	if places.logout != "" {
		mux.HandleFunc("GET "+places.logout, p.tenantOnly(p.logoutDoor))
		mux.HandleFunc("POST "+places.logout, p.tenantOnly(p.logoutDoor))
		protection.AddInsecureBypassPattern("POST " + places.logout)
	}
	p.oidcPageRoutes(mux, at)
}

// manyTenants are Entra's names for all of its tenants.
var manyTenants = []string{"common", "organizations"}

// tenantOnly answers for this tenant of Entra's, and for all of them together.
func (p *IdP) tenantOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if t := r.PathValue("tenant"); p.kind.IsEntra() && t != p.saml.tenant() && !slices.Contains(manyTenants, t) {
			respond(w, http.StatusBadRequest, map[string]any{"error": "invalid_tenant"})
			return
		}
		next(w, r)
	}
}

func (p *IdP) discoveryDoor(w http.ResponseWriter, r *http.Request) {
	respond(w, http.StatusOK, p.discovery(origin(r), slices.Contains(manyTenants, r.PathValue("tenant"))))
}

func (p *IdP) keysDoor(w http.ResponseWriter, _ *http.Request) {
	set, err := p.publicKeys()
	if err != nil {
		refuse(w, err, nil)
		return
	}
	respond(w, http.StatusOK, set)
}

func (p *IdP) tokenDoor(w http.ResponseWriter, r *http.Request) {
	var out map[string]any
	err := r.ParseForm()
	if err == nil {
		out, err = p.redeem(r, origin(r))
	}
	var said *oauthError
	switch {
	case err == nil:
		respond(w, http.StatusOK, out)
	case errors.As(err, &said):
		respond(w, said.status, map[string]string{"error": said.code, "error_description": said.description})
	default:
		respond(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": err.Error()})
	}
}

func (p *IdP) userInfoDoor(w http.ResponseWriter, r *http.Request) {
	access, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims := p.userInfo(access)
	if claims == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		respond(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	respond(w, http.StatusOK, claims)
}

func (p *IdP) logoutDoor(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	to := ""
	if err == nil {
		to, err = p.endedByApp(r.Form)
	}
	switch {
	case err != nil:
		p.refusedPage(w, err)
	case to == "":
		render(w, "signedout.html", struct{ Title, Said string }{p.kind.Title(), ""})
	default:
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// formQuery is a request as a query, whatever way it came.
func formQuery(r *http.Request) (string, error) {
	if r.Method == http.MethodGet {
		return r.URL.RawQuery, nil
	}
	if err := r.ParseForm(); err != nil {
		return "", mistake("%v", err)
	}
	return r.PostForm.Encode(), nil
}

// hintOf is whom a request names, if they are here.
func (p *IdP) hintOf(hint string) string {
	if _, err := p.person(hint); hint == "" || err != nil {
		return ""
	}
	return hint
}

// withQuery replaces the search of a sign-in page.
func withQuery(r *http.Request, search string) *http.Request {
	next := r.Clone(r.Context())
	next.URL.RawQuery = url.Values{"q": {search}}.Encode()
	return next
}
