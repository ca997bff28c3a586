package settings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/saml"
)

// MaxMetadataBytes is how long an IdP's metadata may be.
const MaxMetadataBytes = 1 << 20

// maxKeys bounds an IdP's certificates, and its places: each certificate is tried on every message
// that anybody posts.
const maxKeys = 32

// identities are the IdPs of a file's connections, in its order; nil where it names no metadata.
type identities []*saml.IdentityProvider

// metadata reads the metadata that the connections of a file hold, or have in files. Those that are
// to be fetched are left to fetchMetadata, which is not asked before everything else is in order.
func (s *Service) metadata(f *File, wrong *mistakes) identities {
	if f.connections == nil {
		return nil
	}
	out := make(identities, len(*f.connections))
	for i, part := range *f.connections {
		switch {
		case part.metadata != "":
			out[i] = s.parseMetadata([]byte(part.metadata), part.line, part.path+".metadata", wrong)
		case part.metadataFile != "":
			path := part.path + ".metadata_file: " + part.metadataFile
			text, err := s.readFile(f.dir, part.metadataFile)
			if err != nil {
				wrong.add(part.line, "%s: %v", path, err)
				continue
			}
			out[i] = s.parseMetadata(text, part.line, path, wrong)
		}
	}
	return out
}

// fetchMetadata adds what the connections' metadata_url answer. No transaction is open meanwhile.
func (s *Service) fetchMetadata(ctx context.Context, f *File, into identities) error {
	var wrong mistakes
	for i := range into {
		part := (*f.connections)[i]
		if part.metadataURL == "" {
			continue
		}
		path := part.path + ".metadata_url: " + part.metadataURL
		text, err := s.fetch(ctx, part.metadataURL)
		if err != nil {
			wrong.add(part.line, "%s: %v", path, err)
			continue
		}
		into[i] = s.parseMetadata(text, part.line, path, &wrong)
	}
	return wrong.err()
}

func (s *Service) fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("expected an https URL, received %s", quote(address))
	case u.Scheme == "http" && !s.AllowPrivate:
		return nil, errors.New("expected https, received http; what travels in the clear could be replaced on its way")
	case s.Metadata == nil:
		return nil, errors.New("nothing can be fetched here; save the metadata as a file")
	}
	return s.Metadata(ctx, address)
}

func (s *Service) parseMetadata(text []byte, line int, path string, wrong *mistakes) *saml.IdentityProvider {
	idp, err := s.identityProvider(text)
	if err != nil {
		wrong.add(line, "%s: %v", path, err)
		return nil
	}
	return idp
}

// identityProvider reads metadata that sign-in could be enabled with: what could not be is a mistake
// that is best told now.
func (s *Service) identityProvider(text []byte) (*saml.IdentityProvider, error) {
	if len(text) > MaxMetadataBytes {
		return nil, fmt.Errorf("expected metadata of at most %d bytes, received more", MaxMetadataBytes)
	}
	idp, err := saml.ParseMetadata(bytes.TrimSpace(text), "", s.DB.Now())
	if err != nil {
		return nil, err
	}
	if n := max(len(idp.Certificates), len(idp.SSO), len(idp.SLO), len(idp.ArtifactResolution)); n > maxKeys {
		return nil, fmt.Errorf("expected at most %d signing certificates and services of a kind, received %d", maxKeys, n)
	}
	if err := idp.Check(s.AllowPrivate); err != nil {
		return nil, err
	}
	return &idp, nil
}

// readFile reads a file that an apply file names, relative to the folder of the latter.
func (s *Service) readFile(dir, name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	if s.ReadFile == nil {
		return nil, errors.New("no files can be read here")
	}
	return s.ReadFile(name)
}

// setIdentityProvider takes over what is kept of an IdP. The certificates are in an order of their
// own, so that metadata that lists them in another one changes nothing.
func setIdentityProvider(to *directory.SAML, idp *saml.IdentityProvider) {
	to.EntityID, to.Certificates = idp.EntityID, nil
	to.SSO, to.SLO, to.ArtifactResolution = keptEndpoints(idp.SSO), keptEndpoints(idp.SLO), keptEndpoints(idp.ArtifactResolution)
	for _, c := range idp.Certificates {
		to.Certificates = append(to.Certificates, c.Raw)
	}
	slices.SortFunc(to.Certificates, bytes.Compare)
	to.Certificates = slices.CompactFunc(to.Certificates, bytes.Equal)
}

