package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// EndedByIdP is the IdP's word that the session there has ended.
const EndedByIdP = "ended_by_idp"

// minSession is how long an IdP's name of a session is at the least for it alone to end one, in bytes: whoever
// knows it may, and shorter ones can be guessed.
const minSession = 16

var (
	errLogoutRefused  = errs.Invalid("logout_token_refused", "The logout token was not accepted.")
	errSessionForeign = errs.Invalid("session_unknown", "No session that this connection has begun is meant by the logout token.")
)

// BackchannelLogout ends the sessions that a logout token names (OIDC Back-Channel Logout section 2.7): those of
// sid, or all that sub has opened through the connection. A session that has ended already is fine; one that
// never was is not. The refusal is errs.KindInvalid, its event recorded; an unknown connection is
// errs.KindNotFound.
func (s *Service) BackchannelLogout(ctx context.Context, connection, token string, c Client) error {
	at, err := s.sideOf(ctx, connection, directory.ProtocolOIDC)
	if err != nil {
		return err
	}
	// The keys suffice: what comes here proves the IdP and asks nothing of it.
	o := at.connection.OIDC
	usual, _ := directory.OIDCAlgorithms()
	party := relyingparty.Party{Key: at.connection.ID, Issuer: o.Issuer, ClientID: o.ClientID, Tenants: o.Tenants, TenantFits: at.connection.Provider == "entra",
		Algorithms: o.Algorithms, Usual: usual, Audiences: o.Audiences, Skew: o.Skew}
	l, err := s.Outside.LogoutToken(ctx, party, token, s.now())
	var refusal *relyingparty.Refusal
	if errors.As(err, &refusal) {
		return s.logoutRefused(ctx, at, refusal.Reason, refusal.Detail, refusal.Verified, c)
	} else if err != nil {
		return fmt.Errorf("log out by the IdP's word: %w", err)
	}
	err = s.DB.Write(ctx, at.workspace, func(tx *store.Tx) error { return endNamed(tx, at, l) })
	if refusing(err) {
		return s.logoutRefused(ctx, at, errs.CodeOf(err), err.Error(), true, c)
	}
	return err
}

// endNamed ends what a logout token names, once.
func endNamed(tx *store.Tx, at *side, l *relyingparty.Logout) error {
	first, err := tx.FirstSight(at.connection.ID, sightOf("logout", l.ID), l.Until)
	if err != nil {
		return err
	}
	if !first {
		return errs.Invalid(reasonReplayed, "This logout token came before.")
	}
	named, err := sessionsNamed(tx, at.connection, l)
	if err != nil {
		return err
	}
	return endThose(tx, at, named)
}

// sessionsNamed finds the sessions that a logout token names. With sub and sid, both have to be theirs.
func sessionsNamed(tx *store.Tx, c directory.Connection, l *relyingparty.Logout) ([]store.IdPSession, error) {
	member := ""
	// A connection that knows people by another claim than sub cannot tell who sub is.
	if l.Subject != "" && c.OIDC.Attributes.Subject == "" {
		key, err := subjectKey([]string{"oidc", l.Issuer, l.Subject})
		if err != nil {
			return nil, err
		}
		identity, err := tx.Identity(c.ID, key)
		if errs.Is(err, errs.KindNotFound) {
			return nil, errSessionForeign
		} else if err != nil {
			return nil, err
		}
		member = identity.Member
	}
	if l.Session == "" {
		if member == "" {
			return nil, errSessionForeign
		}
		return tx.LiveSessionsThrough(c.ID, member)
	}
	found, err := tx.SessionsOfIdP(c.ID, short(l.Session))
	var named []store.IdPSession
	for _, f := range found {
		if member == "" || f.Member == member {
			named = append(named, f)
		}
	}
	if err == nil && len(named) == 0 {
		err = errSessionForeign
	}
	return named, err
}

