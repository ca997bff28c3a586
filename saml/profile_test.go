package saml_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// SA01 and SA02, in both handwritings.
func TestResponses_AreAcceptedHoweverTheyAreSigned(t *testing.T) {
	for _, style := range []samltest.Style{samltest.Okta, samltest.Entra} {
		for _, form := range []struct{ response, assertion bool }{{false, true}, {true, true}, {true, false}} {
			t.Run(fmt.Sprintf("style %d, Response %t, Assertion %t", style, form.response, form.assertion), func(t *testing.T) {
				s := newScene()
				r := s.response()
				r.Style = style
				r.Signing.Response, r.Signing.Assertion = form.response, form.assertion
				r.Assertion.Authn[0].SessionNotOnOrAfter = samltest.Instant(s.now.Add(8 * time.Hour))
				a := s.accept(t, s.idp.Sign(r))
				want := saml.NameID{Value: "alice@corp.example", Format: saml.FormatEmail}
				if !a.HasSubject || a.Subject != want {
					t.Errorf("subject %+v", a.Subject)
				}
				if a.ID != r.Assertion.ID || a.ResponseID != r.ID || a.InResponseTo != s.e.RequestID || a.Issuer != s.idp.EntityID {
					t.Errorf("%+v", a)
				}
				if a.SessionIndex != r.Assertion.Authn[0].SessionIndex || a.ContextClass != r.Assertion.Authn[0].Class {
					t.Errorf("statement %q %q", a.SessionIndex, a.ContextClass)
				}
				if !a.IssueInstant.Equal(s.now) || !a.AuthnInstant.Equal(s.now.Add(-10*time.Second)) || a.Skew != 0 ||
					!a.SessionNotOnOrAfter.Equal(s.now.Add(8*time.Hour)) || !a.ReplayUntil.Equal(s.now.Add(10*time.Minute)) {
					t.Errorf("instants %+v", a)
				}
				if groups, ok := a.Values("groups"); !ok || !slices.Equal(groups, []string{"Engineering", "Research & Development"}) {
					t.Errorf("groups %q", groups)
				}
				if a.ResponseSigned != form.response || a.AssertionSigned != form.assertion {
					t.Errorf("signed %t %t", a.ResponseSigned, a.AssertionSigned)
				}
			})
		}
	}
}

// profileCase changes a good Response, or what is expected, and says what must come of it.
type profileCase struct {
	name   string
	change func(s *scene, r *samltest.Response)
	reason string // "" for accepted
}

// run runs the cases, each with the Assertion signed and each with the Response signed.
func runProfile(t *testing.T, cases []profileCase) {
	t.Helper()
	for _, test := range cases {
		for _, response := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, Response signed %t", test.name, response), func(t *testing.T) {
				s := newScene()
				r := s.response()
				r.Signing.Response, r.Signing.Assertion = response, !response
				s.accept(t, s.idp.Sign(r)) // the control
				test.change(s, r)
				doc := s.idp.Sign(r)
				sound(t, string(doc))
				if test.reason == "" {
					s.accept(t, doc)
					return
				}
				refusal := s.refuse(t, doc, test.reason)
				if !refusal.Verified {
					t.Error("the signature was good, and the refusal does not say so")
				}
				if refusal.Detail == "" || !strings.HasSuffix(refusal.Detail, ".") {
					t.Errorf("%q is not a sentence", refusal.Detail)
				}
			})
		}
	}
}

// at is an instant that many seconds from now.
func (s *scene) at(seconds int) string {
	return samltest.Instant(s.now.Add(time.Duration(seconds) * time.Second))
}

