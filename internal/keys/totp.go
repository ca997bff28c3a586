package keys

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// One-time passwords by RFC 6238 as authenticator apps know them: HMAC-SHA-1, six digits, a new one every 30 seconds.
// SHA-1's weakness is collisions, on which nothing here stands.
const (
	TOTPPeriod = 30 * time.Second
	totpBytes  = 20 // RFC 4226 section 4, R6: as long as the hash
	totpDigits = 6
	// totpDrift is how many steps a clock may be off, either way (RFC 6238 section 5.2).
	totpDrift = 1
)

// NewTOTPSecret returns a fresh secret.
func NewTOTPSecret() []byte {
	secret := make([]byte, totpBytes)
	rand.Read(secret)
	return secret
}

var totpText = base32.StdEncoding.WithPadding(base32.NoPadding)

// TOTPText is a secret as people type it: base32 in groups of four.
func TOTPText(secret []byte) string {
	text := totpText.EncodeToString(secret)
	var groups []string
	for len(text) > 4 {
		groups, text = append(groups, text[:4]), text[4:]
	}
	return strings.Join(append(groups, text), " ")
}

// TOTPURI is a secret as authenticator apps read it (otpauth://).
func TOTPURI(issuer, account string, secret []byte) string {
	q := url.Values{"secret": {totpText.EncodeToString(secret)}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {fmt.Sprint(totpDigits)},
		"period": {fmt.Sprint(int(TOTPPeriod / time.Second))}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+account) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// TOTPStep is the number of the period that t is in.
func TOTPStep(t time.Time) int64 { return t.Unix() / int64(TOTPPeriod/time.Second) }

// TOTP is the one-time password of a step (RFC 4226 section 5.3).
func TOTP(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%0*d", totpDigits, binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// VerifyTOTP reports whether typed is the one-time password of now, or of the step before or after, and of which. Blanks in it
// do not count. That a step is used once is the caller's to see to. All three are compared, whatever the first says.
func VerifyTOTP(secret []byte, typed string, now time.Time) (step int64, ok bool) {
	typed = strings.Join(strings.Fields(typed), "")
	for off := int64(-totpDrift); off <= totpDrift; off++ {
		if s := TOTPStep(now) + off; subtle.ConstantTimeCompare([]byte(TOTP(secret, s)), []byte(typed)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// Recovery codes have 100 bits, so that nobody guesses one and no limit of attempts is needed.
const (
	recoveryAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: without I, L, O and U
	recoveryLength   = 20
	recoveryGroup    = 5
)

// NewRecoveryCode returns a fresh recovery code as it is shown and the hash by which it is kept.
func NewRecoveryCode() (code, hash string) {
	var raw [recoveryLength]byte
	rand.Read(raw[:])
	var b strings.Builder
	for i, r := range raw {
		if i > 0 && i%recoveryGroup == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(recoveryAlphabet[r&31])
	}
	hash, _ = RecoveryHash(b.String())
	return b.String(), hash
}

// RecoveryHash returns the hash of a recovery code as it was typed: letter case, blanks and hyphens do not count, and letters that
// look like digits are those. ok is false for what is no recovery code at all.
func RecoveryHash(typed string) (hash string, ok bool) {
	if len(typed) > 4*recoveryLength {
		return "", false
	}
	var b strings.Builder
	for _, r := range strings.ToUpper(typed) {
		switch r {
		case ' ', '-', '\t':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(recoveryAlphabet, r) {
			return "", false
		}
		b.WriteRune(r)
	}
	if b.Len() != recoveryLength {
		return "", false
	}
	return HashToken("recovery code " + b.String()), true
}