// IdentityProvider returns the other side of a SAML connection as saml verifies against it. A
// certificate that cannot be read any more is left out.
func IdentityProvider(s *directory.SAML) saml.IdentityProvider {
	if s == nil {
		return saml.IdentityProvider{}
	}
	idp := saml.IdentityProvider{EntityID: s.EntityID, SSO: samlEndpoints(s.SSO), SLO: samlEndpoints(s.SLO), ArtifactResolution: samlEndpoints(s.ArtifactResolution)}
	for _, raw := range s.Certificates {
		if c, err := saml.ParseCertificate(raw); err == nil {
			idp.Certificates = append(idp.Certificates, c)
		}
	}
	return idp
}

// mayBeActive tells why a connection cannot sign anybody in, nil if it can.
func mayBeActive(c directory.Connection, allowPrivate bool) error {
	switch {
	case c.Protocol == directory.ProtocolOIDC:
		return oidcMayBeActive(c, allowPrivate)
	case c.SAML == nil || c.SAML.EntityID == "":
		return errors.New("expected the IdP's metadata before the connection is active, found none; give metadata_file, metadata_url or metadata")
	}
	return IdentityProvider(c.SAML).Check(allowPrivate)
}

// sameIdP reports whether two states of a connection are about one IdP, and one client there. An IdP that
// is known for the first time takes nobody's place.
func sameIdP(a, b directory.Connection) bool {
	if a.OIDC != nil && b.OIDC != nil && (a.OIDC.Issuer != "" && a.OIDC.Issuer != b.OIDC.Issuer || a.OIDC.ClientID != "" && a.OIDC.ClientID != b.OIDC.ClientID) {
		return false
	}
	return a.Protocol == b.Protocol && (a.SAML == nil || b.SAML == nil || a.SAML.EntityID == "" || a.SAML.EntityID == b.SAML.EntityID)
}

// fingerprint is the SHA-256 of a certificate in DER, by which people compare certificates.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// remarks are what an operator should know of an IdP's metadata and what stops nothing.
func remarks(idp *saml.IdentityProvider, signed bool, now time.Time) []string {
	out := slices.Clone(idp.Ignored)
	if idp.WantAuthnRequestsSigned && !signed {
		out = append(out, "the IdP asks for signed requests; switch them on for this connection (sign_requests), or off in the IdP")
	}
	for _, c := range idp.Certificates {
		out = append(out, expiry(c, now)...)
	}
	return out
}

// metadataOf writes what is kept of an IdP as metadata that reads back the same, for an export.
func metadataOf(s *directory.SAML) string {
	if s == nil || s.EntityID == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="` + escape(s.EntityID) + "\">\n")
	b.WriteString("  <md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\n")
	for _, der := range s.Certificates {
		b.WriteString("    <md:KeyDescriptor use=\"signing\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n")
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(der)), 96) {
			b.Write(append(line[:len(line):len(line)], '\n'))
		}
		b.WriteString("    </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>\n")
	}
	writeLogoutAndArtifact(&b, s)
	for _, e := range s.SSO {
		fmt.Fprintf(&b, "    <md:SingleSignOnService Binding=\"%s\" Location=\"%s\"/>\n", escape(e.Binding), escape(e.Location))
	}
	b.WriteString("  </md:IDPSSODescriptor>\n</md:EntityDescriptor>\n")
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

// metadataRefused is the answer to metadata that an administrator gives.
func metadataRefused(err error) error {
	if e := errs.As(err); e != nil {
		return err
	}
	return errs.Invalid("metadata_invalid", "The IdP's metadata cannot be used: %s.", clause(err))
}

// clause is the text of an error for the middle of a sentence: those of saml end with a full stop.
func clause(err error) string { return strings.TrimSuffix(err.Error(), ".") }