func TestSkew_ThreeHundredSecondsAndNotOneMore(t *testing.T) { // SA16
	for _, limit := range []int{300, 180} {
		lowered := func(s *scene) {
			if limit != 300 {
				s.e.Skew = time.Duration(limit) * time.Second
			}
		}
		wide := func(r *samltest.Response) { // ends far off, so that one check decides
			r.Assertion.NotOnOrAfter = "2026-11-22T12:00:00Z"
			r.Assertion.Confirmations[0].NotOnOrAfter = "2026-11-22T12:00:00Z"
			r.Assertion.NotBefore = "2026-11-22T06:00:00Z"
		}
		set := func(where func(r *samltest.Response, at string), seconds int) func(*scene, *samltest.Response) {
			return func(s *scene, r *samltest.Response) {
				lowered(s)
				wide(r)
				where(r, s.at(seconds))
			}
		}
		notBefore := func(r *samltest.Response, at string) { r.Assertion.NotBefore = at }
		notOnOrAfter := func(r *samltest.Response, at string) { r.Assertion.NotOnOrAfter = at }
		confirmed := func(r *samltest.Response, at string) { r.Assertion.Confirmations[0].NotOnOrAfter = at }
		authn := func(r *samltest.Response, at string) { r.Assertion.Authn[0].AuthnInstant = at }
		issued := func(r *samltest.Response, at string) { r.Assertion.IssueInstant = at }
		session := func(r *samltest.Response, at string) { r.Assertion.Authn[0].SessionNotOnOrAfter = at }
		cases := []profileCase{
			{"NotBefore at the limit", set(notBefore, limit), ""},
			{"NotBefore over it", set(notBefore, limit+1), saml.ReasonClockSkew},
			{"NotOnOrAfter at the limit", set(notOnOrAfter, 1-limit), ""},
			{"NotOnOrAfter over it", set(notOnOrAfter, -limit), saml.ReasonExpired},
			{"the confirmation's at the limit", set(confirmed, 1-limit), ""},
			{"the confirmation's over it", set(confirmed, -limit), saml.ReasonExpired},
			{"AuthnInstant at the limit", set(authn, limit), ""},
			{"AuthnInstant over it", set(authn, limit+1), saml.ReasonClockSkew},
			{"IssueInstant at the limit", set(issued, limit), ""},
			{"IssueInstant over it", set(issued, limit+1), saml.ReasonClockSkew},
			{"SessionNotOnOrAfter at the limit", set(session, 1-limit), ""},
			{"SessionNotOnOrAfter over it", set(session, -limit), saml.ReasonSessionExpired},
		}
		t.Run(fmt.Sprintf("%d s", limit), func(t *testing.T) { runProfile(t, cases) })
	}
	t.Run("no setting raises it", func(t *testing.T) {
		s := newScene()
		s.e.Skew = time.Hour
		r := s.response()
		r.Assertion.NotBefore = s.at(301)
		r.Assertion.NotOnOrAfter = s.at(900)
		s.refuse(t, s.idp.Sign(r), saml.ReasonClockSkew)
	})
	t.Run("a fraction of a second counts", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.Assertion.NotOnOrAfter = s.at(900)
		r.Assertion.NotBefore = "2026-11-22T09:05:00.001Z"
		s.refuse(t, s.idp.Sign(r), saml.ReasonClockSkew)
	})
}

