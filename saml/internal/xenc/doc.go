// Package xenc opens what identity providers encrypt for us (W3C XML Encryption 1.1), in the one shape
// that SAML uses (SAML 2.0 Core section 2.2.4): an element that holds one EncryptedData, whose key is
// encrypted to an RSA key of ours, inside it or beside it.
//
// # What it accepts
//
// AES-128 and AES-256 in GCM, with a nonce of 12 and a tag of 16 bytes; the same in CBC only when the
// policy says so; keys by RSA-OAEP alone, with SHA-1 or SHA-2 as digest and in MGF1. RSA PKCS #1 v1.5 and
// triple DES are not compiled in. Nothing is fetched from any address.
//
// # One failure
//
// Which key fitted, whether it fitted, whether padding or tag was right and whether the outcome was XML
// of the expected kind: whoever tries out ciphertexts learns none of this. All of it is
// ReasonDecryption in the same words. What can be read without a key, such as the names of
// algorithms, is told.
//
// # What it refuses to know
//
// Signatures: encryption says nothing about who wrote. Those who allow CBC check a signature over the
// ciphertext first, because CBC lets a stranger change it.
//
// # Where to start
//
// Open and Policy; Error for the reasons.
package xenc
