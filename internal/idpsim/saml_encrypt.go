package idpsim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"fmt"
)

const (
	nsEncryption  = "http://www.w3.org/2001/04/xmlenc#"
	encryptGCM    = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	encryptCBC    = nsEncryption + "aes256-cbc"
	encryptOAEP   = nsEncryption + "rsa-oaep-mgf1p"
	contentKeyLen = 32
	encryptRSA15  = nsEncryption + "rsa-1_5"
	// Choices of SAMLSettings.Encrypt that are wrong: by AES-CBC, which proves nothing, and such a one that is no multiple
	// of its blocks, for a key that the application does not have any more, with a cut tag or with no content, and with the
	// key by an old RSA padding.
	encryptWithCBC = "cbc"
	encryptOddCBC  = "odd_cbc"
	encryptOldKey  = "old_key"
	encryptCutTag  = "cut_tag"
	encryptEmpty   = "empty"
	encryptOldRSA  = "rsa1_5"
	// What anybody encrypts who has the application's certificate: an assertion that nobody signed, alone and beside a
	// signed one.
	encryptForged = "forged"
	encryptBeside = "forged_beside"

	typeOfElements = nsEncryption + "Element"
)

// sealed encrypts an assertion for the application, by AES-GCM and the key by RSA-OAEP where it is not to be wrong.
func (s style) sealed(assertion string, to *rsa.PublicKey, how string) (string, error) {
	key := make([]byte, contentKeyLen)
	_, _ = rand.Read(key) // never fails
	content, method, err := encryptContent([]byte(assertion), key, how)
	if err != nil {
		return "", err
	}
	transport := encryptOAEP
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to, key, nil)
	if how == encryptOldRSA {
		transport = encryptRSA15
		//lint:ignore SA1019 it is there to be refused
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, to, key)
	}
	if err != nil {
		return "", fmt.Errorf("encrypt for the application: %w", err)
	}
	ds := s.ds
	value := func(data []byte) string {
		return el("xenc:CipherData", "", el("xenc:CipherValue", "", s.base64(data)))
	}
	return el(s.a("EncryptedAssertion"), declare(s.a, nsAssertion),
		el("xenc:EncryptedData", attrs("xmlns:xenc", nsEncryption, "Type", typeOfElements),
			el("xenc:EncryptionMethod", attrs("Algorithm", method)),
			el(ds("KeyInfo"), s.dsDeclaration(), el("xenc:EncryptedKey", "",
				el("xenc:EncryptionMethod", attrs("Algorithm", transport), el(ds("DigestMethod"), attrs("Algorithm", nsSignature+"sha1"))),
				value(wrapped))),
			value(content))), nil
}

// encryptContent puts the nonce or the initialisation vector in front (XML Encryption 1.1 section 5.2).
func encryptContent(plain, key []byte, how string) (content []byte, method string, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, "", fmt.Errorf("encrypt for the application: %w", err)
	}
	if how == encryptWithCBC || how == encryptOddCBC {
		pad := aes.BlockSize - len(plain)%aes.BlockSize
		padded := append(plain[:len(plain):len(plain)], make([]byte, pad)...)
		padded[len(padded)-1] = byte(pad)
		out := make([]byte, aes.BlockSize+len(padded))
		_, _ = rand.Read(out[:aes.BlockSize])
		cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
		if how == encryptOddCBC {
			out = out[:2*aes.BlockSize+1]
		}
		return out, encryptCBC, nil
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, "", fmt.Errorf("encrypt for the application: %w", err)
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce)
	out := gcm.Seal(nonce, nonce, plain, nil)
	switch how {
	case encryptCutTag:
		out = out[:len(out)-12]
	case encryptEmpty:
		out = nil
	}
	return out, encryptGCM, nil
}

// recipient is the key that an assertion is encrypted for, nil where it is not.
func (d *draft) recipient() (*rsa.PublicKey, error) {
	switch d.settings.Encrypt {
	case "off":
		return nil, nil
	case encryptOldKey:
		gone, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		return &gone.PublicKey, nil
	}
	keys, err := publicKeys(d.settings.EncryptionCertificates)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: the application's metadata has no certificate to encrypt for; import it again once it has one", ErrInvalid)
	}
	return keys[0], nil
}