func TestClock_IsNamedWhenItIsTheCause(t *testing.T) {
	shifted := func(s *scene, d time.Duration) *samltest.Response {
		return s.idp.Response(s.e.ServiceProvider, s.e.RequestID, s.now.Add(d))
	}
	t.Run("4 minutes ahead is accepted and measured", func(t *testing.T) {
		s := newScene()
		if a := s.accept(t, s.idp.Sign(shifted(s, 4*time.Minute))); a.Skew != 4*time.Minute {
			t.Error(a.Skew)
		}
	})
	t.Run("7 minutes ahead", func(t *testing.T) {
		s := newScene()
		refusal := s.refuse(t, s.idp.Sign(shifted(s, 7*time.Minute)), saml.ReasonClockSkew)
		want := "The identity provider's clock is 7 min 0 s ahead of this server's clock; up to 5 min is accepted."
		if refusal.Detail != want || refusal.Skew != 7*time.Minute || refusal.Subject != "alice@corp.example" {
			t.Errorf("%+v", refusal)
		}
	})
	t.Run("12 minutes behind, known from the request", func(t *testing.T) {
		s := newScene()
		refusal := s.refuse(t, s.idp.Sign(shifted(s, -12*time.Minute)), saml.ReasonClockSkew)
		want := "The identity provider's clock is 12 min 0 s behind this server's clock; up to 5 min is accepted."
		if refusal.Detail != want || refusal.Skew != -12*time.Minute {
			t.Errorf("%+v", refusal)
		}
	})
	t.Run("days older than its request is no clock", func(t *testing.T) {
		s := newScene()
		if refusal := s.refuse(t, s.idp.Sign(shifted(s, -72*time.Hour)), saml.ReasonExpired); refusal.Skew != -72*time.Hour {
			t.Error(refusal.Skew)
		}
	})
	t.Run("12 minutes old, and nothing is known of the request", func(t *testing.T) {
		s := newScene()
		s.e.RequestedAt = time.Time{}
		if refusal := s.refuse(t, s.idp.Sign(shifted(s, -12*time.Minute)), saml.ReasonExpired); refusal.Skew != -12*time.Minute {
			t.Error(refusal.Skew)
		}
	})
	t.Run("the Response's IssueInstant counts where it is signed", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.IssueInstant = s.at(420)
		s.accept(t, s.idp.Sign(r))
		r.Signing.Response = true
		if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonClockSkew); refusal.Skew != 7*time.Minute {
			t.Error(refusal.Skew)
		}
	})
	t.Run("only NotBefore 7 minutes ahead", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.Assertion.NotBefore, r.Assertion.NotOnOrAfter = s.at(420), s.at(900)
		refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonClockSkew)
		if refusal.Skew != 7*time.Minute || !strings.Contains(refusal.Detail, "7 min 0 s ahead of this server's clock; up to 5 min is accepted") {
			t.Errorf("%+v", refusal)
		}
	})
	t.Run("dated days ahead on purpose", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.Assertion.NotBefore, r.Assertion.NotOnOrAfter = s.at(3*86400), s.at(4*86400)
		s.refuse(t, s.idp.Sign(r), saml.ReasonNotYetValid)
	})
	t.Run("an old message that waited is not the clock's fault", func(t *testing.T) {
		s := newScene()
		r := s.response()
		s.now, s.e.RequestedAt = s.now.Add(time.Hour), s.now.Add(-time.Minute)
		s.refuse(t, s.idp.Sign(r), saml.ReasonExpired)
	})
}

