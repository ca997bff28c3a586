package samltest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml"
)

// Encryption says how something is encrypted. The zero value of a field is what most identity
// providers do.
type Encryption struct {
	For       saml.Certificate // the service provider's; must be there
	Content   string           // algorithm; "" for AES-256-GCM
	Transport string           // of the key; "" for RSA-OAEP-MGF1P
	// Digest and MGF are parameters of RSA-OAEP; "" leaves the element out, which means SHA-1.
	Digest, MGF string
	Placement   Placement
	Recipient   string // attribute of EncryptedKey; "" for none
	Secret      []byte // the content's key; nil for a new one
	// Cipher changes the octets of the content's CipherValue before they are written; nil for none.
	Cipher func([]byte) []byte
}

// Placement is where the EncryptedKey stands.
type Placement int

const (
	InKeyInfo Placement = iota // inside EncryptedData, as Okta, Entra and SimpleSAMLphp do
	Beside                     // after EncryptedData, without anything that points to it
	Retrieved                  // after EncryptedData, with a RetrievalMethod in its KeyInfo: older Shibboleth
)

// Algorithm identifiers of XML Encryption.
const (
	AES128GCM  = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
	AES256GCM  = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	AES128CBC  = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
	AES256CBC  = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
	TripleDES  = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc" // only named, never done
	OAEPMGF1P  = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	OAEP       = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
	RSA15      = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
	MGF1SHA1   = "http://www.w3.org/2009/xmlenc11#mgf1sha1"
	MGF1SHA256 = "http://www.w3.org/2009/xmlenc11#mgf1sha256"
	nsEnc      = "http://www.w3.org/2001/04/xmlenc#"
	nsEnc11    = "http://www.w3.org/2009/xmlenc11#"
)

// EncryptElement replaces the element with that ID by an EncryptedAssertion around it.
func EncryptElement(doc []byte, id string, e Encryption) []byte {
	doc = bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\n"))
	start, end := find(doc, id).Extent()
	sealed := Seal(string(doc[start:end]), "EncryptedAssertion", e)
	return []byte(string(doc[:start]) + sealed + string(doc[end:]))
}

// Seal returns an element of SAML's assertion namespace, such as EncryptedID, that holds the text encrypted.
func Seal(plain, holder string, e Encryption) string {
	secret := make([]byte, 32)
	if e.content() == AES128GCM || e.content() == AES128CBC {
		secret = secret[:16]
	}
	rand.Read(secret)
	if e.Secret != nil {
		secret = e.Secret
	}
	text := encrypt(secret, []byte(plain), strings.HasSuffix(e.content(), "cbc"))
	if e.Cipher != nil {
		text = e.Cipher(text)
	}
	id := saml.NewID()
	keyInfo, beside := e.encryptedKey(id, secret), ""
	switch e.Placement {
	case Beside:
		keyInfo, beside = "", keyInfo
	case Retrieved:
		keyInfo, beside = `<ds:RetrievalMethod Type="`+nsEnc+`EncryptedKey" URI="#`+id+`"/>`, keyInfo
	}
	if keyInfo != "" {
		keyInfo = `<ds:KeyInfo xmlns:ds="` + nsSignature + `">` + keyInfo + `</ds:KeyInfo>`
	}
	return `<sealed:` + holder + ` xmlns:sealed="` + nsAssertion + `"><xenc:EncryptedData xmlns:xenc="` + nsEnc + `" Type="` + nsEnc + `Element">` +
		`<xenc:EncryptionMethod Algorithm="` + e.content() + `"/>` + keyInfo +
		`<xenc:CipherData><xenc:CipherValue>` + base64.StdEncoding.EncodeToString(text) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>` +
		beside + `</sealed:` + holder + `>`
}

// encryptedKey is the content's key, encrypted for the service provider.
func (e *Encryption) encryptedKey(id string, secret []byte) string {
	public, ok := e.For.PublicKey().(*rsa.PublicKey)
	if !ok {
		panic("samltest: Encryption.For must have an RSA key")
	}
	wrapped, err := e.wrap(public, secret)
	must(err, "encrypt a key")
	recipient, parameters := "", ""
	if e.Recipient != "" {
		recipient = ` Recipient="` + attrEscape(e.Recipient) + `"`
	}
	if e.Digest != "" {
		parameters += `<ds:DigestMethod xmlns:ds="` + nsSignature + `" Algorithm="` + e.Digest + `"/>`
	}
	if e.MGF != "" {
		parameters += `<xenc11:MGF xmlns:xenc11="` + nsEnc11 + `" Algorithm="` + e.MGF + `"/>`
	}
	return `<xenc:EncryptedKey xmlns:xenc="` + nsEnc + `" Id="` + id + `"` + recipient + `>` +
		`<xenc:EncryptionMethod Algorithm="` + e.transport() + `">` + parameters + `</xenc:EncryptionMethod>` +
		`<ds:KeyInfo xmlns:ds="` + nsSignature + `"><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(e.For.Raw) +
		`</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` +
		`<xenc:CipherData><xenc:CipherValue>` + base64.StdEncoding.EncodeToString(wrapped) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`
}

// wrap encrypts the content's key.
func (e *Encryption) wrap(public *rsa.PublicKey, secret []byte) ([]byte, error) {
	if e.transport() == RSA15 {
		//lint:ignore SA1019 it is there to be refused
		return rsa.EncryptPKCS1v15(rand.Reader, public, secret)
	}
	options := &rsa.OAEPOptions{Hash: hashOf(SHA1), MGFHash: hashOf(SHA1)}
	if e.Digest != "" {
		options.Hash = hashOf(e.Digest)
	}
	if e.MGF != "" {
		options.MGFHash = hashOf(e.MGF)
	}
	return rsa.EncryptOAEPWithOptions(rand.Reader, public, secret, options)
}

// encrypt returns nonce or initialisation vector, and ciphertext.
func encrypt(secret, plain []byte, cbc bool) []byte {
	c, err := aes.NewCipher(secret)
	must(err, "make a cipher")
	if !cbc {
		gcm, err := cipher.NewGCM(c)
		must(err, "make a cipher")
		nonce := make([]byte, gcm.NonceSize())
		rand.Read(nonce)
		return gcm.Seal(nonce, nonce, plain, nil)
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), make([]byte, padding)...)
	padded[len(padded)-1] = byte(padding)
	text := make([]byte, aes.BlockSize+len(padded))
	rand.Read(text[:aes.BlockSize])
	cipher.NewCBCEncrypter(c, text[:aes.BlockSize]).CryptBlocks(text[aes.BlockSize:], padded)
	return text
}

func (e *Encryption) content() string {
	if e.Content == "" {
		return AES256GCM
	}
	return e.Content
}

func (e *Encryption) transport() string {
	if e.Transport == "" {
		return OAEPMGF1P
	}
	return e.Transport
}
