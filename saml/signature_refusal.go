package saml

import (
	"errors"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// signatureRefusal puts an error of dsig into the words of this package.
func signatureRefusal(err error, signature *strictxml.Element, e *Expectation) *Refusal {
	var failed *dsig.Error
	if !errors.As(err, &failed) {
		return refuse(ReasonSignature, "The signature cannot be checked: %v.", err)
	}
	switch failed.Reason {
	case dsig.ReasonAlgorithm:
		until := ""
		if !e.SHA1Until.IsZero() {
			until = " (SHA-1 is accepted until " + written(e.SHA1Until) + ")"
		}
		return refuse(ReasonAlgorithm, "The signature uses an algorithm that is not accepted: %s%s.", failed.Detail, until)
	case dsig.ReasonNoKey:
		return refuse(ReasonUnknownKey, "No certificate of this connection has a key for this signature: %s.", failed.Detail)
	case dsig.ReasonReference:
		return refuse(ReasonReference, "The signature is not over exactly the %s that it is in: %s.", signature.Parent.Local, failed.Detail)
	case dsig.ReasonSignature:
		return mismatch(signature, e)
	}
	return refuse(ReasonSignature, "The signature is not valid: %s.", failed.Detail)
}

// mismatch explains a signature that none of the keys made. The certificate that the message carries
// proves nothing, but whether it is one of the connection's tells a key that was changed at the
// identity provider from a message that was.
func mismatch(signature *strictxml.Element, e *Expectation) *Refusal {
	for _, element := range signature.All(nsSignature, "X509Certificate") {
		text, err := element.OnlyText()
		if err != nil {
			continue
		}
		claimed, err := ParseCertificate([]byte(text))
		if err != nil {
			continue
		}
		fingerprint := claimed.Fingerprint()
		for _, known := range e.IdentityProvider.Certificates {
			if known.Fingerprint() == fingerprint {
				return refuse(ReasonSignature, "The message names a certificate of this connection, but that key did not make the signature.")
			}
		}
		return refuse(ReasonUnknownKey, "The message is signed with a key that is not this connection's. It names the certificate with SHA-256 fingerprint %s, subject %s.",
			fingerprint, quote(claimed.Subject))
	}
	return refuse(ReasonUnknownKey, "None of the connection's certificates belongs to the key that signed the message.")
}