func TestConditions(t *testing.T) { // SA17, A41, Core section 2.5.1
	const other = "https://other.example/sp"
	audiences := func(lists ...[]string) func(*scene, *samltest.Response) {
		return func(s *scene, r *samltest.Response) {
			for _, list := range lists {
				for i := range list {
					if list[i] == "us" {
						list[i] = s.e.ServiceProvider.EntityID
					}
				}
			}
			r.Assertion.Audiences = lists
		}
	}
	condition := func(xml string) func(*scene, *samltest.Response) {
		return func(_ *scene, r *samltest.Response) { r.Assertion.Conditions = xml }
	}
	runProfile(t, []profileCase{
		{"no Conditions", func(_ *scene, r *samltest.Response) { r.Assertion.NoConditions = true }, saml.ReasonNoConditions},
		{"no AudienceRestriction", audiences(), saml.ReasonAudience},
		{"another audience", audiences([]string{other}), saml.ReasonAudience},
		{"two audiences in one restriction", audiences([]string{other, "us"}), ""},
		{"two restrictions that both name us", audiences([]string{"us"}, []string{other, "us"}), ""},
		{"two restrictions, the second foreign", audiences([]string{"us"}, []string{other}), saml.ReasonAudience},
		{"two restrictions, the first foreign", audiences([]string{other}, []string{"us"}), saml.ReasonAudience},
		{"an empty restriction", audiences([]string{}), saml.ReasonAudience},
		{"the audience in capitals", audiences([]string{"HTTPS://id.example.com/auth/saml/con_a1/metadata"}), saml.ReasonAudience},
		{"the audience with a slash", audiences([]string{"https://id.example.com/auth/saml/con_a1/metadata/"}), saml.ReasonAudience},
		{"OneTimeUse", condition("<saml2:OneTimeUse/>"), ""},
		{"ProxyRestriction", condition(`<saml2:ProxyRestriction Count="0"/>`), ""},
		{"an unknown Condition", condition(`<saml2:Condition xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:x="urn:x" xsi:type="x:y"/>`), saml.ReasonCondition},
		{"a condition of another namespace", condition(`<x:OneTimeUse xmlns:x="urn:x"/>`), saml.ReasonCondition},
		{"text in Conditions", condition("text"), saml.ReasonStructure},
		{"text in a restriction", condition("<saml2:AudienceRestriction>text</saml2:AudienceRestriction>"), saml.ReasonStructure},
		{"elements in Audience", condition(`<saml2:AudienceRestriction><saml2:Audience><saml2:x/></saml2:Audience></saml2:AudienceRestriction>`), saml.ReasonStructure},
		{"no times in Conditions", func(_ *scene, r *samltest.Response) { r.Assertion.NotBefore, r.Assertion.NotOnOrAfter = "", "" }, ""},
		{"the end before the beginning", func(s *scene, r *samltest.Response) {
			r.Assertion.NotBefore, r.Assertion.NotOnOrAfter = s.at(60), s.at(30)
		}, saml.ReasonStructure},
		{"expired", func(s *scene, r *samltest.Response) { r.Assertion.NotOnOrAfter = s.at(-301) }, saml.ReasonStructure},
		{"expired an hour ago", func(s *scene, r *samltest.Response) {
			r.Assertion.NotBefore, r.Assertion.NotOnOrAfter = s.at(-7200), s.at(-3600)
		}, saml.ReasonExpired},
		{"an instant without time zone", func(_ *scene, r *samltest.Response) { r.Assertion.NotOnOrAfter = "2026-11-22T09:05:00" }, saml.ReasonStructure},
		{"an instant that is none", func(_ *scene, r *samltest.Response) { r.Assertion.NotBefore = "yesterday" }, saml.ReasonStructure},
	})
}

func TestAddresses_AreComparedOctetByOctet(t *testing.T) { // SA18
	for _, other := range []struct{ name, address string }{
		{"another service", "https://other.example/acs"},
		{"another connection", "https://id.example.com/auth/saml/con_b1/acs"},
		{"in capitals", "https://ID.example.com/auth/saml/con_a1/acs"},
		{"with a slash", "https://id.example.com/auth/saml/con_a1/acs/"},
		{"with a port", "https://id.example.com:443/auth/saml/con_a1/acs"},
	} {
		runProfile(t, []profileCase{
			{"destination: " + other.name, func(_ *scene, r *samltest.Response) { r.Destination = other.address }, saml.ReasonDestination},
			{"recipient: " + other.name, func(_ *scene, r *samltest.Response) { r.Assertion.Confirmations[0].Recipient = other.address }, saml.ReasonRecipient},
		})
	}
	runProfile(t, []profileCase{
		{"no recipient", func(_ *scene, r *samltest.Response) { r.Assertion.Confirmations[0].Recipient = "" }, saml.ReasonRecipient},
	})
	s := newScene()
	r := s.response()
	r.Destination = ""
	s.accept(t, s.idp.Sign(r))
	r.Signing.Response = true
	s.refuse(t, s.idp.Sign(r), saml.ReasonDestination)
}

