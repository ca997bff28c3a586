package settings

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/saml"
)

const (
	// keepRetired is how long a key counts after another one has signed, or after it signed last itself.
	keepRetired = 14 * 24 * time.Hour
	// maxDropped is how many keys that were removed are remembered.
	maxDropped = 64
)

// ring are the keys of an IdP at one connection while they are changed.
type ring struct {
	keys    []ringKey
	dropped []string
}

type ringKey struct {
	der []byte
	directory.IdPKey
}

// ringOf reads the keys of a side. verified is when the connection was proven: of keys from before their states were
// kept, one of those that it knew then has signed.
func ringOf(side *directory.SAML, verified time.Time) *ring {
	r := &ring{dropped: slices.Clone(side.Dropped)}
	known := len(side.IdPKeys) > 0
	for _, der := range side.Certificates {
		k, found := side.IdPKey(fingerprint(der))
		if !found {
			k = directory.IdPKey{Fingerprint: fingerprint(der), State: directory.KeyStaged, Source: directory.FromFile, SeenAt: verified}
			if !known && !verified.IsZero() {
				k.State, k.ProvenAt = directory.KeyActive, verified
			}
		}
		r.keys = append(r.keys, ringKey{der, k})
	}
	return r
}

// into writes the keys to a side, each list in an order of its own, so that metadata that lists them in another one
// changes nothing.
func (r *ring) into(side *directory.SAML) {
	slices.SortFunc(r.keys, func(a, b ringKey) int { return bytes.Compare(a.der, b.der) })
	side.Certificates, side.IdPKeys = nil, nil
	for _, k := range r.keys {
		side.Certificates = append(side.Certificates, k.der)
		side.IdPKeys = append(side.IdPKeys, k.IdPKey)
	}
	slices.SortFunc(side.IdPKeys, func(a, b directory.IdPKey) int { return cmp.Compare(a.Fingerprint, b.Fingerprint) })
	side.Dropped = noneIfEmpty(r.dropped)
}

func (r *ring) at(print string) int {
	return slices.IndexFunc(r.keys, func(k ringKey) bool { return k.Fingerprint == print })
}

// proven reports whether any key has signed.
func (r *ring) proven() bool {
	return slices.ContainsFunc(r.keys, func(k ringKey) bool { return !k.ProvenAt.IsZero() })
}

// holding finds the key that a certificate holds, in whatever certificate it was known.
func (r *ring) holding(c saml.Certificate) int {
	return slices.IndexFunc(r.keys, func(k ringKey) bool {
		known, err := saml.ParseCertificate(k.der)
		return err == nil && keyDigest(known) == keyDigest(c)
	})
}

// publish takes over what metadata or an administrator names: keys that are new are staged, one that is known gets its
// new certificate, and one that is not named any more goes if nothing was ever signed by it. Keys that have signed go
// on counting until another one has signed. trusted says that the connection is verified by somebody's word alone.
func (r *ring) publish(named []saml.Certificate, source string, now time.Time, trusted bool) {
	listed := map[string]bool{}
	for _, c := range named {
		listed[keyDigest(c)] = true
		i := r.holding(c)
		if i < 0 {
			r.keys = append(r.keys, ringKey{c.Raw, directory.IdPKey{Fingerprint: c.Fingerprint(), State: directory.KeyStaged, Source: source, SeenAt: now}})
			continue
		}
		k := &r.keys[i]
		k.der, k.Fingerprint, k.Gone = c.Raw, c.Fingerprint(), false
		if source == directory.FromURL {
			k.Source = source
		}
	}
	mine := func(k ringKey) bool { return (k.Source == directory.FromURL) == (source == directory.FromURL) }
	fromURL := slices.ContainsFunc(r.keys, func(k ringKey) bool { return k.Source == directory.FromURL })
	r.keys = slices.DeleteFunc(r.keys, func(k ringKey) bool {
		c, err := saml.ParseCertificate(k.der)
		return (err != nil || !listed[keyDigest(c)]) && k.ProvenAt.IsZero() && k.State == directory.KeyStaged && !k.Kept && mine(k) && (!trusted || r.proven())
	})
	if source != directory.FromURL && fromURL {
		return // what is published there is known better
	}
	for i := range r.keys {
		if c, err := saml.ParseCertificate(r.keys[i].der); err != nil || !listed[keyDigest(c)] {
			r.keys[i].Gone = true
		}
	}
}

// prove notes that an answer which the key signed was accepted, and reports whether that changes anything. A staged key
// becomes active, and those that were retire.
func (r *ring) prove(print string, now time.Time) (was directory.KeyState, changed bool) {
	i := r.at(print)
	if i < 0 {
		return "", false
	}
	k := &r.keys[i]
	was = k.State
	switch {
	case k.State == directory.KeyStaged:
		r.promote(i, now)
	case k.ProvenAt.IsZero():
	case k.State == directory.KeyRetiring && now.Sub(later(k.RetiredAt, k.UsedAt)) >= 24*time.Hour:
		k.UsedAt = now // to the day: the configuration is not written for each sign-in
		return was, true
	default:
		return was, false
	}
	k.ProvenAt = now
	return was, true
}

