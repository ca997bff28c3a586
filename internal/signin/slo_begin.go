package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

const (
	// leavingLife is how long an IdP may take to answer that somebody has signed out here.
	leavingLife = 15 * time.Minute
	// tellTime bounds what is done after a session has ended, so that its IdP hears of it.
	tellTime = 5 * time.Second
	// maxName is how long a NameID may be in JSON that is kept, in bytes.
	maxName = 4096
)

// Leaving is a browser on its way to an IdP with a logout message. Either URL is set, or Post, Field, Message and RelayState for a form.
type Leaving struct {
	URL string

	Post       string // the IdP's address
	Field      string // SAMLRequest or SAMLResponse
	Message    string // base64
	RelayState string
}

// kept is a NameID as a session keeps it, with the hash that it is found by; "" for one that is too long. The hash is
// of the value alone: what else may be left out is compared by NameID.Same.
func kept(name saml.NameID) (text, hash string) {
	encoded, err := json.Marshal(name)
	if err != nil || len(encoded) > maxName || name.Value == "" {
		return "", ""
	}
	return string(encoded), nameHash(name)
}

func nameHash(name saml.NameID) string { return keys.HashToken("nameid\x00" + name.Value) }

// SignOut ends the live session of a browser for a reason, always and first, and returns how the browser then tells the
// session's IdP, nil where that is not wanted or cannot be. back is where the IdP's answer leads in the end, "" for our own
// page; the caller has judged it.
func (s *Service) SignOut(ctx context.Context, live *store.LiveSession, reason, back string, c Client) (*Leaving, error) {
	// What the session alone knows of its IdP goes with it.
	address, name := "", s.nameOf(ctx, live)
	if back == "" {
		address = s.farewell(ctx, live)
	}
	err := s.EndSession(ctx, live.Workspace, live.ID, reason, party(&live.Member))
	switch {
	case errs.Is(err, errs.KindNotFound):
		return nil, nil // somebody else ended it meanwhile, and told whom there was to tell
	case err != nil:
		return nil, err
	case address != "":
		return &Leaving{URL: address}, nil
	case name == nil:
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	return s.tell(ctx, live, *name, back, c)
}

// nameOf is whom the IdP signed in, nil where a sign-out is not told to it.
func (s *Service) nameOf(ctx context.Context, live *store.LiveSession) *saml.NameID {
	if live.Method != directory.MethodSAML {
		return nil
	}
	at, err := s.sideOf(ctx, live.Connection, directory.ProtocolSAML)
	if err != nil || !at.connection.SAML.SingleLogout {
		return nil
	}
	if _, ok := place(settings.IdentityProvider(at.connection.SAML), saml.BindingRedirect); !ok {
		return nil
	}
	var text string
	if err := s.DB.Peek(ctx, live.Workspace, func(tx *store.Tx) (err error) {
		text, err = tx.NameOfSession(live.ID)
		return err
	}); err != nil || text == "" {
		return nil
	}
	name := &saml.NameID{}
	if json.Unmarshal([]byte(text), name) != nil {
		return nil
	}
	return name
}

// place is the IdP's single logout service for a binding, or for the other one.
func place(idp saml.IdentityProvider, first string) (saml.Endpoint, bool) {
	for _, binding := range []string{first, saml.BindingRedirect, saml.BindingPOST} {
		if e, ok := idp.LogoutEndpoint(binding); ok {
			return e, true
		}
	}
	return saml.Endpoint{}, false
}

// tell makes the LogoutRequest for a session that has ended, and remembers that its answer is waited for. What keeps the
// IdP from being told is an event and no error: the person has left.
func (s *Service) tell(ctx context.Context, live *store.LiveSession, name saml.NameID, back string, c Client) (*Leaving, error) {
	at, err := s.sideOf(ctx, live.Connection, directory.ProtocolSAML)
	if err != nil {
		return nil, nil // removed meanwhile
	}
	connection := at.connection
	e := audit.Event{Type: audit.LogoutSent, Actor: party(&live.Member), Subject: party(&live.Member), Connection: connection.ID}
	shown := logoutPayload{attempt: attemptBy(c, directory.MethodSAML)}
	shown.Session = live.ID
	leaving, request, err := s.logoutRequest(connection, live, name)
	if err != nil {
		e.Outcome, e.Reason = audit.Refused, errs.CodeOf(err)
		shown.Detail = cut(err.Error(), maxDetail)
	}
	shown.MessageID, shown.SessionIndexes = request.ID, request.SessionIndexes
	e.Payload = encoded(shown)
	if err := s.DB.Write(ctx, at.workspace, func(tx *store.Tx) error {
		if leaving != nil {
			tx.InsertLogout(keys.HashToken(request.ID), store.Leaving{Connection: connection.ID, Member: live.Member.ID, ReturnTo: back, ExpiresAt: tx.Now().Add(leavingLife)})
		}
		return tx.Record(e)
	}); err != nil {
		return nil, nil // the session has ended, and without this row the answer would mean nothing
	}
	return leaving, nil
}

// logoutRequest makes and signs the message. The relay state is the message's own ID, since some IdPs give back the one and
// some the other.
func (s *Service) logoutRequest(c directory.Connection, live *store.LiveSession, name saml.NameID) (*Leaving, saml.LogoutRequest, error) {
	sp := ServiceProvider(s.PublicURL, c)
	now := s.now()
	to, _ := place(settings.IdentityProvider(c.SAML), saml.BindingRedirect)
	request := saml.LogoutRequest{ID: saml.NewID(), Issuer: sp.EntityID, Destination: to.Location, IssueInstant: now, NotOnOrAfter: now.Add(leavingLife),
		Reason: saml.LogoutByUser, NameID: name}
	if live.SessionIndex != "" {
		request.SessionIndexes = []string{live.SessionIndex}
	}
	key, err := s.ourKey(c)
	if err != nil {
		return nil, request, err
	}
	if to.Binding == saml.BindingPOST {
		text, err := request.SignedXML(*key)
		if err != nil {
			return nil, request, fmt.Errorf("tell identity provider: %w", err)
		}
		return &Leaving{Post: to.Location, Field: "SAMLRequest", Message: base64.StdEncoding.EncodeToString(text), RelayState: request.ID}, request, nil
	}
	address, err := request.SignedRedirectURL(request.ID, *key)
	if err != nil {
		return nil, request, fmt.Errorf("tell identity provider: %w", err)
	}
	return &Leaving{URL: address}, request, nil
}

// leadsTo are the origins, beside ours, that the form of the sign-out page may lead to. A logout goes on from the IdP to
// all its other services, which browsers hold against the form; there is no secret in it.
func (s *Service) leadsTo(ctx context.Context, live *store.LiveSession) []string {
	if s.nameOf(ctx, live) != nil {
		return s.anywhere()
	}
	return originsOf(s.farewell(ctx, live))
}

// anywhere are the schemes of a form without a secret that leads through places unknown to us.
func (s *Service) anywhere() []string {
	if s.secure() {
		return []string{"https:"}
	}
	return []string{"https:", "http:"}
}

// Leave leads a browser to an IdP with a logout message.
func (d *Door) Leave(w http.ResponseWriter, r *http.Request, l *Leaving) error {
	w.Header().Set("Cache-Control", "no-store")
	if l.URL != "" {
		http.Redirect(w, r, l.URL, http.StatusSeeOther)
		return nil
	}
	fields := []field{{l.Field, l.Message}}
	if l.RelayState != "" {
		fields = append(fields, field{"RelayState", l.RelayState})
	}
	o := onward{Heading: "Signing out", Action: l.Post, Fields: fields}
	if l.Field == "SAMLResponse" {
		// IdPs tell all their applications at once, each in a frame of one page. This one has nothing to press but the way
		// back to that IdP, and no cookie decides anything.
		o.FramedBy = originsOf(l.Post)
	}
	return d.onward(w, o, d.service.anywhere())
}

// isRequestID reports whether a relay state may be the ID of a LogoutRequest of ours.
func isRequestID(s string) bool { return len(s) == 41 && strings.HasPrefix(s, "_") }