func TestConfirmations(t *testing.T) { // SA19
	one := func(change func(c *samltest.Confirmation)) func(*scene, *samltest.Response) {
		return func(_ *scene, r *samltest.Response) { change(&r.Assertion.Confirmations[0]) }
	}
	runProfile(t, []profileCase{
		{"none", func(_ *scene, r *samltest.Response) { r.Assertion.Confirmations = nil }, saml.ReasonNoConfirmation},
		{"no Subject", func(_ *scene, r *samltest.Response) { r.Assertion.NoSubject = true }, saml.ReasonSubject},
		{"no data", one(func(c *samltest.Confirmation) { c.NoData = true }), saml.ReasonNoConfirmation},
		{"no NotOnOrAfter", one(func(c *samltest.Confirmation) { c.NotOnOrAfter = "" }), saml.ReasonNoConfirmation},
		{"NotBefore", one(func(c *samltest.Confirmation) { c.NotBefore = "2026-11-22T08:00:00Z" }), saml.ReasonNoConfirmation},
		{"holder of key only", one(func(c *samltest.Confirmation) { c.Method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key" }), saml.ReasonNoConfirmation},
		{"a bad one and a good one", func(_ *scene, r *samltest.Response) {
			good := r.Assertion.Confirmations[0]
			bad := good
			bad.Recipient = "https://other.example/acs"
			r.Assertion.Confirmations = []samltest.Confirmation{bad, good}
		}, ""},
		{"two halves of a good one", func(_ *scene, r *samltest.Response) {
			first, second := r.Assertion.Confirmations[0], r.Assertion.Confirmations[0]
			first.Recipient, second.NotOnOrAfter = "https://other.example/acs", "2026-11-22T08:00:00Z"
			r.Assertion.Confirmations = []samltest.Confirmation{first, second}
		}, saml.ReasonRecipient},
	})
}

// However long a message is good for by one of its ends, it is remembered until the last.
func TestReplayUntil_IsAfterTheLastEndAndSkew(t *testing.T) {
	for _, ends := range [][3]int{{100, 200, 300}, {300, 200, 100}, {200, 300, 100}, {100, 300, 200}} {
		s := newScene()
		r := s.response()
		r.Assertion.NotOnOrAfter = s.at(ends[0])
		r.Assertion.Confirmations = append(r.Assertion.Confirmations, r.Assertion.Confirmations[0])
		r.Assertion.Confirmations[0].NotOnOrAfter = s.at(ends[1])
		r.Assertion.Confirmations[1].NotOnOrAfter = s.at(ends[2])
		if a := s.accept(t, s.idp.Sign(r)); !a.ReplayUntil.Equal(s.now.Add(600 * time.Second)) {
			t.Errorf("%v: %v", ends, a.ReplayUntil)
		}
	}
	t.Run("a lower tolerance changes nothing, for it can be raised again", func(t *testing.T) {
		s := newScene()
		s.e.Skew = time.Second
		if a := s.accept(t, s.idp.Sign(s.response())); !a.ReplayUntil.Equal(s.now.Add(600 * time.Second)) {
			t.Error(a.ReplayUntil)
		}
	})
}

// What is not configured is not equal to what is not sent.
func TestEmptyExpectations_AcceptNothing(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *scene, r *samltest.Response)
		reason string
	}{
		{"entity ID of the identity provider", func(s *scene, r *samltest.Response) {
			s.e.IdentityProvider.EntityID, r.Issuer, r.Assertion.Issuer = "", "", ""
		}, saml.ReasonStructure},
		{"audience", func(s *scene, r *samltest.Response) {
			s.e.ServiceProvider.EntityID, r.Assertion.Audiences = "", [][]string{{""}}
		}, saml.ReasonAudience},
		{"recipient", func(s *scene, r *samltest.Response) {
			s.e.ServiceProvider.ACS, r.Destination, r.Assertion.Confirmations[0].Recipient = "", "", ""
		}, saml.ReasonRecipient},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			r := s.response()
			test.change(s, r)
			s.refuse(t, s.idp.Sign(r), test.reason)
		})
	}
	t.Run("an empty Issuer", func(t *testing.T) {
		s := newScene()
		r := s.response()
		doc := strings.ReplaceAll(string(r.Unsigned()), s.idp.EntityID+"<", "<")
		s.e.IdentityProvider.EntityID = ""
		s.refuse(t, signElement(s, doc, r.Assertion.ID), saml.ReasonIssuer)
	})
}

