package acceptance

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// skewHasASentence: a clock that is off by less than five minutes goes unnoticed; one that is off by more is told
// with the measured time, and the browser is sent in no circle (F35).
func skewHasASentence(t *testing.T, w *world) {
	shows(t, "F35")
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		slug := "skew-" + string(kind)
		owners := "owners:\n  - {email: root@" + slug + ".test, password_env: ROOT_PASSWORD, break_glass: true}\n"
		// Single sign-on is required, as where a redirect loop hurts most: there is one way to sign in.
		c := w.company(slug, kind, form{more: "domains: [" + slug + ".test]\nenforcement: {require_sso: all}\n" + owners})
		c.seed()
		ann := c.who("ann.lee")
		w.must(c.idp.SetSAMLFault(idpsim.FaultClockAhead4m))
		c.enter(ann)

		w.must(c.idp.SetSAMLFault(idpsim.FaultClockAhead7m))
		b := w.newBrowser()
		a := c.product.ask()
		p := c.signsIn(b, a.path, ann)
		e := c.refused(b, p, "clock_skew", "clock_skew")
		if !strings.Contains(p.alert(), "7 min") || !strings.Contains(p.alert(), "ahead") {
			t.Errorf("%s: the page says %q, want the measured seven minutes", kind, p.alert())
		}
		if !bytes.Contains(e.Payload, []byte(`"clock_skew_seconds":4`)) { // 420 s, or a little less by the time it came
			t.Errorf("%s: the event says %.300s", kind, e.Payload)
		}
		chain := []string{"GET /oauth2/authorize", "GET /signin", "GET " + c.login(), "POST /auth/saml/" + c.connection + "/acs", "POST /auth/saml/" + c.connection + "/acs"}
		if !slices.Equal(b.hops, chain) {
			t.Errorf("%s: the browser went %q, want %q", kind, b.hops, chain)
		}
		// The way back to sign-in is a page again, though there is one IdP and nothing else to choose.
		again := p.find(isLink("Go to sign-in"))
		if again == nil {
			t.Fatalf("%s: no way on:\n%s", kind, p.text)
		}
		next := b.open(attribute(again, "href"))
		if next.status != http.StatusOK || next.to != nil || next.way() == "" {
			t.Errorf("%s: after the refusal the sign-in page answers %d to %v", kind, next.status, next.to)
		}
		// By hand, and with the right time, it leads where it was to lead.
		q := c.product.back(a, c.signsIn(b, attribute(again, "href"), ann))
		c.product.mustRedeem(a, q.Get("code"))
	}
}

// saidAs is what a fault comes to: the code that people are told, and the reason in the event.
type saidAs struct{ code, reason string }

