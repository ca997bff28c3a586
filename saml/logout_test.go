package saml_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// ourSLO is our single logout service in the scene.
const ourSLO = "https://id.example.com/auth/saml/con_a1/slo"

var alice = saml.NameID{Value: "x 4711", Format: saml.FormatPersistent, NameQualifier: "http://www.okta.com/exk1a2b3c4d5e6f7g8h9",
	SPNameQualifier: "https://id.example.com/auth/saml/con_a1/metadata", SPProvidedID: "alice"}

// logout is the scene's expectation of a logout message.
func (s *scene) logout() saml.LogoutExpectation {
	return saml.LogoutExpectation{ServiceProvider: s.e.ServiceProvider, IdentityProvider: s.e.IdentityProvider, Destination: ourSLO,
		RequestID: "_pending", SHA1Until: s.e.SHA1Until, DecryptionKeys: s.e.DecryptionKeys, AllowCBC: s.e.AllowCBC}
}

// decoded is a message by Redirect, from a query, or by POST, from XML.
func decoded(t testing.TB, query string, posted []byte, response bool) saml.Message {
	t.Helper()
	var m saml.Message
	var err error
	if posted == nil {
		m, err = saml.DecodeRedirect(query)
	} else if response {
		m, err = saml.DecodeLogoutForm(url.Values{"SAMLResponse": {samltest.Encode(posted)}, "RelayState": {"state"}})
	} else {
		m, err = saml.DecodeLogoutForm(url.Values{"SAMLRequest": {samltest.Encode(posted)}, "RelayState": {"state"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// reasonOf is the reason of a refusal, "" for none.
func reasonOf(t testing.TB, err error) string {
	t.Helper()
	var refusal *saml.Refusal
	if err == nil {
		return ""
	}
	if !errors.As(err, &refusal) {
		t.Fatalf("an error that is no Refusal: %v", err)
	}
	return refusal.Reason
}

func TestLogoutRequest_OfTheIdentityProviderIsRead(t *testing.T) { // SA29
	s := newScene()
	l := s.idp.LogoutRequest(ourSLO, alice, s.now)
	l.SessionIndexes, l.Reason = []string{"_s1", "_s2 "}, saml.LogoutByAdmin
	for name, m := range map[string]saml.Message{
		"by redirect":            decoded(t, s.idp.RedirectLogout(l, "state"), nil, false),
		"in lower-case escapes":  decoded(t, s.idp.Redirect("SAMLRequest", samltest.Deflate(l.Unsigned()), "state", samltest.Signing{}, true), nil, false),
		"with foreign ones":      decoded(t, "client=1&"+s.idp.RedirectLogout(l, "state")+"&x=y", nil, false),
		"by redirect and signed": decoded(t, s.idp.Redirect("SAMLRequest", samltest.Deflate(s.idp.SignLogout(l)), "state", samltest.Signing{}, false), nil, false),
		"by form":                decoded(t, "", s.idp.SignLogout(l), false),
	} {
		got, err := saml.VerifyLogoutRequest(m, s.logout(), s.now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.ID != l.ID || got.NameID != alice || !slices.Equal(got.SessionIndexes, l.SessionIndexes) || got.Reason != l.Reason ||
			got.Issuer != s.idp.EntityID || !got.IssueInstant.Equal(s.now) || !got.ReplayUntil.Equal(s.now.Add(10*time.Minute)) || m.RelayState != "state" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLogoutRequest_WithoutAGoodSignatureIsRefused(t *testing.T) { // A45, GO-2026-4764
	s := newScene()
	l := s.idp.LogoutRequest(ourSLO, alice, s.now)
	attacker := samltest.NewIdP(s.idp.EntityID, kx())
	good := s.idp.RedirectLogout(l, "state")
	other := s.idp.LogoutRequest(ourSLO, saml.NameID{Value: evil}, s.now)
	for name, c := range map[string]struct{ query, reason string }{
		"the control":                   {good, ""},
		"by another key":                {attacker.RedirectLogout(l, "state"), saml.ReasonUnknownKey},
		"of another message":            {replaceOnce(t, good, valueIn(t, good, "SAMLRequest"), valueIn(t, s.idp.RedirectLogout(other, "state"), "SAMLRequest")), saml.ReasonUnknownKey},
		"of another relay state":        {replaceOnce(t, good, "=state", "=other"), saml.ReasonUnknownKey},
		"with the relay state left out": {replaceOnce(t, good, "&RelayState=state", ""), saml.ReasonUnknownKey},
		"of the same in other escapes":  {replaceOnce(t, good, "RelayState=state", "RelayState=%73tate"), saml.ReasonUnknownKey},
		"by SHA-1":                      {s.idp.Redirect("SAMLRequest", samltest.Deflate(l.Unsigned()), "", samltest.Signing{Method: samltest.RSASHA1}, false), saml.ReasonAlgorithm},
		"by no method":                  {replaceOnce(t, good, "SigAlg="+valueIn(t, good, "SigAlg"), "SigAlg="), saml.ReasonAlgorithm},
	} {
		got, err := saml.VerifyLogoutRequest(decoded(t, c.query, nil, false), s.logout(), s.now)
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
	for name, query := range map[string]string{
		"no signature":        good[:strings.Index(good, "&Signature=")],
		"no method":           replaceOnce(t, good, "&SigAlg="+valueIn(t, good, "SigAlg"), ""),
		"neither":             good[:strings.Index(good, "&SigAlg=")],
		"an empty query":      "",
		"a query of nothing":  "&&=&",
		"no message":          good[strings.Index(good, "&")+1:],
		"a request and more":  good + "&SAMLResponse=x",
		"both, in order":      "SAMLRequest=AAAA&" + s.idp.RedirectLogout(s.idp.LogoutResponse(ourSLO, "_pending", s.now), ""),
		"a parameter twice":   good + "&RelayState=state",
		"the message twice":   "SAMLRequest=" + valueIn(t, good, "SAMLRequest") + "&" + good,
		"another order":       "RelayState=state&" + replaceOnce(t, good, "RelayState=state&", ""),
		"a name in disguise":  replaceOnce(t, good, "RelayState", "Relay%53tate"),
		"a name in capitals":  good + "&SAMLREQUEST=x",
		"another encoding":    good + "&SAMLEncoding=urn:x",
		"a broken escape":     replaceOnce(t, good, "=state", "=%zz"),
		"no base64":           "SAMLRequest=%21" + good[len("SAMLRequest="):],
		"a signature of none": good[:strings.Index(good, "&Signature=")] + "&Signature=%21",
		"not deflated":        s.idp.Redirect("SAMLRequest", l.Unsigned(), "", samltest.Signing{}, false),
		"something behind it": s.idp.Redirect("SAMLRequest", append(samltest.Deflate(l.Unsigned()), 0), "", samltest.Signing{}, false),
		"half of it":          s.idp.Redirect("SAMLRequest", samltest.Deflate(l.Unsigned())[:50], "", samltest.Signing{}, false),
	} {
		if m, err := saml.DecodeRedirect(query); err == nil {
			t.Errorf("%s: read as %s", name, m.XML)
		} else if reason := reasonOf(t, err); reason != saml.ReasonMalformed && reason != saml.ReasonSignatureNone {
			t.Errorf("%s: %v", name, err)
		}
	}
	posted := func(doc []byte) string {
		_, err := saml.VerifyLogoutRequest(decoded(t, "", doc, false), s.logout(), s.now)
		return reasonOf(t, err)
	}
	signed := string(s.idp.SignLogout(l))
	for reason, doc := range map[string]string{
		"":                            signed,
		saml.ReasonSignatureNone:      string(l.Unsigned()),
		saml.ReasonUnknownKey:         string(attacker.SignLogout(l)),
		saml.ReasonSignature:          replaceOnce(t, signed, ">x 4711<", ">x 4712<"),
		saml.ReasonMisplacedSignature: replaceOnce(t, string(l.Unsigned()), "</saml:NameID>", "</saml:NameID><samlp:SessionIndex>"+between(t, signed, "<ds:Signature ", "</ds:Signature>")+"</samlp:SessionIndex>"),
		saml.ReasonReference:          replaceOnce(t, signed, `URI="#`+l.ID+`"`, `URI=""`),
		saml.ReasonComment:            replaceOnce(t, signed, ">x 4711<", ">x 47<!-- -->11<"),
		saml.ReasonNestedAssertion:    replaceOnce(t, signed, "<saml:NameID ", "<samlp:Extensions><saml:Assertion/></samlp:Extensions><saml:NameID "),
	} {
		if got := posted([]byte(doc)); got != reason {
			t.Errorf("%q, expected %q", got, reason)
		}
	}
	// A message that came inside a form has no query to be signed, and the other way about.
	m := decoded(t, good, nil, false)
	if _, err := saml.VerifyLogoutRequest(saml.Message{XML: m.XML}, s.logout(), s.now); reasonOf(t, err) != saml.ReasonSignatureNone {
		t.Error(err)
	}
	// One signature inside that is wrong is not made good by the query's.
	mixed := decoded(t, s.idp.Redirect("SAMLRequest", samltest.Deflate(attacker.SignLogout(l)), "", samltest.Signing{}, false), nil, false)
	if _, err := saml.VerifyLogoutRequest(mixed, s.logout(), s.now); reasonOf(t, err) != saml.ReasonUnknownKey {
		t.Error(err)
	}
}

func valueIn(t testing.TB, query, parameter string) string {
	t.Helper()
	_, rest, found := strings.Cut("&"+query, "&"+parameter+"=")
	if !found {
		t.Fatalf("no %s in %s", parameter, query)
	}
	value, _, _ := strings.Cut(rest, "&")
	return value
}

func between(t testing.TB, doc, from, to string) string {
	t.Helper()
	i, j := strings.Index(doc, from), strings.Index(doc, to)
	if i < 0 || j < i {
		t.Fatalf("no %s in %s", from, doc)
	}
	return doc[i : j+len(to)]
}

func TestLogoutRequest_IsHeldAgainstTheConnection(t *testing.T) {
	s := newScene()
	for name, c := range map[string]struct {
		change func(*samltest.Logout)
		reason string
	}{
		"the control":           {func(*samltest.Logout) {}, ""},
		"another destination":   {func(l *samltest.Logout) { l.Destination += "/" }, saml.ReasonDestination},
		"no destination":        {func(l *samltest.Logout) { l.Destination = "" }, saml.ReasonDestination},
		"another issuer":        {func(l *samltest.Logout) { l.Issuer += "/" }, saml.ReasonIssuer},
		"no issuer":             {func(l *samltest.Logout) { l.Issuer = "" }, saml.ReasonStructure},
		"no version":            {func(l *samltest.Logout) { l.Version = "" }, saml.ReasonVersion},
		"no name":               {func(l *samltest.Logout) { l.NameID = nil }, saml.ReasonStructure},
		"an empty name":         {func(l *samltest.Logout) { l.NameID = &saml.NameID{} }, saml.ReasonSubject},
		"over, within the skew": {func(l *samltest.Logout) { l.NotOnOrAfter = samltest.Instant(s.now.Add(-299 * time.Second)) }, ""},
		"over":                  {func(l *samltest.Logout) { l.NotOnOrAfter = samltest.Instant(s.now.Add(-300 * time.Second)) }, saml.ReasonExpired},
		"no end, and new":       {func(l *samltest.Logout) { l.NotOnOrAfter = "" }, ""},
		"no end, and old": {func(l *samltest.Logout) {
			l.NotOnOrAfter, l.IssueInstant = "", samltest.Instant(s.now.Add(-15*time.Minute))
		}, saml.ReasonExpired},
		"issued ahead, within the skew": {func(l *samltest.Logout) { l.IssueInstant = samltest.Instant(s.now.Add(300 * time.Second)) }, ""},
		"issued ahead":                  {func(l *samltest.Logout) { l.IssueInstant = samltest.Instant(s.now.Add(301 * time.Second)) }, saml.ReasonClockSkew},
		"an instant of no time zone":    {func(l *samltest.Logout) { l.IssueInstant = "2026-11-22T09:00:00" }, saml.ReasonStructure},
		"something more":                {func(l *samltest.Logout) { l.Trailer = "<samlp:Other/>" }, saml.ReasonStructure},
		"an assertion in extensions":    {func(l *samltest.Logout) { l.Extensions = "<saml:Assertion/>" }, saml.ReasonNestedAssertion},
		"extensions":                    {func(l *samltest.Logout) { l.Extensions = "<x xmlns='urn:x'/>" }, ""},
		"a response":                    {func(l *samltest.Logout) { l.StatusCodes = []string{samltest.Success} }, saml.ReasonMessage},
	} {
		l := s.idp.LogoutRequest(ourSLO, alice, s.now)
		c.change(l)
		_, err := saml.VerifyLogoutRequest(decoded(t, s.idp.RedirectLogout(l, ""), nil, false), s.logout(), s.now)
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: %v, expected %q", name, err, c.reason)
			continue
		}
		var refusal *saml.Refusal
		if errors.As(err, &refusal) && c.reason == saml.ReasonClockSkew && (refusal.Skew != 301*time.Second || !refusal.Verified || refusal.ResponseID != l.ID) {
			t.Errorf("%+v", refusal)
		}
	}
	for name, change := range map[string]func(*saml.LogoutExpectation){
		"no key":         func(e *saml.LogoutExpectation) { e.IdentityProvider.Certificates = nil },
		"nothing at all": func(e *saml.LogoutExpectation) { *e = saml.LogoutExpectation{} },
		"no destination": func(e *saml.LogoutExpectation) { e.Destination = "" },
		"no issuer":      func(e *saml.LogoutExpectation) { e.IdentityProvider.EntityID = "" },
	} {
		e := s.logout()
		change(&e)
		l := s.idp.LogoutRequest(e.Destination, alice, s.now)
		if name == "no issuer" {
			l.Issuer = " "
		}
		if _, err := saml.VerifyLogoutRequest(decoded(t, s.idp.RedirectLogout(l, ""), nil, false), e, s.now); err == nil {
			t.Errorf("an expectation with %s accepts a message", name)
		}
	}
}

func TestLogoutRequest_MayEncryptTheName(t *testing.T) { // IIP-SP16
	s := newScene()
	l := s.idp.LogoutRequest(ourSLO, alice, s.now)
	l.Encryption = &samltest.Encryption{For: k2().Certificate}
	m := decoded(t, s.idp.RedirectLogout(l, ""), nil, false)
	if _, err := saml.VerifyLogoutRequest(m, s.logout(), s.now); reasonOf(t, err) != saml.ReasonEncrypted {
		t.Error(err)
	}
	s.e.DecryptionKeys = []crypto.Decrypter{kx().Decrypter()}
	if _, err := saml.VerifyLogoutRequest(m, s.logout(), s.now); reasonOf(t, err) != saml.ReasonDecryption {
		t.Error(err)
	}
	s.e.DecryptionKeys = []crypto.Decrypter{k2().Decrypter()}
	if got, err := saml.VerifyLogoutRequest(m, s.logout(), s.now); err != nil || got.NameID != alice || got.Encryption.Content != "aes256-gcm" {
		t.Error(got, err)
	}
}

func TestDecodeRedirect_IsBounded(t *testing.T) { // A27, S6
	s := newScene()
	bomb := samltest.Deflate(make([]byte, 64<<20))
	query := s.idp.Redirect("SAMLRequest", bomb, "", samltest.Signing{}, false)
	if len(query) > 128<<10 {
		t.Fatal("the bomb is too large to be read at all", len(query))
	}
	cost := testing.AllocsPerRun(1, func() {
		if _, err := saml.DecodeRedirect(query); reasonOf(t, err) != saml.ReasonTooLarge {
			t.Error(err)
		}
	})
	if cost > 200 {
		t.Errorf("%v allocations", cost)
	}
	for _, query := range []string{strings.Repeat("a=b&", 1<<16), "SAMLRequest=" + strings.Repeat("A", 1<<20), "SAMLRequest=AAAA&RelayState=" + strings.Repeat("a", 3000) + "&SigAlg=a&Signature=AAAA"} {
		if _, err := saml.DecodeRedirect(query); reasonOf(t, err) != saml.ReasonTooLarge {
			t.Error(err)
		}
	}
	// A form is never inflated.
	m := decoded(t, "", samltest.Deflate(s.idp.SignLogout(s.idp.LogoutRequest(ourSLO, alice, s.now))), false)
	if _, err := saml.VerifyLogoutRequest(m, s.logout(), s.now); reasonOf(t, err) != saml.ReasonMalformed {
		t.Error(err)
	}
	for _, form := range []url.Values{{}, {"SAMLRequest": {"a", "b"}}, {"SAMLRequest": {"YQ=="}, "SAMLResponse": {"YQ=="}}, {"SAMLRequest": {"YQ=="}, "RelayState": {"a", "b"}},
		{"SAMLRequest": {"!"}}, {"SAMLRequest": {"YQ=="}, "RelayState": {strings.Repeat("a", 3000)}}} {
		if m, err := saml.DecodeLogoutForm(form); err == nil {
			t.Errorf("%v: %+v", form, m)
		}
	}
}

func TestLogoutResponse_OfTheIdentityProviderIsRead(t *testing.T) {
	s := newScene()
	for name, c := range map[string]struct {
		change           func(*samltest.Logout)
		reason           string
		success, partial bool
	}{
		"success":          {func(*samltest.Logout) {}, "", true, false},
		"partly":           {func(l *samltest.Logout) { l.StatusCodes = append(l.StatusCodes, saml.StatusPartialLogout) }, "", true, true},
		"partly, no more":  {func(l *samltest.Logout) { l.StatusCodes = []string{saml.StatusResponder, saml.StatusPartialLogout} }, "", false, true},
		"a refusal":        {func(l *samltest.Logout) { l.StatusCodes = []string{saml.StatusRequester}; l.StatusMessage = "no" }, "", false, false},
		"another request":  {func(l *samltest.Logout) { l.InResponseTo = "_other" }, saml.ReasonInResponseTo, false, false},
		"no request":       {func(l *samltest.Logout) { l.InResponseTo = "" }, saml.ReasonInResponseTo, false, false},
		"another place":    {func(l *samltest.Logout) { l.Destination = "https://elsewhere.example/slo" }, saml.ReasonDestination, false, false},
		"another issuer":   {func(l *samltest.Logout) { l.Issuer = "urn:other" }, saml.ReasonIssuer, false, false},
		"more than status": {func(l *samltest.Logout) { l.Trailer = "<samlp:Other/>" }, saml.ReasonStructure, false, false},
	} {
		l := s.idp.LogoutResponse(ourSLO, "_pending", s.now)
		c.change(l)
		for binding, m := range map[string]saml.Message{"redirect": decoded(t, s.idp.RedirectLogout(l, ""), nil, true), "POST": decoded(t, "", s.idp.SignLogout(l), true)} {
			got, err := saml.VerifyLogoutResponse(m, s.logout(), s.now)
			if reason := reasonOf(t, err); reason != c.reason || err == nil && (got.Success != c.success || got.Partial != c.partial || got.InResponseTo != "_pending" || got.StatusMessage != l.StatusMessage) {
				t.Errorf("%s by %s: %+v %v", name, binding, got, err)
			}
			if _, err := saml.VerifyLogoutRequest(m, s.logout(), s.now); reasonOf(t, err) != saml.ReasonMessage {
				t.Errorf("%s by %s passes as a request: %v", name, binding, err)
			}
			e := s.logout()
			e.RequestID = ""
			if _, err := saml.VerifyLogoutResponse(m, e, s.now); err == nil {
				t.Errorf("%s by %s answers no request", name, binding)
			}
		}
	}
	unsigned := decoded(t, "", s.idp.LogoutResponse(ourSLO, "_pending", s.now).Unsigned(), true)
	if _, err := saml.VerifyLogoutResponse(unsigned, s.logout(), s.now); reasonOf(t, err) != saml.ReasonSignatureNone {
		t.Error(err)
	}
}

func TestNameIDs_AreComparedWhole(t *testing.T) {
	const idp, sp = "urn:idp", "urn:sp"
	persistent := saml.NameID{Value: "a", Format: saml.FormatPersistent}
	filled := persistent
	filled.NameQualifier, filled.SPNameQualifier, filled.SPProvidedID = idp, sp, "ours"
	other := filled
	other.SPNameQualifier = "urn:other"
	for _, c := range []struct {
		a, b saml.NameID
		same bool
	}{
		{persistent, persistent, true}, {persistent, filled, true}, {filled, other, false}, {persistent, other, false},
		{persistent, saml.NameID{Value: "A", Format: saml.FormatPersistent}, false},
		{persistent, saml.NameID{Value: "a", Format: saml.FormatTransient}, false},
		{saml.NameID{Value: "a"}, saml.NameID{Value: "a", Format: saml.FormatUnspecified}, true},
		{saml.NameID{Value: "a", Format: saml.FormatEmail}, saml.NameID{Value: "a", Format: saml.FormatEmail, NameQualifier: idp}, false},
		{saml.NameID{}, saml.NameID{}, false},
	} {
		if c.a.Same(c.b, idp, sp) != c.same || c.b.Same(c.a, idp, sp) != c.same {
			t.Errorf("%+v and %+v: not %t", c.a, c.b, c.same)
		}
	}
	kept := must(json.Marshal(filled))
	var back saml.NameID
	if err := json.Unmarshal(kept, &back); err != nil || back != filled {
		t.Errorf("kept as %s", kept)
	}
}

func TestLogouts_OfOursGiveTheNameBackAsItCame(t *testing.T) { // SDP-SP29
	s := newScene()
	r := s.response()
	r.Assertion.NameID = &saml.NameID{Value: " Ünï\t<&> ", Format: saml.FormatPersistent, NameQualifier: "a\"b", SPNameQualifier: "c\nd", SPProvidedID: "e"}
	subject := s.accept(t, s.idp.Sign(r)).Subject
	request := saml.LogoutRequest{ID: saml.NewID(), Issuer: s.e.ServiceProvider.EntityID, Destination: "https://idp.example/slo?a=1", IssueInstant: s.now,
		NotOnOrAfter: s.now.Add(time.Minute), Reason: saml.LogoutByUser, NameID: subject, SessionIndexes: []string{"<1>", "2"}}
	// Our own reader takes it, as if it were an identity provider's.
	us := saml.LogoutExpectation{Destination: request.Destination, IdentityProvider: saml.IdentityProvider{EntityID: request.Issuer, Certificates: []saml.Certificate{k2().Certificate}}}
	address := must(request.SignedRedirectURL("state & more", k2().SigningKey()))
	if !strings.HasPrefix(address, "https://idp.example/slo?a=1&SAMLRequest=") {
		t.Error(address)
	}
	for _, m := range []saml.Message{
		decoded(t, strings.TrimPrefix(address, "https://idp.example/slo?"), nil, false),
		decoded(t, "", must(request.SignedXML(k2().SigningKey())), false),
	} {
		got, err := saml.VerifyLogoutRequest(m, us, s.now)
		if err != nil || got.NameID != *r.Assertion.NameID || !slices.Equal(got.SessionIndexes, request.SessionIndexes) || got.Reason != saml.LogoutByUser {
			t.Errorf("%+v %v", got, err)
		}
	}
	if _, err := (saml.LogoutRequest{ID: "_1", Destination: "https://idp.example/slo"}).SignedXML(k2().SigningKey()); err == nil {
		t.Error("a request that names nobody was written")
	}
	if _, err := request.SignedRedirectURL(strings.Repeat("a", 81), k2().SigningKey()); err == nil {
		t.Error("a relay state of ours that is too long was written")
	}
}

func TestLogoutResponses_OfOursAnswer(t *testing.T) {
	s := newScene()
	response := saml.LogoutResponse{ID: saml.NewID(), InResponseTo: "_pending", Issuer: s.e.ServiceProvider.EntityID, Destination: "https://idp.example/slo", IssueInstant: s.now}
	us := saml.LogoutExpectation{Destination: response.Destination, RequestID: "_pending",
		IdentityProvider: saml.IdentityProvider{EntityID: response.Issuer, Certificates: []saml.Certificate{k2().Certificate}}}
	for _, c := range []struct {
		status, detail, code string
		success              bool
	}{{"", "", "Success", true}, {saml.StatusSuccess, saml.StatusPartialLogout, "PartialLogout", true}, {saml.StatusRequester, saml.StatusUnknownPrincipal, "UnknownPrincipal", false}} {
		response.Status, response.Detail = c.status, c.detail
		long := strings.Repeat("%", 200) // theirs, given back as it came
		_, query, _ := strings.Cut(must(response.SignedRedirectURL(long, k2().SigningKey())), "?")
		m := decoded(t, query, nil, true)
		for _, m := range []saml.Message{m, decoded(t, "", must(response.SignedXML(k2().SigningKey())), true)} {
			got, err := saml.VerifyLogoutResponse(m, us, s.now)
			if err != nil || got.Success != c.success || got.StatusCode != c.code {
				t.Errorf("%+v %v", got, err)
			}
		}
		if m.RelayState != long {
			t.Errorf("%q", m.RelayState)
		}
	}
}
