package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// oidcStateLife is how long a sign-in may take from our request to the IdP's answer.
const oidcStateLife = 10 * time.Minute

// reasonSecret is the code of a connection whose client secret does not open with the master key at hand.
const reasonSecret = "secret_unreadable"

// Beginning is an OIDC sign-in that a browser asks for.
type Beginning struct {
	Connection string // id
	To         string // where it leads, if ContinuePath allows it
	Browser    string // the browser's secret
	Fresh      bool   // the IdP is told to ask for a proof now
	LoginHint  string // whom the IdP may offer, or ""
}

// OIDCParty is our side of an OIDC connection towards its IdP, with its client secret opened.
func (s *Service) OIDCParty(c directory.Connection) (relyingparty.Party, error) {
	o := c.OIDC
	usual, _ := directory.OIDCAlgorithms()
	p := relyingparty.Party{Key: c.ID, Issuer: o.Issuer, Tenants: o.Tenants, TenantFits: c.Provider == "entra",
		HostedDomains: o.HostedDomains, SameDomain: directory.SameDomain, Hosted: c.Provider == "google", ClientID: o.ClientID, ClientAuth: o.ClientAuth,
		Algorithms: o.Algorithms, Usual: usual, Audiences: o.Audiences, Skew: o.Skew, UserInfo: o.UserInfo}
	for _, claim := range []string{o.Attributes.Email, o.Attributes.Groups} {
		if claim != "" {
			p.Mapped = append(p.Mapped, claim)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Map)) {
		// An alternative is asked where the first has nothing; it is no reason to ask userinfo each time.
		if sources := c.Map[name]; len(sources) > 0 && !slices.Contains(p.Mapped, sources[0]) {
			p.Mapped = append(p.Mapped, sources[0])
		}
	}
	if o.ClientAuth == "private_key_jwt" {
		p.Assert = s.Assert
		return p, nil
	}
	if s.Master == nil {
		return p, errs.Unavailable(reasonSecret, "The client secret of this connection cannot be opened here.")
	}
	secret, err := s.Master.Open(directory.SecretPurpose(c.ID), o.Secret)
	if err != nil {
		return p, errs.Unavailable(reasonSecret, "The client secret of this connection cannot be opened. An administrator has to enter it again.").With(err)
	}
	p.Secret = string(secret)
	return p, nil
}

// BeginOIDC begins a sign-in through a connection, remembers it for ten minutes, and returns the address at the
// IdP. An unknown connection is errs.KindNotFound, one that nobody can use, or whose IdP does not answer, a
// *TurnedAway, and too many of one client are errs.KindLimited.
func (s *Service) BeginOIDC(ctx context.Context, b Beginning, c Client) (address string, err error) {
	at, err := s.sideOf(ctx, b.Connection, directory.ProtocolOIDC)
	if err != nil {
		return "", err
	}
	if err := usable(at.connection); err != nil {
		return "", s.notBegun(ctx, at, b.To, err, nil, c)
	}
	if err := s.admitBegin(ctx, c); err != nil {
		return "", err
	}
	party, err := s.OIDCParty(at.connection)
	if err != nil {
		return "", s.notBegun(ctx, at, b.To, err, nil, c)
	}
	handle, hash := keys.NewToken(statePrefix)
	request := requestOf(at.connection.OIDC, directory.OIDCEndpoints(s.PublicURL, at.connection.ID), b, handle)
	address, err = s.Outside.AuthorizationURL(ctx, party, request, s.now())
	var refusal *relyingparty.Refusal
	if errors.As(err, &refusal) {
		return "", s.notBegun(ctx, at, b.To, ofOIDCRefusal(refusal), beginPayload(c, refusal), c)
	} else if err != nil {
		return "", fmt.Errorf("begin sign-in by OIDC: %w", err)
	}
	to, _ := ContinuePath(b.To)
	state := store.SignInState{Connection: at.connection.ID, Browser: keys.HashToken(b.Browser), ReturnTo: to, Force: b.Fresh,
		OIDC: &store.OIDCState{Issuer: party.Issuer, ClientID: party.ClientID, RedirectURI: request.RedirectURI,
			Nonce: keys.HashToken(request.Nonce), Verifier: request.Verifier, MaxAge: request.MaxAge, ACRValues: request.ACRValues}}
	asked := func(time.Time) audit.Step { return askedOIDC(address, request) }
	if _, err := s.keepState(ctx, at, hash, state, oidcStateLife, c, asked); err != nil {
		return "", err
	}
	return address, nil
}

