package idpsim

import (
	"fmt"
	"strings"
)

// draft is a response on its way from facts to document.
type draft struct {
	style    style
	settings SAMLSettings
	keys     *samlKeys
	fault    Fault
	attack   attack // how the fault is made, where it is in the catalogue
	a        samlFacts
	forged   samlFacts // what an attacker would like to be read
}

// cutOff is what a signed NameID ends in when a comment is going to cut it off.
const cutOff = ".evil.example"

// spoil makes those faults that are false facts.
func (d *draft) spoil(kind Kind) {
	a := &d.a
	if d.attack.facts != nil {
		d.attack.facts(a)
	}
	a.issued = a.issued.Add(d.fault.shift())
	switch d.fault {
	case FaultWrongAudience:
		a.audience = "https://another-application.example/saml"
	case FaultWrongRecipient:
		a.recipient = "https://another-application.example/saml/acs"
	case FaultWrongIssuer:
		a.issuer = "http://www.okta.com/exkanotherorganis00"
		if kind.IsEntra() {
			a.issuer = "https://sts.windows.net/00000000-0000-4000-8000-000000000000/"
		}
	case FaultOtherRequest:
		a.inResponseTo = "_request-that-nobody-made"
	case FaultNoConditions:
		a.withoutConditions = true
	case FaultComment:
		a.nameID += cutOff
	case FaultDenied, AttackDeniedMarkup:
		a.status, a.subStatus = "Responder", "RequestDenied"
		a.statusMsg = "The sign-in policy of this organisation denies access to the application."
		if d.fault == AttackDeniedMarkup {
			a.statusMsg = `"><script src=https://evil.example></script><img src=x onerror=alert(1)>`
		}
	}
}

// signs says which elements are to be signed. What is done around a signed assertion leaves its signature good; a
// response without an assertion has only itself.
func (d *draft) signs() (assertion, response bool) {
	switch {
	case d.fault == FaultUnsigned:
		return false, false
	case d.a.status != "Success":
		return false, d.settings.Sign != "assertion"
	case d.attack.whole:
		return false, true
	case d.settings.Encrypt == encryptForged:
		return false, false
	case d.attack.outwards(), d.settings.Encrypt == encryptBeside:
		return true, false
	}
	return d.settings.Sign != "response", d.settings.Sign != "assertion"
}

// write signs and makes the faults that are in the form.
func (d *draft) write() (string, error) {
	s := signer{key: d.keys.own, alg: algorithms[d.settings.Algorithm], style: d.style}
	if d.fault == FaultWrongKey {
		s.key = d.keys.impostor
	}
	signAssertion, signResponse := d.signs()
	assertions, outside, status, err := d.assertions(s, signAssertion)
	if err != nil {
		return "", err
	}
	response, signature := d.style.response(d.a, assertions), ""
	if signResponse {
		if signature, err = s.sign(response.id, response.with("")); err != nil {
			return "", err
		}
	}
	text := response.with(signature + outside)
	if end := "</" + d.style.p("Status") + ">"; status != "" {
		text = strings.Replace(text, end, status+end, 1)
	}
	if d.attack.wrap != nil {
		text = d.attack.wrap(d, response, signature)
	}
	return d.trick(d.style.finish(text))
}

// trick does to the finished document what the fault is about.
func (d *draft) trick(document string) (string, error) {
	before := document
	switch {
	case d.attack.text != nil:
		document = d.attack.text(d, document)
	case d.fault == FaultComment:
		document = strings.Replace(document, cutOff, "<!---->"+cutOff, 1)
	case d.fault == FaultDTD:
		document = prolog("<!DOCTYPE "+d.style.p("Response")+` [<!ENTITY who "nobody">]>`)(d, document)
	default:
		return document, nil
	}
	if document == before {
		return "", fmt.Errorf("%w: %s changes nothing in an encrypted response", ErrInvalid, d.fault)
	}
	return document, nil
}

// assertions is the assertion, signed if so wished and encrypted if the settings say so, with a forged one beside it or
// around it, and what goes before the Status and into it. There is none where the IdP says no.
func (d *draft) assertions(s signer, signed bool) (text, outside, status string, err error) {
	if d.a.status != "Success" {
		return "", "", "", nil
	}
	good := d.style.assertion(d.a)
	text = good.with("")
	if signed {
		if d.attack.signing != nil {
			d.attack.signing(&s, good.id)
		}
		signature, err := s.sign(good.id, good.with(""))
		if err != nil {
			return "", "", "", err
		}
		text = good.with(signature)
		if d.attack.around != nil {
			text = d.attack.around(d, good, signature)
		}
		if d.attack.outside != nil {
			outside = d.attack.outside(d, good, signature)
		}
		if d.attack.status != nil {
			status = d.attack.status(d, good, signature)
		}
	}
	if text, err = d.encrypted(text); err != nil {
		return "", "", "", err
	}
	return text, outside, status, nil
}

// encrypted is the assertion as the settings have it encrypted, or the forged one, which needs no more than the
// application's own certificate.
func (d *draft) encrypted(assertion string) (string, error) {
	to, err := d.recipient()
	if err != nil || to == nil {
		return assertion, err
	}
	switch how := d.settings.Encrypt; how {
	case encryptForged:
		return d.style.sealed(d.forgedOne(""), to, how)
	case encryptBeside:
		forged, err := d.style.sealed(d.forgedOne(""), to, how)
		return forged + assertion, err
	default:
		return d.style.sealed(assertion, to, how)
	}
}