// endThose ends the live ones among sessions of a connection, at its IdP's word.
func endThose(tx *store.Tx, at *side, sessions []store.IdPSession) error {
	actor := audit.Party{Kind: "connection", ID: at.connection.ID, Name: at.connection.Name}
	for _, one := range sessions {
		if !one.Live {
			continue
		}
		err := tx.EndSession(one.ID, EndedByIdP)
		if errs.Is(err, errs.KindNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if err := tx.Record(audit.Event{Type: audit.SessionEnded, Reason: EndedByIdP, Actor: actor, Connection: at.connection.ID,
			Subject: audit.Party{Kind: "session", ID: one.ID}}); err != nil {
			return err
		}
	}
	return nil
}

// logoutRefused records a logout message that was not believed, as few of them as of refused sign-ins.
func (s *Service) logoutRefused(ctx context.Context, at *side, reason, detail string, verified bool, c Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	answer := errLogoutRefused
	if verified {
		answer = errs.Invalid(reason, "The logout token was not accepted. %s", cut(detail, maxDetail))
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("answer-client", at.connection.ID, c.Bucket)}, []int{strangerEvents})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "logout."+reason, nil)
		return answer
	}
	payload, _ := json.Marshal(map[string]string{"address": c.address(), "detail": cut(detail, maxDetail)}) // texts always encode
	e := audit.Event{Type: audit.LogoutRefused, Outcome: audit.Refused, Reason: reason, Actor: c.stranger(), Connection: at.connection.ID, Payload: payload,
		Subject: audit.Party{Kind: "connection", ID: at.connection.ID, Name: at.connection.Name}}
	if err := s.DB.Write(ctx, at.workspace, func(tx *store.Tx) error { return tx.Record(e) }); err != nil {
		return fmt.Errorf("record refusal: %w", err)
	}
	return answer
}

// FrontchannelLogout ends the session that iss and sid name, where the browser has it or where sid is too
// long to be guessed: cookies do not come along into a frame of another site (OIDC Front-Channel Logout
// section 3). Everything else has no effect, and is no error.
func (s *Service) FrontchannelLogout(ctx context.Context, connection, iss, sid string, live *store.LiveSession) error {
	at, err := s.sideOf(ctx, connection, directory.ProtocolOIDC)
	if err != nil {
		return err
	}
	o := at.connection.OIDC
	if sid == "" || len(sid) > maxShort || !(relyingparty.Party{Issuer: o.Issuer, Tenants: o.Tenants}).IssuerFits(iss) {
		return nil
	}
	own := live != nil && live.Workspace == at.workspace && live.Connection == connection && live.SessionIndex == sid
	if !own && len(sid) < minSession {
		return nil
	}
	if err := s.DB.Write(ctx, at.workspace, func(tx *store.Tx) error {
		named, err := tx.SessionsOfIdP(connection, sid)
		if err != nil {
			return err
		}
		return endThose(tx, at, named)
	}); err != nil {
		return fmt.Errorf("log out by the IdP's word: %w", err)
	}
	return nil
}

// idTokenPurpose is what the ID token of a session is sealed for.
func idTokenPurpose(session string) string { return "id token " + session }

// keepIDToken keeps the ID token where the IdP wants to see it again at sign-out.
func (s *Service) keepIDToken(tx *store.Tx, r *redeemed, started *session.Session) error {
	if !r.side.connection.OIDC.Logout || s.Master == nil {
		return nil
	}
	sealed, err := s.Master.Seal(idTokenPurpose(started.ID), []byte(r.outcome.IDToken))
	if err != nil {
		return fmt.Errorf("keep ID token: %w", err)
	}
	tx.KeepIDToken(started.ID, sealed)
	return nil
}

// leaveTime is how long somebody who leaves waits for the IdP's discovery document, where it is not known yet.
const leaveTime = 2 * time.Second

// farewell is where the IdP of a session signs people out, "" where the connection does not ask for that or the
// IdP offers nothing. Nobody is kept from leaving by it.
func (s *Service) farewell(ctx context.Context, live *store.LiveSession) string {
	if live.Method != directory.MethodOIDC || s.Outside == nil {
		return ""
	}
	at, err := s.sideOf(ctx, live.Connection, directory.ProtocolOIDC)
	if err != nil || !at.connection.OIDC.Logout {
		return ""
	}
	sealed := ""
	if err := s.DB.Peek(ctx, live.Workspace, func(tx *store.Tx) (err error) {
		sealed, err = tx.IDToken(live.ID)
		return err
	}); err != nil {
		return ""
	}
	hint := ""
	if sealed != "" && s.Master != nil {
		if text, err := s.Master.Open(idTokenPurpose(live.ID), sealed); err == nil {
			hint = string(text)
		}
	}
	places := directory.OIDCEndpoints(s.PublicURL, live.Connection)
	party := relyingparty.Party{Key: live.Connection, Issuer: at.connection.OIDC.Issuer, ClientID: at.connection.OIDC.ClientID}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	return s.Outside.EndSessionURL(ctx, party, hint, places.AfterLogout, relyingparty.NewSecret(), s.now())
}
