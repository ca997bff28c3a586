package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// maxNonce bounds what an application may have echoed, in bytes.
const maxNonce = 1024

// Forms of RFC 7636 sections 4.1 and 4.2.
var (
	challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) // a SHA-256 in base64url
	verifierForm  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
)

// Authorize gives a code for a session to an application of the session's workspace; the caller has
// just checked the session. Every client uses PKCE with S256. The error is an *Error:
// "access_denied" for an application of another workspace, "invalid_request", "invalid_scope".
func (s *Service) Authorize(ctx context.Context, live *store.LiveSession, client *store.Client, req AuthorizeRequest) (code string, err error) {
	scope := granted(req.Scope)
	switch {
	case client.Workspace != live.Workspace:
		return "", &Error{Code: "access_denied", Message: "This application belongs to another workspace.", Reason: "other_workspace"}
	case !slices.Contains(client.RedirectURIs, req.RedirectURI):
		return "", &Error{Code: "invalid_request", Message: "The redirect_uri is not registered for this application.", Reason: "redirect_uri"}
	case !challengeForm.MatchString(req.Challenge):
		return "", &Error{Code: "invalid_request", Message: "A code_challenge with the method S256 is required.", Reason: "pkce_missing"}
	case len(req.Nonce) > maxNonce:
		return "", &Error{Code: "invalid_request", Message: "The nonce is too long.", Reason: "nonce_too_long"}
	case !slices.Contains(strings.Fields(scope), "openid"):
		return "", &Error{Code: "invalid_scope", Message: "The scope openid is required.", Reason: "scope"}
	}
	code, hash := keys.NewToken(CodePrefix)
	err = s.DB.Write(ctx, client.Workspace, func(tx *store.Tx) error {
		tx.InsertGrant(store.Grant{ID: keys.ID("gra_", tx.Now()), Application: client.ID, Session: live.Session.ID, Member: live.Member.ID,
			Scope: scope, Nonce: req.Nonce}, hash,
			store.Code{RedirectURI: req.RedirectURI, Challenge: req.Challenge, ExpiresAt: tx.Now().Add(CodeLife)})
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("authorize: %w", err)
	}
	return code, nil
}

// granted is the part of a requested scope that is known, in a fixed order, each value once.
func granted(requested string) string {
	asked := strings.Fields(requested)
	return strings.Join(slices.DeleteFunc(Scopes(), func(known string) bool { return !slices.Contains(asked, known) }), " ")
}

// errCode is the one answer for every code that is not worth tokens; reason is for the log.
func errCode(reason string) *Error {
	return &Error{Code: "invalid_grant", Message: "The authorization code is not valid: it was used, has expired, or was not made for this request.", Reason: reason}
}

// Redeem turns a code into tokens, once: of many who try at once one succeeds. The session must still live. The
// error is an *Error with "invalid_grant" for every code that is worth nothing.
//
// A code that comes a second time ends what the first time gave (RFC 6749 section 4.1.2). A code that comes
// from its own client with another redirect URI or without the right verifier was stolen from one side or the
// other: it is used up. From another client it is left as it is, so that knowing a code is not enough
// to spoil a sign-in.
func (s *Service) Redeem(ctx context.Context, client *store.Client, code, redirectURI, verifier string) (Tokens, error) {
	// Asked first, so that trouble with the keys does not use up the code.
	if _, _, err := s.Keys.signer(ctx); err != nil {
		return Tokens{}, fmt.Errorf("redeem: %w", err)
	}
	hash := keys.HashToken(code)
	var given gift
	var refused *Error
	err := s.DB.Write(ctx, client.Workspace, func(tx *store.Tx) (err error) {
		given, refused = gift{}, nil
		c, err := tx.UseCode(hash, client.ID)
		if errs.Is(err, errs.KindNotFound) {
			refused, err = whyNot(tx, client, hash)
			return err
		}
		if err != nil {
			return err
		}
		if reason := mismatch(c, redirectURI, verifier); reason != "" {
			refused = errCode(reason)
			return endMisused(tx, client, c.Grant, reason)
		}
		given, err = give(tx, c.Grant)
		if errs.Is(err, errs.KindNotFound) {
			refused = errCode("session_ended")
			return nil // the code stays used
		}
		if err != nil {
			return err
		}
		live := &given.holder.LiveSession
		return tx.Record(audit.Event{Type: audit.ApplicationSignedIn, Actor: memberParty(live), Subject: clientParty(client), Connection: live.Connection})
	})
	if err == nil && refused != nil {
		err = refused
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("redeem: %w", err)
	}
	return s.tokens(ctx, given, given.holder.Nonce)
}

// mismatch says in what a request differs from what its code was made for, "" for nothing.
func mismatch(c *store.Code, redirectURI, verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case subtle.ConstantTimeCompare([]byte(c.RedirectURI), []byte(redirectURI)) != 1:
		return "redirect_uri_mismatch"
	case c.Challenge == "":
		// Nothing was promised, so nothing can be kept: a downgrade (RFC 9700 section 4.8).
		return "pkce_downgrade"
	case !verifierForm.MatchString(verifier), subtle.ConstantTimeCompare([]byte(c.Challenge), []byte(challenge)) != 1:
		return "pkce_mismatch"
	}
	return ""
}

