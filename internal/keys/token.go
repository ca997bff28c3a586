package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// base62 is the alphabet of tokens: nothing in it needs escaping in a URL, a header or a shell,
// and a double click selects the whole token.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// tokenLength is how many characters follow the prefix. 43 characters of base 62 are 256 bits.
const tokenLength = 43

// NewToken mints a credential of 256 random bits behind prefix ("gscim_", "gk_") and returns it
// with its hash. The plain form is shown to its owner once and kept nowhere; the hash is what
// the database holds. A fast hash suffices because the input is random: there is nothing to
// guess, so a slow one would only cost time at each request.
func NewToken(prefix string) (plain, hash string) {
	out := make([]byte, 0, len(prefix)+tokenLength)
	out = append(out, prefix...)
	var pool [64]byte
	for len(out) < len(prefix)+tokenLength {
		rand.Read(pool[:])
		for _, b := range pool {
			// 248 is the largest multiple of 62 in a byte; a remainder of the rest would favour the
			// first characters of the alphabet.
			if b < 248 && len(out) < len(prefix)+tokenLength {
				out = append(out, base62[b%62])
			}
		}
	}
	plain = string(out)
	return plain, HashToken(plain)
}

// HashToken returns the SHA-256 of a presented token, prefix included, as 64 lower-case
// hexadecimal digits. A token is found by looking its hash up, so that comparing takes no time
// that depends on how much of it is right.
func HashToken(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// Hint returns the last four characters of a token, by which an administrator recognises it in
// a list. Anything shorter than twelve characters gives none away.
func Hint(plain string) string {
	if len(plain) < 12 {
		return ""
	}
	return plain[len(plain)-4:]
}
