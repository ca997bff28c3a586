package saml_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// benchEncrypted is the benchmark's scene and message with the assertion encrypted for the second of
// its keys, and what nobody can do without: rawLimit, one private key operation and AES.
func benchEncrypted(tb testing.TB, m benchMessage, key dsigtest.Key) (*scene, []byte, func()) {
	own := k2().Signer.(*rsa.PrivateKey)
	s := benchScene(key)
	s.e.DecryptionKeys = []crypto.Decrypter{own}
	secret := []byte("0123456789abcdef0123456789abcdef")
	raw := samltest.EncryptElement(m.raw, dsigtest.AssertionID, samltest.Encryption{For: k2().Certificate, Secret: secret})
	wrapped := must(rsa.EncryptOAEPWithOptions(rand.Reader, &own.PublicKey, secret, &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}))
	block := must(aes.NewCipher(secret))
	text := must(cipher.NewGCM(block)).Seal(nil, make([]byte, 12), m.raw, nil)
	verified := rawLimit(tb, m, key)
	return s, raw, func() {
		opened, err := own.Decrypt(rand.Reader, wrapped, &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := must(cipher.NewGCM(must(aes.NewCipher(opened)))).Open(nil, make([]byte, 12), text, nil); err != nil {
			tb.Fatal(err)
		}
		verified()
	}
}

// BenchmarkVerifyEncrypted is everything from the decoded bytes to the Assertion, as
// BenchmarkVerifyResponse, for encrypted assertions.
func BenchmarkVerifyEncrypted(b *testing.B) {
	key := dsigtest.RSA(b)
	for _, m := range benchMessages(b, key) {
		if len(m.signed) > 1 {
			continue // the outer signature would be over something else
		}
		b.Run(fmt.Sprintf("%s/%d", m.name, len(m.raw)), func(b *testing.B) {
			s, raw, limit := benchEncrypted(b, m, key)
			s.accept(b, raw)
			var spent time.Duration
			b.ReportAllocs()
			for b.Loop() {
				if _, err := saml.Verify(raw, s.e, s.now); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				from := time.Now()
				limit()
				spent += time.Since(from)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(spent), "x_raw")
		})
	}
}

// BenchmarkRefuseEncrypted is what a stranger's post costs who encrypts nonsense for us.
func BenchmarkRefuseEncrypted(b *testing.B) {
	s := encryptedScene()
	r := s.encrypted(samltest.Encryption{Cipher: func(text []byte) []byte { text[20] ^= 1; return text }})
	raw := s.idp.Sign(r)
	s.refuse(b, raw, saml.ReasonDecryption)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := saml.Verify(raw, s.e, s.now); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkLogoutRedirect(b *testing.B) {
	s := newScene()
	query := s.idp.RedirectLogout(s.idp.LogoutRequest(ourSLO, alice, s.now), "state")
	b.ReportAllocs()
	for b.Loop() {
		m, err := saml.DecodeRedirect(query)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := saml.VerifyLogoutRequest(m, s.logout(), s.now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignedRedirectURL(b *testing.B) {
	r, key := plainRequest(), k1().SigningKey()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.SignedRedirectURL("state", key); err != nil {
			b.Fatal(err)
		}
	}
}

// Counts do not depend on the machine's load.
func TestVerifyEncrypted_AllocatesLittle(t *testing.T) {
	key := dsigtest.RSA(t)
	s, raw, limit := benchEncrypted(t, benchMessages(t, key)[0], key)
	unavoidable := testing.AllocsPerRun(10, limit)
	count := testing.AllocsPerRun(10, func() { s.accept(t, raw) })
	if count > unavoidable+100 {
		t.Errorf("%v allocations, %v of them for decryption and signature", count, unavoidable)
	}
}
