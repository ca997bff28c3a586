package signin

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// LogoutMessage is what a browser brought to the single logout service of a connection.
type LogoutMessage struct {
	Connection string     // id, from the address: the message decides nothing about it
	Query      string     // as it was received, octet by octet, of the Redirect binding
	Form       url.Values // of the POST binding; nil for Redirect
	Client     Client

	unreadable *saml.Refusal // why there is no form to read
}

// LoggedOut is where a browser goes that brought a logout message.
type LoggedOut struct {
	Leaving  *Leaving // with our answer to the IdP; nil where it has none to get
	ReturnTo string   // the address that a sign-out here was to end at, or ""
	Slug     string   // of the workspace
	Notice   string   // what our own page says
}

// logoutReceived is a logout message on its way through the checks.
type logoutReceived struct {
	LogoutMessage
	side    *side
	idp     saml.IdentityProvider
	message saml.Message
	logout  *saml.Logout // once verified
	ended   []string     // ids of sessions
	partial bool
	answer  string // the ID of a LogoutResponse that was verified
	looked  bool   // the metadata was looked at because of this message
}

// SingleLogout takes what an IdP sends to a connection's single logout service, by way of a browser of which nothing is
// asked: no cookie decides. A LogoutRequest ends the sessions that it names, in one transaction, and is answered; a
// LogoutResponse answers the request that SignOut made. What is not accepted is a *TurnedAway, its event recorded, and
// ends nothing. An unknown connection is errs.KindNotFound.
func (s *Service) SingleLogout(ctx context.Context, m LogoutMessage) (*LoggedOut, error) {
	looked := false
	for range maxMoves {
		at, err := s.sideOf(ctx, m.Connection, directory.ProtocolSAML)
		if err != nil {
			if errs.Is(err, errs.KindNotFound) {
				s.DB.System().RecordStranger(m.Client.Bucket, "logout.connection_unknown", nil)
			}
			return nil, err
		}
		r := &logoutReceived{LogoutMessage: m, side: at, idp: settings.IdentityProvider(at.connection.SAML), looked: looked}
		if err := r.decode(); err != nil {
			return nil, s.logoutTurnedAway(ctx, r, err)
		}
		var out *LoggedOut
		if r.message.IsResponse {
			out, err = s.answered(ctx, r)
		} else {
			out, err = s.loggedOut(ctx, r)
		}
		if !errors.Is(err, errMoved) {
			return out, err
		}
		looked = r.looked
	}
	return nil, errs.Unavailable("busy", "This connection is being changed. Start again in a moment.")
}

// decode reads the message out of its binding. The error is a *saml.Refusal.
func (r *logoutReceived) decode() (err error) {
	switch {
	case r.unreadable != nil:
		return r.unreadable
	case len(r.idp.Certificates) == 0 || r.idp.EntityID == "":
		return &saml.Refusal{Reason: "idp_unknown", Detail: "The connection has no metadata of the identity provider yet, so nothing can be verified."}
	case r.Form != nil:
		r.message, err = saml.DecodeLogoutForm(r.Form)
	default:
		r.message, err = saml.DecodeRedirect(r.Query)
	}
	return err
}

// expectation is what a logout message is held against.
func (s *Service) logoutExpectation(r *logoutReceived) (saml.LogoutExpectation, error) {
	c := r.side.connection
	opens, err := s.decryptionKeys(c)
	return saml.LogoutExpectation{ServiceProvider: ServiceProvider(s.PublicURL, c), IdentityProvider: r.idp, Destination: directory.SAMLEndpoints(s.PublicURL, c.ID).Logout,
		Skew: c.SAML.Skew, SHA1Until: c.SAML.SHA1End(), DecryptionKeys: opens, AllowCBC: c.SAML.Encryption == "cbc"}, err
}

