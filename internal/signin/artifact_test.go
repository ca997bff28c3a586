package signin

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// desk is the service of acme's IdP that resolves artifacts.
type desk struct {
	w      *world
	server *httptest.Server

	mu     sync.Mutex
	calls  int
	asked  string                                                  // the last request
	answer func(w http.ResponseWriter, r *http.Request, id string) // nil answers rightly with give
	give   func(id string) []byte
}

var soapAction = regexp.MustCompile(`^http://www\.oasis-open\.org/committees/security$`)

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id := requestIDs.FindStringSubmatch(string(body))
	d.mu.Lock()
	d.calls++
	d.asked = string(body)
	answer, give := d.answer, d.give
	d.mu.Unlock()
	if r.Method != http.MethodPost || id == nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") || !soapAction.MatchString(r.Header.Get("SOAPAction")) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if answer != nil {
		answer(w, r, id[1])
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(give(id[1])) // the client may be gone
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// eachArtifact is eachConnected with the Artifact binding.
func eachArtifact(t *testing.T, fn func(t *testing.T, w *world, d *desk)) {
	t.Helper()
	eachConnected(t, func(t *testing.T, w *world) {
		d := &desk{w: w}
		d.server = httptest.NewServer(d)
		t.Cleanup(d.server.Close)
		w.Artifacts = &Artifacts{HTTP: d.server.Client()}
		w.keyed(func(s *directory.SAML) {
			s.Artifact = true
			s.ArtifactResolution = []directory.Endpoint{{Binding: saml.BindingSOAP, Location: d.server.URL + "/zero"}, {Binding: saml.BindingSOAP, Location: d.server.URL + "/seven", Index: 7}}
		}, spKeyPair())
		fn(t, w, d)
	})
}

// gives has the desk answer with a Response to a request, signed outside only.
func (d *desk) gives(request string, change func(*samltest.Response)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.w.response(request)
	if change != nil {
		change(r)
	}
	d.give = func(id string) []byte {
		a := oktaIdP().ArtifactResponse(id, oktaIdP().Sign(r), d.w.clock.now())
		a.Signed = true
		return oktaIdP().Envelope(a)
	}
}

func (b *browser) brings(artifact, relay string) answer {
	b.t.Helper()
	return b.get("/auth/saml/con_okta/acs?" + url.Values{"SAMLart": {artifact}, "RelayState": {relay}}.Encode())
}

func TestArtifact_IsResolvedAtTheServiceThatTheConnectionKnowsAndSignsIn(t *testing.T) { // S2
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		for way, bring := range map[string]func(b *browser, artifact, relay string) answer{
			"by redirect": (*browser).brings,
			"by form": func(b *browser, artifact, relay string) answer {
				return b.post("/auth/saml/con_okta/acs", "SAMLart", artifact, "RelayState", relay)
			},
		} {
			w.clock.turn(time.Second)
			b := w.browser()
			q := b.begin(okta, "continue", "/w/acme", "fresh", "1")
			if !strings.Contains(q.xml, `ProtocolBinding="`+saml.BindingArtifact+`"`) || !strings.Contains(q.xml, `ForceAuthn="true"`) {
				t.Errorf("the request does not ask for an artifact: %s", q.xml)
			}
			d.gives(q.id, nil)
			artifact := oktaIdP().Artifact(7)
			if a := bring(b, artifact, q.relay); a.StatusCode != http.StatusSeeOther || !b.signedIn() || a.to() != "/w/acme" {
				_, p := w.refused()
				t.Fatalf("%s: %d to %q: %+v", way, a.StatusCode, a.to(), p.Refusal)
			}
			d.mu.Lock()
			if !strings.Contains(d.asked, artifact) || !strings.Contains(d.asked, "<ds:SignatureValue>") || !strings.Contains(d.asked, `Destination="`+d.server.URL+`/seven"`) {
				t.Errorf("asked: %s", d.asked)
			}
			d.mu.Unlock()
			before := d.count()
			w.wantRefused(bring(b, artifact, q.relay), "saml_refused", "unsolicited") // the sign-in is used up
			if d.count() != before {
				t.Error("the IdP is asked for an artifact a second time")
			}
		}
		b := w.browser()
		if b.enters(w, nil); !b.signedIn() {
			t.Error("a posted answer is not taken any more")
		}
		if text := w.browser().get("/auth/saml/con_okta/metadata").body; !strings.Contains(text, saml.BindingArtifact) || strings.Count(text, "SingleLogoutService") != 4 {
			t.Errorf("the metadata does not say so: %s", text)
		}
	})
}

