package signin

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// stateLife is how long a sign-in may take from our request to the IdP's answer.
const stateLife = 15 * time.Minute

// Begun is a sign-in that was begun at an IdP. Either URL is set, for the Redirect binding, or
// Post, Request and RelayState, for the POST binding.
type Begun struct {
	URL string

	Post       string // the IdP's address
	Request    string // base64
	RelayState string
}

// BeginSAML begins a sign-in through a connection, by a browser that holds the secret browser, and
// remembers it for 15 minutes. to is where it leads, if ContinuePath allows it; with fresh the IdP
// is told to ask for a proof now, as it always is where the connection says so. An unknown connection is errs.KindNotFound, one that nobody can use
// a *TurnedAway of errs.KindForbidden, and too many of one client are errs.KindLimited.
func (s *Service) BeginSAML(ctx context.Context, connection, to, browser string, fresh bool, c Client) (*Begun, error) {
	side, err := s.sideOf(ctx, connection, directory.ProtocolSAML)
	if err != nil {
		return nil, err
	}
	if err := usable(side.connection); err != nil {
		return nil, s.notBegun(ctx, side, to, err, nil, c)
	}
	if err := s.admitBegin(ctx, c); err != nil {
		return nil, err
	}
	key, err := s.signingKey(side.connection)
	if errs.As(err) != nil {
		return nil, s.notBegun(ctx, side, to, err, nil, c)
	} else if err != nil {
		return nil, err
	}
	to, _ = ContinuePath(to)
	handle, hash := keys.NewToken(statePrefix)
	state := store.SignInState{Connection: connection, RequestID: saml.NewID(), Browser: keys.HashToken(browser), ReturnTo: to, Force: fresh || side.connection.SAML.ForceAuthn}
	issued, err := s.keepState(ctx, side, hash, state, stateLife, c, func(issued time.Time) audit.Step { return side.askedSAML(s.PublicURL, state, issued) })
	if err != nil {
		return nil, err
	}
	return side.ask(s.PublicURL, state, handle, issued, key)
}

// askedSAML is the step that led to the IdP.
func (side *side) askedSAML(publicURL string, state store.SignInState, issued time.Time) audit.Step {
	request := side.request(publicURL, state, issued)
	place, how := side.place(), "by Redirect"
	if place.Binding == saml.BindingPOST {
		how = "by POST"
	}
	request.Destination = place.Location
	if side.connection.SAML.SignRequests {
		how += ", signed"
	}
	return audit.Step{Actor: audit.ActorGatehouse, Text: "Sent the browser to the identity provider with a request (" + how + ").", Message: string(request.XML())}
}

// place is where requests go: by Redirect before POST; zero where the IdP has neither.
func (side *side) place() directory.Endpoint {
	for _, binding := range []string{saml.BindingRedirect, saml.BindingPOST} {
		for _, place := range side.connection.SAML.SSO {
			if place.Binding == binding {
				return place
			}
		}
	}
	return directory.Endpoint{}
}

func (side *side) request(publicURL string, state store.SignInState, issued time.Time) saml.AuthnRequest {
	sp := ServiceProvider(publicURL, side.connection)
	request := saml.AuthnRequest{ID: state.RequestID, Issuer: sp.EntityID, ACS: sp.ACS, IssueInstant: issued, ForceAuthn: state.Force,
		Contexts: side.connection.SAML.AuthnContexts}
	if side.connection.SAML.Artifact && len(side.connection.SAML.ArtifactResolution) > 0 { // else there is nobody to resolve one
		request.ProtocolBinding = saml.BindingArtifact
	}
	return request
}

// ask makes the AuthnRequest of a sign-in for the first binding that both sides have, Redirect
// before POST, signed where there is a key.
func (side *side) ask(publicURL string, state store.SignInState, handle string, issued time.Time, key *saml.SigningKey) (*Begun, error) {
	request, place := side.request(publicURL, state, issued), side.place()
	request.Destination = place.Location
	switch place.Binding {
	case saml.BindingPOST:
		text, err := postText(request, key)
		return &Begun{Post: place.Location, Request: base64.StdEncoding.EncodeToString(text), RelayState: handle}, err
	case saml.BindingRedirect:
		address, err := redirectAddress(request, handle, key)
		if err != nil {
			return nil, fmt.Errorf("ask identity provider: %w", err)
		}
		return &Begun{URL: address}, nil
	}
	return nil, errs.Forbidden("idp_unknown", "Single sign-on by %s is not set up: the identity provider has no address for Redirect or POST.", side.connection.Name)
}

func postText(request saml.AuthnRequest, key *saml.SigningKey) ([]byte, error) {
	if key == nil {
		return request.XML(), nil
	}
	text, err := request.SignedXML(*key)
	if err != nil {
		return nil, fmt.Errorf("ask identity provider: %w", err)
	}
	return text, nil
}

func redirectAddress(request saml.AuthnRequest, handle string, key *saml.SigningKey) (string, error) {
	if key == nil {
		return request.RedirectURL(handle)
	}
	return request.SignedRedirectURL(handle, *key)
}
