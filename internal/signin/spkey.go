package signin

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/saml"
)

// reasonSPKey is the code of a connection whose own key cannot be opened.
const reasonSPKey = "sp_key_unreadable"

// ServiceProvider is our side of a SAML connection. It is there from draft on.
func ServiceProvider(publicURL string, c directory.Connection) saml.ServiceProvider {
	places := directory.SAMLEndpoints(publicURL, c.ID)
	sp := saml.ServiceProvider{EntityID: places.EntityID, ACS: places.ACS}
	if c.SAML == nil {
		return sp
	}
	for _, k := range c.SAML.Keys {
		certificate, err := saml.ParseCertificate(k.Certificate)
		if err != nil {
			continue // ours are sound; a damaged one is not worth the whole document
		}
		sp.SigningCertificates = append(sp.SigningCertificates, certificate)
		if c.SAML.Encrypts() { // IdPs begin to encrypt by themselves where there is a certificate for it
			sp.EncryptionCertificates = append(sp.EncryptionCertificates, certificate)
		}
	}
	if _, ok := c.SAML.SigningKey(); ok { // answers to a logout must be signed
		for _, binding := range []string{saml.BindingRedirect, saml.BindingPOST} {
			sp.Logout = append(sp.Logout, saml.Endpoint{Binding: binding, Location: places.Logout})
		}
	}
	sp.ArtifactACS = c.SAML.Artifact
	sp.AuthnRequestsSigned, sp.AllowCBC = c.SAML.SignRequests, c.SAML.Encryption == "cbc"
	return sp
}

// spKey opens a key of ours at a connection.
func (s *Service) spKey(connection string, k directory.SPKey) (*rsa.PrivateKey, error) {
	if s.Master == nil {
		return nil, errs.Unavailable(reasonSPKey, "The key of this connection cannot be opened here.")
	}
	der, err := s.Master.Open(directory.SPKeyPurpose(connection), k.Private)
	if err != nil {
		return nil, errs.Unavailable(reasonSPKey, "The key of this connection cannot be opened. An administrator has to replace it.").With(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	pair, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errs.Unavailable(reasonSPKey, "The key of this connection cannot be read. An administrator has to replace it.").With(err)
	}
	return pair, nil
}

// signingKey is what requests of a connection are signed with, nil where they are not.
func (s *Service) signingKey(c directory.Connection) (*saml.SigningKey, error) {
	if !c.SAML.SignRequests {
		return nil, nil
	}
	return s.ourKey(c)
}

// ourKey is what everything but sign-in requests is signed with.
func (s *Service) ourKey(c directory.Connection) (*saml.SigningKey, error) {
	k, ok := c.SAML.SigningKey()
	if !ok {
		return nil, errs.Unavailable(reasonSPKey, "Messages of this connection are to be signed, and it has no key for it.")
	}
	signer, err := s.spKey(c.ID, k)
	if err != nil {
		return nil, err
	}
	certificate, err := saml.ParseCertificate(k.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate of our key: %w", err)
	}
	return &saml.SigningKey{Signer: signer, Certificate: certificate}, nil
}

// decryptionKeys are those of a connection that takes encrypted assertions, the newest first. One that cannot be
// opened is left out while there is another one: not every answer is for it.
func (s *Service) decryptionKeys(c directory.Connection) (out []crypto.Decrypter, err error) {
	if !c.SAML.Encrypts() {
		return nil, nil
	}
	for _, k := range c.SAML.Keys {
		pair, e := s.spKey(c.ID, k)
		if e != nil {
			err = e
			continue
		}
		out = append(out, pair)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, err
}
