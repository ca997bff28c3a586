package idpsim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ErrDenied: this person may not use the application.
var ErrDenied = errors.New("denied")

// Posting is a form that a browser posts to the application: the POST binding of a response
// (bindings section 3.5.4).
type Posting struct {
	ACS          string `json:"acs"`
	SAMLResponse string `json:"saml_response"` // base64; "" where Artifact goes in its place
	Artifact     string `json:"artifact,omitempty"`
	RelayState   string `json:"relay_state"` // "" is left out of the form
	Fault        Fault  `json:"fault"`       // what was done to it
}

// Form is the posting as form fields.
func (p Posting) Form() url.Values {
	v := url.Values{"SAMLResponse": {p.SAMLResponse}}
	if p.Artifact != "" {
		v = url.Values{"SAMLart": {p.Artifact}}
	}
	if p.RelayState != "" {
		v.Set("RelayState", p.RelayState)
	}
	return v
}

// SignInAs answers a request of the application, given as the URL that it sent the browser to, as
// if that person had signed in. A mistake in the request is ErrInvalid, a person who is not
// assigned or is deactivated ErrDenied. The URL must be at Options.BaseURL when that is set.
func (p *IdP) SignInAs(requestURL, who string) (Posting, error) {
	return p.signInAt(requestURL, p.opts.BaseURL, who)
}

// signInAt is SignInAs for an IdP that stands at base.
func (p *IdP) signInAt(requestURL, base, who string) (Posting, error) {
	u, err := url.Parse(requestURL)
	if err != nil {
		return Posting{}, mistake("%v", err)
	}
	if base == "" {
		base = u.Scheme + "://" + u.Host
	}
	location := p.ssoURL(base)
	if got := u.Scheme + "://" + u.Host + u.EscapedPath(); got != location {
		return Posting{}, mistake("it went to %q, expected %q", got, location)
	}
	req, err := p.redirected(u.RawQuery, location)
	if err != nil {
		return Posting{}, err
	}
	return p.respond(who, req)
}

// Tile is what the application's tile on somebody's dashboard does: a response that nobody asked
// for, with the default relay state.
func (p *IdP) Tile(who string) (Posting, error) { return p.respond(who, nil) }

// mayUse returns somebody who may sign in to the application, or ErrDenied.
func (p *IdP) mayUse(who string) (Person, error) {
	x, err := p.person(who)
	if err != nil {
		return x, err
	}
	if reason := barred(x); reason != "" {
		return x, fmt.Errorf("%w: %s is %s", ErrDenied, x.UserName, reason)
	}
	return x, nil
}

// barred says why somebody may not sign in, or nothing.
func barred(x Person) string {
	switch {
	case x.Deleted:
		return "deleted"
	case !x.Active:
		return "deactivated"
	case !x.Assigned:
		return "not assigned"
	}
	return ""
}

// respond makes the response for somebody; req is nil when the tile started it. It uses up the
// fault that is armed.
func (p *IdP) respond(who string, req *authnRequest) (Posting, error) {
	s, err := p.samlReady()
	if err != nil {
		return Posting{}, err
	}
	x, err := p.mayUse(who)
	if err != nil {
		return Posting{}, err
	}
	keys, err := p.saml.keys()
	if err != nil {
		return Posting{}, err
	}
	p.saml.mu.Lock()
	fault, replay := p.saml.fault, p.saml.good
	p.saml.fault = FaultNone
	p.saml.mu.Unlock()
	if fault == FaultReplay {
		again := *replay // SetSAMLFault refuses the fault before there is one
		again.Fault = fault
		p.remember(x, req, again)
		return again, nil
	}
	d := &draft{style: styleOf(p.kind), settings: s, keys: keys, fault: fault, attack: attacks[fault], a: p.facts(x, s, req)}
	d.forged = p.forgery(x, s, d.a)
	d.spoil(p.kind)
	document, err := d.write()
	if err != nil {
		return Posting{}, err
	}
	out := Posting{ACS: s.ACSURL, SAMLResponse: postEncoded(document), RelayState: s.RelayState, Fault: fault}
	if req != nil {
		out.RelayState = req.relayState
	}
	p.remember(x, req, out)
	if fault == FaultNone || fault.Works() {
		p.began(x, d.a)
	}
	if req != nil && req.Binding == bindingArtifact {
		out.Artifact, out.SAMLResponse = p.keep(document), ""
	}
	return out, nil
}

// facts is what a good response says.
func (p *IdP) facts(x Person, s SAMLSettings, req *authnRequest) samlFacts {
	c := p.claimsOf(x, s)
	a := samlFacts{responseID: p.messageID(), assertionID: p.messageID(), destination: s.ACSURL, recipient: s.ACSURL,
		issuer: p.saml.entityID(), audience: s.Audience, attributes: c.attributes(), issued: p.opts.Clock(), status: "Success"}
	a.nameID, a.nameIDFormat = c.subject(req.format())
	if req != nil {
		a.inResponseTo = req.ID
	}
	return a
}

// messageID looks as this vendor's do.
func (p *IdP) messageID() string {
	if p.kind.IsEntra() {
		return "_" + p.opts.randomGUID()
	}
	var b strings.Builder
	b.WriteString("id")
	digits := make([]byte, 20)
	p.opts.random(digits)
	for _, d := range digits {
		b.WriteByte('0' + d%10)
	}
	return b.String()
}

// forgery is what an attacker would like the application to read: somebody else's facts in an
// otherwise equal assertion.
func (p *IdP) forgery(x Person, s SAMLSettings, good samlFacts) samlFacts {
	victim := Person{ID: "00uforged", UserName: "mallory@evil.example", Email: "mallory@evil.example", GivenName: "Mallory", FamilyName: "Forged"}
	p.mu.Lock()
	for _, other := range p.people {
		if other.ID != x.ID && barred(*other) == "" {
			victim = other.clone()
			break
		}
	}
	p.mu.Unlock()
	c := p.claimsOf(victim, s)
	good.assertionID = p.messageID()
	good.nameID, _ = c.subject(good.nameIDFormat)
	good.attributes = c.attributes()
	return good
}

// remember keeps a response for the page, and a good one for replays.
func (p *IdP) remember(x Person, req *authnRequest, out Posting) {
	document, err := base64.StdEncoding.DecodeString(out.SAMLResponse)
	if err != nil {
		return // it was encoded here
	}
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	entry := Issued{Time: p.opts.Clock(), UserName: x.UserName, Tile: req == nil, Fault: out.Fault, XML: string(document)}
	p.saml.issued = slices.Insert(p.saml.issued, 0, entry)
	p.saml.issued = p.saml.issued[:min(len(p.saml.issued), shownIssued)]
	if out.Fault == FaultNone {
		p.saml.good = &out
	}
}