func TestArtifact_OfASignInThatForcesAProofMustShowIt(t *testing.T) { // SA32 by artifact
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		b := w.browser()
		q := b.begin(okta, "fresh", "1")
		d.gives(q.id, func(r *samltest.Response) {
			r.Assertion.Authn[0].AuthnInstant = samltest.Instant(w.clock.now().Add(-2 * time.Hour))
		})
		w.wantRefused(b.brings(oktaIdP().Artifact(0), q.relay), "authn_instant", "authn_instant")
		if b.signedIn() {
			t.Error("signed in")
		}
	})
}

func TestArtifact_NobodyIsAskedForAStrangersArtifact(t *testing.T) { // S2, A31, A39
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		b, stranger := w.browser(), w.browser()
		stranger.begin(okta)
		q := b.begin(okta)
		good := oktaIdP().Artifact(7)
		foreign := samltest.NewIdP("https://other.example", otherKey()).Artifact(7)
		raw, err := base64.StdEncoding.DecodeString(good)
		w.must(err)
		raw[1] = 3
		for why, c := range map[string]struct {
			send   func() answer
			reason string
		}{
			"in another browser":          {func() answer { return stranger.brings(good, q.relay) }, "unsolicited"},
			"without a sign-in":           {func() answer { return b.brings(good, "") }, "unsolicited"},
			"with an unknown state":       {func() answer { return b.brings(good, "grs_unknown") }, "unsolicited"},
			"of another IdP":              {func() answer { return b.brings(foreign, q.relay) }, "artifact"},
			"at a service not set up":     {func() answer { return b.brings(oktaIdP().Artifact(3), q.relay) }, "artifact"},
			"of another type":             {func() answer { return b.brings(base64.StdEncoding.EncodeToString(raw), q.relay) }, "malformed"},
			"cut":                         {func() answer { return b.brings(good[:20], q.relay) }, "malformed"},
			"an address":                  {func() answer { return b.brings("http://127.0.0.1/", q.relay) }, "malformed"},
			"with a response beside it":   {func() answer { return b.post("/auth/saml/con_okta/acs", "SAMLart", good, "SAMLResponse", "x") }, "malformed"},
			"twice":                       {func() answer { return b.get("/auth/saml/con_okta/acs?SAMLart=a&SAMLart=b") }, "malformed"},
			"of a query that is no query": {func() answer { return b.get("/auth/saml/con_okta/acs?SAMLart=%zz") }, "malformed"},
		} {
			w.clock.turn(time.Second)
			a := c.send()
			w.wantRefused(a, "saml_refused", c.reason)
			if d.count() != 0 {
				t.Fatalf("%s: the IdP was asked", why)
			}
		}
		w.reconnect(func(c *directory.Connection) { c.SAML.Artifact = false })
		w.clock.turn(time.Second)
		w.wantRefused(b.brings(good, q.relay), "saml_refused", "artifact_off")
		w.reconnect(func(c *directory.Connection) { c.SAML.Artifact = true; c.Status = directory.ConnectionDisabled })
		w.clock.turn(time.Second)
		w.wantRefused(b.brings(good, q.relay), "saml_refused", "connection_disabled")
		if d.count() != 0 {
			t.Error("the IdP was asked")
		}
	})
}

