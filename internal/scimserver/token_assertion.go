package scimserver

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// assertionType says that a client is vouched for by a JWT (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	assertionSkew = 300 * time.Second
	// assertionLife bounds from issue to expiry, and so how long a replay must be remembered.
	assertionLife = 24 * time.Hour
)

// assertionAlgorithms are those of key pairs; a secret that both sides know would be the issuer's for everybody.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

// sighting is an assertion that was judged good, to be used once.
type sighting struct {
	id    string
	until time.Time
}

// vouched finds the client that an issuer vouches for. Like client it returns a refusal, with whose log
// it belongs to, or an error.
func (s *Server) vouched(r *http.Request, now time.Time) (*store.TokenHolder, *sighting, *oauthError, error) {
	form := r.PostForm
	switch {
	case form.Get("client_assertion_type") != assertionType:
		return nil, nil, invalidRequest("Expected client_assertion_type " + assertionType + "."), nil
	case form.Get("client_secret") != "" || r.Header.Get("Authorization") != "":
		return nil, nil, invalidRequest("Expected one way of client authentication, received two."), nil
	case form.Get("client_id") == "":
		// The subject is the issuer's word for the client and not ours, so the request must say whom it means.
		return nil, nil, invalidClient("credentials_missing"), nil
	}
	trusts, err := s.db.System().TrustsOfClient(r.Context(), form.Get("client_id"), now)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(trusts) == 0 {
		owner, err := s.ownerOf(r.Context(), form.Get("client_id"))
		return owner, nil, invalidClient("assertion_untrusted"), err
	}
	owner := &store.TokenHolder{Workspace: trusts[0].Workspace, Directory: trusts[0].Directory, Name: trusts[0].Name}
	token, err := jwt.ParseSigned(form.Get("client_assertion"), assertionAlgorithms)
	if err != nil || len(token.Headers) != 1 {
		return owner, nil, invalidClient("assertion_malformed"), nil
	}
	var said jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&said); err != nil {
		return owner, nil, invalidClient("assertion_malformed"), nil
	}
	for _, v := range trusts {
		// Who it says it is from chooses whose keys it is checked with, and nothing else.
		if v.Trust.Issuer != said.Issuer || v.Trust.Subject != said.Subject {
			continue
		}
		seen, refusal := s.judge(r.Context(), token, form.Get("client_assertion"), v, now)
		return &v.TokenHolder, seen, refusal, nil
	}
	return owner, nil, invalidClient("assertion_untrusted"), nil
}

// judge checks an assertion with the keys of the issuer of v.
func (s *Server) judge(ctx context.Context, token *jwt.JSONWebToken, text string, v store.Vouched, now time.Time) (*sighting, *oauthError) {
	found, err := s.keySets.find(ctx, v.Trust, token.Headers[0].KeyID, now)
	if err != nil {
		s.log.WarnContext(ctx, "the keys of an issuer could not be had", "issuer", v.Trust.Issuer, "directory", v.Directory, "error", err)
		return nil, invalidClient("assertion_key_unknown")
	}
	var c jwt.Claims
	err = errNoKey
	for _, key := range found {
		if key.Algorithm != "" && key.Algorithm != token.Headers[0].Algorithm {
			continue
		}
		c = jwt.Claims{}
		if err = token.Claims(key.Key, &c); err == nil {
			break
		}
	}
	if err != nil {
		return nil, invalidClient("assertion_signature")
	}
	if reason := s.timely(c, now); reason != "" {
		return nil, invalidClient(reason)
	}
	// Without an id an assertion is known by what is signed. Not by its signature: of one, another can be made.
	id := "jti " + c.ID
	if c.ID == "" {
		id = "text " + text[:strings.LastIndexByte(text, '.')]
	}
	return &sighting{id: keys.HashToken(v.Trust.Issuer + "\x00" + id), until: c.Expiry.Time().Add(assertionSkew)}, nil
}

// timely returns why verified claims are not for us now, "" when they are (RFC 7523 section 3).
func (s *Server) timely(c jwt.Claims, now time.Time) (reason string) {
	switch {
	case !slices.Contains(c.Audience, s.tokenURL):
		return "assertion_audience"
	case c.Expiry == nil:
		return "assertion_endless"
	case now.Sub(c.Expiry.Time()) > assertionSkew:
		return "assertion_expired"
	case c.NotBefore != nil && c.NotBefore.Time().Sub(now) > assertionSkew, c.IssuedAt != nil && c.IssuedAt.Time().Sub(now) > assertionSkew:
		return "assertion_too_early"
	case c.Expiry.Time().Sub(now) > assertionLife+assertionSkew, c.IssuedAt != nil && c.Expiry.Time().Sub(c.IssuedAt.Time()) > assertionLife:
		return "assertion_lives_too_long"
	}
	return ""
}
