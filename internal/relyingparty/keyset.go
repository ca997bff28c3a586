package relyingparty

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keysFresh is how long an IdP's keys are taken for its keys of now.
	keysFresh = 10 * time.Minute
	maxKeys   = 100
	// maxJWT is how long a token may be, in bytes: one with 2,000 groups has 80 KiB.
	maxJWT    = 256 << 10
	minRSABit = 2048
)

// keySet is what an IdP signs with.
type keySet []jose.JSONWebKey

// parseKeySet reads a JWK Set. Kinds of key that are not known, and keys that do not sign, are left out
// (RFC 7517 section 5); so are keys that both sides would know.
func parseKeySet(text []byte) (keySet, error) {
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &list); err != nil || list.Keys == nil {
		return nil, refuse(ReasonKeys, "Expected a set of keys in JSON.").because(err)
	}
	if len(list.Keys) > maxKeys {
		return nil, refuse(ReasonKeys, "Expected at most %d keys, received %d.", maxKeys, len(list.Keys))
	}
	var out keySet
	for _, raw := range list.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") && kindOf(key) != "" {
			out = append(out, key)
		}
	}
	return out, nil
}

// kindOf is how the algorithms begin that a key is for, "" for a key that is not used.
func kindOf(key jose.JSONWebKey) string {
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABit {
			return "RSA"
		}
	case *ecdsa.PublicKey:
		return map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// fits reports whether a key may have signed under an algorithm and a key id ("" for any).
func fits(key jose.JSONWebKey, algorithm, id string) bool {
	kind := kindOf(key)
	if kind == "RSA" && (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) {
		kind = algorithm
	}
	return kind == algorithm && (key.Algorithm == "" || key.Algorithm == algorithm) && (id == "" || key.KeyID == id)
}

// verify returns what is signed, and whether a key of the set signed it. It tries all that fit: several
// may have one id, and a token may name none. known says whether any fitted.
func (k keySet) verify(signed *jose.JSONWebSignature) (payload []byte, ok, known bool) {
	header := signed.Signatures[0].Protected
	for _, key := range k {
		if !fits(key, header.Algorithm, header.KeyID) {
			continue
		}
		known = true
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, true, true
		}
	}
	return nil, false, known
}

// signed returns the payload of a compact JWS that the IdP's key signed, under one of the algorithms that
// are allowed and as one of types ("" for a header without typ). Keys are fetched anew where none of those
// that are known did. The error is a *Refusal, or that of ctx.
func (rp *RelyingParty) signed(ctx context.Context, p Party, d *Document, raw string, types []string, now time.Time) ([]byte, error) {
	jws, err := parse(raw, p.algorithms(d), types)
	if err != nil {
		return nil, err
	}
	var payload []byte
	var ok, known bool
	try := func(k keySet) bool {
		payload, ok, known = k.verify(jws)
		return ok
	}
	keys, err := rp.idp(p).keys.get(ctx, now, keysFresh, try, func(ctx context.Context) (keySet, error) {
		text, err := rp.fetch(ctx, d.Keys, maxKeySet)
		if err != nil {
			return nil, err
		}
		return parseKeySet(text)
	})
	if err != nil {
		return nil, err
	}
	if !ok && !try(keys) {
		id := jws.Signatures[0].Protected.KeyID
		if !known {
			return nil, refuse(ReasonKeyUnknown, "The IdP publishes no key for the algorithm %s with the id %s; it has %d keys. It is asked for its keys again once a minute at the most.",
				jws.Signatures[0].Protected.Algorithm, quote(id), len(keys)).unread(raw)
		}
		return nil, refuse(ReasonSignature, "No key of the IdP made the token's signature (key id %s).", quote(id)).unread(raw)
	}
	return payload, nil
}

// parse reads a compact JWS with one signature, by an allowed algorithm, and of one of types. Whatever
// the header says of keys (jku, jwk, x5u, x5c) is not looked at.
func parse(raw string, algorithms, types []string) (*jose.JSONWebSignature, error) {
	if len(raw) > maxJWT {
		return nil, refuse(ReasonMalformed, "Expected a token of at most %d bytes, received %d.", maxJWT, len(raw))
	}
	header, err := headerOf(raw)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(algorithms, header.Algorithm) {
		return nil, refuse(ReasonAlgorithm, "Expected a signature by %s, received %s.", strings.Join(algorithms, ", "), quote(header.Algorithm)).unread(raw)
	}
	if header.Critical != nil {
		return nil, refuse(ReasonMalformed, "The token has a critical header that is not understood: %s.", quote(header.Critical)).unread(raw)
	}
	var allowed []jose.SignatureAlgorithm
	for _, a := range algorithms {
		allowed = append(allowed, jose.SignatureAlgorithm(a))
	}
	jws, err := jose.ParseSignedCompact(raw, allowed)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, refuse(ReasonMalformed, "The token is no signed JWT that can be read.").because(err)
	}
	if !slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, strings.TrimPrefix(header.Type, "application/")) }) {
		return nil, refuse(ReasonType, "Expected a token of the type %s, received %s.", quote(types), quote(header.Type)).unread(raw)
	}
	return jws, nil
}

// tokenHeader is the part of a JWS header that decides before any key is looked for.
type tokenHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	// Critical names what a reader has to understand. Nothing of it is.
	Critical json.RawMessage `json:"crit"`
}
