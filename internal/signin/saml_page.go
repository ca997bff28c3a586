package signin

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/saml"
)

// maxAnswer is how long a posted answer may be, in bytes of the form.
const maxAnswer = 1 << 20

// metadata is GET /auth/saml/{connection}/metadata: what the IdP's administrator is given.
func (d *Door) metadata(w http.ResponseWriter, r *http.Request) error {
	side, err := d.service.sideOf(r.Context(), r.PathValue("connection"), directory.ProtocolSAML)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", saml.MetadataType)
	h.Set("Content-Disposition", `inline; filename="gatehouse-metadata.xml"`)
	h.Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(ServiceProvider(d.service.PublicURL, side.connection).Metadata()) // the client may have gone away
	return nil
}

// samlLogin is GET /auth/saml/{connection}/login: off to the IdP.
func (d *Door) samlLogin(w http.ResponseWriter, r *http.Request) error {
	browser := d.browserSecret(r)
	if browser == "" {
		browser, _ = keys.NewToken(browserPrefix)
	}
	q := r.URL.Query()
	var begun *Begun
	var err error
	connection := r.PathValue("connection")
	if d.looping(r, connection) {
		err = d.service.stopLoop(r.Context(), connection, directory.ProtocolSAML, browser, q.Get("continue"), ClientOf(r))
	} else {
		begun, err = d.service.BeginSAML(r.Context(), connection, q.Get("continue"), browser, q.Get("fresh") == "1", ClientOf(r))
	}
	var away *TurnedAway
	if errors.As(err, &away) {
		return d.turnedAway(w, r, away)
	}
	if err != nil {
		return err
	}
	// Kept over sign-ins: several may be under way in one browser.
	http.SetCookie(w, d.browserCookie(browser))
	d.tried(w, r, connection)
	if begun.URL != "" {
		http.Redirect(w, r, begun.URL, http.StatusFound)
		return nil
	}
	return d.onward(w, onward{Action: begun.Post, Fields: []field{{"SAMLRequest", begun.Request}, {"RelayState", begun.RelayState}}}, originsOf(begun.Post))
}

// onward is a page that posts a form on, by script or by its button.
type onward struct {
	Heading string // "Signing in" where it is ""
	Action  string
	Fields  []field
	Script  string
	// FramedBy are sites that may show the page in a frame.
	FramedBy []string
}

type field struct{ Name, Value string }

func (d *Door) onward(w http.ResponseWriter, o onward, formActions []string) error {
	o.Heading, o.Script = cmp.Or(o.Heading, "Signing in"), d.assets["onward.js"].address
	return web.Render(w, http.StatusOK, d.pages["onward"], web.Page{Title: o.Heading, FormActions: formActions, FramedBy: o.FramedBy, Data: o})
}

// passedOn marks an answer that came by way of our own page.
const passedOn = "passed_on"

// acs is POST /auth/saml/{connection}/acs, which IdPs have browsers post their answers to.
//
// Browsers send no cookie of ours with a form of another site (SameSite=Lax), neither the one that
// tells who began the sign-in nor the session's. So the form is posted once more from a page of
// ours, where it matters.
func (d *Door) acs(w http.ResponseWriter, r *http.Request) error {
	answer := Answer{Connection: r.PathValue("connection"), Browser: d.browserSecret(r), Client: d.client(r), Tile: d.tile(r), Session: d.sessionOf(r)}
	if _, err := web.Form(r); err != nil {
		answer.unreadable = unreadable(err)
	} else {
		answer.read(r.PostForm)
	}
	answer.Direct = !r.PostForm.Has(passedOn)
	answer.CrossSite = r.Header.Get("Sec-Fetch-Site") == "cross-site"
	return d.received(w, r, answer)
}

// artifactByRedirect is GET /auth/saml/{connection}/acs: an artifact, for nothing else comes by the Redirect binding
// (Profiles section 4.1.2). Cookies that are SameSite=Lax come along with it.
func (d *Door) artifactByRedirect(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		return errs.Invalid("method_head", "This address is for browsers that an identity provider leads back.")
	}
	answer := Answer{Connection: r.PathValue("connection"), Browser: d.browserSecret(r), Client: ClientOf(r), Tile: d.tile(r), Session: d.sessionOf(r)}
	q, err := url.ParseQuery(r.URL.RawQuery)
	answer.read(q)
	if err != nil || answer.Artifact == "" {
		answer.unreadable = &saml.Refusal{Reason: saml.ReasonMalformed, Detail: "The address must have the parameter SAMLart once; a SAMLResponse is posted."}
	}
	return d.received(w, r, answer)
}

