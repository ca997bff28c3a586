package dsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"strings"
)

// family is what a signature method does with a key.
type family int

const (
	pkcs1 family = iota // RSASSA-PKCS1-v1_5
	pss                 // RSASSA-PSS with MGF1 on the same hash and a salt as long as it
	ec                  // ECDSA, r and s of fixed width side by side
)

// method is an accepted signature method.
type method struct {
	name   string
	family family
	hash   crypto.Hash
}

// Namespaces of algorithm identifiers (RFC 9231).
const (
	more2001 = "http://www.w3.org/2001/04/xmldsig-more#"
	more2007 = "http://www.w3.org/2007/05/xmldsig-more#"
	xmlenc   = "http://www.w3.org/2001/04/xmlenc#"
)

// methodOf returns the signature method of an identifier. MD5, DSA and HMAC are not compiled in:
// with HMAC, the public key would be the secret.
func methodOf(identifier string) (method, bool) {
	switch identifier {
	case more2001 + "rsa-sha256":
		return method{"rsa-sha256", pkcs1, crypto.SHA256}, true
	case more2001 + "rsa-sha384":
		return method{"rsa-sha384", pkcs1, crypto.SHA384}, true
	case more2001 + "rsa-sha512":
		return method{"rsa-sha512", pkcs1, crypto.SHA512}, true
	case more2007 + "sha256-rsa-MGF1":
		return method{"sha256-rsa-MGF1", pss, crypto.SHA256}, true
	case more2007 + "sha384-rsa-MGF1":
		return method{"sha384-rsa-MGF1", pss, crypto.SHA384}, true
	case more2007 + "sha512-rsa-MGF1":
		return method{"sha512-rsa-MGF1", pss, crypto.SHA512}, true
	case more2001 + "ecdsa-sha256":
		return method{"ecdsa-sha256", ec, crypto.SHA256}, true
	case more2001 + "ecdsa-sha384":
		return method{"ecdsa-sha384", ec, crypto.SHA384}, true
	case more2001 + "ecdsa-sha512":
		return method{"ecdsa-sha512", ec, crypto.SHA512}, true
	case Namespace + "rsa-sha1":
		return method{"rsa-sha1", pkcs1, crypto.SHA1}, true
	}
	return method{}, false
}

// digestOf returns the hash of a digest method's identifier.
func digestOf(identifier string) (crypto.Hash, bool) {
	switch identifier {
	case xmlenc + "sha256":
		return crypto.SHA256, true
	case more2001 + "sha384":
		return crypto.SHA384, true
	case xmlenc + "sha512":
		return crypto.SHA512, true
	case Namespace + "sha1":
		return crypto.SHA1, true
	}
	return 0, false
}

// sum hashes data with one of the four accepted hashes.
func sum(h crypto.Hash, data []byte) []byte {
	switch h {
	case crypto.SHA384:
		s := sha512.Sum384(data)
		return s[:]
	case crypto.SHA512:
		s := sha512.Sum512(data)
		return s[:]
	case crypto.SHA1:
		s := sha1.Sum(data)
		return s[:]
	}
	s := sha256.Sum256(data)
	return s[:]
}

// check returns the index of the first key that made value over signed.
func (m method) check(keys []crypto.PublicKey, signed, value []byte) (int, error) {
	hashed := sum(m.hash, signed)
	fitting := 0
	var unfit []string
	for i, key := range keys {
		if reason := m.unfit(key); reason != "" {
			unfit = append(unfit, reason)
			continue
		}
		fitting++
		if m.made(key, hashed, value) {
			return i, nil
		}
	}
	switch {
	case fitting > 0:
		return 0, refuse(ReasonSignature, "none of the %d keys that fit %s made this signature", fitting, m.name)
	case len(keys) == 0:
		return 0, refuse(ReasonNoKey, "no key is known")
	}
	return 0, refuse(ReasonNoKey, "%s: %s", m.name, strings.Join(unfit, "; "))
}

// unfit says why the method cannot be used with key, "" when it can.
func (m method) unfit(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch {
		case m.family == ec:
			return "an RSA key"
		case key == nil || key.N == nil || key.N.BitLen() < 2048 || key.N.BitLen() > 8192:
			return "an RSA key outside 2048 to 8192 bits"
		case key.E < 65537 || key.E&1 == 0 || key.N.Bit(0) == 0:
			return "an RSA key with an unusual exponent or modulus"
		}
	case *ecdsa.PublicKey:
		switch {
		case m.family != ec:
			return "an elliptic curve key"
		case key == nil || key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521():
			return "a key on an unusual curve"
		}
	default:
		return "a key that is neither RSA nor on an elliptic curve"
	}
	return ""
}

// made reports whether key, which fits, made value over the hash.
func (m method) made(key crypto.PublicKey, hashed, value []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if m.family == pss {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(key, m.hash, hashed, value, options) == nil
		}
		return rsa.VerifyPKCS1v15(key, m.hash, hashed, value) == nil
	case *ecdsa.PublicKey:
		// XML Signature section 6.4.3 and RFC 9231 section 2.3.6: both as long as the order of the curve.
		width := (key.Curve.Params().BitSize + 7) / 8
		if len(value) != 2*width {
			return false
		}
		r, s := new(big.Int).SetBytes(value[:width]), new(big.Int).SetBytes(value[width:])
		return ecdsa.Verify(key, hashed, r, s)
	}
	return false
}