// eachFaultIsRefused: whatever goes wrong at an IdP is refused, with its own cause in the log; what anybody could
// have sent is told to nobody (F38, F35, attack catalogue A1 to A33 as far as an IdP's switch has them).
func eachFaultIsRefused(t *testing.T, w *world) {
	shows(t, "F35", "F38")
	const secret = "saml_refused"
	told := func(reason string) saidAs { return saidAs{reason, reason} }
	usual := map[idpsim.Fault]saidAs{
		idpsim.FaultClockAhead7m: told("clock_skew"), idpsim.FaultWrongAudience: told("audience"), idpsim.FaultWrongRecipient: told("recipient"),
		idpsim.FaultWrongIssuer: told("issuer"), idpsim.FaultOtherRequest: told("in_response_to"), idpsim.FaultNoConditions: told("no_conditions"),
		idpsim.FaultExpired: told("expired"), idpsim.FaultReplay: told("replayed"),
		idpsim.FaultUnsigned: {secret, "signature_missing"}, idpsim.FaultWrongKey: {secret, "unknown_key"}, idpsim.FaultWrapped: {secret, "second_assertion"},
		idpsim.FaultWrappedAround: {secret, "nested_assertion"}, idpsim.FaultComment: {secret, "comment"}, idpsim.FaultDTD: {secret, "dtd"},
	}
	for kind, own := range map[idpsim.Kind]map[idpsim.Fault]saidAs{
		idpsim.Okta:  {idpsim.FaultDenied: told("status")},
		idpsim.Entra: {idpsim.FaultDenied: {secret, "status"}}, // it signs assertions, and there is none
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := w.within(t)
			c := w.company("fault-"+string(kind), kind, form{connection: "idp_initiated: yes\n"})
			c.seed()
			ann := c.who("ann.lee")
			c.enter(ann) // the same message unmutated, and one to replay
			want := map[string]string{}
			wrong := func(name idpsim.Fault, b *browser, p page, as saidAs) {
				t.Helper()
				if !p.failed() || p.fact("Code") != as.code || p.fact("Event") == "" || b.session().status != http.StatusUnauthorized {
					t.Errorf("%s: answered %d with the code %q, want %s and nobody signed in:\n%.2000s", name, p.status, p.fact("Code"), as.code, p.text)
				}
				if as.code == secret && p.find(isElement("details")) != nil {
					t.Errorf("%s: a stranger is told more than the code:\n%s", name, p.text)
				}
				want[p.fact("Event")] = as.reason
			}
			for _, f := range idpsim.Faults() {
				as, known := usual[f]
				if o, ok := own[f]; ok {
					as, known = o, true
				}
				if _, elsewhere := played[f]; elsewhere || f == idpsim.AttackDeniedMarkup || f == idpsim.AttackManyValues {
					continue // of TestStory_an_IdP_plays_the_attacks_it_has_the_key_for
				}
				if !known && !f.Works() {
					t.Errorf("nobody has said what the fault %s comes to", f)
				}
				w.must(c.idp.SetSAMLFault(f))
				if f.Works() {
					c.enter(ann)
					continue
				}
				b := w.newBrowser()
				wrong(f, b, c.signsIn(b, c.login(), ann), as)
			}
			// From the tile there is no request that an old answer could be held against.
			for f, as := range map[idpsim.Fault]saidAs{idpsim.FaultExpired: told("expired"), idpsim.FaultReplay: told("replayed")} {
				b := w.newBrowser()
				c.landed(b, b.deliver(c.tile(ann)), ann)
				w.must(c.idp.SetSAMLFault(f))
				b = w.newBrowser()
				wrong(f, b, b.deliver(c.tile(ann)), as)
			}
			c.enter(ann)
			for _, e := range w.events(c.slug) {
				reason, ours := want[e.ID]
				if !ours {
					continue
				}
				delete(want, e.ID)
				if e.Type != "signin.refused" || e.Outcome != "refused" || e.Reason != reason || e.Connection != c.connection || len(e.Payload) == 0 {
					t.Errorf("the event of a refusal is %s %s by %q with %d bytes of payload, want %s", e.Type, e.Outcome, e.Reason, len(e.Payload), reason)
				}
				if bytes.Contains(e.Payload, []byte("SignatureValue>")) && !bytes.Contains(e.Payload, []byte("SignatureValue>[")) && !bytes.Contains(e.Payload, []byte("SignatureValue>*")) {
					t.Errorf("the payload keeps a signature: %.600s", e.Payload)
				}
			}
			if len(want) > 0 {
				t.Errorf("these events are not in the log: %v", want)
			}
		})
	}
}