// read takes the fields of the POST and Artifact bindings: one of them, once.
func (a *Answer) read(form url.Values) {
	a.Response, a.Artifact, a.RelayState = form.Get("SAMLResponse"), form.Get("SAMLart"), form.Get("RelayState")
	if len(form["SAMLResponse"])+len(form["SAMLart"]) != 1 || len(form["RelayState"]) > 1 {
		a.unreadable = &saml.Refusal{Reason: saml.ReasonMalformed, Detail: "The form must have the field SAMLResponse once, and RelayState once at the most."}
	}
}

// received signs in with an answer and leads on.
func (d *Door) received(w http.ResponseWriter, r *http.Request, answer Answer) error {
	entered, err := d.service.SAML(r.Context(), answer)
	var pass *PassOn
	var away *TurnedAway
	var done *TestDone
	var converted *Converted
	switch {
	case errors.As(err, &converted):
		to := directory.Connection{ID: answer.Connection, Protocol: directory.ProtocolSAML}.LoginPath()
		if path, ok := ContinuePath(converted.To); ok {
			to += "?" + url.Values{"continue": {path}}.Encode()
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	case errors.As(err, &done):
		return d.testDone(w, r, done)
	case errors.As(err, &pass):
		fields := []field{{"SAMLResponse", answer.Response}, {passedOn, "1"}}
		if answer.Artifact != "" {
			fields[0] = field{"SAMLart", answer.Artifact}
		}
		if answer.RelayState != "" {
			fields = append(fields, field{"RelayState", answer.RelayState})
		}
		return d.onward(w, onward{Action: r.URL.EscapedPath(), Fields: fields}, pass.FormActions)
	case errors.As(err, &away):
		return d.turnedAway(w, r, away)
	case err != nil:
		return err
	}
	return d.enter(w, r, entered.Token, entered.To)
}

// unreadable makes a refusal of what kept the form from being read.
func unreadable(err error) *saml.Refusal {
	if errors.As(err, new(*http.MaxBytesError)) {
		return &saml.Refusal{Reason: saml.ReasonTooLarge, Detail: "The form is longer than 1 MiB."}
	}
	return &saml.Refusal{Reason: saml.ReasonMalformed, Detail: "The form could not be read."}
}

// turnedAwayData is what the page of a refused sign-in shows.
type turnedAwayData struct {
	web.Failure
	Event, Detail, Again string
	Reason               string // the coded one, where it says more than the code
	Do, Where            string // what mends it, and where at the IdP
	Loop                 bool
}

// turnedAway shows a refusal. Nothing begins again by itself: a clock that is off would send the
// browser in circles.
func (d *Door) turnedAway(w http.ResponseWriter, r *http.Request, away *TurnedAway) error {
	f := web.FailureOf(r, away)
	web.Add(r.Context(), "error_code", f.Code)
	web.Add(r.Context(), "event", away.Event)
	data := turnedAwayData{Failure: f, Event: away.Event, Detail: away.Detail, Again: signinPath{Workspace: away.Slug, Continue: away.To}.url()}
	if data.Detail == data.Message {
		data.Detail = ""
	}
	if why := away.Why; why != nil {
		web.Add(r.Context(), "reason", why.Code)
		data.Do, data.Where, data.Loop = why.Do, why.Where.For(away.Provider), why.Code == reasonLoop
		if why.Code != f.Code {
			data.Reason = why.Code
		}
	}
	return web.Render(w, f.Status, d.pages["refused"], web.Page{Title: "Sign-in refused", Data: data})
}

// browserCookie holds a random secret of the browser, by which it is known again when the IdP
// answers. It opens nothing and ends with the browser.
func (d *Door) browserCookie(secret string) *http.Cookie {
	c := d.cookie(secret)
	c.Name = d.service.browserCookieName()
	return c
}

func (s *Service) browserCookieName() string {
	if s.secure() {
		return "__Host-gatehouse_browser"
	}
	return "gatehouse_browser"
}

// browserSecret returns the secret that a request carries, or "".
func (d *Door) browserSecret(r *http.Request) string {
	c, err := r.Cookie(d.service.browserCookieName())
	if err != nil || !strings.HasPrefix(c.Value, browserPrefix) || len(c.Value) > maxTyped {
		return ""
	}
	return c.Value
}
