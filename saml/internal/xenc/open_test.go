package xenc

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// vault is a key that gives the same secret for every ciphertext, without the cost of one operation.
type vault struct {
	secret []byte
	size   int
}

func (v vault) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), uint(8*v.size-1)), E: 65537}
}

func (v vault) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	if v.secret == nil {
		return nil, errors.New("closed")
	}
	return v.secret, nil
}

var secret = []byte("0123456789abcdef0123456789abcdef")

// sealedCBC encrypts by AES-256-CBC; the padding is part of plain already.
func sealedCBC(t testing.TB, plain string) []byte {
	t.Helper()
	c, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, aes.BlockSize+len(plain))
	cipher.NewCBCEncrypter(c, text[:aes.BlockSize]).CryptBlocks(text[aes.BlockSize:], []byte(plain))
	return text
}

// sealedGCM encrypts by AES-256-GCM with a nonce of zeros.
func sealedGCM(t testing.TB, plain string) []byte {
	t.Helper()
	c, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(c)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	return gcm.Seal(nonce, nonce, []byte(plain), nil)
}

// holder is an element with that ciphertext in it.
func holder(t testing.TB, method string, text []byte) *strictxml.Element {
	t.Helper()
	root, err := strictxml.Parse([]byte(holderText(method, text)), strictxml.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func holderText(method string, text []byte) string {
	return `<h xmlns="` + Namespace + `" xmlns:a="urn:a"><EncryptedData><EncryptionMethod Algorithm="` + method + `"/>` +
		`<CipherData><CipherValue>` + base64.StdEncoding.EncodeToString(text) + `</CipherValue></CipherData></EncryptedData>` +
		`<EncryptedKey><EncryptionMethod Algorithm="` + OAEP + `"/><CipherData><CipherValue>` +
		base64.StdEncoding.EncodeToString(make([]byte, 256)) + `</CipherValue></CipherData></EncryptedKey></h>`
}

var ours = []crypto.Decrypter{vault{secret, 256}}

func open(t testing.TB, h *strictxml.Element) (*strictxml.Element, error) {
	t.Helper()
	e, _, err := Open(h, ours, Policy{AllowCBC: true}, "urn:a", "Assertion")
	return e, err
}

// padded is plain up to a whole block, with the padding of XML Encryption section 5.2.
func padded(plain string) string {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	return plain + strings.Repeat("\xA5", n-1) + string(byte(n))
}

func TestOpen_TakesOffAnyPaddingThatIsAsItMustBe(t *testing.T) {
	for size := range 40 { // through two blocks, the one of nothing but padding among them
		plain := `<a:Assertion>` + strings.Repeat("x", size) + `</a:Assertion>`
		e, err := open(t, holder(t, AES256CBC, sealedCBC(t, padded(plain))))
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		if text, _ := e.OnlyText(); len(text) != size {
			t.Errorf("%d bytes, expected %d", len(text), size)
		}
	}
}

func TestOpen_TakesNoPaddingOfMoreThanABlock(t *testing.T) {
	plain := "<a:Assertion/>xx" // one block, the last bytes of which are padding already
	for length, good := range map[int]bool{2: true, 18: false, 34: false} {
		text := []byte(plain + strings.Repeat("x", length-2))
		text[len(text)-1] = byte(length)
		if _, err := open(t, holder(t, AES256CBC, sealedCBC(t, string(text)))); good != (err == nil) {
			t.Errorf("%d: %v", length, err)
		}
	}
}

// The length of the key is the algorithm's, not the sender's choice.
func TestOpen_TakesNoKeyOfAnotherLengthThanTheAlgorithms(t *testing.T) {
	c, err := aes.NewCipher(secret[:16])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(c)
	if err != nil {
		t.Fatal(err)
	}
	text := gcm.Seal(make([]byte, 12), make([]byte, 12), []byte("<a:Assertion/>"), nil)
	for method, good := range map[string]bool{AES128GCM: true, AES256GCM: false} {
		_, _, err := Open(holder(t, method, text), []crypto.Decrypter{vault{secret[:16], 256}}, Policy{}, "urn:a", "Assertion")
		if good != (err == nil) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestOpen_UsesKeysThatFitOnly(t *testing.T) {
	good := holder(t, AES256GCM, sealedGCM(t, "<a:Assertion/>"))
	for name, c := range map[string]struct {
		keys []crypto.Decrypter
		ok   bool
	}{
		"none":                          {nil, false},
		"one that does not open":        {[]crypto.Decrypter{vault{nil, 256}}, false},
		"one of another size":           {[]crypto.Decrypter{vault{secret, 384}}, false},
		"one that gives 16 bytes":       {[]crypto.Decrypter{vault{secret[:16], 256}}, false},
		"one that gives another secret": {[]crypto.Decrypter{vault{[]byte(strings.Repeat("x", 32)), 256}}, false},
		"all of them and the right one": {[]crypto.Decrypter{vault{nil, 256}, vault{secret, 384}, vault{secret[:16], 256}, ours[0]}, true},
	} {
		e, how, err := Open(good, c.keys, Policy{}, "urn:a", "Assertion")
		if c.ok != (err == nil) || c.ok && (e.Local != "Assertion" || how.Key != 3) {
			t.Errorf("%s: %v %+v", name, err, how)
		}
		var failed *Error
		if !c.ok && (!errors.As(err, &failed) || failed.Reason != ReasonDecryption) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ space, local string }{"another name": {"urn:a", "NameID"}, "another namespace": {"urn:b", "Assertion"}} {
		if _, _, err := Open(good, ours, Policy{}, c.space, c.local); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, _, err := Open(good, ours, Policy{Limits: strictxml.Limits{Bytes: 10}}, "urn:a", "Assertion"); err == nil {
		t.Error("larger than the limit and opened")
	}
}

// A32: how long a refusal takes must not tell why. The key costs nothing here, so that what comes after it
// is seen; the runs take turns, so that the machine's load is shared.
func TestOpen_TakesAsLongWhateverIsWrong(t *testing.T) {
	long := strings.Repeat("x", 2000)
	garbled := []byte(padded("<a:Assertion>" + long + "</a:Assertion>"))
	garbled[len(garbled)-1] = 0
	classes := []*strictxml.Element{
		holder(t, AES256CBC, sealedCBC(t, string(garbled))),                                       // no padding has the length 0
		holder(t, AES256CBC, sealedCBC(t, padded("<a:Assertion>"+long+"</a:Assertion>\x01"))),     // right padding, wrong XML
		holder(t, AES256CBC, sealedCBC(t, padded("<a:Assertion>"+long+"</a:Other></a:Other>.."))), // and wrong in another way
	}
	const runs = 2000
	sums, squares := make([]float64, len(classes)), make([]float64, len(classes))
	for range runs {
		for i, h := range classes {
			from := time.Now()
			_, err := open(t, h)
			spent := float64(time.Since(from))
			if err == nil {
				t.Fatal("opened")
			}
			sums[i] += spent
			squares[i] += spent * spent
		}
	}
	for i := 1; i < len(classes); i++ {
		a, b := sums[0]/runs, sums[i]/runs
		deviation := math.Sqrt(max(squares[0]/runs-a*a, squares[i]/runs-b*b))
		if math.Abs(a-b) > 2*deviation {
			t.Errorf("class %d takes %.0f ns, class 0 %.0f ns, with a deviation of %.0f ns", i, b, a, deviation)
		}
	}
}
