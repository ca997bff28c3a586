package saml

import (
	"bytes"
	"compress/flate"
	"io"
	"net/url"
	"slices"
	"strings"
)

// Bounds of what comes by the Redirect binding. A logout message has one or two thousand bytes.
const (
	maxQuery             = 128 << 10
	maxInflated          = 64 << 10
	maxForeignRelayState = 2048
)

// Message is a logout message as a browser carried it: decoded, and nothing of it verified.
type Message struct {
	XML        []byte
	RelayState string // opaque to us; to be given back with the answer to a request
	// IsResponse tells a LogoutResponse from a LogoutRequest by the parameter that it came in.
	IsResponse bool

	query *querySignature // nil when it came by POST, with a signature inside
}

// querySignature is the signature of the Redirect binding.
type querySignature struct {
	octets, value []byte
	method        string
}

// The parameters of the Redirect binding, in the order in which they are signed.
const (
	inRequest = iota
	inResponse
	inRelayState
	inSigAlg
	inSignature
	inEncoding
)

var parameters = []string{"SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"}

// DecodeRedirect reads the query of the Redirect binding (Bindings section 3.4.4.1), which must be the
// substring of the address as it was received: the signature is over its octets, and whoever
// decodes and encodes them anew gets others (ADFS writes escapes in lower case). No parameter may
// come twice or out of the order in which they are signed. The error is a *Refusal.
func DecodeRedirect(rawQuery string) (Message, error) {
	raw, r := splitQuery(rawQuery)
	if r != nil {
		return Message{}, r
	}
	m := Message{IsResponse: raw[inResponse] != nil}
	message := raw[inRequest]
	if m.IsResponse {
		message = raw[inResponse]
	}
	if message == nil || m.IsResponse && raw[inRequest] != nil {
		return Message{}, refuse(ReasonMalformed, "The address must have one parameter SAMLRequest or SAMLResponse.")
	}
	if raw[inEncoding] != nil && raw[inEncoding].value != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE" {
		return Message{}, refuse(ReasonMalformed, "The message is in the encoding %s, which is not read.", quote(raw[inEncoding].value))
	}
	if raw[inSigAlg] == nil || raw[inSignature] == nil {
		return Message{}, refuse(ReasonSignatureNone, "The message is not signed: the address has no SigAlg and Signature.")
	}
	octets := message.text
	if relay := raw[inRelayState]; relay != nil {
		octets += "&" + relay.text
		m.RelayState = relay.value
	}
	m.query = &querySignature{octets: []byte(octets + "&" + raw[inSigAlg].text), method: raw[inSigAlg].value}
	var err error
	if m.query.value, err = DecodePost(raw[inSignature].value, 2048); err != nil {
		return Message{}, refuse(ReasonMalformed, "The parameter Signature is not base64.")
	}
	deflated, err := DecodePost(message.value, maxQuery)
	if err != nil {
		return Message{}, err
	}
	if m.XML, r = inflate(deflated); r != nil {
		return Message{}, r
	}
	return m, nil
}

// parameter is one of the query: as it came, and the value decoded.
type parameter struct{ text, value string }

// splitQuery finds the parameters of the binding, by their index. Others are passed over.
func splitQuery(query string) ([]*parameter, *Refusal) {
	if len(query) > maxQuery {
		return nil, refuse(ReasonTooLarge, "The address has %d bytes of parameters; up to %d are accepted.", len(query), maxQuery)
	}
	found := make([]*parameter, len(parameters))
	last := -1
	for text := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(text, "=")
		decoded, err := url.PathUnescape(name)
		if err != nil {
			continue
		}
		// Another reader may fold case or decode the name, and then there would be two.
		i := slices.IndexFunc(parameters, func(p string) bool { return strings.EqualFold(p, decoded) })
		switch {
		case i < 0:
			continue
		case name != parameters[i]:
			return nil, refuse(ReasonMalformed, "The parameter %s is written as %s.", parameters[i], quote(name))
		case found[i] != nil:
			return nil, refuse(ReasonMalformed, "The parameter %s is there twice.", name)
		case i < last && i != inEncoding:
			return nil, refuse(ReasonMalformed, "The parameter %s comes after %s: they are signed in another order.", name, parameters[last])
		}
		if i != inEncoding {
			last = i
		}
		p := &parameter{text: text}
		// In base64 a plus sign is never a space; in RelayState it is one, as in every form.
		if p.value, err = url.PathUnescape(value); i == inRelayState {
			p.value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, refuse(ReasonMalformed, "The parameter %s is not encoded as addresses are.", name)
		}
		found[i] = p
	}
	if relay := found[inRelayState]; relay != nil && len(relay.value) > maxForeignRelayState {
		return nil, refuse(ReasonTooLarge, "The relay state has %d bytes; up to %d are accepted.", len(relay.value), maxForeignRelayState)
	}
	return found, nil
}

// inflate undoes DEFLATE (RFC 1951). What counts is what comes out: a kilobyte can hold a megabyte.
func inflate(deflated []byte) ([]byte, *Refusal) {
	in := bytes.NewReader(deflated)
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(in), maxInflated+1))
	switch {
	case len(out) > maxInflated:
		return nil, refuse(ReasonTooLarge, "The message has more than %d bytes when it is inflated.", maxInflated)
	case err != nil || in.Len() > 0:
		return nil, refuse(ReasonMalformed, "The message is not deflated as the Redirect binding wants it.")
	case len(out) == 0:
		return nil, refuse(ReasonMalformed, "The message is empty.")
	}
	return out, nil
}

// DecodeLogoutForm reads the form of the POST binding at a single logout service: SAMLRequest or
// SAMLResponse, once, and perhaps RelayState. The error is a *Refusal.
func DecodeLogoutForm(form url.Values) (Message, error) {
	request, response, relay := form["SAMLRequest"], form["SAMLResponse"], form["RelayState"]
	if len(request)+len(response) != 1 || len(relay) > 1 {
		return Message{}, refuse(ReasonMalformed, "The form must have the field SAMLRequest or SAMLResponse once, and RelayState once at the most.")
	}
	m := Message{IsResponse: len(response) == 1}
	if len(relay) == 1 {
		m.RelayState = relay[0]
	}
	if len(m.RelayState) > maxForeignRelayState {
		return Message{}, refuse(ReasonTooLarge, "The relay state has %d bytes; up to %d are accepted.", len(m.RelayState), maxForeignRelayState)
	}
	var err error
	if m.XML, err = DecodePost(slices.Concat(request, response)[0], maxInflated); err != nil {
		return Message{}, err
	}
	return m, nil
}
