package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gatehouse-id/gatehouse/internal/api"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/console"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/provider"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// newSite puts every door behind the common chain.
func newSite(a *app, cfg config.Config, log *slog.Logger) (http.Handler, error) {
	browser, err := signin.NewDoor(a.signin)
	if err != nil {
		return nil, err
	}
	oidc, err := provider.New(provider.Options{DB: a.db, Grants: a.grants, SignIn: a.signin, Issuer: cfg.PublicURL, Leave: browser.Leave})
	if err != nil {
		return nil, err
	}
	admin, err := console.New(console.Options{DB: a.db, SignIn: a.signin, Settings: a.settings, Provision: a.provision})
	if err != nil {
		return nil, err
	}
	rest, err := api.New(api.Options{DB: a.db, Provision: a.provision, Settings: a.settings, SignIn: a.signin})
	if err != nil {
		return nil, err
	}
	scim := scimDoor{scimserver.New(scimserver.Options{DB: a.db, Provision: a.provision, Origin: cfg.SCIMPublicURL, Log: log, Rate: cfg.SCIMRate,
		Fetch: func(ctx context.Context, url string) ([]byte, error) {
			return outbound.Get(ctx, a.outside, url, scimserver.MaxKeySet)
		}})}
	site := web.Site{Log: log, TrustedProxies: cfg.TrustedProxies}
	health := web.Health{Checks: []web.Check{{Name: "database", Run: a.db.Ping}}}
	return scim.around(site.Handler(scim, browser, oidc, admin, rest, web.Assets{}, health)), nil
}

// scimDoor keeps http.ServeMux from reading SCIM paths: it would answer a double slash or a dot
// segment by a redirect, and provisioning clients do not follow one. The mux sees the one clean
// path of the door; the engine gets the address as it was sent.
type scimDoor struct{ server *scimserver.Server }

type sentURL struct{}

// around hands requests that are SCIM's to next under the door's own path.
func (d scimDoor) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.server.Claims(r.URL.Path) {
			sent := r.URL
			r = r.WithContext(context.WithValue(r.Context(), sentURL{}, sent))
			r.URL = &url.URL{Path: scimserver.Prefix}
		}
		next.ServeHTTP(w, r)
	})
}

// Mount adds the one route under which SCIM requests arrive, and the token endpoint of their clients.
func (d scimDoor) Mount(mux *http.ServeMux) {
	mux.HandleFunc(scimserver.Prefix, func(w http.ResponseWriter, r *http.Request) {
		if sent, ok := r.Context().Value(sentURL{}).(*url.URL); ok {
			r = r.WithContext(r.Context())
			r.URL = sent
		}
		d.server.ServeHTTP(w, r)
	})
	mux.Handle(scimserver.TokenPath, d.server.TokenEndpoint())
}