func TestInResponseTo_IsTheRequestPending(t *testing.T) { // A38
	runProfile(t, []profileCase{
		{"missing on the Response", func(_ *scene, r *samltest.Response) { r.InResponseTo = "" }, saml.ReasonInResponseTo},
		{"missing on the confirmation", func(_ *scene, r *samltest.Response) { r.Assertion.Confirmations[0].InResponseTo = "" }, saml.ReasonInResponseTo},
		{"missing on both", func(_ *scene, r *samltest.Response) {
			r.InResponseTo, r.Assertion.Confirmations[0].InResponseTo = "", ""
		}, saml.ReasonInResponseTo},
		{"missing on both, unsolicited ones allowed", func(s *scene, r *samltest.Response) {
			r.InResponseTo, r.Assertion.Confirmations[0].InResponseTo = "", ""
			s.e.AllowUnsolicited = true
		}, saml.ReasonInResponseTo},
		{"another on the Response", func(_ *scene, r *samltest.Response) { r.InResponseTo = "_other" }, saml.ReasonInResponseTo},
		{"another on the confirmation", func(_ *scene, r *samltest.Response) { r.Assertion.Confirmations[0].InResponseTo = "_other" }, saml.ReasonInResponseTo},
		{"the request of another browser", func(s *scene, _ *samltest.Response) { s.e.RequestID = "_anotherBrowsers" }, saml.ReasonInResponseTo},
		{"no request pending", func(s *scene, _ *samltest.Response) { s.e.RequestID = "" }, saml.ReasonInResponseTo},
	})
}

func TestUnsolicited_OnlyWhereAllowed(t *testing.T) { // SA21
	unsolicited := func(allow bool, change func(r *samltest.Response)) func(*scene, *samltest.Response) {
		return func(s *scene, r *samltest.Response) {
			s.e.RequestID, s.e.AllowUnsolicited = "", allow
			r.InResponseTo, r.Assertion.Confirmations[0].InResponseTo = "", ""
			change(r)
		}
	}
	runProfile(t, []profileCase{
		{"off", unsolicited(false, func(*samltest.Response) {}), saml.ReasonUnsolicited},
		{"on", unsolicited(true, func(*samltest.Response) {}), ""},
		{"on, but the Response answers something", unsolicited(true, func(r *samltest.Response) { r.InResponseTo = "_unknown" }), saml.ReasonInResponseTo},
		{"on, but the confirmation does", unsolicited(true, func(r *samltest.Response) { r.Assertion.Confirmations[0].InResponseTo = "_unknown" }), saml.ReasonInResponseTo},
		{"on, but one of two confirmations does", unsolicited(true, func(r *samltest.Response) {
			second := r.Assertion.Confirmations[0]
			second.InResponseTo = "_unknown"
			r.Assertion.Confirmations = append(r.Assertion.Confirmations, second)
		}), saml.ReasonInResponseTo},
	})
}

func TestIssuer(t *testing.T) { // step 5
	runProfile(t, []profileCase{
		{"no Issuer on the Response", func(_ *scene, r *samltest.Response) { r.Issuer = "" }, ""},
		{"another on the Response", func(_ *scene, r *samltest.Response) { r.Issuer = "https://other.example" }, saml.ReasonIssuer},
		{"another on the Assertion", func(_ *scene, r *samltest.Response) { r.Assertion.Issuer = "https://other.example" }, saml.ReasonIssuer},
		{"with white space", func(_ *scene, r *samltest.Response) { r.Assertion.Issuer += " " }, saml.ReasonIssuer},
		{"the entity format", func(_ *scene, r *samltest.Response) {
			r.Assertion.IssuerFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
			r.IssuerFormat = r.Assertion.IssuerFormat
		}, ""},
		{"another format", func(_ *scene, r *samltest.Response) { r.Assertion.IssuerFormat = saml.FormatEmail }, saml.ReasonIssuer},
	})
}

