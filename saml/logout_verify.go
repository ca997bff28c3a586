package saml

import (
	"crypto"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// LogoutExpectation is what a logout message is held against: the connection on which it came, known
// from the address it was sent to and never from the message.
type LogoutExpectation struct {
	ServiceProvider  ServiceProvider  // EntityID counts
	IdentityProvider IdentityProvider // its EntityID and the keys in Certificates count
	Destination      string           // our single logout service, to which the message came
	// RequestID is the ID of our pending LogoutRequest, for VerifyLogoutResponse only.
	RequestID string
	// Skew, SHA1Until, DecryptionKeys and AllowCBC are as in Expectation. Encrypted is at most
	// the name identifier, and only a message whose signature was good is decrypted.
	Skew           time.Duration
	SHA1Until      time.Time
	DecryptionKeys []crypto.Decrypter
	AllowCBC       bool
}

// Logout is an identity provider's request to end sessions, verified. Only VerifyLogoutRequest makes one.
type Logout struct {
	// ID must be remembered until ReplayUntil, and a request that has it again refused.
	ID          string
	ReplayUntil time.Time
	Issuer      string
	// IssueInstant is what the message says; Skew is it minus the time of verification.
	IssueInstant time.Time
	Skew         time.Duration
	// NameID is whose sessions end: those at whose sign-in NameID.Same was the name, and no others,
	// whatever their index.
	NameID NameID
	// SessionIndexes are the sessions that end; none means all of that person's.
	SessionIndexes []string
	Reason         string // "" when not said
	Certificate    int    // index into IdentityProvider.Certificates of the key that signed
	SHA1           bool   // the signature was good only because of SHA1Until
	Encryption     Encryption
}

// LogoutOutcome is an identity provider's answer to our LogoutRequest, verified. Only
// VerifyLogoutResponse makes one.
type LogoutOutcome struct {
	ID, InResponseTo, Issuer string
	IssueInstant             time.Time
	// Success tells that the session at the identity provider is over; Partial that at some other
	// service it may not be.
	Success, Partial bool
	// StatusCode is the innermost code, without the common prefix; StatusMessage is its own text.
	StatusCode, StatusMessage string
	Certificate               int
	SHA1                      bool
	Skew                      time.Duration
}

// logoutLife is how long a LogoutRequest counts that does not say it itself.
const logoutLife = 10 * time.Minute

// VerifyLogoutRequest checks a LogoutRequest (Profiles section 4.4.4.1): it is signed by a key of the
// identity provider, for our single logout service, and not over. The error is always a *Refusal.
//
// What is left to the caller: to refuse an ID seen before, to find the sessions, and to answer.
func VerifyLogoutRequest(m Message, e LogoutExpectation, now time.Time) (*Logout, error) {
	v := newLogoutVerification(&e, now)
	out, r := v.request(m)
	return out, v.told(r)
}

// VerifyLogoutResponse checks a LogoutResponse (Profiles section 4.4.4.2): it is signed by a key of
// the identity provider and answers our request. An answer that says no is not refused: see Success.
// The error is always a *Refusal.
func VerifyLogoutResponse(m Message, e LogoutExpectation, now time.Time) (*LogoutOutcome, error) {
	v := newLogoutVerification(&e, now)
	out, r := v.response(m)
	return out, v.told(r)
}

// logoutVerification is one run of either, and what it has learnt so far.
type logoutVerification struct {
	verification
	destination string
	root        *strictxml.Element
	children    sequence // after Issuer, Signature and Extensions
	key         int
	sha1        bool
}

func newLogoutVerification(e *LogoutExpectation, now time.Time) *logoutVerification {
	return &logoutVerification{destination: e.Destination, verification: *newVerification(&Expectation{
		ServiceProvider: e.ServiceProvider, IdentityProvider: e.IdentityProvider, RequestID: e.RequestID,
		Skew: e.Skew, SHA1Until: e.SHA1Until, DecryptionKeys: e.DecryptionKeys, AllowCBC: e.AllowCBC, MaxBytes: maxInflated,
	}, now)}
}

// told makes the error.
func (v *logoutVerification) told(r *Refusal) error {
	if r == nil {
		return nil
	}
	v.tell(r)
	return r
}

// open reads a message of that name and checks what requests and answers have in common.
func (v *logoutVerification) open(m Message, local string) *Refusal {
	if m.IsResponse != (local == "LogoutResponse") {
		return refuse(ReasonMessage, "The message came in the place of another kind than a %s.", local)
	}
	root, err := strictxml.Parse(m.XML, strictxml.Limits{Bytes: maxInflated})
	if err != nil {
		return syntaxRefusal(err)
	}
	v.root = root
	if !root.Is(nsProtocol, local) {
		return refuse(ReasonMessage, "The message is %s, not a SAML 2.0 %s.", named(root), local)
	}
	var rawIssued string
	var r *Refusal
	if v.out.ResponseID, rawIssued, r = identify(root); r != nil {
		return r
	}
	v.out.InResponseTo = attr(root, "InResponseTo")
	issuer, signature, r := v.head()
	if r != nil {
		return r
	}
	if r := v.checkSignature(m, signature); r != nil {
		return r
	}
	v.verified = true
	if v.out.IssueInstant, r = instant("The "+local+"'s IssueInstant", rawIssued); r != nil {
		return r
	}
	v.out.Skew = v.out.IssueInstant.Sub(v.now)
	if destination := attr(root, "Destination"); destination != v.destination || destination == "" {
		return refuse(ReasonDestination, "The %s is for destination %s; this connection's is %s.", local, quote(destination), quote(v.destination))
	}
	if r := v.checkIssuer(issuer); r != nil {
		return r
	}
	return v.clock().early(local+"'s IssueInstant", v.out.IssueInstant, ReasonNotYetValid)
}

// head reads what every protocol message begins with (Core section 3.2), and refuses assertions and
// signatures in any other place.
func (v *logoutVerification) head() (issuer, signature *strictxml.Element, r *Refusal) {
	children, r := sequenceOf(v.root)
	if r != nil {
		return nil, nil, r
	}
	if issuer, r = children.required(nsAssertion, "Issuer"); r != nil {
		return nil, nil, r
	}
	signature = children.optional(nsSignature, "Signature")
	children.optional(nsProtocol, "Extensions")
	v.children = children
	for e := range v.root.Descendants() {
		switch {
		case e.Is(nsSignature, "Signature") && e != signature:
			return nil, nil, refuse(ReasonMisplacedSignature, "There is a Signature inside %s; only %s carries one.", e.Parent.Local, v.root.Local)
		case e.Is(nsAssertion, "Assertion"), e.Is(nsAssertion, "EncryptedAssertion"):
			return nil, nil, refuse(ReasonNestedAssertion, "There is an %s inside %s; a logout needs none.", e.Local, e.Parent.Local)
		}
	}
	return issuer, signature, nil
}

// checkSignature wants the signature of the binding: over the query, or inside the message. Redirected
// messages should have none inside (Bindings section 3.4.4.1); where there is one, it counts too.
func (v *logoutVerification) checkSignature(m Message, signature *strictxml.Element) *Refusal {
	keys, policy := v.e.IdentityProvider.keys(), dsig.Policy{AllowSHA1: v.e.allowsSHA1(v.now)}
	if signature == nil && m.query == nil {
		return refuse(ReasonSignatureNone, "The %s is not signed.", v.root.Local)
	}
	if signature != nil {
		verified, err := dsig.Verify(v.root, keys, policy)
		if err != nil {
			return signatureRefusal(err, signature, v.e)
		}
		v.key, v.sha1 = verified.Key(), verified.SHA1()
	}
	if m.query != nil {
		key, sha1, err := dsig.VerifyOctets(m.query.octets, m.query.value, m.query.method, keys, policy)
		if err != nil {
			return signatureRefusal(err, v.root, v.e)
		}
		v.key, v.sha1 = key, v.sha1 || sha1
	}
	v.decryption.unsigned = false
	return nil
}

// request reads what a LogoutRequest says.
func (v *logoutVerification) request(m Message) (*Logout, *Refusal) {
	if r := v.open(m, "LogoutRequest"); r != nil {
		return nil, r
	}
	until := v.out.IssueInstant.Add(logoutLife)
	if raw, has := v.root.Attr("NotOnOrAfter"); has {
		var r *Refusal
		if until, r = instant("NotOnOrAfter", raw); r != nil {
			return nil, r
		}
	}
	if r := v.clock().late("end of the LogoutRequest (NotOnOrAfter)", until, ReasonExpired); r != nil {
		return nil, r
	}
	name, r := v.children.name(&v.decryption)
	if r != nil {
		return nil, r
	}
	v.out.Subject = name
	indexes, r := v.children.sessionIndexes()
	if r != nil {
		return nil, r
	}
	return &Logout{
		ID: v.out.ResponseID, ReplayUntil: until.Add(MaxSkew), Issuer: v.out.Issuer, IssueInstant: v.out.IssueInstant, Skew: v.out.Skew,
		NameID: name, SessionIndexes: indexes, Reason: attr(v.root, "Reason"), Certificate: v.key, SHA1: v.sha1, Encryption: v.decryption.how,
	}, nil
}

// name takes the NameID of a LogoutRequest, out of its encryption where it is encrypted.
func (s *sequence) name(d *decryption) (NameID, *Refusal) {
	var element *strictxml.Element
	var r *Refusal
	if holder := s.optional(nsAssertion, "EncryptedID"); holder != nil {
		element, r = d.open(holder, "name identifier", "NameID")
	} else {
		element, r = s.required(nsAssertion, "NameID")
	}
	if r != nil {
		return NameID{}, r
	}
	name, r := readNameID(element)
	if r == nil && name.Value == "" {
		return name, refuse(ReasonSubject, "The LogoutRequest names nobody.")
	}
	return name, r
}

// sessionIndexes takes the SessionIndexes, which end a LogoutRequest.
func (s *sequence) sessionIndexes() ([]string, *Refusal) {
	var indexes []string
	for s.next != nil {
		element, r := s.required(nsProtocol, "SessionIndex")
		if r != nil {
			return nil, r
		}
		index, r := textOf(element)
		if r != nil {
			return nil, r
		}
		indexes = append(indexes, index)
	}
	return indexes, nil
}

// response reads what a LogoutResponse says.
func (v *logoutVerification) response(m Message) (*LogoutOutcome, *Refusal) {
	if r := v.open(m, "LogoutResponse"); r != nil {
		return nil, r
	}
	inResponseTo, answers := v.root.Attr("InResponseTo")
	if !answers || inResponseTo != v.e.RequestID || inResponseTo == "" {
		return nil, refuse(ReasonInResponseTo, "The LogoutResponse answers request %s; %s is pending.", quote(inResponseTo), quote(v.e.RequestID))
	}
	element, r := v.children.required(nsProtocol, "Status")
	if r != nil {
		return nil, r
	}
	s, r := readStatus(element)
	if r != nil {
		return nil, r
	}
	if r := v.children.done(); r != nil {
		return nil, r
	}
	code := s.short()
	return &LogoutOutcome{
		ID: v.out.ResponseID, InResponseTo: inResponseTo, Issuer: v.out.Issuer, IssueInstant: v.out.IssueInstant, Skew: v.out.Skew,
		Success: s.success, Partial: code == "PartialLogout", StatusCode: code, StatusMessage: s.message, Certificate: v.key, SHA1: v.sha1,
	}, nil
}