func TestArtifact_AnAnswerThatIsNotTheIdPsIsRefusedAndTheArtifactIsGone(t *testing.T) { // CVE-2026-49283
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		impostor := samltest.NewIdP(oktaIdP().EntityID, otherKey())
		other := samltest.NewIdP("https://other.example", idpKey())
		for why, c := range map[string]struct {
			give         func(request, id string) []byte
			code, reason string
		}{
			"nothing signed": {func(request, id string) []byte {
				return oktaIdP().Envelope(oktaIdP().ArtifactResponse(id, w.response(request).Unsigned(), w.clock.now()))
			}, "saml_refused", "signature_missing"},
			"signed by another key": {func(request, id string) []byte {
				return oktaIdP().Envelope(oktaIdP().ArtifactResponse(id, impostor.Sign(w.response(request)), w.clock.now()))
			}, "saml_refused", "unknown_key"},
			"another IdP's response": {func(request, id string) []byte {
				r := other.Response(w.provider(okta), request, w.clock.now())
				about(r, "bob@acme.test", "Bob", "Builder")
				return oktaIdP().Envelope(oktaIdP().ArtifactResponse(id, other.Sign(r), w.clock.now()))
			}, "issuer", "issuer"},
			"an answer to another question": {func(request, id string) []byte {
				return oktaIdP().Envelope(oktaIdP().ArtifactResponse("_other", oktaIdP().Sign(w.response(request)), w.clock.now()))
			}, "saml_refused", "in_response_to"},
			"nothing": {func(request, id string) []byte {
				return oktaIdP().Envelope(oktaIdP().ArtifactResponse(id, nil, w.clock.now()))
			}, "saml_refused", "artifact"},
			"no XML":   {func(string, string) []byte { return []byte("<html>sorry</html") }, "saml_refused", "malformed"},
			"too much": {func(string, string) []byte { return []byte(strings.Repeat("<", saml.DefaultMaxBytes+10)) }, "saml_refused", "too_large"},
		} {
			w.clock.turn(time.Second)
			b := w.browser()
			q := b.begin(okta)
			d.mu.Lock()
			d.give = func(id string) []byte { return c.give(q.id, id) }
			d.mu.Unlock()
			artifact := oktaIdP().Artifact(0)
			w.wantRefused(b.brings(artifact, q.relay), c.code, c.reason)
			if b.signedIn() {
				t.Fatalf("%s: signed in", why)
			}
			// The sign-in is still under way, and the right answer to the same artifact comes too late.
			d.gives(q.id, nil)
			before := d.count()
			w.clock.turn(time.Second)
			w.wantRefused(b.brings(artifact, q.relay), "saml_refused", "replayed")
			if d.count() != before {
				t.Errorf("%s: the IdP is asked again", why)
			}
			if a := b.brings(oktaIdP().Artifact(0), q.relay); a.StatusCode != http.StatusSeeOther { // the control
				t.Errorf("%s: another artifact is refused afterwards: %d", why, a.StatusCode)
			}
		}
	})
}

func TestArtifact_AServiceThatDoesNotAnswerIsNotFollowedElsewhere(t *testing.T) {
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		elsewhere := 0
		trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
		defer trap.Close()
		for why, answer := range map[string]func(w http.ResponseWriter, r *http.Request, id string){
			"a redirect that keeps the method": func(w http.ResponseWriter, r *http.Request, _ string) {
				http.Redirect(w, r, trap.URL, http.StatusTemporaryRedirect)
			},
			"a redirect": func(w http.ResponseWriter, r *http.Request, _ string) {
				http.Redirect(w, r, trap.URL, http.StatusFound)
			},
			"404":                      func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusNotFound) },
			"a connection that is cut": func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) },
		} {
			w.clock.turn(time.Second)
			d.mu.Lock()
			d.answer = answer
			d.mu.Unlock()
			b := w.browser()
			q := b.begin(okta)
			a := b.brings(oktaIdP().Artifact(0), q.relay)
			e, p := w.refused()
			if a.StatusCode != http.StatusServiceUnavailable || e.Reason != reasonUnfetched || strings.Contains(string(e.Payload), trap.URL) || p.Refusal == nil || !strings.Contains(p.Refusal.Detail, d.server.URL) || b.signedIn() {
				t.Errorf("%s: %d, %s: %s", why, a.StatusCode, e.Reason, e.Payload)
			}
		}
		if elsewhere != 0 {
			t.Errorf("%d requests went where a redirect led", elsewhere)
		}
	})
}

