package idpsim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// oidcKey signs ID tokens under one algorithm.
type oidcKey struct {
	id        string
	algorithm string
	private   crypto.Signer
}

func newOIDCKey(algorithm string) (oidcKey, error) {
	k := oidcKey{id: rand.Text(), algorithm: algorithm}
	var err error
	switch algorithm {
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return k, fmt.Errorf("make signing key: %w", err)
	}
	return k, nil
}

// public is the key as the IdP publishes it. Entra does not say for which algorithm its keys are.
func (k oidcKey) public(kind Kind) jose.JSONWebKey {
	key := jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Use: "sig", Algorithm: k.algorithm}
	if kind.IsEntra() {
		key.Algorithm = ""
	}
	return key
}

// sign makes a compact JWS. With anonymous the header names no key.
func (k oidcKey) sign(typ string, claims map[string]any, anonymous, embed bool) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	var key any = jose.JSONWebKey{Key: k.private, KeyID: k.id}
	if anonymous {
		key = k.private
	}
	options := (&jose.SignerOptions{EmbedJWK: embed}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.algorithm), Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// withHeader is the JWT with one more header.
func (k oidcKey) withHeader(claims map[string]any, name jose.HeaderKey, value any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader(name, value)
	if list, ok := value.([]string); ok && name == "crit" {
		options = options.WithHeader(jose.HeaderKey(list[0]), true)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.algorithm), Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, options)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// costly is an encrypted JWT whose key is derived in two thousand million rounds.
func costly() string {
	out := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","zip":"DEF","p2c":2147483647,"p2s":"c2FsdHNhbHRzYWx0","cty":"JWT"}`))
	for _, n := range []int{24, 12, 64, 16} {
		part := make([]byte, n)
		_, _ = rand.Read(part) // never fails
		out += "." + base64.RawURLEncoding.EncodeToString(part)
	}
	return out
}

// unsigned is the JWT that names the algorithm "none".
func unsigned(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + ".", nil
}

// symmetric is the JWT whose HMAC has the public key for its key, which everybody knows.
func (k oidcKey) symmetric(claims map[string]any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: der, KeyID: k.id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// oidcKeys returns the key that signs and one that the application must not believe. They are made when they are
// first wanted.
func (p *IdP) oidcKeys() (own, impostor oidcKey, err error) {
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	algorithm := p.oidc.settings.Algorithm
	if i := slices.IndexFunc(p.oidc.keys, func(k oidcKey) bool { return k.algorithm == algorithm }); i >= 0 {
		own = p.oidc.keys[i]
	} else if own, err = newOIDCKey(algorithm); err != nil {
		return own, impostor, err
	} else {
		p.oidc.keys = append(p.oidc.keys, own)
	}
	if p.oidc.impostor == nil || p.oidc.impostor.algorithm != algorithm {
		k, err := newOIDCKey(algorithm)
		if err != nil {
			return own, impostor, err
		}
		p.oidc.impostor = &k
	}
	return own, *p.oidc.impostor, nil
}

// RotateKey has a new key sign from now on. It is published beside the old one, which is withdrawn only when the
// key after it comes; with immediate it is withdrawn at once, as when it was stolen.
func (p *IdP) RotateKey(immediate bool) error {
	if _, _, err := p.oidcKeys(); err != nil {
		return p.oidcOutcome("Rotate key", "", err)
	}
	p.oidc.mu.Lock()
	next, err := newOIDCKey(p.oidc.settings.Algorithm)
	if err == nil {
		kept := p.oidc.keys[:1]
		if immediate {
			kept = nil
		}
		p.oidc.keys = slices.Concat([]oidcKey{next}, kept)
	}
	p.oidc.mu.Unlock()
	return p.oidcOutcome("Rotate key", "The key "+next.id+" signs from now on.", err)
}

// publicKeys is the set that the IdP publishes.
func (p *IdP) publicKeys() (jose.JSONWebKeySet, error) {
	if _, _, err := p.oidcKeys(); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	set := jose.JSONWebKeySet{}
	for _, k := range p.oidc.keys {
		set.Keys = append(set.Keys, k.public(p.kind))
	}
	return set, nil
}
