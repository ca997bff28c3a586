package saml

import (
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// logoutLife is how long a LogoutRequest counts that does not say it itself.
const logoutLife = 10 * time.Minute

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