func TestArtifact_OneOfManyPostsOfItSignsIn(t *testing.T) { // A37
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		b := w.browser()
		q := b.begin(okta)
		d.gives(q.id, nil)
		artifact := oktaIdP().Artifact(0)
		var entered int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				a := b.brings(artifact, q.relay)
				mu.Lock()
				defer mu.Unlock()
				if a.StatusCode == http.StatusSeeOther {
					entered++
				}
			})
		}
		all.Wait()
		if entered != 1 || d.count() != 1 || w.live(acme, bob) != 1 {
			t.Errorf("%d entered, the IdP was asked %d times, %d sessions", entered, d.count(), w.live(acme, bob))
		}
	})
}

func TestArtifact_ConnectionThatChangesMeanwhileDoesNotAskTwice(t *testing.T) {
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		b := w.browser()
		q := b.begin(okta)
		d.gives(q.id, nil)
		right := d.give
		d.give = func(id string) []byte {
			w.reconnect(func(c *directory.Connection) { c.SAML.Attributes.Name = "displayName" })
			return right(id)
		}
		if a := b.brings(oktaIdP().Artifact(0), q.relay); a.StatusCode != http.StatusSeeOther || d.count() != 1 {
			_, p := w.refused()
			t.Errorf("%d after %d questions: %+v", a.StatusCode, d.count(), p.Refusal)
		}
	})
}

func TestArtifact_ComesAgainFromOurOwnPageWhereCookiesDidNotComeAlong(t *testing.T) {
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		b := w.browser()
		q := b.begin(okta)
		d.gives(q.id, nil)
		artifact := oktaIdP().Artifact(0)
		a := w.browser().post("/auth/saml/con_okta/acs", "SAMLart", artifact, "RelayState", q.relay) // no cookie, as from another site
		action, fields := postedOn(t, a)
		if action != "/auth/saml/con_okta/acs" || fields.Get("SAMLart") != artifact || fields.Has("SAMLResponse") || d.count() != 0 {
			t.Fatalf("%s %v", action, fields)
		}
		if a := b.do("POST", action, fields); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the second time it is answered %d", a.StatusCode)
		}
	})
}

func TestArtifact_OfATileIsFetchedWhereThatIsAllowedAndBounded(t *testing.T) {
	eachArtifact(t, func(t *testing.T, w *world, d *desk) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		b := w.browser()
		d.gives("", nil)
		if a := b.brings(oktaIdP().Artifact(0), "/w/acme"); a.StatusCode != http.StatusSeeOther || !b.signedIn() {
			_, p := w.refused()
			t.Fatalf("%d: %+v", a.StatusCode, p.Refusal)
		}
		d.give = func(string) []byte { return nil }
		before, limited := d.count(), 0
		q := b.begin(okta)
		for range artifactsOfSignIn + 2 {
			if a := b.brings(oktaIdP().Artifact(0), q.relay); a.StatusCode == http.StatusTooManyRequests {
				limited++
			}
		}
		if limited != 2 || d.count() != before+artifactsOfSignIn {
			t.Errorf("%d refused, the IdP was asked %d times", limited, d.count()-before)
		}
		for range artifactsAtOnce {
			if !w.Artifacts.enter(okta, artifactsAtOnce) {
				t.Fatal("no room")
			}
		}
		if a := w.browser().brings(oktaIdP().Artifact(0), ""); a.StatusCode != http.StatusServiceUnavailable || d.count() != before+artifactsOfSignIn {
			t.Errorf("with all calls open it is answered %d", a.StatusCode)
		}
		for range artifactsAtOnce {
			w.Artifacts.leave(okta)
		}
		d.gives("", nil)
		if a := w.browser().brings(oktaIdP().Artifact(0), ""); a.StatusCode != http.StatusSeeOther {
			t.Errorf("afterwards it is answered %d", a.StatusCode)
		}
	})
}
