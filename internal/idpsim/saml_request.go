package idpsim

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// authnRequest is what the application asked for. Vendors ignore most of what may stand in a
// request; this IdP reads it strictly, so that mistakes show here and not in production.
type authnRequest struct {
	XMLName    xml.Name  `xml:"urn:oasis:names:tc:SAML:2.0:protocol AuthnRequest"`
	ID         string    `xml:"ID,attr"`
	Version    string    `xml:"Version,attr"`
	Instant    string    `xml:"IssueInstant,attr"`
	Dest       string    `xml:"Destination,attr"`
	ACS        *string   `xml:"AssertionConsumerServiceURL,attr"`
	ACSIndex   *string   `xml:"AssertionConsumerServiceIndex,attr"`
	Binding    string    `xml:"ProtocolBinding,attr"`
	ForceAuthn string    `xml:"ForceAuthn,attr"`
	IsPassive  string    `xml:"IsPassive,attr"`
	Issuers    []string  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Policy     *idPolicy `xml:"urn:oasis:names:tc:SAML:2.0:protocol NameIDPolicy"`
	Subjects   []string  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject>NameID"`
	Contexts   []string  `xml:"urn:oasis:names:tc:SAML:2.0:protocol RequestedAuthnContext>AuthnContextClassRef"`

	relayState string
	xml        string
	packed     string // in the form of the Redirect binding, for forms that come back here
}

type idPolicy struct {
	Format string `xml:"Format,attr"`
}

// Limits of bindings sections 3.4.3 and 3.5.3 and of this IdP.
const (
	maxRelayState   = 80
	maxAuthnRequest = 64 << 10
	maxRequestAge   = 5 * time.Minute
)

// xmlID is xs:ID without the letters beyond ASCII. That it must not begin with a digit is what
// Entra's documentation warns of.
var xmlID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// errRequest is an ErrInvalid that the application has made.
var errRequest = fmt.Errorf("%w request", ErrInvalid)

// mistake is a request that this IdP refuses to read.
func mistake(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errRequest}, args...)...)
}

// redirected reads a request from the query of the Redirect binding (bindings section 3.4.4.1).
func (p *IdP) redirected(rawQuery, location string) (*authnRequest, error) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, mistake("the query cannot be read: %v", err)
	}
	packed, relay, err := parameters(q)
	if err != nil {
		return nil, err
	}
	if e := q.Get("SAMLEncoding"); e != "" && e != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE" {
		return nil, mistake("SAMLEncoding is %q, expected none", e)
	}
	deflated, err := base64.StdEncoding.Strict().DecodeString(packed)
	if err != nil {
		return nil, mistake("SAMLRequest is not base64: %v", err)
	}
	source := bytes.NewReader(deflated)
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(source), maxAuthnRequest+1))
	switch {
	case err != nil:
		return nil, mistake("SAMLRequest is not raw DEFLATE: %v", err)
	case len(raw) > maxAuthnRequest:
		return nil, mistake("SAMLRequest is larger than %d bytes", maxAuthnRequest)
	case source.Len() != 0:
		return nil, mistake("%d bytes follow the deflated SAMLRequest", source.Len())
	}
	return p.readRequest(raw, relay, location)
}

// posted reads a request from the form of the POST binding (bindings section 3.5.4).
func (p *IdP) posted(form url.Values, location string) (*authnRequest, error) {
	encoded, relay, err := parameters(form)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, mistake("SAMLRequest is not base64: %v", err)
	}
	if len(raw) > maxAuthnRequest {
		return nil, mistake("SAMLRequest is larger than %d bytes", maxAuthnRequest)
	}
	return p.readRequest(raw, relay, location)
}

// parameters picks the two parameters that both bindings have, each of which may come only once.
func parameters(v url.Values) (request, relay string, err error) {
	switch {
	case len(v["SAMLRequest"]) == 0:
		return "", "", mistake("there is no SAMLRequest; sign-in starts at the application or at its tile")
	case len(v["SAMLRequest"]) > 1 || len(v["RelayState"]) > 1:
		return "", "", mistake("SAMLRequest or RelayState comes more than once")
	case len(v["SAMLResponse"]) > 0:
		return "", "", mistake("a SAMLResponse comes beside the SAMLRequest")
	}
	if relay = v.Get("RelayState"); len(relay) > maxRelayState {
		return "", "", mistake("RelayState has %d bytes, at most %d are allowed", len(relay), maxRelayState)
	}
	return v.Get("SAMLRequest"), relay, nil
}

