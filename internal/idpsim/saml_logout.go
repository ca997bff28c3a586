package idpsim

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// SAMLSession is what a sign-in by SAML began at the IdP.
type SAMLSession struct {
	Index    string    `json:"index"` // what the application was told
	UserName string    `json:"userName"`
	NameID   string    `json:"name_id"`
	Began    time.Time `json:"began"`

	person, format string
}

// Carrying is a logout message on its way to the application: an address that the browser is redirected to, or a form.
type Carrying struct {
	URL  string            `json:"url"`  // with everything, for the Redirect binding; else where the form goes
	Form map[string]string `json:"form"` // nil for the Redirect binding
	// Fault is what was done to it.
	Fault LogoutFault `json:"fault"`
	// Silent says that there is nothing to carry: this IdP never answers.
	Silent bool `json:"silent,omitempty"`
}

// maxSessions bounds what an IdP remembers of sign-ins.
const maxSessions = 10000

// logsOut reports whether this vendor's SAML applications know single logout. Google's do not.
func (k Kind) logsOut() bool { return k != Google }

func (p *IdP) sloURL(base string) string {
	return strings.TrimSuffix(base, "/") + "/" + string(p.kind) + "/saml/slo"
}

// began remembers a sign-in.
func (p *IdP) began(x Person, a samlFacts) {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	if len(p.saml.sessions) >= maxSessions {
		p.saml.sessions = p.saml.sessions[1:]
	}
	p.saml.sessions = append(p.saml.sessions, SAMLSession{Index: styleOf(p.kind).index(a), UserName: x.UserName, NameID: a.nameID, Began: p.opts.Clock(), person: x.ID, format: a.nameIDFormat})
}

// SAMLSessions are the sessions that sign-ins by SAML began, oldest first.
func (p *IdP) SAMLSessions() []SAMLSession {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	return slices.Clone(p.saml.sessions)
}

// SAMLSignOut ends sessions at the IdP, and makes the LogoutRequest by which a browser tells the application: which is a
// session's index, or a person, all of whose sessions under the newest name end.
func (p *IdP) SAMLSignOut(which string) (Carrying, error) {
	s, err := p.samlReady()
	if err != nil {
		return Carrying{}, err
	}
	if s.LogoutURL == "" || !p.kind.logsOut() {
		return Carrying{}, fmt.Errorf("%w: the application's metadata has no single logout service, or %s offers no single logout", ErrNotConnected, p.kind)
	}
	fault, again := p.armedLogoutFault()
	if fault == LogoutReplay {
		again.Fault = fault
		return *again, p.samlOutcome("Sign out", "The logout before is sent once more.", nil)
	}
	ended, byIndex, err := p.endSAMLSessions(which)
	if err != nil {
		return Carrying{}, p.samlOutcome("Sign out", "", err)
	}
	f := logoutFacts{id: p.messageID(), issued: p.opts.Clock(), destination: s.LogoutURL, issuer: p.saml.entityID(), nameID: ended[0].NameID, format: ended[0].format}
	for _, one := range ended {
		f.indexes = append(f.indexes, one.Index)
	}
	if !byIndex {
		f.indexes = nil // all of them
	}
	if err := p.spoilLogout(&f, fault, ended[0]); err != nil {
		return Carrying{}, err
	}
	out, err := p.carry(f, s, fault, "SAMLRequest", "", s.LogoutURL)
	if err != nil {
		return out, err
	}
	if fault == LogoutNone {
		p.saml.mu.Lock()
		p.saml.goodLogout, p.saml.awaited = &out, f.id
		p.saml.mu.Unlock()
	}
	return out, p.samlOutcome("Sign out", fmt.Sprintf("%d sessions ended here; the browser tells the application.", len(ended)), nil)
}

