package saml

import (
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// subject is what an assertion says about whom (Core section 2.4.1).
type subject struct {
	name          NameID
	hasName       bool
	confirmations *strictxml.Element // the first, nil when there is none
}

// subject reads the Subject element up to its confirmations.
func (s signed) subject(d *decryption) (subject, *Refusal) {
	var sub subject
	p, r := readParts(s.assertion)
	if r != nil {
		return sub, r
	}
	if p.subject == nil {
		return sub, refuse(ReasonSubject, "The Assertion has no Subject.")
	}
	children, r := sequenceOf(p.subject)
	if r != nil {
		return sub, r
	}
	name := children.optional(nsAssertion, "NameID")
	if holder := children.optional(nsAssertion, "EncryptedID"); holder != nil && name == nil {
		if name, r = d.open(holder, "name identifier", "NameID"); r != nil {
			return sub, r
		}
	}
	if name != nil {
		if sub.name, r = readNameID(name); r != nil {
			return sub, r
		}
		sub.hasName = sub.name.Value != ""
	}
	sub.confirmations = children.next
	for children.optional(nsAssertion, "SubjectConfirmation") != nil {
		continue
	}
	return sub, children.done()
}

// confirm looks for one bearer confirmation that meets every condition of Profiles section 4.1.4.3,
// and returns the latest end of all of them. When none does, the first one's failure is told.
func (sub *subject) confirm(e *Expectation, c clock) (time.Time, *Refusal) {
	var until time.Time
	var first *Refusal
	bearers, good := 0, false
	for confirmation := sub.confirmations; confirmation != nil; confirmation = confirmation.Next() {
		if attr(confirmation, "Method") != methodBearer {
			continue
		}
		bearers++
		end, r := confirmBearer(confirmation, e, c)
		if end.After(until) {
			until = end
		}
		switch {
		case r == nil:
			good = true
		case r.Reason == ReasonInResponseTo && e.RequestID == "":
			// An answer to a request that is not ours is refused in every case.
			return until, r
		case first == nil:
			first = r
		}
	}
	switch {
	case good:
		return until, nil
	case bearers == 0:
		return until, refuse(ReasonNoConfirmation, "The Subject has no bearer confirmation.")
	}
	return until, first
}

// confirmBearer holds one bearer confirmation against the expectation.
func confirmBearer(confirmation *strictxml.Element, e *Expectation, c clock) (time.Time, *Refusal) {
	children, r := sequenceOf(confirmation)
	if r != nil {
		return time.Time{}, r
	}
	if children.optional(nsAssertion, "NameID") == nil {
		children.optional(nsAssertion, "EncryptedID")
	}
	data := children.optional(nsAssertion, "SubjectConfirmationData")
	if r := children.done(); r != nil {
		return time.Time{}, r
	}
	if data == nil {
		return time.Time{}, refuse(ReasonNoConfirmation, "The bearer confirmation has no SubjectConfirmationData.")
	}
	inResponseTo, answers := data.Attr("InResponseTo")
	if r := e.checkInResponseTo("SubjectConfirmationData", inResponseTo, answers); r != nil {
		return time.Time{}, r
	}
	if recipient := attr(data, "Recipient"); recipient != e.ServiceProvider.ACS || recipient == "" {
		return time.Time{}, refuse(ReasonRecipient, "The assertion is for recipient %s; this connection's is %s.", quote(recipient), quote(e.ServiceProvider.ACS))
	}
	if _, has := data.Attr("NotBefore"); has {
		return time.Time{}, refuse(ReasonNoConfirmation, "The bearer confirmation has NotBefore, which is forbidden.")
	}
	raw, has := data.Attr("NotOnOrAfter")
	if !has {
		return time.Time{}, refuse(ReasonNoConfirmation, "The bearer confirmation has no NotOnOrAfter.")
	}
	end, r := instant("NotOnOrAfter", raw)
	if r != nil {
		return time.Time{}, r
	}
	return end, c.late("end of the bearer confirmation (NotOnOrAfter)", end, ReasonExpired)
}

// checkInResponseTo holds one InResponseTo, of the Response or of a confirmation, against the
// pending request. Both must name it: one alone could have been taken out.
func (e *Expectation) checkInResponseTo(where, value string, present bool) *Refusal {
	switch {
	case e.RequestID == "" && present:
		return refuse(ReasonInResponseTo, "%s answers request %s, and no request of this browser is pending on this connection.", where, quote(value))
	case e.RequestID == "":
		return nil
	case !present:
		return refuse(ReasonInResponseTo, "%s does not say which request it answers; %s is pending.", where, quote(e.RequestID))
	case value != e.RequestID:
		return refuse(ReasonInResponseTo, "%s answers request %s; %s is pending.", where, quote(value), quote(e.RequestID))
	}
	return nil
}

// instant parses an attribute that must be an instant.
func instant(name, raw string) (time.Time, *Refusal) {
	t, ok := parseInstant(raw)
	if !ok {
		return t, refuse(ReasonStructure, "%s is %s, which is not a UTC instant.", name, quote(raw))
	}
	return t, nil
}
