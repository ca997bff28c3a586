package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"
)

// Key is a key of an IdP.
type Key struct {
	ID        string // "" for none
	Algorithm jose.SignatureAlgorithm
	Private   crypto.Signer
	// Use and Named are what the set of keys says of it: "sig" and the algorithm, "" for nothing.
	Use, Named string
}

// NewRSA makes a key for RS256, NewRSABits one of that length, NewEC one for ES256 and NewEd one for EdDSA.
func NewRSA(id string) Key { return NewRSABits(id, 2048) }

// NewRSABits makes an RSA key of a length.
func NewRSABits(id string, bits int) Key {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	must(err)
	return Key{ID: id, Algorithm: jose.RS256, Private: private, Use: "sig"}
}

// NewEC makes a key for ES256.
func NewEC(id string) Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return Key{ID: id, Algorithm: jose.ES256, Private: private, Use: "sig"}
}

// NewEd makes a key for EdDSA.
func NewEd(id string) Key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return Key{ID: id, Algorithm: jose.EdDSA, Private: private, Use: "sig"}
}

// must stops a test whose kit does not work.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// JWK is the public half as the set of keys has it.
func (k Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Use: k.Use, Algorithm: k.Named}
}

// Sign makes an ID token.
func (k Key) Sign(claims map[string]any) string { return k.SignAs("JWT", claims) }

// SignAs makes a token of a type, "" for none.
func (k Key) SignAs(typ string, claims map[string]any) string {
	header := map[string]any{}
	if typ != "" {
		header["typ"] = typ
	}
	return k.SignWith(header, claims)
}

// SignWith makes a token with more in its header.
func (k Key) SignWith(header, claims map[string]any) string {
	opts := &jose.SignerOptions{}
	for name, value := range header {
		opts = opts.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Algorithm, Key: jose.JSONWebKey{Key: k.Private, KeyID: k.ID}}, opts)
	must(err)
	payload, err := json.Marshal(claims)
	must(err)
	signed, err := signer.Sign(payload)
	must(err)
	text, err := signed.CompactSerialize()
	must(err)
	return text
}

// Forge makes a token with a header of its own and whatever signature sign makes of it; nil makes none.
func Forge(header, claims map[string]any, sign func(input []byte) []byte) string {
	encode := func(v any) string {
		text, err := json.Marshal(v)
		must(err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := encode(header) + "." + encode(claims)
	var signature []byte
	if sign != nil {
		signature = sign([]byte(input))
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// HMAC signs with a secret by HS256.
func HMAC(secret []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write(input)
		return m.Sum(nil)
	}
}