// loggedOut does what a LogoutRequest asks for. It does so at a connection that is switched off, too: a session that was
// left alive then can still be ended by who began it.
func (s *Service) loggedOut(ctx context.Context, r *logoutReceived) (*LoggedOut, error) {
	expected, err := s.logoutExpectation(r)
	if err != nil {
		return nil, s.logoutTurnedAway(ctx, r, err)
	}
	if r.logout, err = saml.VerifyLogoutRequest(r.message, expected, s.now()); err != nil {
		if anew, e := s.lookForLogoutKey(ctx, r, err, false); anew || e != nil {
			return nil, cmp.Or(e, errMoved)
		}
		return nil, s.logoutTurnedAway(ctx, r, err)
	}
	// Whoever has come this far is the IdP, and the browser may go away before we are done.
	err = s.DB.Write(context.WithoutCancel(ctx), r.side.workspace, func(tx *store.Tx) error { return s.endLoggedOut(tx, r) })
	switch {
	case errors.Is(err, errMoved):
		return nil, err
	case refusing(err):
		return nil, s.logoutTurnedAway(ctx, r, err)
	case err != nil:
		return nil, fmt.Errorf("log out by the IdP's word: %w", err)
	}
	out := &LoggedOut{Slug: r.side.cfg.Workspace.Slug, Notice: noticeByIdP}
	out.Leaving = s.logoutAnswer(r)
	return out, nil
}

// endLoggedOut is the transaction of a LogoutRequest: once, the sessions, and the event.
func (s *Service) endLoggedOut(tx *store.Tx, r *logoutReceived) error {
	if err := r.unmoved(tx); err != nil {
		return err
	}
	first, err := tx.FirstSight(r.Connection, sightOf("logout", r.logout.ID), r.logout.ReplayUntil.Add(saml.MaxSkew))
	if err != nil {
		return err
	}
	if !first {
		return errs.Forbidden(reasonReplayed, "This logout message was used already.")
	}
	sp := directory.SAMLEndpoints(s.PublicURL, r.Connection).EntityID
	named, err := r.named(tx, sp)
	if err != nil {
		return err
	}
	r.ended = nil // the closure may run twice
	live := make([]store.IdPSession, 0, len(named))
	for _, one := range named {
		live = append(live, store.IdPSession{ID: one.ID, Member: one.Member, Live: true})
		r.ended = append(r.ended, one.ID)
	}
	if r.partial, err = r.untold(tx); err != nil {
		return err
	}
	if err := endThose(tx, r.side, live); err != nil {
		return err
	}
	return tx.Record(r.event(named))
}

// unmoved is errMoved where the connection is no longer the one that a message was verified for.
func (r *logoutReceived) unmoved(tx *store.Tx) error {
	cfg, err := tx.Config()
	if err != nil {
		return err
	}
	if c, found := cfg.Connection(r.Connection); !found || !reflect.DeepEqual(c.SAML, r.side.connection.SAML) {
		return errMoved
	}
	return nil
}

// event tells of a LogoutRequest that was carried out.
func (r *logoutReceived) event(named []store.NamedSession) audit.Event {
	e := audit.Event{Type: audit.LogoutReceived, Connection: r.Connection, Subject: audit.Party{Kind: "stranger", Name: cut(r.logout.NameID.Value, maxTyped)},
		Actor: audit.Party{Kind: "connection", ID: r.Connection, Name: r.side.connection.Name}, Payload: r.payload(nil, false),
		Changes: []audit.Change{{Field: "ended", To: fmt.Sprint(len(r.ended))}}}
	if len(named) > 0 {
		e.Subject = audit.Party{Kind: "member", ID: named[0].Member}
	}
	return e
}