// A34, A35 and SA25: what one workspace's identity provider says is worth nothing elsewhere.
func TestConnections_DoNotTakeEachOthersAssertions(t *testing.T) {
	t.Run("one IdP and key for two connections", func(t *testing.T) {
		b := newScene()
		b.e.ServiceProvider = saml.ServiceProvider{EntityID: "https://id.example.com/auth/saml/con_b1/metadata", ACS: "https://id.example.com/auth/saml/con_b1/acs"}
		r := b.response()
		b.accept(t, b.idp.Sign(r))
		a := newScene()
		a.refuse(t, b.idp.Sign(r), saml.ReasonDestination)
		r.Destination = a.e.ServiceProvider.ACS
		a.refuse(t, b.idp.Sign(r), saml.ReasonRecipient)
		r.Assertion.Confirmations[0].Recipient = a.e.ServiceProvider.ACS
		a.refuse(t, b.idp.Sign(r), saml.ReasonAudience)
		r.Assertion.Audiences = [][]string{{a.e.ServiceProvider.EntityID}}
		a.accept(t, b.idp.Sign(r))
	})
	t.Run("one entity ID for two IdPs", func(t *testing.T) {
		a := newScene()
		b := samltest.NewIdP(a.idp.EntityID, kx())
		r := b.Response(a.e.ServiceProvider, a.e.RequestID, a.now)
		a.refuse(t, b.Sign(r), saml.ReasonUnknownKey)
	})
}

func TestAuthnStatement(t *testing.T) { // SA32, step 11
	runProfile(t, []profileCase{
		{"none", func(_ *scene, r *samltest.Response) { r.Assertion.Authn = nil }, saml.ReasonNoAuthn},
		{"two hours old", func(s *scene, r *samltest.Response) { r.Assertion.Authn[0].AuthnInstant = s.at(-7200) }, ""},
		{"two hours old, ForceAuthn", func(s *scene, r *samltest.Response) {
			s.e.ForceAuthnAt = s.now.Add(-time.Minute)
			r.Assertion.Authn[0].AuthnInstant = s.at(-7200)
		}, saml.ReasonAuthnInstant},
		{"ForceAuthn, at the limit", func(s *scene, r *samltest.Response) {
			s.e.ForceAuthnAt = s.now.Add(-time.Minute)
			r.Assertion.Authn[0].AuthnInstant = s.at(-360)
		}, ""},
		{"ForceAuthn, over it", func(s *scene, r *samltest.Response) {
			s.e.ForceAuthnAt = s.now.Add(-time.Minute)
			r.Assertion.Authn[0].AuthnInstant = s.at(-361)
		}, saml.ReasonAuthnInstant},
		{"another context than demanded", func(s *scene, _ *samltest.Response) { s.e.Contexts = []string{"urn:mfa"} }, saml.ReasonContext},
		{"the context that was demanded", func(s *scene, r *samltest.Response) { s.e.Contexts = []string{"urn:mfa", r.Assertion.Authn[0].Class} }, ""},
		{"no context, one demanded", func(s *scene, r *samltest.Response) {
			s.e.Contexts, r.Assertion.Authn[0].Class = []string{"urn:mfa"}, ""
		}, saml.ReasonContext},
		{"no context, none demanded", func(_ *scene, r *samltest.Response) { r.Assertion.Authn[0].Class = "" }, ""},
		{"fresh by one means, the demanded context long ago", func(s *scene, r *samltest.Response) {
			s.e.ForceAuthnAt, s.e.Contexts = s.now.Add(-time.Minute), []string{"urn:mfa"}
			old := r.Assertion.Authn[0]
			old.AuthnInstant, old.Class = s.at(-7200), "urn:mfa"
			r.Assertion.Authn = append(r.Assertion.Authn, old)
		}, saml.ReasonContext},
		{"no AuthnInstant", func(_ *scene, r *samltest.Response) { r.Assertion.Authn[0].AuthnInstant = "" }, saml.ReasonStructure},
	})
	t.Run("the earliest end of a session counts", func(t *testing.T) {
		s := newScene()
		r := s.response()
		second := r.Assertion.Authn[0]
		r.Assertion.Authn[0].SessionNotOnOrAfter, second.SessionNotOnOrAfter = s.at(7200), s.at(3600)
		r.Assertion.Authn = append(r.Assertion.Authn, second)
		if a := s.accept(t, s.idp.Sign(r)); !a.SessionNotOnOrAfter.Equal(s.now.Add(time.Hour)) {
			t.Error(a.SessionNotOnOrAfter)
		}
	})
}

