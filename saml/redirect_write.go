package saml

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
)

// maxRelayState is the longest RelayState that the bindings carry (Bindings sections 3.4.3 and 3.5.3).
const maxRelayState = 80

// redirect is a message of ours on its way by the Redirect binding (Bindings section 3.4.4.1).
type redirect struct {
	parameter       string // SAMLRequest or SAMLResponse
	destination, id string
	message         []byte
	relayState      string
}

// url returns the address that carries the message, with a signature over the query when there is a
// key: over exactly the octets that are sent, from the message's parameter to SigAlg.
func (r redirect) url(key *SigningKey) (string, error) {
	if err := checkSending(r.destination, r.id); err != nil {
		return "", err
	}
	if most := r.maxRelayState(); len(r.relayState) > most {
		return "", sentencef("The relay state has %d bytes; %d is the most.", len(r.relayState), most)
	}
	var b strings.Builder
	b.WriteString(r.parameter + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflate(r.message))))
	if r.relayState != "" {
		b.WriteString("&RelayState=" + url.QueryEscape(r.relayState))
	}
	if key != nil {
		method, err := key.method()
		if err != nil {
			return "", err
		}
		b.WriteString("&SigAlg=" + url.QueryEscape(method))
		value, err := dsig.SignOctets([]byte(b.String()), key.Signer)
		if err != nil {
			return "", sentencef("The message cannot be signed: %v.", err)
		}
		b.WriteString("&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value)))
	}
	return withQuery(r.destination) + b.String(), nil
}

// maxRelayState is 80 bytes for what we make up. In an answer it is the other side's, and must be
// given back even if that does not keep to the limit.
func (r redirect) maxRelayState() int {
	if r.parameter == "SAMLResponse" {
		return maxForeignRelayState
	}
	return maxRelayState
}

// withQuery returns an address to which a parameter can be appended.
func withQuery(location string) string {
	switch {
	case !strings.Contains(location, "?"):
		return location + "?"
	case !strings.HasSuffix(location, "?") && !strings.HasSuffix(location, "&"):
		return location + "&"
	}
	return location
}

// checkSending refuses messages that could not be sent, or would be refused wherever they came.
func checkSending(destination, id string) error {
	if _, err := checkLocation(destination); err != nil {
		return err
	}
	if id == "" || isDigit(id[0]) {
		return sentencef("%s cannot be the ID of a message.", quote(id))
	}
	return nil
}

// deflate writes raw in DEFLATE form without header or checksum (RFC 1951), as stored blocks:
// every inflater reads them. Compressing would save some 300 bytes of an address and cost
// compress/flate more than a megabyte of memory, for a page that strangers can ask for.
func deflate(raw []byte) []byte {
	const most = 1<<16 - 1
	out := make([]byte, 0, len(raw)+5*(len(raw)/most+1))
	for {
		block := raw[:min(len(raw), most)]
		raw = raw[len(block):]
		final := byte(0)
		if len(raw) == 0 {
			final = 1
		}
		size := uint16(len(block))
		out = append(out, final)
		out = binary.LittleEndian.AppendUint16(out, size)
		out = binary.LittleEndian.AppendUint16(out, ^size)
		out = append(out, block...)
		if final == 1 {
			return out
		}
	}
}