// whyNot tells why a code could not be used, and does what follows from it.
func whyNot(tx *store.Tx, client *store.Client, hash string) (*Error, error) {
	c, err := tx.Code(hash)
	switch {
	case errs.Is(err, errs.KindNotFound):
		return errCode("code_unknown"), nil
	case err != nil:
		return nil, err
	case c.Application != client.ID:
		// Only while the code is worth something: whoever has one cannot fill the log with it.
		if !c.UsedAt.IsZero() || !tx.Now().Before(c.ExpiresAt) {
			return errCode("other_client"), nil
		}
		return errCode("other_client"), tx.Record(audit.Event{Type: audit.ApplicationRefused, Outcome: audit.Refused, Reason: "code_of_another_client",
			Actor: clientParty(client), Subject: audit.Party{Kind: "application", ID: c.Application}})
	case !c.UsedAt.IsZero():
		return errCode("code_reused"), endMisused(tx, client, c.Grant, "code_reused")
	default:
		return errCode("code_expired"), nil
	}
}

// endMisused ends a grant of which something came twice or in the wrong way. One that has ended already
// leaves no second event.
func endMisused(tx *store.Tx, client *store.Client, grant, reason string) error {
	member, err := tx.EndGrant(grant, reason)
	if err != nil || member == "" {
		return err
	}
	return tx.Record(audit.Event{Type: audit.ApplicationGrantRevoked, Outcome: audit.Refused, Reason: reason,
		Actor: clientParty(client), Subject: audit.Party{Kind: "member", ID: member}})
}

// errRefresh is the one answer for every refresh token that is not worth tokens.
func errRefresh(reason string) *Error {
	return &Error{Code: "invalid_grant", Message: "The refresh token is not valid: it was used, has expired, or its session has ended.", Reason: reason}
}

// Refresh turns a refresh token into new tokens, a new refresh token among them, once. It lives as long as its
// session, and no longer than the session's idle time without use. The error is an *Error with
// "invalid_grant" for every token that is worth nothing.
//
// A refresh token that comes a second time ends everything that came from the same code (RFC 9700
// section 4.14.2). From another client it is as unknown as one that never was.
func (s *Service) Refresh(ctx context.Context, client *store.Client, token string) (Tokens, error) {
	if _, _, err := s.Keys.signer(ctx); err != nil {
		return Tokens{}, fmt.Errorf("refresh: %w", err)
	}
	hash := keys.HashToken(token)
	var given gift
	var refused *Error
	err := s.DB.Write(ctx, client.Workspace, func(tx *store.Tx) (err error) {
		given, refused = gift{}, nil
		grant, err := tx.UseRefresh(hash, client.ID)
		if errs.Is(err, errs.KindNotFound) {
			grant, used, err := tx.GrantOfRefresh(hash, client.ID)
			switch {
			case errs.Is(err, errs.KindNotFound):
				refused = errRefresh("refresh_unknown")
				return nil
			case err != nil:
				return err
			case used:
				refused = errRefresh("refresh_reused")
				return endMisused(tx, client, grant, "refresh_reused")
			}
			refused = errRefresh("refresh_expired")
			return nil
		}
		if err != nil {
			return err
		}
		given, err = give(tx, grant)
		if errs.Is(err, errs.KindNotFound) {
			refused = errRefresh("session_ended")
			return nil
		}
		return err
	})
	if err == nil && refused != nil {
		err = refused
	}
	if err != nil {
		return Tokens{}, fmt.Errorf("refresh: %w", err)
	}
	// The nonce belongs to the authorization request alone (OIDC Core section 12.2).
	return s.tokens(ctx, given, "")
}

// gift is what a transaction has given, signed after its commit.
type gift struct {
	holder          *Holder
	facts           facts
	access, refresh string
}

// give makes the tokens of a grant whose session lives; otherwise it is errs.KindNotFound.
func give(tx *store.Tx, grant string) (g gift, err error) {
	if g.holder, err = tx.HoldGrant(grant); err != nil {
		return g, err
	}
	if g.facts, err = readFacts(tx, &g.holder.LiveSession); err != nil {
		return g, err
	}
	ends := g.holder.LiveSession.ExpiresAt
	access, hash := keys.NewToken(AccessPrefix)
	g.access = access
	tx.InsertAccess(hash, grant, g.holder.Scope, earlier(tx.Now().Add(AccessLife), ends))
	if slices.Contains(strings.Fields(g.holder.Scope), "offline_access") {
		refresh, hash := keys.NewToken(RefreshPrefix)
		g.refresh = refresh
		tx.InsertRefresh(hash, grant, earlier(tx.Now().Add(g.holder.IdleFor()), ends))
	}
	g.holder.IssuedAt, g.holder.ExpiresAt = tx.Now(), earlier(tx.Now().Add(AccessLife), ends)
	return g, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tokens signs the ID token and puts the answer together.
func (s *Service) tokens(ctx context.Context, g gift, nonce string) (Tokens, error) {
	id, err := s.Keys.sign(ctx, typeID, s.idClaims(g.holder, g.facts, nonce, g.access, g.holder.IssuedAt))
	if err != nil {
		return Tokens{}, fmt.Errorf("sign ID token: %w", err)
	}
	return Tokens{Access: g.access, ID: id, Refresh: g.refresh, ExpiresIn: g.holder.ExpiresAt.Sub(g.holder.IssuedAt), Scope: g.holder.Scope}, nil
}

func memberParty(live *store.LiveSession) audit.Party {
	return audit.Party{Kind: "member", ID: live.Member.ID, Name: live.Member.Email}
}

func clientParty(c *store.Client) audit.Party {
	return audit.Party{Kind: "application", ID: c.ID, Name: c.Name}
}
