package saml

import (
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// checkConditions holds Conditions against the expectation (Core section 2.5.1) and returns its
// NotOnOrAfter, zero when it has none.
func (s signed) checkConditions(e *Expectation, c clock) (time.Time, *Refusal) {
	p, r := readParts(s.assertion)
	if r != nil {
		return time.Time{}, r
	}
	if p.conditions == nil {
		return time.Time{}, refuse(ReasonNoConditions, "The Assertion has no Conditions.")
	}
	until, r := checkWindow(p.conditions, c)
	if r != nil {
		return until, r
	}
	return until, checkEach(p.conditions, e.ServiceProvider.EntityID)
}

// checkWindow checks NotBefore and NotOnOrAfter, each of which may be absent.
func checkWindow(conditions *strictxml.Element, c clock) (time.Time, *Refusal) {
	var from, until time.Time
	var r *Refusal
	rawFrom, hasFrom := conditions.Attr("NotBefore")
	if hasFrom {
		if from, r = instant("NotBefore", rawFrom); r != nil {
			return until, r
		}
	}
	rawUntil, hasUntil := conditions.Attr("NotOnOrAfter")
	if hasUntil {
		if until, r = instant("NotOnOrAfter", rawUntil); r != nil {
			return until, r
		}
	}
	if hasFrom && hasUntil && !from.Before(until) {
		return until, refuse(ReasonStructure, "Conditions end at %s, before they begin at %s.", written(until), written(from))
	}
	if hasFrom {
		if r := c.early("beginning of the assertion's validity (NotBefore)", from, ReasonNotYetValid); r != nil {
			return until, r
		}
	}
	if hasUntil {
		return until, c.late("end of the assertion's validity (NotOnOrAfter)", until, ReasonExpired)
	}
	return until, nil
}

// checkEach goes through the conditions. All must hold, so an unknown one cannot (section 2.5.1.1). Of
// several AudienceRestrictions each must name us, by one of its Audiences (section 2.5.1.4).
// OneTimeUse is kept by the caller, who remembers every assertion; ProxyRestriction is
// about assertions of our own, and there are none.
func checkEach(conditions *strictxml.Element, audience string) *Refusal {
	if conditions.StrayText() {
		return refuse(ReasonStructure, "There is text between the elements of Conditions.")
	}
	restrictions := 0
	for condition := range conditions.Elements() {
		switch {
		case condition.Is(nsAssertion, "AudienceRestriction"):
			restrictions++
			if r := checkAudience(condition, audience); r != nil {
				return r
			}
		case condition.Is(nsAssertion, "OneTimeUse"), condition.Is(nsAssertion, "ProxyRestriction"):
		default:
			return refuse(ReasonCondition, "There is a condition that is not understood: %s.", named(condition))
		}
	}
	if restrictions == 0 {
		return refuse(ReasonAudience, "The assertion is restricted to no audience; %s is expected.", quote(audience))
	}
	return nil
}

// checkAudience wants our entity ID among the audiences of one restriction.
func checkAudience(restriction *strictxml.Element, audience string) *Refusal {
	children, r := sequenceOf(restriction)
	if r != nil {
		return r
	}
	found, other := false, ""
	for children.next != nil {
		element, r := children.required(nsAssertion, "Audience")
		if r != nil {
			return r
		}
		text, r := textOf(element)
		if r != nil {
			return r
		}
		if text == audience && audience != "" {
			found = true
		} else if other == "" {
			other = text
		}
	}
	if !found {
		return refuse(ReasonAudience, "The assertion is for audience %s; this connection's is %s.", quote(other), quote(audience))
	}
	return nil
}
