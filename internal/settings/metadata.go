package settings

import (
	"bytes"
	"context"
	"encoding/base64"
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

const (
	// MaxMetadataBytes is how long metadata may be that somebody brings.
	MaxMetadataBytes = 1 << 20
	// MaxFetchedMetadata is how long metadata may be that an address answers: federations publish some megabytes.
	MaxFetchedMetadata = 5 << 20
)

// maxKeys bounds an IdP's certificates, and its places: each certificate is tried on every message
// that anybody posts.
const maxKeys = 32

// identities are the IdPs of a file's connections, in its order.
type identities []identity

// identity is what a connection of a file says of its IdP.
type identity struct {
	idp    *saml.IdentityProvider // nil where it names none
	signer []byte                 // of metadata_signer, DER; nil for none
}

// metadata reads the metadata that the connections of a file hold, or have in files. Those that are
// to be fetched are left to fetchMetadata, which is not asked before everything else is in order.
func (s *Service) metadata(f *File, wrong *mistakes) identities {
	if f.connections == nil {
		return nil
	}
	out := make(identities, len(*f.connections))
	for i, part := range *f.connections {
		// pick returns what a key holds, or the file that another one names.
		pick := func(path, text, file string) (string, []byte) {
			if file == "" {
				return part.path + "." + path, []byte(text)
			}
			path = part.path + "." + path + "_file: " + file
			content, err := s.readFile(f.dir, file)
			if err != nil {
				wrong.add(part.line, "%s: %v", path, err)
			}
			return path, content
		}
		if path, text := pick("metadata_signer", part.metadataSigner, part.metadataSignerFile); len(text) > 0 {
			certificate, err := saml.ParseCertificate(text)
			if err != nil {
				wrong.add(part.line, "%s: %v", path, err)
			}
			out[i].signer = certificate.Raw
		}
		if part.idp != nil {
			path, text := pick("idp.certificate", part.idp.certificate, part.idp.certificateFile)
			idp, err := s.fields(Fields{EntityID: part.idp.entityID, SSO: part.idp.ssoURL, Binding: part.idp.binding, Certificates: string(text)})
			if err != nil && len(text) > 0 {
				wrong.add(part.line, "%s: %v", path, err)
			}
			out[i].idp = idp
			continue
		}
		if path, text := pick("metadata", part.metadata, part.metadataFile); len(text) > 0 {
			out[i].idp = s.parseMetadata(text, part, path, wrong)
		}
	}
	return out
}

// fetchMetadata adds what the connections' metadata_url answer, where the file does not say itself who the IdP is. No
// transaction is open meanwhile.
func (s *Service) fetchMetadata(ctx context.Context, f *File, into identities) error {
	var wrong mistakes
	for i := range into {
		part := (*f.connections)[i]
		if part.metadataURL == "" {
			continue
		}
		path := part.path + ".metadata_url: " + part.metadataURL
		err := s.checkAddress(part.metadataURL)
		if err == nil && !part.inline() {
			var text []byte
			if text, err = s.fetch(ctx, part.metadataURL); err == nil {
				into[i].idp, err = s.publishedProvider(text, part.metadataEntityID, into[i].signer)
			}
		}
		if err != nil {
			wrong.add(part.line, "%s: %v", path, err)
		}
	}
	return wrong.err()
}

// checkAddress refuses what metadata is not fetched from.
func (s *Service) checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("expected an https URL, received %s", quote(address))
	case len(address) > maxText:
		return fmt.Errorf("expected at most %d bytes, received %d", maxText, len(address))
	case u.User != nil:
		return errors.New("expected an address without user and password")
	case u.Scheme == "http" && !s.AllowPrivate:
		return errors.New("expected https, received http; what travels in the clear could be replaced on its way")
	}
	return nil
}

func (s *Service) fetch(ctx context.Context, address string) ([]byte, error) {
	if err := s.checkAddress(address); err != nil {
		return nil, err
	}
	if s.Metadata == nil {
		return nil, errors.New("nothing can be fetched here; save the metadata as a file")
	}
	return s.Metadata(ctx, address)
}

func (s *Service) parseMetadata(text []byte, part connectionPart, path string, wrong *mistakes) *saml.IdentityProvider {
	idp, err := s.identityProvider(text, part.metadataEntityID)
	if err != nil {
		wrong.add(part.line, "%s: %v", path, err)
		return nil
	}
	return idp
}

// Fields are the values of an IdP whose administrator copies them one by one.
type Fields struct {
	EntityID string
	SSO      string // where people are sent to sign in
	Binding  string // "redirect" or "post"; "" is redirect
	// Certificates is one certificate, or several in PEM.
	Certificates string
}