// named finds the live sessions that a LogoutRequest means: those at whose sign-in this very name was given, and whose
// index it lists where it lists any. A session that has no index cannot be listed and is meant by its name.
func (r *logoutReceived) named(tx *store.Tx, sp string) (found []store.NamedSession, err error) {
	hash := nameHash(r.logout.NameID)
	fits := func(one store.NamedSession) bool {
		var name saml.NameID
		return json.Unmarshal([]byte(one.NameID), &name) == nil && name.Same(r.logout.NameID, r.idp.EntityID, sp) && r.lists(one.Index)
	}
	if found, err = gather(fits, func(after string) ([]store.NamedSession, error) { return tx.SessionsOfName(r.Connection, hash, after) }); err != nil {
		return nil, err
	}
	// Sessions of before names were kept are found by the sign-in link, unless people are known here by something else.
	if r.side.connection.SAML.Attributes.Subject != "" {
		return found, nil
	}
	key, _, err := subject(&saml.Assertion{Subject: r.logout.NameID, HasSubject: true}, "")
	if errs.As(err) != nil {
		return found, nil // no name that links are made by
	}
	identity, err := tx.Identity(r.Connection, key)
	if errs.Is(err, errs.KindNotFound) {
		return found, nil
	} else if err != nil {
		return nil, err
	}
	older, err := gather(func(one store.NamedSession) bool { return r.lists(one.Index) },
		func(after string) ([]store.NamedSession, error) {
			return tx.NamelessSessions(r.Connection, identity.Member, after)
		})
	return append(found, older...), err
}

// lists reports whether a session with that index is meant.
func (r *logoutReceived) lists(index string) bool {
	return len(r.logout.SessionIndexes) == 0 || index == "" || slices.Contains(r.logout.SessionIndexes, index)
}

// gather reads pages of sessions to their end and keeps those that fit.
func gather(fits func(store.NamedSession) bool, page func(after string) ([]store.NamedSession, error)) (out []store.NamedSession, err error) {
	after := ""
	for {
		some, err := page(after)
		if err != nil || len(some) == 0 {
			return out, err
		}
		for _, one := range some {
			if fits(one) {
				out = append(out, one)
			}
		}
		after = some[len(some)-1].ID
	}
}

// untold reports whether an application got tokens of a session that ends and cannot be told that it has. Then the IdP is
// not told that the person is signed out everywhere.
func (r *logoutReceived) untold(tx *store.Tx) (bool, error) {
	given, err := tx.ApplicationsOf(r.ended)
	if err != nil || len(given) == 0 {
		return false, err
	}
	cfg, err := tx.Config()
	if err != nil {
		return false, err
	}
	for _, a := range cfg.Applications {
		if slices.Contains(given, a.ID) && a.BackchannelLogoutURI == "" {
			return true, nil
		}
	}
	return false, nil
}

// logoutAnswer makes the LogoutResponse, for the IdP's own single logout service as it is set up here, and for no address
// of the message. It is nil where there is none, or no key to sign it with: the sessions have ended all the same.
func (s *Service) logoutAnswer(r *logoutReceived) *Leaving {
	came := saml.BindingRedirect
	if r.Form != nil {
		came = saml.BindingPOST
	}
	to, ok := place(r.idp, came)
	if !ok {
		return nil
	}
	key, err := s.ourKey(r.side.connection)
	if err != nil {
		return nil
	}
	answer := saml.LogoutResponse{ID: saml.NewID(), InResponseTo: r.logout.ID, Issuer: directory.SAMLEndpoints(s.PublicURL, r.Connection).EntityID,
		Destination: to.ForResponse(), IssueInstant: s.now()}
	if r.partial {
		answer.Detail = saml.StatusPartialLogout
	}
	if to.Binding == saml.BindingPOST {
		text, err := answer.SignedXML(*key)
		if err != nil {
			return nil
		}
		return &Leaving{Post: answer.Destination, Field: "SAMLResponse", Message: base64.StdEncoding.EncodeToString(text), RelayState: r.message.RelayState}
	}
	address, err := answer.SignedRedirectURL(r.message.RelayState, *key)
	if err != nil {
		return nil
	}
	return &Leaving{URL: address}
}
