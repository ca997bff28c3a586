package signin

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// Where acme's IdP takes logout messages.
const (
	sloRedirect = "https://okta.example/slo"
	sloPost     = "https://okta.example/slo/post"
	sloAnswers  = "https://okta.example/slo/answers"
	oktaLogout  = "/auth/saml/con_okta/logout"
)

var (
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]+)" data-onward>`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

var spKeyPair = sync.OnceValue(samltest.NewKey)

// logsOut gives acme's connection a key, the switch, and the IdP's places.
func logsOut(side *directory.SAML) {
	side.SingleLogout = true
	side.SLO = []directory.Endpoint{{Binding: saml.BindingRedirect, Location: sloRedirect}, {Binding: saml.BindingPOST, Location: sloPost, ResponseLocation: sloAnswers}}
}

// eachLeaving is eachConnected with single logout.
func eachLeaving(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	eachConnected(t, func(t *testing.T, w *world) {
		w.keyed(logsOut, spKeyPair())
		fn(t, w)
	})
}

// bobsName is how acme's IdP names bob in w.response.
var bobsName = saml.NameID{Value: "bob@acme.test", Format: saml.FormatEmail}

// logout is a right LogoutRequest about bob.
func (w *world) logout(indexes ...string) *samltest.Logout {
	l := oktaIdP().LogoutRequest(w.PublicURL+oktaLogout, bobsName, w.clock.now())
	l.SessionIndexes = indexes
	return l
}

// redirects brings a message by Redirect, posts one by POST.
func (b *browser) redirects(l *samltest.Logout, relay string) answer {
	b.t.Helper()
	return b.get(oktaLogout + "?" + oktaIdP().RedirectLogout(l, relay))
}

func (b *browser) posts(field string, xml []byte, relay string) answer {
	b.t.Helper()
	return b.post(oktaLogout, field, samltest.Encode(xml), "RelayState", relay)
}

// enters as in a session with that index and name.
func (b *browser) entersAs(w *world, index string, name saml.NameID) {
	b.t.Helper()
	b.enters(w, func(r *samltest.Response) {
		r.Assertion.NameID = &name
		r.Assertion.Authn[0].SessionIndex = index
	})
}

// signedIn says whether a browser has a session.
func (b *browser) signedIn() bool { return b.get("/auth/session").StatusCode == http.StatusOK }

// idpOf is the other side as it reads our messages: a connection turned round.
func (w *world) reads(address string) *saml.Logout {
	w.t.Helper()
	_, query, _ := strings.Cut(address, "?")
	m, err := saml.DecodeRedirect(query)
	w.must(err)
	out, err := saml.VerifyLogoutRequest(m, w.turnedRound(sloRedirect, ""), w.clock.now())
	if err != nil {
		w.t.Fatalf("the IdP refuses our LogoutRequest: %v\n%s", err, m.XML)
	}
	return out
}

// answerTo is our LogoutResponse to a request, as the IdP reads it.
func (w *world) answerTo(a answer, request, at string) *saml.LogoutOutcome {
	w.t.Helper()
	var m saml.Message
	var err error
	if a.StatusCode == http.StatusSeeOther {
		base, query, _ := strings.Cut(a.to(), "?")
		if base != at {
			w.t.Fatalf("the answer goes to %s, want %s", base, at)
		}
		m, err = saml.DecodeRedirect(query)
	} else {
		action, fields := postedOn(w.t, a)
		if action != at {
			w.t.Fatalf("the answer goes to %s, want %s: %s", action, at, a.body)
		}
		m, err = saml.DecodeLogoutForm(fields)
	}
	w.must(err)
	out, err := saml.VerifyLogoutResponse(m, w.turnedRound(at, request), w.clock.now())
	if err != nil {
		w.t.Fatalf("the IdP refuses our answer: %v\n%s", err, m.XML)
	}
	return out
}

// turnedRound is what the IdP holds our messages against.
func (w *world) turnedRound(at, request string) saml.LogoutExpectation {
	sp := w.provider(okta)
	return saml.LogoutExpectation{ServiceProvider: saml.ServiceProvider{EntityID: oktaIdP().EntityID}, Destination: at, RequestID: request,
		IdentityProvider: saml.IdentityProvider{EntityID: sp.EntityID, Certificates: []saml.Certificate{spKeyPair().Certificate}}}
}

// postedOn is the form of a page that posts on.
func postedOn(t testing.TB, a answer) (action string, fields url.Values) {
	t.Helper()
	t.Helper()
	form := formAction.FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || form == nil {
		t.Fatalf("no page that posts on: %d: %s", a.StatusCode, a.body)
	}
	fields = url.Values{}
	for _, f := range hiddenField.FindAllStringSubmatch(a.body, -1) {
		fields.Add(f[1], html.UnescapeString(f[2]))
	}
	return html.UnescapeString(form[1]), fields
}

// wantLogoutRefused checks a refusal of a logout message: its code on the page, its reason in the log, and nothing ended.
func (w *world) wantLogoutRefused(why string, a answer, code, reason string) {
	w.t.Helper()
	if a.StatusCode < 400 || a.StatusCode > 499 || !strings.Contains(a.body, "<code>"+code+"</code>") || len(a.Header.Values("Set-Cookie")) != 0 {
		w.t.Fatalf("%s: the answer is %d to %q with %q, want a page with the code %s: %s", why, a.StatusCode, a.to(), a.Header.Values("Set-Cookie"), code, a.body)
	}
	all := w.events(acme, audit.LogoutRefused)
	if len(all) == 0 || all[len(all)-1].Reason != reason || !strings.Contains(a.body, all[len(all)-1].ID) || all[len(all)-1].Connection != okta {
		w.t.Fatalf("%s: the events are %s, want %s at the end and its id on the page", why, reasons(all), reason)
	}
	w.clock.turn(1e6) // events of one instant are in no order
}

// sessionIn makes a session in any workspace.
func (w *world) sessionIn(workspace, member, connection, id, index string, name *saml.NameID) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), workspace, func(tx *store.Tx) error {
		s := &session.Session{ID: id, Member: member, Method: directory.MethodSAML, Connection: connection, SessionIndex: index, ExpiresAt: tx.Now().Add(session.Absolute)}
		if name != nil {
			s.NameID, s.NameHash = kept(*name)
		}
		tx.InsertSession(s, keys.HashToken(id))
		return tx.Record(audit.Event{Type: audit.SignInSucceeded})
	}))
}

// logoutOf is the payload of the last event of a type.
func (w *world) logoutOf(kind audit.Type) (audit.Event, logoutPayload) {
	w.t.Helper()
	all := w.events(acme, kind)
	if len(all) == 0 {
		w.t.Fatalf("there is no event %s", kind)
	}
	var p logoutPayload
	w.must(json.Unmarshal(all[len(all)-1].Payload, &p))
	return all[len(all)-1], p
}
