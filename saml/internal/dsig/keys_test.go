package dsig_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

type rsaKey = rsa.PublicKey

// changed returns a copy of a public key with something wrong about it.
func changed(key dsigtest.Key, change func(*rsaKey)) crypto.PublicKey {
	public := key.Public().(*rsa.PublicKey)
	twin := &rsaKey{N: new(big.Int).Set(public.N), E: public.E}
	change(twin)
	return twin
}

// TestVerify_TakesNoOtherFormOfAnEllipticSignature: ASN.1, as TLS and JOSE's neighbours write it,
// shortened numbers, and zeros.
func TestVerify_TakesNoOtherFormOfAnEllipticSignature(t *testing.T) {
	key := dsigtest.EC(t, elliptic.P256())
	doc := small(t, key, dsigtest.Options{})
	text := textOf(t, doc, "SignatureValue")
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(value[:32]), new(big.Int).SetBytes(value[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	order := key.Signer.(*ecdsa.PrivateKey).Curve.Params().N
	for name, c := range map[string]struct {
		value    []byte
		accepted bool
	}{
		"as it was made":        {value, true},
		"ASN.1":                 {der, false},
		"one byte less":         {value[:63], false},
		"one byte more":         {append([]byte{0}, value...), false},
		"wider numbers":         {append(append(make([]byte, 16), value[:32]...), append(make([]byte, 16), value[32:]...)...), false},
		"a wider second number": {append(append(append([]byte{}, value[:32]...), 0), value[32:]...), false},
		"zeros":                 {make([]byte, 64), false},
		"r of zero":             {append(make([]byte, 32), value[32:]...), false},
		"r beyond its end":      {append(order.FillBytes(make([]byte, 32)), value[32:]...), false},
		"exchanged":             {append(append([]byte{}, value[32:]...), value[:32]...), false},
	} {
		other := strings.Replace(doc, text, base64.StdEncoding.EncodeToString(c.value), 1)
		if _, err := check(t, other, "_a", dsig.Policy{}, key.Public()); (err == nil) != c.accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
}
