package signin

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

const (
	// stateLife is how long a sign-in may take from our request to the IdP's answer.
	stateLife = 15 * time.Minute
	// statePrefix begins the handle that travels as RelayState; with it the handle has 47 of the 80
	// bytes that the bindings carry.
	statePrefix = "grs_"
	// browserPrefix begins the secret of a browser, by which it is known again when the IdP answers.
	browserPrefix = "gbr_"
	// beginLimit is how many sign-ins one client may begin in a window: generous, because an office
	// of thousands stands behind one address on Monday morning, and bounded, because each is a row.
	beginLimit = 5000
)

// ServiceProvider is our side of a SAML connection. It is there from draft on.
func ServiceProvider(publicURL string, c directory.Connection) saml.ServiceProvider {
	places := directory.SAMLEndpoints(publicURL, c.ID)
	return saml.ServiceProvider{EntityID: places.EntityID, ACS: places.ACS}
}

// samlSide is a SAML connection found by the id in an address, with its workspace as of one version.
type samlSide struct {
	workspace  string // id
	cfg        *directory.Config
	connection directory.Connection
}

var errConnectionUnknown = errs.NotFound("connection_unknown", "There is no such connection.")

// samlSide finds a SAML connection. Another kind of connection is as unknown as none.
func (s *Service) samlSide(ctx context.Context, id string) (*samlSide, error) {
	if !lookable(id) {
		return nil, errConnectionUnknown
	}
	workspace, err := s.DB.System().WorkspaceOfConnection(ctx, id)
	if errs.Is(err, errs.KindNotFound) {
		return nil, errConnectionUnknown
	} else if err != nil {
		return nil, fmt.Errorf("find connection: %w", err)
	}
	side := &samlSide{workspace: workspace}
	if side.cfg, err = s.config(ctx, workspace); err != nil {
		return nil, fmt.Errorf("find connection: %w", err)
	}
	found := false
	if side.connection, found = side.cfg.Connection(id); !found || side.connection.Protocol != directory.ProtocolSAML || side.connection.SAML == nil {
		return nil, errConnectionUnknown
	}
	return side, nil
}

// config returns the configuration of a workspace as it is now.
func (s *Service) config(ctx context.Context, workspace string) (cfg *directory.Config, err error) {
	err = s.DB.Peek(ctx, workspace, func(tx *store.Tx) error {
		cfg, err = tx.Config()
		return err
	})
	return cfg, err
}

// usable says why nobody can sign in through a connection, nil when they can.
func usable(c directory.Connection) error {
	switch {
	case c.Status == directory.ConnectionDraft:
		return errs.Forbidden("connection_draft", "Single sign-on by %s is still being set up. An administrator has to activate it first.", c.Name)
	case c.Status != directory.ConnectionActive:
		return errs.Forbidden("connection_disabled", "Single sign-on by %s is switched off.", c.Name)
	case !c.SAML.Known():
		return errs.Forbidden("idp_unknown", "Single sign-on by %s is not set up: the identity provider's metadata is missing.", c.Name)
	}
	return nil
}

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
// is told to ask for a proof now. An unknown connection is errs.KindNotFound, one that nobody can use
// a *TurnedAway of errs.KindForbidden, and too many of one client are errs.KindLimited.
func (s *Service) BeginSAML(ctx context.Context, connection, to, browser string, fresh bool, c Client) (*Begun, error) {
	side, err := s.samlSide(ctx, connection)
	if err != nil {
		return nil, err
	}
	if err := usable(side.connection); err != nil {
		return nil, s.notBegun(ctx, side, to, err, c)
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("begin", c.Bucket)}, []int{beginLimit})
	if err != nil {
		return nil, fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "signin.too_many_attempts", nil)
		return nil, limited(wait)
	}
	to, _ = ContinuePath(to)
	handle, hash := keys.NewToken(statePrefix)
	state := store.SignInState{Connection: connection, RequestID: saml.NewID(), Browser: keys.HashToken(browser), ReturnTo: to, Force: fresh}
	var issued time.Time
	if err := s.DB.Write(ctx, side.workspace, func(tx *store.Tx) error {
		issued = tx.Now()
		state.ExpiresAt = issued.Add(stateLife)
		tx.InsertSignInState(hash, state)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("begin sign-in: %w", err)
	}
	return side.ask(s.PublicURL, state, handle, issued)
}

// ask makes the AuthnRequest of a sign-in for the first binding that both sides have, Redirect
// before POST.
func (side *samlSide) ask(publicURL string, state store.SignInState, handle string, issued time.Time) (*Begun, error) {
	sp := ServiceProvider(publicURL, side.connection)
	request := saml.AuthnRequest{ID: state.RequestID, Issuer: sp.EntityID, ACS: sp.ACS, IssueInstant: issued, ForceAuthn: state.Force}
	for _, binding := range []string{saml.BindingRedirect, saml.BindingPOST} {
		for _, place := range side.connection.SAML.SSO {
			if place.Binding != binding {
				continue
			}
			request.Destination = place.Location
			if binding == saml.BindingPOST {
				return &Begun{Post: place.Location, Request: base64.StdEncoding.EncodeToString(request.XML()), RelayState: handle}, nil
			}
			address, err := request.RedirectURL(handle)
			if err != nil {
				return nil, fmt.Errorf("ask identity provider: %w", err)
			}
			return &Begun{URL: address}, nil
		}
	}
	return nil, errs.Forbidden("idp_unknown", "Single sign-on by %s is not set up: the identity provider has no address for Redirect or POST.", side.connection.Name)
}

// pending is what is known of the sign-in that an answer may belong to.
type pending struct {
	hash  string             // of the RelayState
	state *store.SignInState // nil where the answer belongs to none of ours by this browser
	found string             // for the event: "", "none", "unknown", "expired", "other_connection", "other_browser"
	// waiting is true where the sign-in is under way and nothing is known of the browser: it sent no cookie.
	waiting bool
	to      string // where that sign-in leads
}

// pendingOf looks up the sign-in of a RelayState under the connection of the address. It consumes
// nothing.
func (s *Service) pendingOf(ctx context.Context, side *samlSide, relayState, browser string) (pending, error) {
	if len(relayState) < len(statePrefix) || relayState[:len(statePrefix)] != statePrefix {
		return pending{found: "none"}, nil
	}
	p := pending{hash: keys.HashToken(relayState)}
	state, err := s.DB.System().SignInState(ctx, p.hash)
	switch {
	case errs.Is(err, errs.KindForbidden):
		p.found = "unknown"
	case err != nil:
		return p, fmt.Errorf("find sign-in: %w", err)
	case state.Workspace != side.workspace || state.Connection != side.connection.ID:
		p.found = "other_connection"
	case !s.now().Before(state.ExpiresAt):
		p.found = "expired"
	case browser == "":
		p.found, p.waiting, p.to = "other_browser", true, state.ReturnTo
	case subtle.ConstantTimeCompare([]byte(state.Browser), []byte(keys.HashToken(browser))) != 1:
		p.found = "other_browser"
	default:
		p.state, p.to = state, state.ReturnTo
	}
	return p, nil
}