// endSAMLSessions takes sessions out, newest first.
func (p *IdP) endSAMLSessions(which string) (ended []SAMLSession, byIndex bool, err error) {
	x, personErr := p.person(which)
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	name := ""
	for _, s := range slices.Backward(p.saml.sessions) {
		if s.Index == which {
			ended = append(ended, s)
		} else if personErr == nil && s.person == x.ID && (name == "" || name == s.NameID) {
			name, ended = s.NameID, append(ended, s)
		}
	}
	if len(ended) == 0 {
		return nil, false, fmt.Errorf("%w: no session and nobody here with one is called %q", ErrUnknown, which)
	}
	p.saml.sessions = slices.DeleteFunc(p.saml.sessions, func(s SAMLSession) bool { return slices.Contains(ended, s) })
	return ended, ended[0].Index == which, nil
}

// logoutFacts are what a logout message says.
type logoutFacts struct {
	id, inResponseTo    string
	issued              time.Time
	destination, issuer string
	nameID, format      string
	indexes             []string
	status, subStatus   string // of an answer; "" in a request
}

// logoutMessage writes it in canonical form.
func (s style) logoutMessage(f logoutFacts) parts {
	name, until := "LogoutRequest", instant(f.issued.Add(5*time.Minute))
	if f.status != "" {
		name, until = "LogoutResponse", ""
	}
	head := "<" + s.p(name) + declare(s.p, nsProtocol) + attrs("Destination", f.destination, "ID", f.id, "InResponseTo", f.inResponseTo,
		"IssueInstant", instant(f.issued), "NotOnOrAfter", until, "Version", "2.0") + ">" + el(s.a("Issuer"), declare(s.a, nsAssertion), xmlText(f.issuer))
	tail := ""
	if f.status == "" {
		tail = el(s.a("NameID"), declare(s.a, nsAssertion)+attrs("Format", f.format), xmlText(f.nameID))
		for _, index := range f.indexes {
			tail += el(s.p("SessionIndex"), "", xmlText(index))
		}
	} else {
		sub := ""
		if f.subStatus != "" {
			sub = el(s.p("StatusCode"), attrs("Value", statusPrefix+f.subStatus))
		}
		tail = el(s.p("Status"), "", el(s.p("StatusCode"), attrs("Value", statusPrefix+f.status), sub))
	}
	return parts{f.id, head, tail + "</" + s.p(name) + ">"}
}

// bombSize is what a compressed bomb would be when it is read, in bytes.
const bombSize = 16 << 20

var escapes = regexp.MustCompile(`%[0-9A-F]{2}`)

