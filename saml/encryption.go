package saml

import (
	"crypto"
	"errors"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
	"github.com/gatehouse-id/gatehouse/saml/internal/xenc"
)

// Encryption tells what something was encrypted with; zero when it was not.
type Encryption struct {
	Content   string // of the content, such as "aes256-gcm"
	Transport string // of its key, such as "rsa-oaep-mgf1p"
	// Key is the index into DecryptionKeys of the key that opened it: a key that is published no
	// more and still opens messages has not been replaced at the identity provider.
	Key int
	// CBC tells that something was encrypted by AES-CBC, which AllowCBC let through.
	CBC bool
}

// maxSealed is how many encrypted parts of one message are opened.
const maxSealed = 64

// decryption opens the encrypted parts of one message, and notes how.
type decryption struct {
	keys      []crypto.Decrypter
	recipient string
	// cbc is whether AES-CBC is accepted, and unsigned that no signature around it was good yet.
	cbc, unsigned bool
	limits        strictxml.Limits
	opened        int
	how           Encryption
}

func newDecryption(e *Expectation) decryption {
	return decryption{keys: e.DecryptionKeys, recipient: e.ServiceProvider.EntityID, cbc: e.AllowCBC, unsigned: true,
		limits: strictxml.Limits{Bytes: e.maxBytes()}}
}

// open returns the element of that name that is encrypted inside holder.
func (d *decryption) open(holder *strictxml.Element, what, local string) (*strictxml.Element, *Refusal) {
	if len(d.keys) == 0 {
		return nil, refuse(ReasonEncrypted, "The %s is encrypted, and this connection has no key to read it with. Turn encryption off at the identity provider, or give this connection a key.", what)
	}
	if d.opened++; d.opened > maxSealed {
		return nil, refuse(ReasonTooLarge, "More than %d parts of the message are encrypted.", maxSealed)
	}
	element, how, err := xenc.Open(holder, d.keys, xenc.Policy{AllowCBC: d.cbc && !d.unsigned, Recipient: d.recipient, Limits: d.limits}, nsAssertion, local)
	if err != nil {
		return nil, d.refusal(err, what)
	}
	d.how.CBC = d.how.CBC || how.CBC
	if d.how.Content == "" {
		d.how.Content, d.how.Transport, d.how.Key = how.Content, how.Transport, how.Key
	}
	return element, nil
}

// refusal puts an error of xenc into the words of this package. What depends on a key has one sentence.
func (d *decryption) refusal(err error, what string) *Refusal {
	var failed *xenc.Error
	if errors.As(err, &failed) {
		switch failed.Reason {
		case xenc.ReasonStructure:
			return refuse(ReasonStructure, "The encrypted %s is not put together as it must be: %s.", what, failed.Detail)
		case xenc.ReasonAlgorithm:
			unless := ""
			if d.cbc && d.unsigned {
				unless = " unless the Response itself is signed"
			}
			return refuse(ReasonEncryptionAlgorithm, "The %s is encrypted by an algorithm that is not accepted%s: %s. AES-GCM with RSA-OAEP is.", what, unless, failed.Detail)
		}
	}
	return refuse(ReasonDecryption, "The %s cannot be decrypted with any of this connection's keys, of which there are %d. Perhaps the identity provider encrypts for a certificate that is not ours any more.", what, len(d.keys))
}
