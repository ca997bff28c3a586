package signin

import (
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// okta is the connection of acme. The directory of the same name stands beside it.
const okta = "con_okta"

var (
	idpKey   = sync.OnceValue(samltest.NewKey)
	otherKey = sync.OnceValue(samltest.NewKey)
)

// oktaIdP is the IdP of acme's connection.
func oktaIdP() *samltest.IdP { return samltest.NewIdP("https://okta.example/exk1", idpKey()) }

// sideOf is what a connection knows of an IdP.
func sideOf(idp *samltest.IdP) *directory.SAML {
	known := directory.DefaultSAML("generic")
	known.EntityID = idp.EntityID
	for _, e := range idp.IdentityProvider().SSO {
		known.SSO = append(known.SSO, directory.Endpoint{Binding: e.Binding, Location: e.Location})
	}
	for _, key := range idp.Keys {
		known.Certificates = append(known.Certificates, key.Certificate.Raw)
	}
	return &known
}

// connect saves a connection of a workspace to an IdP, active unless change says otherwise.
func (w *world) connect(workspace, id string, idp *samltest.IdP, change func(*directory.Connection)) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, old := cfg.Connection(id)
		if !old {
			c = directory.Connection{ID: id, Name: id, Provider: "okta", Protocol: directory.ProtocolSAML}
		}
		c.Status, c.VerifiedAt, c.SAML = directory.ConnectionActive, tx.Now(), sideOf(idp)
		if change != nil {
			change(&c)
		}
		tx.SaveConnection(c, !old)
		if d, ok := cfg.Directory("dir_okta"); ok {
			d.Connection = id
			tx.SaveDirectory(d, false)
		}
		return tx.Record(audit.Event{Type: audit.ConnectionChanged})
	}))
}

// reconnect changes the saved connection of acme.
func (w *world) reconnect(change func(*directory.Connection)) {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, _ := cfg.Connection(okta)
		known := *c.SAML
		c.SAML = &known
		change(&c)
		tx.SaveConnection(c, false)
		return tx.Record(audit.Event{Type: audit.ConnectionChanged})
	}))
}

// eachConnected is each with acme connected to oktaIdP.
func eachConnected(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	each(t, func(t *testing.T, w *world) {
		w.connect(acme, okta, oktaIdP(), nil)
		fn(t, w)
	})
}

// provider is our side of a connection.
func (w *world) provider(id string) saml.ServiceProvider {
	return ServiceProvider(w.PublicURL, directory.Connection{ID: id})
}

// asked is what an IdP reads from the address that login leads to.
type asked struct{ id, relay, xml string }

var requestIDs = regexp.MustCompile(` ID="([^"]+)"`)

// begin begins a sign-in at a connection; more is added to the query.
func (b *browser) begin(connection string, more ...string) asked {
	b.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	a := b.get("/auth/saml/" + connection + "/login?" + q.Encode())
	if a.StatusCode != http.StatusFound {
		b.t.Fatalf("login answered %d: %s", a.StatusCode, a.body)
	}
	return readRequest(b.t, a.to())
}

func (w *world) read(address string) asked { return readRequest(w.t, address) }

func readRequest(t *testing.T, address string) asked {
	t.Helper()
	q, err := parseRequest(address)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// parseRequest reads a request as an IdP does.
func parseRequest(address string) (asked, error) {
	u, err := url.Parse(address)
	if err != nil {
		return asked{}, err
	}
	deflated, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	if err != nil {
		return asked{}, err
	}
	xml, err := io.ReadAll(flate.NewReader(strings.NewReader(string(deflated))))
	if err != nil {
		return asked{}, err
	}
	id := requestIDs.FindStringSubmatch(string(xml))
	if id == nil {
		return asked{}, fmt.Errorf("no request in %s", address)
	}
	return asked{id: id[1], relay: u.Query().Get("RelayState"), xml: string(xml)}, nil
}

// response is a right answer about bob to a request, or an unsolicited one for "".
func (w *world) response(request string) *samltest.Response {
	r := oktaIdP().Response(w.provider(okta), request, w.clock.now())
	about(r, "bob@acme.test", "Bob", "Builder")
	return r
}

// about makes a response one about somebody else.
func about(r *samltest.Response, address, first, last string) {
	r.Assertion.NameID.Value = address
	for i, value := range []string{address, first, last} {
		r.Assertion.Attributes[i].Values = []string{value}
	}
}

func sign(r *samltest.Response) string { return samltest.Encode(oktaIdP().Sign(r)) }

// answers posts an answer as a browser that sends cookies.
func (b *browser) answers(connection, response, relay string) answer {
	b.t.Helper()
	return b.post("/auth/saml/"+connection+"/acs", "SAMLResponse", response, "RelayState", relay)
}

// enters signs in through acme's connection and must succeed.
func (b *browser) enters(w *world, change func(*samltest.Response)) answer {
	b.t.Helper()
	q := b.begin(okta)
	r := w.response(q.id)
	if change != nil {
		change(r)
	}
	a := b.answers(okta, sign(r), q.relay)
	if a.StatusCode != http.StatusSeeOther || b.cookie() == "" {
		b.t.Fatalf("the sign-in answered %d to %q: %s", a.StatusCode, a.to(), a.body)
	}
	return a
}

// refusedBy is the reason of the last refusal that acme's log holds, with its payload.
func (w *world) refused() (audit.Event, samlPayload) {
	w.t.Helper()
	all := w.events(acme, audit.SignInRefused)
	if len(all) == 0 {
		w.t.Fatal("no refusal is recorded")
	}
	last := all[len(all)-1]
	var p samlPayload
	w.must(json.Unmarshal(last.Payload, &p))
	return last, p
}

// wantRefused checks that an answer is a refusal with its code on the page and its reason in the log.
func (w *world) wantRefused(a answer, code, reason string) {
	w.t.Helper()
	if a.StatusCode < 400 || a.StatusCode > 499 || !strings.Contains(a.body, "<code>"+code+"</code>") {
		w.t.Fatalf("the answer is %d to %q, want a page with the code %s: %s", a.StatusCode, a.to(), code, a.body)
	}
	if len(a.Header.Values("Set-Cookie")) != 0 {
		w.t.Errorf("a refusal sets cookies: %q", a.Header.Values("Set-Cookie"))
	}
	e, _ := w.refused()
	if e.Reason != reason || e.Connection != okta || !strings.Contains(a.body, "<code>"+e.ID+"</code>") {
		w.t.Errorf("the event %s has the reason %q and the connection %q, want %s and the id on the page", e.ID, e.Reason, e.Connection, reason)
	}
	if strings.Contains(a.body, "http-equiv") || strings.Contains(a.body, "<script") || a.Header.Get("Refresh") != "" {
		w.t.Errorf("the page may begin again by itself: %s", a.body)
	}
}

const minute = time.Minute