// fields makes an IdP of single values, by the rules of metadata that says the same.
func (s *Service) fields(f Fields) (*saml.IdentityProvider, error) {
	side := directory.SAML{EntityID: strings.TrimSpace(f.EntityID)}
	place := directory.Endpoint{Binding: saml.BindingRedirect, Location: strings.TrimSpace(f.SSO)}
	switch f.Binding {
	case "", "redirect":
	case "post":
		place.Binding = saml.BindingPOST
	default:
		return nil, fmt.Errorf("expected the binding redirect or post, received %s", quote(f.Binding))
	}
	switch {
	case side.EntityID == "":
		return nil, errors.New("expected the IdP's entity ID (issuer), received nothing")
	case place.Location == "":
		return nil, errors.New("expected the address where people sign in at the IdP, received nothing")
	case strings.TrimSpace(f.Certificates) == "":
		return nil, errors.New("expected the IdP's signing certificate, received nothing")
	}
	if err := errors.Join(checkText("entity id", side.EntityID), checkText("sign-in address", place.Location)); err != nil {
		return nil, err
	}
	side.SSO = []directory.Endpoint{place}
	for _, text := range certificateTexts(f.Certificates) {
		c, err := saml.ParseCertificate([]byte(text))
		if err != nil {
			return nil, err
		}
		side.Certificates = append(side.Certificates, c.Raw)
	}
	return s.identityProvider([]byte(metadataOf(&side)), side.EntityID)
}

// certificateTexts takes several certificates in PEM apart.
func certificateTexts(text string) (out []string) {
	const end = "-----END CERTIFICATE-----"
	for {
		i := strings.Index(text, end)
		if i < 0 {
			if strings.TrimSpace(text) != "" || out == nil {
				out = append(out, text)
			}
			return out
		}
		out, text = append(out, text[:i+len(end)]), text[i+len(end):]
	}
}

// identityProvider reads metadata that sign-in could be enabled with: what could not be is a mistake
// that is best told now. entityID chooses among several; "" for the only one.
func (s *Service) identityProvider(text []byte, entityID string) (*saml.IdentityProvider, error) {
	if len(text) > MaxMetadataBytes {
		return nil, fmt.Errorf("expected metadata of at most %d bytes, received more", MaxMetadataBytes)
	}
	idp, err := saml.ParseMetadata(bytes.TrimSpace(text), entityID, s.DB.Now())
	if err != nil {
		return nil, err
	}
	return s.usable(&idp)
}

// publishedProvider is identityProvider for what an address answers, signed by signer where that is a certificate.
func (s *Service) publishedProvider(text []byte, entityID string, signer []byte) (*saml.IdentityProvider, error) {
	if signer == nil {
		idp, err := saml.ParseMetadata(bytes.TrimSpace(text), entityID, s.DB.Now())
		if err != nil {
			return nil, err
		}
		return s.usable(&idp)
	}
	certificate, err := saml.ParseCertificate(signer)
	if err != nil {
		return nil, err
	}
	idp, err := saml.ParseSignedMetadata(bytes.TrimSpace(text), entityID, certificate, s.DB.Now())
	if err != nil {
		return nil, err
	}
	return s.usable(&idp)
}

// usable refuses an IdP that no sign-in could be enabled with.
func (s *Service) usable(idp *saml.IdentityProvider) (*saml.IdentityProvider, error) {
	if n := max(len(idp.Certificates), len(idp.SSO), len(idp.SLO), len(idp.ArtifactResolution)); n > maxKeys {
		return nil, fmt.Errorf("expected at most %d signing certificates and services of a kind, received %d", maxKeys, n)
	}
	if err := idp.Check(s.AllowPrivate); err != nil {
		return nil, err
	}
	return idp, nil
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

// setIdentityProvider takes over what is kept of an IdP beside its keys.
func setIdentityProvider(to *directory.SAML, idp *saml.IdentityProvider) {
	to.EntityID = idp.EntityID
	to.SSO, to.SLO, to.ArtifactResolution = keptEndpoints(idp.SSO), keptEndpoints(idp.SLO), keptEndpoints(idp.ArtifactResolution)
	to.NameIDFormats = noneIfEmpty(slices.Clone(idp.NameIDFormats))
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
func fingerprint(der []byte) string { return directory.KeyPrint(der) }

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
	for _, format := range s.NameIDFormats {
		b.WriteString("    <md:NameIDFormat>" + escape(format) + "</md:NameIDFormat>\n")
	}
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