func (p *IdP) readRequest(raw []byte, relay, location string) (*authnRequest, error) {
	if err := plainXML(raw); err != nil {
		return nil, err
	}
	r := &authnRequest{relayState: relay}
	if err := xml.Unmarshal(raw, r); err != nil {
		return nil, mistake("%v", err)
	}
	s, err := p.samlReady()
	if err != nil {
		return nil, err
	}
	if err := r.check(s, location, p.kind.resolvesArtifacts(), p.opts.Clock()); err != nil {
		return nil, err
	}
	r.xml, r.packed = string(raw), pack(raw)
	return r, nil
}

// plainXML refuses what has no place in a SAML message: comments, processing instructions,
// document types, anything behind the root element.
func plainXML(raw []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(raw))
	depth, roots := 0, 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return mistake("%v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(token)) > 0 {
				return mistake("text stands outside of the root element")
			}
		case xml.ProcInst:
			if token.Target != "xml" || dec.InputOffset() > 100 {
				return mistake("it has a processing instruction")
			}
		default:
			return mistake("it has a comment or a document type")
		}
	}
	if roots != 1 {
		return mistake("it has %d root elements, expected one", roots)
	}
	return nil
}

// check holds the request against the settings and names the first mistake.
func (r *authnRequest) check(s SAMLSettings, location string, artifacts bool, now time.Time) error {
	issued, err := time.Parse(time.RFC3339Nano, r.Instant)
	switch {
	case r.Version != "2.0":
		return mistake("Version is %q, expected \"2.0\"", r.Version)
	case !xmlID.MatchString(r.ID):
		return mistake("ID is %q; an xs:ID begins with a letter or an underscore, never with a digit", r.ID)
	case err != nil || !strings.HasSuffix(r.Instant, "Z"):
		return mistake("IssueInstant is %q, expected a time in UTC such as %q", r.Instant, instant(now))
	case now.Sub(issued).Abs() > maxRequestAge:
		return mistake("IssueInstant is %s, which is more than %v from %s, this IdP's time", r.Instant, maxRequestAge, instant(now))
	case r.Dest != location:
		return mistake("Destination is %q, expected %q", r.Dest, location)
	case len(r.Issuers) != 1:
		return mistake("it has %d Issuer elements, expected one", len(r.Issuers))
	case r.Issuers[0] != s.Audience:
		return mistake("Issuer is %q, expected %q, the audience of this application", r.Issuers[0], s.Audience)
	case r.ACSIndex != nil:
		return mistake("AssertionConsumerServiceIndex is given; this IdP wants AssertionConsumerServiceURL")
	case r.ACS == nil:
		return mistake("AssertionConsumerServiceURL is missing, expected %q", s.ACSURL)
	case *r.ACS != s.ACSURL:
		return mistake("AssertionConsumerServiceURL is %q, expected %q", *r.ACS, s.ACSURL)
	case r.Binding != "" && r.Binding != bindingPOST && (r.Binding != bindingArtifact || !artifacts):
		return mistake("ProtocolBinding is %q, expected %q", r.Binding, bindingPOST)
	case boolean(r.IsPassive):
		return mistake("IsPassive is %q; this IdP cannot sign anybody in without showing a page", r.IsPassive)
	}
	return nil
}

// format is the NameID format that the request insists on, or "".
func (r *authnRequest) format() string {
	if r == nil || r.Policy == nil {
		return ""
	}
	return r.Policy.Format
}

func boolean(s string) bool { return s == "true" || s == "1" }

// pack is base64 of raw DEFLATE.
func pack(raw []byte) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return "" // only a wrong level fails
	}
	_, _ = w.Write(raw) // a buffer takes everything
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}
