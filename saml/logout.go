package saml

import "time"

// LogoutRequest tells an identity provider that a person has signed out here (Core section 3.7.1). The
// session here is over before it is sent, and none is sent because a session had been idle
// (Kantara SDP-SP34 and SP35).
type LogoutRequest struct {
	ID           string // from NewID
	Issuer       string // our entity ID
	Destination  string // the Location of one of IdentityProvider.SLO
	IssueInstant time.Time
	NotOnOrAfter time.Time // when it is of no use any more; zero for not said
	Reason       string    // such as LogoutByUser; "" for none
	// NameID is Assertion.Subject of the sign-in, as it was: identity providers compare all of it.
	NameID NameID
	// SessionIndexes are those of the sessions that end; none for all of that person's.
	SessionIndexes []string
}

// Reasons of a LogoutRequest (Core section 3.7.3).
const (
	LogoutByUser  = "urn:oasis:names:tc:SAML:2.0:logout:user"
	LogoutByAdmin = "urn:oasis:names:tc:SAML:2.0:logout:admin"
)

// unsigned writes the request.
func (r LogoutRequest) unsigned() []byte {
	b := make([]byte, 0, 1024)
	b = append(b, "<samlp:LogoutRequest"...)
	b = appendAttr(b, "xmlns:samlp", nsProtocol)
	b = appendAttr(b, "xmlns:saml", nsAssertion)
	b = appendAttr(b, "Destination", r.Destination)
	b = appendAttr(b, "ID", r.ID)
	b = appendAttr(b, "IssueInstant", formatInstant(r.IssueInstant))
	if !r.NotOnOrAfter.IsZero() {
		b = appendAttr(b, "NotOnOrAfter", formatInstant(r.NotOnOrAfter))
	}
	if r.Reason != "" {
		b = appendAttr(b, "Reason", r.Reason)
	}
	b = appendAttr(b, "Version", version)
	b = append(b, '>')
	b = appendElement(b, "saml:Issuer", r.Issuer)
	b = appendNameID(b, r.NameID)
	for _, index := range r.SessionIndexes {
		b = appendElement(b, "samlp:SessionIndex", index)
	}
	return append(b, "</samlp:LogoutRequest>"...)
}

// check refuses a request that says nobody.
func (r LogoutRequest) check() error {
	if r.NameID.Value == "" {
		return sentence("A logout needs the name identifier of the sign-in, and there was none.")
	}
	return checkSending(r.Destination, r.ID)
}

// SignedXML returns the request with a signature inside, for the POST binding after base64. Requests
// without a signature are not sent: no identity provider should act on one. The error is a sentence.
func (r LogoutRequest) SignedXML(key SigningKey) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return key.signXML(r.unsigned())
}

// SignedRedirectURL returns the address that carries the request by the Redirect binding. relayState,
// of at most 80 bytes, comes back with the answer. The error is a sentence.
func (r LogoutRequest) SignedRedirectURL(relayState string, key SigningKey) (string, error) {
	if err := r.check(); err != nil {
		return "", err
	}
	return redirect{parameter: "SAMLRequest", destination: r.Destination, id: r.ID, message: r.unsigned(), relayState: relayState}.url(&key)
}

// LogoutResponse answers the LogoutRequest of an identity provider (Core section 3.7.2).
type LogoutResponse struct {
	ID           string // from NewID
	InResponseTo string // Logout.ID
	Issuer       string // our entity ID
	Destination  string // Endpoint.ForResponse of one of IdentityProvider.SLO
	IssueInstant time.Time
	// Status is StatusSuccess, which "" stands for, or StatusRequester or StatusResponder; Detail is a
	// code inside it, such as StatusPartialLogout or StatusUnknownPrincipal, "" for none.
	Status, Detail string
}

// unsigned writes the answer.
func (r LogoutResponse) unsigned() []byte {
	if r.Status == "" {
		r.Status = StatusSuccess
	}
	b := make([]byte, 0, 1024)
	b = append(b, "<samlp:LogoutResponse"...)
	b = appendAttr(b, "xmlns:samlp", nsProtocol)
	b = appendAttr(b, "xmlns:saml", nsAssertion)
	b = appendAttr(b, "Destination", r.Destination)
	b = appendAttr(b, "ID", r.ID)
	b = appendAttr(b, "InResponseTo", r.InResponseTo)
	b = appendAttr(b, "IssueInstant", formatInstant(r.IssueInstant))
	b = appendAttr(b, "Version", version)
	b = append(b, '>')
	b = appendElement(b, "saml:Issuer", r.Issuer)
	b = append(b, "<samlp:Status><samlp:StatusCode"...)
	b = appendAttr(b, "Value", r.Status)
	b = append(b, '>')
	if r.Detail != "" {
		b = append(b, "<samlp:StatusCode"...)
		b = appendAttr(b, "Value", r.Detail)
		b = append(b, "></samlp:StatusCode>"...)
	}
	return append(b, "</samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"...)
}

// SignedXML returns the answer with a signature inside, for the POST binding after base64. The error
// is a sentence.
func (r LogoutResponse) SignedXML(key SigningKey) ([]byte, error) {
	if err := checkSending(r.Destination, r.ID); err != nil {
		return nil, err
	}
	return key.signXML(r.unsigned())
}

// SignedRedirectURL returns the address that carries the answer by the Redirect binding. relayState is
// Message.RelayState of the request, given back as it came. The error is a sentence.
func (r LogoutResponse) SignedRedirectURL(relayState string, key SigningKey) (string, error) {
	return redirect{parameter: "SAMLResponse", destination: r.Destination, id: r.ID, message: r.unsigned(), relayState: relayState}.url(&key)
}
