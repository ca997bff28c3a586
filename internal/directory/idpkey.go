package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// KeyState is where a signing key of an IdP stands. A key is believed in each of them; one that is not is not
// kept.
type KeyState string

const (
	// KeyStaged was named by the IdP's metadata or by an administrator, and has signed nothing yet.
	KeyStaged KeyState = "staged"
	// KeyActive has signed an answer that was accepted, or an administrator said that it counts.
	KeyActive KeyState = "active"
	// KeyRetiring was active until another one signed. It is removed some time after that.
	KeyRetiring KeyState = "retiring"
)

// Sources of a key.
const (
	FromURL   = "url"   // the metadata at SAML.MetadataURL
	FromFile  = "file"  // metadata that somebody uploaded or pasted, or that an apply file holds
	FromField = "field" // a certificate that somebody typed in by itself
)

// IdPKey is what is known of one of SAML.Certificates.
type IdPKey struct {
	Fingerprint string    `json:"fingerprint"` // KeyPrint of the certificate
	State       KeyState  `json:"state"`
	Source      string    `json:"source"` // one of the above
	SeenAt      time.Time `json:"seen_at"`
	// ProvenAt is when an answer that it signed was first accepted; zero if none was.
	ProvenAt time.Time `json:"proven_at,omitzero"`
	// RetiredAt is since when it is retiring, and UsedAt when it signed last since then, to the day.
	RetiredAt time.Time `json:"retired_at,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	// Gone says that the IdP's metadata names it no longer.
	Gone bool `json:"gone,omitempty"`
	// Kept says that an administrator wants it kept though it is retiring.
	Kept bool `json:"kept,omitempty"`
}

// KeyPrint is the SHA-256 of a certificate in DER, in hexadecimal digits, by which people compare certificates.
func KeyPrint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// IdPKey returns what is known of the certificate with that fingerprint. Of one from before such was kept
// nothing is.
func (s *SAML) IdPKey(fingerprint string) (IdPKey, bool) {
	i := slices.IndexFunc(s.IdPKeys, func(k IdPKey) bool { return k.Fingerprint == fingerprint })
	if i < 0 {
		return IdPKey{}, false
	}
	return s.IdPKeys[i], true
}

// Believes reports whether a certificate is one of those that count.
func (s *SAML) Believes(fingerprint string) bool {
	return slices.ContainsFunc(s.Certificates, func(der []byte) bool { return KeyPrint(der) == fingerprint })
}

// proves reports whether what a sign-in proved of was still holds for s: the IdP, its places, and a key that
// has signed. Where none is known to have signed (an operator's word, or a connection from before that was kept)
// any that stayed will do. A key that comes beside others proves and disproves nothing.
func (s *SAML) proves(was *SAML) bool {
	if was == nil || s.EntityID != was.EntityID || !slices.Equal(s.SSO, was.SSO) {
		return false
	}
	if len(was.Certificates)+len(s.Certificates) == 0 {
		return true // a draft
	}
	known := false
	for _, k := range was.IdPKeys {
		known = known || was.Believes(k.Fingerprint) && !k.ProvenAt.IsZero()
	}
	for _, der := range s.Certificates {
		k, _ := s.IdPKey(KeyPrint(der))
		if !k.ProvenAt.IsZero() || !known && was.Believes(KeyPrint(der)) {
			return true
		}
	}
	return false
}

// ProofHolds is the rule of what verified means: whether a sign-in or a test that proved the connection as it was
// proves it as it is now. Another IdP, another place or none of the keys that have signed is another connection;
// attribute names, our own keys and choices are not. A rotation keeps the proof, since the new key has signed before
// the old one goes.
func ProofHolds(was, now Connection) bool {
	switch {
	case was.Protocol != now.Protocol:
		return false
	case now.SAML != nil:
		return now.SAML.proves(was.SAML)
	case now.OIDC != nil:
		return was.OIDC != nil && now.OIDC.Issuer == was.OIDC.Issuer && now.OIDC.ClientID == was.OIDC.ClientID
	}
	return true
}
