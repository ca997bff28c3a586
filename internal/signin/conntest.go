package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// Tests of a connection: a whole round trip with the IdP that lets nobody in. Their handles are of another kind than those
// of sign-ins, and are looked up in another table: an answer to the one is never one to the other.

const (
	// testTicket begins the token of a link that begins a test.
	testTicket = "gct_"
	// testPrefix begins the handle that travels as RelayState or state.
	testPrefix = "grt_"
	// tilePrefix begins what a browser holds that waits for an answer nobody asked for.
	tilePrefix = "gtt_"
	// testPath is where tests begin; the ticket follows.
	testPath = "/auth/test/"
	// testLife is how long a ticket, and then a test, may take.
	testLife = 15 * time.Minute
)

// TestMade is a test that can be begun.
type TestMade struct {
	Attempt   string // id, under which its outcome is found
	URL       string // where it is begun, once, in a browser
	ExpiresAt time.Time
}

// operatorParty is who began a test by the command line.
var operatorParty = audit.Party{Kind: "operator"}

var (
	errTestElsewhere = errs.Forbidden("test_elsewhere", "This test belongs to another browser or another sign-in, or it is over. Begin a new one where you are signed in.")
	errNotTestable   = errs.Conflict("connection_not_ready", "The connection cannot be tested yet: what is known of the identity provider is not complete.")
)

// MakeTest makes a test of a connection, whatever its status, as long as the IdP is known. session is that of the
// administrator in whose browser it must be begun and come to its end; "" for an operator, whose link works in any browser. An
// unknown connection is errs.KindNotFound, one whose IdP is not known errs.KindConflict.
func (s *Service) MakeTest(ctx context.Context, workspace, connection, session string) (*TestMade, error) {
	handle, hash := keys.NewToken(testTicket)
	made := &TestMade{URL: strings.TrimSuffix(s.PublicURL, "/") + testPath + handle}
	err := s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, ok := cfg.Connection(connection)
		switch {
		case !ok || c.SAML == nil && c.OIDC == nil:
			return errConnectionUnknown
		case !c.Known():
			return errNotTestable
		}
		made.Attempt, made.ExpiresAt = store.NewAttemptID(tx.Now()), tx.Now().Add(testLife)
		tx.InsertTestState(hash, store.TestState{Connection: c.ID, Attempt: made.Attempt, Kind: store.TestTicket, Session: session, ExpiresAt: made.ExpiresAt})
		tx.BeginAttempt(store.Attempt{ID: made.Attempt, Connection: c.ID, Method: directory.Method(c.Protocol), Test: true,
			Steps: []audit.Step{{Actor: audit.ActorGatehouse, At: tx.Now(), Text: "A test of the connection " + c.Name + " was made. It lets nobody in."}}})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make test: %w", err)
	}
	return made, nil
}

// TestPlace is what the page of a test says before it begins.
type TestPlace struct {
	Connection string // name
	Slug       string
	Tile       bool // the IdP's tile may begin it
	side       *side
	state      *store.TestState
	hash       string
	by         audit.Party
}

// testOf finds the test of a ticket. One that is over, or another session's, is errTestElsewhere.
func (s *Service) testOf(ctx context.Context, ticket string, live *store.LiveSession) (*TestPlace, error) {
	if !strings.HasPrefix(ticket, testTicket) {
		return nil, errTestElsewhere
	}
	hash := keys.HashToken(ticket)
	t, at, err := s.testState(ctx, hash, store.TestTicket)
	if err != nil {
		return nil, err
	}
	by := operatorParty
	if t.Session != "" {
		if live == nil || t.Session != live.ID {
			return nil, errTestElsewhere
		}
		by = party(&live.Member)
	}
	p := &TestPlace{by: by, Connection: at.connection.Name, Slug: at.cfg.Workspace.Slug, side: at, state: t, hash: hash}
	p.Tile = at.connection.SAML != nil && unasked(at.connection.SAML)
	return p, nil
}

// testState reads a test under way of a kind, with its connection.
func (s *Service) testState(ctx context.Context, hash, kind string) (*store.TestState, *side, error) {
	t, err := s.DB.System().TestState(ctx, hash)
	switch {
	case errs.Is(err, errs.KindForbidden):
		return nil, nil, errTestElsewhere
	case err != nil:
		return nil, nil, fmt.Errorf("find test: %w", err)
	case t.Kind != kind || !s.now().Before(t.ExpiresAt):
		return nil, nil, errTestElsewhere
	}
	at := &side{workspace: t.Workspace}
	if at.cfg, err = s.config(ctx, t.Workspace); err != nil {
		return nil, nil, fmt.Errorf("find test: %w", err)
	}
	found := false
	if at.connection, found = at.cfg.Connection(t.Connection); !found || !at.connection.Known() {
		return nil, nil, errTestElsewhere
	}
	return t, at, nil
}

// TestBegun is where a test leads: to the IdP, or nowhere, when it waits for the tile.
type TestBegun struct {
	Begun
	Tile    string // what the browser has to hold for the answer of the tile
	Attempt string
	Slug    string
}