// carry signs a message as the application's binding wants it.
func (p *IdP) carry(f logoutFacts, s SAMLSettings, fault LogoutFault, parameter, relay, to string) (Carrying, error) {
	keys, err := p.saml.keys()
	if err != nil {
		return Carrying{}, err
	}
	st, key := styleOf(p.kind), keys.own
	if fault == LogoutWrongKey {
		key = keys.impostor
	}
	message := st.logoutMessage(f)
	out := Carrying{URL: to, Fault: fault}
	if s.LogoutBinding == "post" && (fault == LogoutNoAlgorithm || fault == LogoutReencoded) {
		return Carrying{}, fmt.Errorf("%w: %s is of the Redirect binding", ErrInvalid, fault)
	}
	if s.LogoutBinding == "post" {
		signature := ""
		if fault != LogoutUnsigned {
			if signature, err = (signer{key: key, alg: algorithms["rsa-sha256"], style: st}).sign(message.id, message.with("")); err != nil {
				return out, err
			}
		}
		out.Form = map[string]string{parameter: base64.StdEncoding.EncodeToString([]byte(st.finish(message.with(signature))))}
		if fault == LogoutBomb {
			out.Form[parameter] = pack(make([]byte, bombSize))
		}
		if relay != "" {
			out.Form["RelayState"] = relay
		}
		return out, nil
	}
	plain := []byte(st.finish(message.with("")))
	if fault == LogoutBomb {
		plain = make([]byte, bombSize)
	}
	query := parameter + "=" + url.QueryEscape(pack(plain))
	if relay != "" {
		query += "&RelayState=" + url.QueryEscape(relay)
	}
	if fault != LogoutUnsigned {
		alg := algorithms["rsa-sha256"]
		query += "&SigAlg=" + url.QueryEscape(alg.signature)
		signed := query
		if fault == LogoutReencoded {
			signed = escapes.ReplaceAllStringFunc(query, strings.ToLower)
		}
		value, err := rsa.SignPKCS1v15(rand.Reader, key.private, alg.hash, alg.sum(signed))
		if err != nil {
			return out, fmt.Errorf("sign: %w", err)
		}
		if fault == LogoutNoAlgorithm {
			query, _, _ = strings.Cut(query, "&SigAlg=")
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
	}
	mark := "?"
	if strings.Contains(to, "?") {
		mark = "&"
	}
	out.URL = to + mark + query
	return out, nil
}

// heard is a logout message of the application's, verified.
type heard struct {
	root  *node
	relay string
}

// hear reads and verifies what came to the single logout service: rawQuery for Redirect, else the form.
func (p *IdP) hear(rawQuery string, form url.Values, location string) (*heard, error) {
	s, err := p.samlReady()
	if err != nil {
		return nil, err
	}
	keys, err := publicKeys(s.SigningCertificates)
	if err != nil {
		return nil, err
	}
	q := form
	if form == nil {
		if q, err = url.ParseQuery(rawQuery); err != nil {
			return nil, mistake("the query cannot be read: %v", err)
		}
	}
	parameter := "SAMLRequest"
	if q.Has("SAMLResponse") {
		parameter = "SAMLResponse"
	}
	if len(q["SAMLRequest"])+len(q["SAMLResponse"]) != 1 || len(q["RelayState"]) > 1 {
		return nil, mistake("one SAMLRequest or SAMLResponse is expected, and one RelayState at the most")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(q.Get(parameter))
	if err != nil {
		return nil, mistake("%s is not base64: %v", parameter, err)
	}
	if form == nil {
		if raw, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), maxAuthnRequest)); err != nil {
			return nil, mistake("%s is not raw DEFLATE: %v", parameter, err)
		}
	}
	root, err := parseTree(raw)
	if err != nil {
		return nil, err
	}
	if form == nil {
		err = verifyQuery(rawQuery, parameter, q, keys)
	} else {
		err = verifyElement(root, keys)
	}
	issued, bad := time.Parse(time.RFC3339Nano, root.attr("IssueInstant"))
	switch {
	case err != nil:
		return nil, err
	case !root.is(nsProtocol, "Logout"+strings.TrimPrefix(parameter, "SAML")):
		return nil, mistake("it is a %s, expected a Logout%s", root.local, strings.TrimPrefix(parameter, "SAML"))
	case root.attr("Destination") != location:
		return nil, mistake("Destination is %q, expected %q", root.attr("Destination"), location)
	case root.child(nsAssertion, "Issuer").text() != s.Audience:
		return nil, mistake("Issuer is %q, expected %q", root.child(nsAssertion, "Issuer").text(), s.Audience)
	case bad != nil || p.opts.Clock().Sub(issued).Abs() > maxRequestAge:
		return nil, mistake("IssueInstant is %q, and it is %s", root.attr("IssueInstant"), instant(p.opts.Clock()))
	}
	return &heard{root, q.Get("RelayState")}, nil
}

// verifyQuery checks the signature of the Redirect binding over the octets as they came.
func verifyQuery(rawQuery, parameter string, q url.Values, keys []*rsa.PublicKey) error {
	if q.Get("SigAlg") != algorithms["rsa-sha256"].signature {
		return mistake("SigAlg is %q, expected %q", q.Get("SigAlg"), algorithms["rsa-sha256"].signature)
	}
	value, err := base64.StdEncoding.DecodeString(q.Get("Signature"))
	if err != nil {
		return mistake("Signature is not base64")
	}
	var signed []string
	for _, name := range []string{parameter, "RelayState", "SigAlg"} {
		for part := range strings.SplitSeq(rawQuery, "&") {
			if strings.HasPrefix(part, name+"=") {
				signed = append(signed, part)
			}
		}
	}
	return verifyText(strings.Join(signed, "&"), value, keys)
}

