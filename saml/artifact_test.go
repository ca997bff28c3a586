package saml_test

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// resolving is a scene in which an artifact was sent to the identity provider.
func resolving() (*scene, saml.ArtifactResolve) {
	s := newScene()
	s.idp.Resolver = "https://idp.example/resolve"
	s.e.IdentityProvider = s.idp.IdentityProvider()
	artifact, err := saml.ParseArtifact(s.idp.Artifact(0))
	if err != nil {
		panic(err)
	}
	return s, saml.ArtifactResolve{ID: "_resolve", Issuer: s.e.ServiceProvider.EntityID, Destination: s.idp.Resolver, IssueInstant: s.now, Artifact: artifact}
}

func TestArtifacts_AreReadAndBelongToOneIdentityProvider(t *testing.T) { // S2
	s, _ := resolving()
	text := s.idp.Artifact(0)
	a, err := saml.ParseArtifact(text)
	if err != nil || a.String() != text || !a.Of(s.idp.EntityID) || a.Of(s.idp.EntityID+"/") {
		t.Fatal(a, err)
	}
	if place, err := s.e.IdentityProvider.Resolver(a); err != nil || place.Location != s.idp.Resolver {
		t.Error(place, err)
	}
	other := samltest.NewIdP("urn:other", k1())
	for name, foreign := range map[string]string{"another identity provider's": other.Artifact(0), "of an index that is not in the metadata": s.idp.Artifact(1)} {
		if place, err := s.e.IdentityProvider.Resolver(must(saml.ParseArtifact(foreign))); reasonOf(t, err) != saml.ReasonArtifact || place.Location != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw := must(base64.StdEncoding.DecodeString(text))
	for name, wrong := range map[string]string{
		"nothing": "", "no base64": "!", "too short": base64.StdEncoding.EncodeToString(raw[:43]), "too long": base64.StdEncoding.EncodeToString(append(raw, 0)),
		"of type 1": base64.StdEncoding.EncodeToString(append([]byte{0, 1}, raw[2:]...)), "broken into lines": text[:4] + "\n" + text[4:],
		"long": strings.Repeat("A", 1<<20),
	} {
		if _, err := saml.ParseArtifact(wrong); reasonOf(t, err) != saml.ReasonMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArtifactResponse_IsBelievedWhenSomethingInItIsSigned(t *testing.T) { // S2
	for _, form := range []struct {
		outer, response, assertion bool
		require                    saml.Signed
		reason                     string
	}{
		{true, false, false, saml.SignedAny, ""},
		{false, true, false, saml.SignedAny, ""},
		{false, false, true, saml.SignedAny, ""},
		{true, true, true, saml.SignedBoth, ""},
		{true, false, true, saml.SignedBoth, ""},
		{true, false, false, saml.SignedResponse, ""},
		{false, false, false, saml.SignedAny, saml.ReasonSignatureNone}, // TLS alone says nothing
		{false, false, true, saml.SignedResponse, saml.ReasonSignatureNone},
		{true, false, false, saml.SignedBoth, saml.ReasonSignatureNone},
	} {
		for _, sealed := range []*samltest.Encryption{nil, {For: k1().Certificate}} {
			s, asked := resolving()
			s.e.Require, s.e.DecryptionKeys = form.require, []crypto.Decrypter{k1().Decrypter()}
			r := s.response()
			r.Signing.Response, r.Signing.Assertion, r.Encryption = form.response, form.assertion, sealed
			r.Destination = ""
			answer := s.idp.ArtifactResponse(asked.ID, s.idp.Sign(r), s.now)
			answer.Signed = form.outer
			a, err := saml.VerifyArtifactResponse(s.idp.Envelope(answer), asked, s.e, s.now)
			if reason := reasonOf(t, err); reason != form.reason {
				t.Errorf("%+v: %v", form, err)
				continue
			}
			if err == nil && (a.Subject.Value != "alice@corp.example" || a.ArtifactSigned != form.outer || a.ResponseSigned != form.response ||
				a.AssertionSigned != form.assertion || (a.Encryption.Content != "") != (sealed != nil)) {
				t.Errorf("%+v: %+v", form, a)
			}
		}
	}
}

// An identity provider that answers with another one's Response: CVE-2026-49283.
func TestArtifactResponse_OfAnotherIdentityProviderIsRefused(t *testing.T) {
	s, asked := resolving()
	other := samltest.NewIdP("http://www.okta.com/exkother", k2())
	signed := func(idp *samltest.IdP, response []byte, by *samltest.IdP) []byte {
		answer := idp.ArtifactResponse(asked.ID, response, s.now)
		answer.Signed, answer.Signing.Key = true, by.Keys[0]
		return idp.Envelope(answer)
	}
	good := s.idp.Sign(s.response())
	theirs := other.Sign(other.Response(s.e.ServiceProvider, s.e.RequestID, s.now))
	for name, c := range map[string]struct {
		envelope []byte
		reason   string
	}{
		"the control":                             {signed(s.idp, good, s.idp), ""},
		"the other's Response in ours":            {signed(s.idp, theirs, s.idp), saml.ReasonUnknownKey},
		"our Response in the other's":             {signed(other, good, other), saml.ReasonIssuer},
		"all of it the other's":                   {signed(other, theirs, other), saml.ReasonIssuer},
		"in our name, with the other's signature": {signed(s.idp, good, other), saml.ReasonUnknownKey},
	} {
		_, err := saml.VerifyArtifactResponse(c.envelope, asked, s.e, s.now)
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Unsigned inside a signed ArtifactResponse, and in another's name.
	r := s.response()
	r.Signing.Assertion, r.Issuer, r.Assertion.Issuer = false, other.EntityID, other.EntityID
	if _, err := saml.VerifyArtifactResponse(signed(s.idp, s.idp.Sign(r), s.idp), asked, s.e, s.now); reasonOf(t, err) != saml.ReasonIssuer {
		t.Error(err)
	}
	foreign := asked
	foreign.Artifact = must(saml.ParseArtifact(other.Artifact(0)))
	if _, err := saml.VerifyArtifactResponse(signed(s.idp, good, s.idp), foreign, s.e, s.now); reasonOf(t, err) != saml.ReasonArtifact {
		t.Error(err)
	}
}

func TestArtifactResponse_IsHeldAgainstTheRequest(t *testing.T) {
	assertion := `<saml:Assertion><saml:Issuer>x</saml:Issuer></saml:Assertion>`
	for name, c := range map[string]struct {
		change func(*samltest.ArtifactResponse)
		reason string
	}{
		"the control":                {func(*samltest.ArtifactResponse) {}, ""},
		"another request":            {func(a *samltest.ArtifactResponse) { a.InResponseTo = "_other" }, saml.ReasonInResponseTo},
		"no request":                 {func(a *samltest.ArtifactResponse) { a.InResponseTo = "" }, saml.ReasonInResponseTo},
		"another issuer":             {func(a *samltest.ArtifactResponse) { a.Issuer = "urn:other" }, saml.ReasonIssuer},
		"no issuer":                  {func(a *samltest.ArtifactResponse) { a.Issuer = "" }, ""},
		"a failure":                  {func(a *samltest.ArtifactResponse) { a.StatusCodes = []string{saml.StatusResponder} }, saml.ReasonStatus},
		"no status":                  {func(a *samltest.ArtifactResponse) { a.StatusCodes = nil }, saml.ReasonStructure},
		"nothing for the artifact":   {func(a *samltest.ArtifactResponse) { a.Message = nil }, saml.ReasonArtifact},
		"some other message":         {func(a *samltest.ArtifactResponse) { a.Message = []byte("<samlp:LogoutRequest/>") }, saml.ReasonStructure},
		"a second message":           {func(a *samltest.ArtifactResponse) { a.Trailer = "<samlp:Other/>" }, saml.ReasonStructure},
		"an assertion in extensions": {func(a *samltest.ArtifactResponse) { a.Extensions = assertion }, saml.ReasonNestedAssertion},
		"a signature in extensions": {func(a *samltest.ArtifactResponse) {
			a.Extensions = `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>`
		}, saml.ReasonMisplacedSignature},
		"a Response in the header": {func(a *samltest.ArtifactResponse) {
			a.Header = `<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol"/>`
		}, saml.ReasonNestedAssertion},
		"a header":                    {func(a *samltest.ArtifactResponse) { a.Header = `<x xmlns="urn:x"/>` }, ""},
		"a header that must be known": {func(a *samltest.ArtifactResponse) { a.Header = `<x xmlns="urn:x" soap:mustUnderstand="1"/>` }, saml.ReasonStructure},
		"issued ahead":                {func(a *samltest.ArtifactResponse) { a.IssueInstant = "2026-11-22T09:06:00Z" }, saml.ReasonClockSkew},
		"issued at no instant":        {func(a *samltest.ArtifactResponse) { a.IssueInstant = "now" }, saml.ReasonStructure},
		"no version":                  {func(a *samltest.ArtifactResponse) { a.Version = "1.1" }, saml.ReasonVersion},
	} {
		s, asked := resolving()
		r := s.response()
		r.Signing.Assertion = false
		answer := s.idp.ArtifactResponse(asked.ID, s.idp.Sign(r), s.now)
		answer.Signed = true
		c.change(answer)
		_, err := saml.VerifyArtifactResponse(s.idp.Envelope(answer), asked, s.e, s.now)
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: %v, expected %q", name, err, c.reason)
		}
	}
	s, asked := resolving()
	fault := `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><soap:Fault><faultcode>soap:Server</faultcode><faultstring>no &lt;b&gt;</faultstring></soap:Fault></soap:Body></soap:Envelope>`
	_, err := saml.VerifyArtifactResponse([]byte(fault), asked, s.e, s.now)
	if reasonOf(t, err) != saml.ReasonStatus || !strings.Contains(err.Error(), "no <b>") {
		t.Error(err)
	}
	for name, envelope := range map[string]string{
		"no envelope": string(s.idp.Sign(s.response())), "an empty body": strings.Replace(fault, "soap:Fault", "x", 1), "nothing": "", "a comment": "<!-- -->" + fault,
	} {
		if _, err := saml.VerifyArtifactResponse([]byte(envelope), asked, s.e, s.now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	asked.ID = ""
	answer := s.idp.ArtifactResponse("", s.idp.Sign(s.response()), s.now)
	if _, err := saml.VerifyArtifactResponse(s.idp.Envelope(answer), asked, s.e, s.now); reasonOf(t, err) != saml.ReasonInResponseTo {
		t.Error(err)
	}
}

// Everything that Verify checks is checked here too.
func TestArtifactResponse_IsHeldAgainstTheExpectation(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*samltest.Response)
		reason string
	}{
		"another audience":    {func(r *samltest.Response) { r.Assertion.Audiences = [][]string{{"urn:other"}} }, saml.ReasonAudience},
		"another destination": {func(r *samltest.Response) { r.Destination += "/" }, saml.ReasonDestination},
		"another recipient":   {func(r *samltest.Response) { r.Assertion.Confirmations[0].Recipient += "/" }, saml.ReasonRecipient},
		"another request":     {func(r *samltest.Response) { r.InResponseTo = "_other" }, saml.ReasonInResponseTo},
		"a failed sign-in":    {func(r *samltest.Response) { r.StatusCodes = []string{saml.StatusResponder} }, saml.ReasonStatus},
	} {
		s, asked := resolving()
		r := s.response()
		c.change(r)
		answer := s.idp.ArtifactResponse(asked.ID, s.idp.Sign(r), s.now)
		answer.Signed = true
		_, err := saml.VerifyArtifactResponse(s.idp.Envelope(answer), asked, s.e, s.now)
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, asked := resolving()
	s.e.MaxBytes = 1000
	if _, err := saml.VerifyArtifactResponse(bytes.Repeat([]byte(" "), 1001), asked, s.e, s.now); reasonOf(t, err) != saml.ReasonTooLarge {
		t.Error(err)
	}
}

func TestArtifactResolve_IsASignedSOAPMessage(t *testing.T) {
	s, asked := resolving()
	envelope := string(must(asked.SignedEnvelope(k2().SigningKey())))
	agreeOnOurs(t, between(t, envelope, "<samlp:ArtifactResolve ", "</samlp:ArtifactResolve>"), asked.ID, k2())
	agreeOnOurs(t, envelope, asked.ID, k2())
	if !strings.Contains(envelope, ">"+asked.Artifact.String()+"<") || !strings.Contains(envelope, ">"+s.e.ServiceProvider.EntityID+"<") {
		t.Error(envelope)
	}
	asked.Destination = "javascript:alert(1)"
	if _, err := asked.SignedEnvelope(k2().SigningKey()); err == nil {
		t.Error("written for an address of no use")
	}
	if sum := sha1.Sum([]byte(s.idp.EntityID)); sum != asked.Artifact.SourceID {
		t.Error("the source is not the SHA-1 of the entity ID")
	}
}
