package scimserver

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// tellConfig serves ServiceProviderConfig, which states how this directory and not another one can
// authenticate. The engine states what its handler says, so the request gets a handler of its own.
func (s *Server) tellConfig(w http.ResponseWriter, r *http.Request) {
	own := *s.handler
	own.Backend = func(r *http.Request) (scim.Backend, error) {
		found, err := s.authenticate(r)
		if b, ok := found.(*backend); ok && err == nil {
			own.AuthenticationSchemes, err = s.schemes(r.Context(), b)
			if b.types.events {
				own.SecurityEvents = provision.SCIMEvents()
			}
		}
		return found, err
	}
	own.ServeHTTP(w, r)
}

// schemes are the ways in which the directory of b can authenticate now (RFC 7643 section 5).
func (s *Server) schemes(ctx context.Context, b *backend) ([]scim.AuthenticationScheme, error) {
	token, client := false, false
	err := s.db.Read(ctx, b.scope.Workspace, func(tx *store.Tx) error {
		token, client = false, false
		tokens, err := tx.Tokens(b.scope.Directory)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			token = token || t.Live()
		}
		secrets, err := tx.ClientCredentials(b.scope.Directory)
		for _, c := range secrets {
			client = client || c.Live()
		}
		return err
	})
	if err != nil {
		return nil, wire(err)
	}
	out := []scim.AuthenticationScheme{} // nil would be the engine's own word
	if token {
		out = append(out, scim.AuthenticationScheme{Type: "oauthbearertoken", Name: "Bearer token", Primary: true,
			Description: "A SCIM token in the Authorization header", SpecURI: "https://www.rfc-editor.org/info/rfc6750"})
	}
	if client {
		out = append(out, scim.AuthenticationScheme{Type: "oauth2", Name: "OAuth 2.0 client credentials", Primary: !token,
			Description: "Access tokens from " + TokenPath + " for the directory's client", SpecURI: "https://www.rfc-editor.org/info/rfc6749"})
	}
	return out, nil
}