func TestVersionsAndOutline(t *testing.T) {
	runProfile(t, []profileCase{
		{"no IssueInstant on the Response", func(_ *scene, r *samltest.Response) { r.IssueInstant = "" }, saml.ReasonStructure},
		{"no IssueInstant on the Assertion", func(_ *scene, r *samltest.Response) { r.Assertion.IssueInstant = "" }, saml.ReasonStructure},
		{"the Assertion of version 1.1", func(_ *scene, r *samltest.Response) { r.Assertion.Version = "1.1" }, saml.ReasonVersion},
	})
	for _, test := range []struct {
		name, old, new, reason string
	}{
		{"the Response of version 1.1", `Version="2.0"`, `Version="1.1"`, saml.ReasonVersion},
		{"no version", ` Version="2.0"`, ``, saml.ReasonVersion},
		{"SAML 1.1's namespace", "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol", saml.ReasonNotAResponse},
		{"a LogoutResponse", "saml2p:Response", "saml2p:LogoutResponse", saml.ReasonNotAResponse},
		{"no ID", ` ID="`, ` Ident="`, saml.ReasonStructure},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			_, doc := s.signedAs(false, true)
			if refusal := s.refuse(t, []byte(replace(t, doc, test.old, test.new)), test.reason); refusal.Verified {
				t.Error("verified")
			}
		})
	}
	t.Run("one byte over the limit", func(t *testing.T) {
		s := newScene()
		_, doc := s.signedAs(false, true)
		s.e.MaxBytes = len(doc)
		s.accept(t, []byte(doc))
		s.e.MaxBytes--
		s.refuse(t, []byte(doc), saml.ReasonTooLarge)
	})
}

func TestStatus_IsTold(t *testing.T) { // step 6
	s := newScene()
	r := s.response()
	r.Assertion = nil
	r.StatusCodes = []string{"urn:oasis:names:tc:SAML:2.0:status:Responder", "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"}
	r.StatusMessage = "<b>not assigned</b>\x01"[:19]
	refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonStatus)
	if refusal.StatusCode != "AuthnFailed" || refusal.StatusMessage != "<b>not assigned</b>" || refusal.Verified {
		t.Errorf("%+v", refusal)
	}
	r.Signing.Response = true
	if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonStatus); !refusal.Verified || refusal.ResponseID != r.ID {
		t.Errorf("%+v", refusal)
	}
	r.Signing.Key = kx()
	s.refuse(t, s.idp.Sign(r), saml.ReasonUnknownKey)

	t.Run("a failure with an assertion is a failure", func(t *testing.T) {
		for _, codes := range [][]string{
			{"urn:oasis:names:tc:SAML:2.0:status:Requester"},
			{"urn:oasis:names:tc:SAML:2.0:status:Responder", samltest.Success},
		} {
			s := newScene()
			r := s.response()
			r.StatusCodes = codes
			if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonStatus); refusal.Verified {
				t.Error("the status was not signed")
			}
			r.Signing.Response = true
			if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonStatus); !refusal.Verified {
				t.Error("the status was signed")
			}
		}
	})
}
