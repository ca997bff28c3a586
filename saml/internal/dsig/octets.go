package dsig

import "crypto"

// VerifyOctets checks a signature that stands beside what it signs, as the Redirect binding has it
// (SAML 2.0 Bindings section 3.4.4.1): value was made over octets by one of keys with the method of
// that identifier. It returns the index of the key, and whether SHA-1 was used. The error is an *Error.
func VerifyOctets(octets, value []byte, identifier string, keys []crypto.PublicKey, policy Policy) (key int, sha1 bool, err error) {
	m, known := methodOf(identifier)
	if !known {
		return 0, false, refuse(ReasonAlgorithm, "signature method %s is not accepted", short(identifier))
	}
	sha1 = m.hash == crypto.SHA1
	if sha1 && !policy.AllowSHA1 {
		return 0, false, refuse(ReasonAlgorithm, "SHA-1 is not allowed on this connection")
	}
	key, err = m.check(keys, octets, value)
	return key, sha1, err
}