// logoutMessageOfApp answers the application's LogoutRequest, or reads its answer to the IdP's own; then there is nothing to
// carry and the text says what it says.
func (p *IdP) logoutMessageOfApp(h *heard) (*Carrying, string, error) {
	if h.root.local == "LogoutResponse" {
		text, err := p.logoutAnswered(h)
		return nil, text, err
	}
	s := p.SAMLSettings()
	name := h.root.child(nsAssertion, "NameID").text()
	var indexes []string
	for _, c := range h.root.children {
		if e, ok := c.(*node); ok && e.is(nsProtocol, "SessionIndex") {
			indexes = append(indexes, e.text())
		}
	}
	if name == "" {
		return nil, "", mistake("the LogoutRequest names nobody")
	}
	fault, _ := p.armedLogoutFault()
	ended := 0
	p.saml.mu.Lock()
	p.saml.sessions = slices.DeleteFunc(p.saml.sessions, func(one SAMLSession) bool {
		fits := one.NameID == name && (len(indexes) == 0 || slices.Contains(indexes, one.Index))
		if fits {
			ended++
		}
		return fits
	})
	p.saml.mu.Unlock()
	f := logoutFacts{id: p.messageID(), inResponseTo: h.root.attr("ID"), issued: p.opts.Clock(), destination: s.answerURL(), issuer: p.saml.entityID(), status: "Success"}
	switch fault {
	case LogoutSilent:
		return &Carrying{Silent: true, Fault: fault}, "", p.samlOutcome("Logout by the application", "Not answered, on purpose.", nil)
	case LogoutDenied:
		f.status, f.subStatus = "Responder", "RequestDenied"
	case LogoutPartial:
		f.subStatus = "PartialLogout"
	case LogoutWrongIssuer:
		f.issuer = p.anotherIssuer()
	}
	out, err := p.carry(f, s, fault, "SAMLResponse", h.relay, f.destination)
	if err != nil {
		return nil, "", err
	}
	return &out, "", p.samlOutcome("Logout by the application", fmt.Sprintf("%d sessions ended here.", ended), nil)
}

// logoutAnswered reads the application's answer to the last LogoutRequest.
func (p *IdP) logoutAnswered(h *heard) (string, error) {
	p.saml.mu.Lock()
	awaited := p.saml.awaited
	p.saml.awaited = ""
	p.saml.mu.Unlock()
	code := h.root.child(nsProtocol, "Status").child(nsProtocol, "StatusCode")
	status := strings.TrimPrefix(code.attr("Value"), statusPrefix)
	if sub := code.child(nsProtocol, "StatusCode").attr("Value"); sub != "" {
		status += ", " + strings.TrimPrefix(sub, statusPrefix)
	}
	if got := h.root.attr("InResponseTo"); awaited == "" || got != awaited {
		return "", mistake("the LogoutResponse answers %q, expected %q", got, awaited)
	}
	return status, p.samlOutcome("Logout answered by the application", "It says: "+status+".", nil)
}

// HearSAMLLogout is what this IdP does with a logout message of the application's, given as the URL that it sent the browser
// to: the answer to a LogoutRequest to carry back, or nil and what a LogoutResponse says. A mistake in it is ErrInvalid.
func (p *IdP) HearSAMLLogout(address string) (*Carrying, string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", mistake("%v", err)
	}
	base := p.opts.BaseURL
	if base == "" {
		base = u.Scheme + "://" + u.Host
	}
	h, err := p.hear(u.RawQuery, nil, p.sloURL(base))
	if err != nil {
		return nil, "", err
	}
	return p.logoutMessageOfApp(h)
}

// HearSAMLLogoutForm is HearSAMLLogout for the POST binding.
func (p *IdP) HearSAMLLogoutForm(form url.Values) (*Carrying, string, error) {
	h, err := p.hear("", form, p.sloURL(p.opts.BaseURL))
	if err != nil {
		return nil, "", err
	}
	return p.logoutMessageOfApp(h)
}
