package xenc

import (
	"crypto"
	_ "crypto/sha1"   // RSA-OAEP's default, where collisions do not matter
	_ "crypto/sha256" // the hashes that digestOf and maskOf name
	_ "crypto/sha512"
	"strconv"
	"strings"
)

// Namespaces of XML Encryption, its version 1.1, and XML Signature, and of algorithm identifiers.
const (
	Namespace   = "http://www.w3.org/2001/04/xmlenc#"
	Namespace11 = "http://www.w3.org/2009/xmlenc11#"
	signature   = "http://www.w3.org/2000/09/xmldsig#"
	more2001    = "http://www.w3.org/2001/04/xmldsig-more#"
)

// Identifiers of algorithms that are accepted.
const (
	AES128GCM = Namespace11 + "aes128-gcm"
	AES256GCM = Namespace11 + "aes256-gcm"
	AES128CBC = Namespace + "aes128-cbc"
	AES256CBC = Namespace + "aes256-cbc"
	OAEPMGF1P = Namespace + "rsa-oaep-mgf1p"
	OAEP      = Namespace11 + "rsa-oaep"
)

// block is how the content is encrypted.
type block struct {
	name   string
	keyLen int
	cbc    bool
}

// blockOf returns the block encryption of an identifier.
func blockOf(identifier string) (block, bool) {
	switch identifier {
	case AES128GCM:
		return block{"aes128-gcm", 16, false}, true
	case AES256GCM:
		return block{"aes256-gcm", 32, false}, true
	case AES128CBC:
		return block{"aes128-cbc", 16, true}, true
	case AES256CBC:
		return block{"aes256-cbc", 32, true}, true
	}
	return block{}, false
}

// digestOf returns the hash of RSA-OAEP's DigestMethod.
func digestOf(identifier string) (crypto.Hash, bool) {
	switch identifier {
	case signature + "sha1":
		return crypto.SHA1, true
	case Namespace + "sha256":
		return crypto.SHA256, true
	case more2001 + "sha384":
		return crypto.SHA384, true
	case Namespace + "sha512":
		return crypto.SHA512, true
	}
	return 0, false
}

// maskOf returns the hash of a mask generation function (XML Encryption 1.1 section 5.5.2).
func maskOf(identifier string) (crypto.Hash, bool) {
	switch identifier {
	case Namespace11 + "mgf1sha1":
		return crypto.SHA1, true
	case Namespace11 + "mgf1sha256":
		return crypto.SHA256, true
	case Namespace11 + "mgf1sha384":
		return crypto.SHA384, true
	case Namespace11 + "mgf1sha512":
		return crypto.SHA512, true
	}
	return 0, false
}

// short keeps what a stranger wrote within a line.
func short(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "..."
	}
	return s
}

// quoted is short for the values of attributes, which may hold line breaks.
func quoted(s string) string { return strconv.Quote(short(s)) }