// askedOIDC is the step that led to the IdP. State, nonce and challenge are not in it.
func askedOIDC(address string, r relyingparty.Request) audit.Step {
	place, _, _ := strings.Cut(address, "?")
	lines := []string{place, "response_type=code", "redirect_uri=" + r.RedirectURI, "scope=" + strings.Join(append([]string{"openid"}, r.Scopes...), " ")}
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, name+"="+value)
		}
	}
	add("prompt", r.Prompt)
	add("acr_values", strings.Join(r.ACRValues, " "))
	add("login_hint", r.LoginHint)
	add("hd", r.Domain)
	if r.MaxAge != nil {
		add("max_age", strconv.Itoa(*r.MaxAge))
	}
	if r.FormPost {
		add("response_mode", "form_post")
	}
	return audit.Step{Actor: audit.ActorGatehouse, Text: "Sent the browser to the identity provider with a request.", Message: strings.Join(lines, "\n")}
}

// requestOf is what a connection asks its IdP for.
func requestOf(o *directory.OIDC, at directory.OIDCPlaces, b Beginning, handle string) relyingparty.Request {
	r := relyingparty.Request{RedirectURI: o.RedirectURI(at), State: handle, Nonce: relyingparty.NewSecret(), Verifier: relyingparty.NewSecret(),
		Scopes: o.Scopes, Prompt: o.Prompt, MaxAge: o.MaxAge, ACRValues: o.ACRValues, LoginHint: cut(b.LoginHint, maxTyped), FormPost: o.FormPost}
	if len(o.HostedDomains) == 1 {
		r.Domain = o.HostedDomains[0]
	}
	if b.Fresh {
		now := 0
		r.Prompt, r.MaxAge = "login", &now
	}
	return r
}

// Initiation is what an IdP's tile, or anybody, asks for: a sign-in through a connection (OIDC Core section 4).
type Initiation struct {
	Issuer string // iss
	Target string // target_link_uri
}

// MayInitiate judges whether the IdP's tile may begin a sign-in through a connection, and returns where it is to
// lead: Target where that is a place of ours. What is refused is a *TurnedAway.
func (s *Service) MayInitiate(ctx context.Context, connection string, i Initiation, c Client) (to string, err error) {
	at, err := s.sideOf(ctx, connection, directory.ProtocolOIDC)
	if err != nil {
		return "", err
	}
	to = strings.TrimPrefix(i.Target, strings.TrimRight(s.PublicURL, "/"))
	o := at.connection.OIDC
	switch party := (relyingparty.Party{Issuer: o.Issuer, Tenants: o.Tenants}); {
	case usable(at.connection) != nil:
		err = usable(at.connection)
	case !o.IdPInitiated:
		err = errs.Forbidden("unsolicited", "Signing in from the identity provider's own page is switched off for this workspace. Start on the sign-in page here.")
	case !party.IssuerFits(i.Issuer):
		err = errs.Forbidden("issuer_mismatch", "The request to sign in comes from another identity provider than the one that is set up here.")
	default:
		return to, nil
	}
	why := &relyingparty.Refusal{Reason: errs.CodeOf(err), Detail: fmt.Sprintf("Expected the issuer %s, received %q.", o.Issuer, cut(i.Issuer, maxTyped))}
	return "", s.notBegun(ctx, at, to, err, beginPayload(c, why), c)
}

// nonceHolds compares a nonce with the hash of the one that was sent.
func nonceHolds(hash string) func(string) bool {
	return func(nonce string) bool {
		return nonce != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(keys.HashToken(nonce))) == 1
	}
}