// neighboursAreStrangers: an assertion, a connection, an application and an address of one workspace are worth nothing in
// another, also where both have the same IdP or name it alike (law 1, A34, A35, A36).
func neighboursAreStrangers(t *testing.T, w *world) {
	a := w.company("here", idpsim.Okta, form{more: "domains: [here.test]\n"})
	a.seed()
	ann := a.who("ann.lee")
	inA := a.enter(ann)

	// The neighbour uses the same IdP, with the same key (A34). It now answers the neighbour.
	b := w.company("there", idpsim.Okta, form{idp: a.idp})
	theirs := w.newBrowser()
	request := b.begins(theirs, b.login())
	solicited, tile := b.answer(request, ann), b.tile(ann)
	misdirected := func(p idpsim.Posting) idpsim.Posting { p.ACS = a.acs; return p }
	stranger := w.newBrowser()
	for name, p := range map[string]idpsim.Posting{"a tile's": tile, "a request's": solicited} {
		got := stranger.deliver(misdirected(p))
		e := a.refused(stranger, got, got.fact("Code"), got.fact("Code"))
		if !slices.Contains([]string{"destination", "recipient", "audience"}, e.Reason) {
			t.Errorf("%s answer for the neighbour is refused by %s", name, e.Reason)
		}
	}
	a.refused(theirs, theirs.deliver(misdirected(solicited)), "destination", "destination")
	// A request of here that is brought there with their answer is none of theirs.
	mixed := tile
	mine := w.newBrowser()
	u, err := url.Parse(a.begins(mine, a.login()))
	w.must(err)
	mixed.RelayState = u.Query().Get("RelayState")
	if p := mine.deliver(mixed); mine.session().status == http.StatusOK && mine.session().Workspace != "there" {
		t.Errorf("an answer for there signs in here: %s %d", p.url, p.status)
	}

	// Mail is not identity across workspaces (A36): the address of a domain that is proven here is refused there.
	b.refused(theirs, theirs.deliver(solicited), "foreign_domain", "foreign_domain")
	if s := theirs.session(); s.status != http.StatusUnauthorized {
		t.Errorf("signed in as %+v", s)
	}

	// Another IdP that names itself as the one of here, with a key of its own (A35).
	d := w.company("impostor", idpsim.Okta, form{})
	d.seed()
	metadata, err := d.idp.SAMLMetadata()
	w.must(err)
	named := strings.ReplaceAll(string(metadata), d.idp.SAMLEntityID(), a.idp.SAMLEntityID())
	w.mustApply("workspace: impostor\nconnections:\n  - name: idp\n    metadata: |\n" + indented(named, "      "))
	evil := d.tile(d.who("ann.lee"))
	evil.ACS = a.acs
	a.refused(stranger, stranger.deliver(evil), "saml_refused", "unknown_key")
	victim := w.newBrowser()
	settings := d.idp.SAMLSettings()
	settings.ACSURL, settings.Audience = a.acs, a.entityID
	w.must(d.idp.ConfigureSAML(settings))
	evil = d.answer(a.begins(victim, a.login()), d.who("ann.lee"))
	a.refused(victim, victim.deliver(evil), "saml_refused", "unknown_key")

	// Applications: a browser of here is nobody for the product of there, and neither has a use for what the other holds.
	w.must(a.idp.ImportSAML(w.ctx(), a.metadataURL))
	if s := inA.session(); s.status != http.StatusOK {
		t.Fatalf("the session of here has ended: %d", s.status)
	}
	b.product.nobody(inA)
	asked := b.product.ask()
	if p := inA.open(asked.path); p.url.Path != "/signin" || p.url.Query().Get("workspace") != "there" {
		t.Errorf("the product of there sends a browser of here to %s with %d", p.url, p.status)
	}
	given := a.product.signIn(inA)
	if b.product.active(given.Access) || b.product.active(given.Refresh) {
		t.Error("a token of here is active for the application of there")
	}
	if g := b.product.refresh(given.Refresh); g.status != http.StatusBadRequest || g.Error != "invalid_grant" {
		t.Errorf("a refresh token of here at the application of there: %d %s", g.status, g.Error)
	}
	from, code := a.product.code(inA)
	other := *b.product
	other.redirect = a.product.redirect
	if g := other.redeem(from, code); g.status != http.StatusBadRequest || g.Error != "invalid_grant" {
		t.Errorf("a code of here at the application of there: %d %s", g.status, g.Error)
	}
	a.product.mustRedeem(from, code) // whoever stole it has not spoilt it
	if again := a.product.refresh(given.Refresh); again.status != http.StatusOK {
		t.Errorf("what the neighbour tried ended the grant: %d %s", again.status, again.Error)
	}
	// Nothing of it is in the log of there but its own.
	for _, e := range w.events("there") {
		if strings.Contains(string(e.Payload), a.connection) {
			t.Errorf("an event of the neighbour: %.300s", e.Payload)
		}
	}
	if _, said, code := w.run(nil, "connection", "show", "there", a.connection); code == 0 {
		t.Errorf("the connection of here is shown there: %s", said)
	}
}
