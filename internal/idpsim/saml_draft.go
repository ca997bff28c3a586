package idpsim

import "strings"

// draft is a response on its way from facts to document.
type draft struct {
	style    style
	settings SAMLSettings
	keys     *samlKeys
	fault    Fault
	a        samlFacts
	forged   samlFacts // for the wrapping faults
}

// cutOff is what a signed NameID ends in when a comment is going to cut it off.
const cutOff = ".evil.example"

// spoil makes those faults that are false facts.
func (d *draft) spoil(kind Kind) {
	a := &d.a
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
	case FaultDenied:
		a.status, a.subStatus = "Responder", "RequestDenied"
		a.statusMsg = "The sign-in policy of this organisation denies access to the application."
	}
}

// signs says which elements are to be signed. Wrapping is about a signed assertion; a response
// without one has only itself.
func (d *draft) signs() (assertion, response bool) {
	switch d.fault {
	case FaultUnsigned:
		return false, false
	case FaultWrapped, FaultWrappedAround:
		return true, false
	case FaultDenied:
		return false, d.settings.Sign != "assertion"
	}
	return d.settings.Sign != "response", d.settings.Sign != "assertion"
}

// write signs and makes the faults that are in the form.
func (d *draft) write() (string, error) {
	key := d.keys.own
	if d.fault == FaultWrongKey {
		key = d.keys.impostor
	}
	s := signer{key, algorithms[d.settings.Algorithm], d.style}
	signAssertion, signResponse := d.signs()
	assertion := ""
	if d.fault != FaultDenied {
		var err error
		if assertion, err = d.assertions(s, signAssertion); err != nil {
			return "", err
		}
	}
	if to, err := d.recipient(); err != nil {
		return "", err
	} else if to != nil && assertion != "" {
		if assertion, err = d.style.sealed(assertion, to, d.settings.Encrypt == encryptWithCBC); err != nil {
			return "", err
		}
	}
	response, signature := d.style.response(d.a, assertion), ""
	if signResponse {
		var err error
		if signature, err = s.sign(response.id, response.with("")); err != nil {
			return "", err
		}
	}
	document := d.style.finish(response.with(signature))
	switch d.fault {
	case FaultComment:
		document = strings.Replace(document, cutOff, "<!---->"+cutOff, 1)
	case FaultDTD:
		root := strings.Index(document, "<"+d.style.p("Response"))
		document = document[:root] + "<!DOCTYPE " + d.style.p("Response") + ` [<!ENTITY who "nobody">]>` + document[root:]
	}
	return document, nil
}

// assertions is the assertion, signed if so wished, with a forged one before or around it.
func (d *draft) assertions(s signer, signed bool) (string, error) {
	good := d.style.assertion(d.a)
	if !signed {
		return good.with(""), nil
	}
	signature, err := s.sign(good.id, good.with(""))
	if err != nil {
		return "", err
	}
	signedOne := good.with(signature)
	switch d.fault {
	case FaultWrapped:
		return d.style.assertion(d.forged).with("") + signedOne, nil
	case FaultWrappedAround:
		forged := d.style.assertion(d.forged)
		end := strings.LastIndex(forged.tail, "</")
		return forged.with("")[:len(forged.head)+end] + signedOne + forged.tail[end:], nil
	}
	return signedOne, nil
}