// promote makes a key the active one. Those that were active retire.
func (r *ring) promote(i int, now time.Time) {
	for j := range r.keys {
		if k := &r.keys[j]; j != i && k.State == directory.KeyActive {
			k.State, k.RetiredAt, k.UsedAt = directory.KeyRetiring, now, time.Time{}
		}
	}
	r.keys[i].State, r.keys[i].RetiredAt, r.keys[i].UsedAt = directory.KeyActive, time.Time{}, time.Time{}
}

// retired returns the keys whose time is over. There are none while no other one has signed: an administrator may be
// wrong about which one is in use.
func (r *ring) retired(now time.Time, watched bool) (out []string) {
	if !slices.ContainsFunc(r.keys, func(k ringKey) bool { return k.State == directory.KeyActive && !k.ProvenAt.IsZero() }) {
		return nil
	}
	for _, k := range r.keys {
		if at := removeAt(k.IdPKey, watched); !at.IsZero() && !now.Before(at) {
			out = append(out, k.Fingerprint)
		}
	}
	return out
}

// removeAt is when a retiring key stops counting, zero while nobody knows: one that the IdP still publishes is no old
// one.
func removeAt(k directory.IdPKey, watched bool) time.Time {
	if k.State != directory.KeyRetiring || k.Kept || watched && k.Source == directory.FromURL && !k.Gone {
		return time.Time{}
	}
	return later(k.RetiredAt, k.UsedAt).Add(keepRetired)
}

// drop removes a key and remembers it.
func (r *ring) drop(print string) {
	i := r.at(print)
	if i < 0 {
		return
	}
	if c, err := saml.ParseCertificate(r.keys[i].der); err == nil {
		digest := keyDigest(c)
		r.dropped = append(slices.DeleteFunc(r.dropped, func(d string) bool { return d == digest }), digest)
		r.dropped = r.dropped[max(0, len(r.dropped)-maxDropped):]
	}
	r.keys = slices.Delete(r.keys, i, i+1)
}

// without leaves out the certificates of keys that were removed.
func (r *ring) without(named []saml.Certificate) []saml.Certificate {
	return slices.DeleteFunc(slices.Clone(named), func(c saml.Certificate) bool { return slices.Contains(r.dropped, keyDigest(c)) })
}

// takeBack forgets that keys were removed: somebody wants them again.
func (r *ring) takeBack(named []saml.Certificate) {
	for _, c := range named {
		r.dropped = slices.DeleteFunc(r.dropped, func(d string) bool { return d == keyDigest(c) })
	}
}

// weaker leaves out what is as strong as the weakest key that counts, and returns the rest: metadata does not lower
// the strength by itself.
func (r *ring) weaker(named []saml.Certificate) (out []saml.Certificate) {
	least := 0
	for _, k := range r.keys {
		if c, err := saml.ParseCertificate(k.der); err == nil && (least == 0 || strength(c) < least) {
			least = strength(c)
		}
	}
	for _, c := range named {
		if r.holding(c) < 0 && strength(c) < least {
			out = append(out, c)
		}
	}
	return out
}

// strength of a key in bits (NIST SP 800-57 part 1, table 2).
func strength(c saml.Certificate) int {
	switch key := c.PublicKey().(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); {
		case bits >= 7680:
			return 192
		case bits >= 3072:
			return 128
		}
		return 112
	case *ecdsa.PublicKey:
		return min(key.Curve.Params().BitSize/2, 256)
	}
	return 0
}

func kindOfKey(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	}
	return ""
}

// keyDigest is the SHA-256 of the key that a certificate holds, whatever stands around it.
func keyDigest(c saml.Certificate) string {
	return digestOf(c.PublicKey(), c.Raw)
}

func digestOf(key crypto.PublicKey, der []byte) string {
	if text, err := x509.MarshalPKIXPublicKey(key); err == nil {
		der = text
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// takeOver makes a side what the IdP says of itself. Of the same IdP, keys that have signed go on counting beside the
// new ones; of another one nothing is left. verified is when the connection was proven.
func takeOver(side *directory.SAML, verified time.Time, idp *saml.IdentityProvider, source string, now time.Time) {
	if side.EntityID != idp.EntityID {
		side.Certificates, side.Watch = nil, directory.Watch{}
		verified = time.Time{}
	}
	setIdentityProvider(side, idp)
	r := ringOf(side, verified)
	r.publish(idp.Certificates, source, now, !verified.IsZero())
	r.into(side)
}