// BeginTest uses a ticket up and begins its test, in a browser that holds the secret browser and the session live, nil for
// none. With tile it waits for an
// answer that nobody asks for.
func (s *Service) BeginTest(ctx context.Context, ticket string, live *store.LiveSession, browser string, tile bool, c Client) (*TestBegun, error) {
	p, err := s.testOf(ctx, ticket, live)
	if err != nil {
		return nil, err
	}
	out := &TestBegun{Attempt: p.state.Attempt, Slug: p.Slug}
	next := store.TestState{Connection: p.state.Connection, Attempt: p.state.Attempt, Session: p.state.Session, Kind: store.TestRound, Browser: keys.HashToken(browser)}
	var step audit.Step
	var handle, hash string
	switch con := p.side.connection; {
	case tile && !p.Tile:
		return nil, errTestElsewhere
	case tile:
		handle, hash = keys.NewToken(tilePrefix)
		next.Kind, out.Tile = store.TestTile, handle
		step.Text = "Waits for an answer that begins at the identity provider's own page."
	case con.Protocol == directory.ProtocolOIDC:
		handle, hash = keys.NewToken(testPrefix)
		request := requestOf(con.OIDC, directory.OIDCEndpoints(s.PublicURL, con.ID), Beginning{}, handle)
		party, err := s.OIDCParty(con)
		if err == nil {
			out.URL, err = s.Outside.AuthorizationURL(ctx, party, request, s.now())
		}
		if err != nil {
			return nil, s.testNotBegun(ctx, p, err, c)
		}
		next.OIDC = &store.OIDCState{Issuer: party.Issuer, ClientID: party.ClientID, RedirectURI: request.RedirectURI,
			Nonce: keys.HashToken(request.Nonce), Verifier: request.Verifier, MaxAge: request.MaxAge, ACRValues: request.ACRValues}
		step = askedOIDC(out.URL, request)
	default:
		handle, hash = keys.NewToken(testPrefix)
		next.RequestID = saml.NewID()
	}
	state := *asSignIn(&next)
	state.Force = p.side.connection.SAML != nil && p.side.connection.SAML.ForceAuthn
	var key *saml.SigningKey
	if next.RequestID != "" {
		if key, err = s.signingKey(p.side.connection); err != nil {
			return nil, s.testNotBegun(ctx, p, err, c)
		}
	}
	var issued time.Time
	err = s.DB.Write(ctx, p.side.workspace, func(tx *store.Tx) error {
		if err := tx.UseTestState(p.hash, next.Connection, store.TestTicket); err != nil {
			return err
		}
		issued = tx.Now()
		next.ExpiresAt = issued.Add(testLife)
		tx.InsertTestState(hash, next)
		if next.RequestID != "" {
			step = p.side.askedSAML(s.PublicURL, state, issued)
		}
		step.Actor, step.At = audit.ActorGatehouse, issued
		tx.ContinueAttempt(next.Attempt, next.Connection, []audit.Step{
			{Actor: audit.ActorBrowser, At: issued, Text: "Began a test, " + whereFrom(c.address(), c.UserAgent) + ". It lets nobody in."}, step})
		return nil
	})
	switch {
	case errs.Is(err, errs.KindForbidden):
		return nil, errTestElsewhere
	case err != nil:
		return nil, fmt.Errorf("begin test: %w", err)
	}
	if next.RequestID != "" {
		begun, err := p.side.ask(s.PublicURL, state, handle, issued, key)
		if err != nil {
			return nil, err
		}
		out.Begun = *begun
	}
	return out, nil
}

// testNotBegun ends a test whose IdP, or our own key, failed before anybody was led anywhere.
func (s *Service) testNotBegun(ctx context.Context, p *TestPlace, cause error, c Client) error {
	e := &entry{side: p.side, test: p.state, testHash: p.hash, tester: p.by, attempt: p.state.Attempt}
	why := testEnd{client: c, reason: errs.CodeOf(cause), detail: cause.Error(), kind: store.TestTicket}
	var refusal *relyingparty.Refusal
	switch {
	case errors.As(cause, &refusal):
		why.reason, why.detail, why.said = refusal.Reason, refusal.Detail, refusal.IdPError
	case errs.As(cause) == nil:
		return fmt.Errorf("begin test: %w", cause)
	default:
		why.detail = errs.As(cause).Message
	}
	return s.endTest(ctx, e, why)
}

// heldTest finds the test that an answer belongs to, by the handle that travelled or, where none did, by what the browser
// holds for the tile. It is nil for an answer to no test, and errTestElsewhere for one of another browser or session.
// waiting says that the browser sent no cookie along.
func (s *Service) heldTest(ctx context.Context, connection, handle, tile, browser string, session func() *store.LiveSession) (t *store.TestState, hash string, by audit.Party, waiting bool, err error) {
	kind := store.TestRound
	switch {
	case strings.HasPrefix(handle, testPrefix):
		hash = keys.HashToken(handle)
	case !isHandle(handle) && strings.HasPrefix(tile, tilePrefix):
		hash, kind = keys.HashToken(tile), store.TestTile
	default:
		return nil, "", by, false, nil
	}
	found, err := s.DB.System().TestState(ctx, hash)
	gone := errs.Is(err, errs.KindForbidden) || err == nil && (found.Kind != kind || found.Connection != connection || !s.now().Before(found.ExpiresAt))
	switch {
	case gone && kind == store.TestTile:
		return nil, "", by, false, nil // a cookie that was left over: the answer is an ordinary one
	case gone:
		return nil, "", by, false, errTestElsewhere
	case err != nil:
		return nil, "", by, false, fmt.Errorf("find test: %w", err)
	case browser == "":
		return found, hash, by, true, nil
	case subtle.ConstantTimeCompare([]byte(found.Browser), []byte(keys.HashToken(browser))) != 1:
		return nil, "", by, false, errTestElsewhere
	case found.Session == "":
		return found, hash, operatorParty, false, nil
	}
	if session != nil {
		if live := session(); live != nil && live.ID == found.Session {
			return found, hash, party(&live.Member), false, nil
		}
	}
	return nil, "", by, false, errTestElsewhere
}

// url is the page of the test's attempt in the console.
func (t *TestDone) url() string {
	return "/console/" + url.PathEscape(t.Slug) + "/sign-ins/" + url.PathEscape(t.Attempt)
}
