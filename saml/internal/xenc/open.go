package xenc

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"slices"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Policy is what a connection allows beyond the defaults.
type Policy struct {
	// AllowCBC accepts AES-CBC. Only for what a checked signature covers: see the package comment.
	AllowCBC bool
	// Recipient is our name. EncryptedKeys for it are tried before others.
	Recipient string
	// Limits bound the XML inside.
	Limits strictxml.Limits
}

// Opened tells what something was encrypted with.
type Opened struct {
	Key       int    // index of the key that opened it
	Content   string // such as "aes256-gcm"
	Transport string // such as "rsa-oaep-mgf1p"
	CBC       bool
}

// maxWrapped is how many EncryptedKeys are tried with each key: a private key operation costs more
// than everything else in a message together, and strangers can write EncryptedKeys. Two are there when an
// identity provider encrypts for our old and our new certificate at once.
const maxWrapped = 2

// Open decrypts the EncryptedData inside holder and reads it as XML in the namespaces of holder. The
// outcome is one element of the name that is wanted, whose Parent is as strictxml.ParseWithin
// says. Of keys, RSA keys are used. The error is an *Error.
func Open(holder *strictxml.Element, keys []crypto.Decrypter, policy Policy, space, local string) (*strictxml.Element, Opened, error) {
	s, refusal := read(holder)
	if refusal != nil {
		return nil, Opened{}, refusal
	}
	if s.block.cbc && !policy.AllowCBC {
		return nil, Opened{}, refuse(ReasonAlgorithm, "encryption method %s is not allowed on this connection", s.block.name)
	}
	text, ok := decoded(s.cipher)
	if !ok {
		return nil, Opened{}, closed()
	}
	slices.SortStableFunc(s.keys, func(a, b wrapped) int { return rank(a, policy) - rank(b, policy) })
	for _, w := range s.keys[:min(len(s.keys), maxWrapped)] {
		encryptedKey, ok := decoded(w.cipher)
		if !ok {
			continue
		}
		for i, key := range keys {
			secret, ok := unwrap(encryptedKey, key, &w.options)
			if !ok || len(secret) != s.block.keyLen {
				continue
			}
			inside, ok := s.block.decrypt(secret, text)
			if element, fine := element(inside, holder, policy.Limits, space, local); ok && fine {
				return element, Opened{Key: i, Content: s.block.name, Transport: w.name, CBC: s.block.cbc}, nil
			}
		}
	}
	return nil, Opened{}, closed()
}

// rank puts keys that are for us first, and those that are for somebody else last.
func rank(w wrapped, policy Policy) int {
	switch w.recipient {
	case policy.Recipient:
		return 0
	case "":
		return 1
	}
	return 2
}

// unwrap decrypts a content key.
func unwrap(encrypted []byte, key crypto.Decrypter, options *rsa.OAEPOptions) ([]byte, bool) {
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok || len(encrypted) != public.Size() {
		return nil, false
	}
	secret, err := key.Decrypt(rand.Reader, encrypted, options)
	return secret, err == nil
}

// decrypt returns the plain text. Where CBC's padding is wrong there is a text as well, so that
// the caller's work afterwards does not tell.
func (b block) decrypt(secret, text []byte) ([]byte, bool) {
	c, err := aes.NewCipher(secret)
	if err != nil {
		return nil, false
	}
	if b.cbc {
		return decryptCBC(c, text)
	}
	gcm, err := cipher.NewGCM(c) // nonce of 12 bytes in front, tag of 16 at the end, never other sizes
	if err != nil || len(text) < gcm.NonceSize()+gcm.Overhead() {
		return nil, false
	}
	plain, err := gcm.Open(nil, text[:gcm.NonceSize()], text[gcm.NonceSize():], nil)
	return plain, err == nil
}

// decryptCBC takes off the padding of XML Encryption section 5.2, whose last byte is its length and
// whose other bytes are anything.
func decryptCBC(c cipher.Block, text []byte) ([]byte, bool) {
	if len(text) < 2*aes.BlockSize || len(text)%aes.BlockSize != 0 {
		return nil, false
	}
	plain := make([]byte, len(text)-aes.BlockSize)
	cipher.NewCBCDecrypter(c, text[:aes.BlockSize]).CryptBlocks(plain, text[aes.BlockSize:])
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > aes.BlockSize {
		return plain[:len(plain)-1], false
	}
	return plain[:len(plain)-padding], true
}

// element reads the plain text.
func element(plain []byte, holder *strictxml.Element, limits strictxml.Limits, space, local string) (*strictxml.Element, bool) {
	root, err := strictxml.ParseWithin(plain, holder, limits)
	return root, err == nil && root.Is(space, local)
}

// decoded returns the base64 text of a CipherValue, in which white space may be anywhere.
func decoded(e *strictxml.Element) ([]byte, bool) {
	text, err := e.OnlyText()
	if err != nil {
		return nil, false
	}
	digits := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if c := text[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			digits = append(digits, c)
		}
	}
	n, err := base64.StdEncoding.Strict().Decode(digits, digits)
	return digits[:max(n, 0)], err == nil && n > 0
}
