package idpsim

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ssoURL is where requests go, at a simulator whose origin is base.
func (p *IdP) ssoURL(base string) string {
	return strings.TrimSuffix(base, "/") + "/" + string(p.kind) + "/saml/sso"
}

// SAMLMetadata is the IdP's metadata with addresses at Options.BaseURL.
func (p *IdP) SAMLMetadata() ([]byte, error) { return p.metadata(p.opts.BaseURL) }

// metadata is what is published at base, with its fault.
func (p *IdP) metadata(base string) ([]byte, error) {
	text, err := p.goodMetadata(base)
	return []byte(p.spoiled(text, base)), err
}

// goodMetadata writes the descriptor as the vendor does: Okta's unsigned; Entra's signed, with a
// descriptor of WS-Federation in front that applications must read past.
func (p *IdP) goodMetadata(base string) (string, error) {
	keys, err := p.saml.keys()
	if err != nil {
		return "", err
	}
	st := styleOf(p.kind)
	if !p.kind.IsEntra() {
		md := func(n string) string { return "md:" + n }
		root := p.descriptor(st, md, keys, base)
		return st.finish(root.with("")), nil
	}
	bare := func(n string) string { return n }
	root := p.descriptor(st, bare, keys, base)
	signature, err := signer{key: keys.own, alg: algorithms["rsa-sha256"], style: st}.sign(root.id, root.with(""))
	if err != nil {
		return "", err
	}
	// The prefix in xsi:type is not visibly used, so that exclusive canonical XML does without its
	// declaration and the document does not.
	const role = "<RoleDescriptor"
	return strings.Replace(st.finish(root.with(signature)), role, role+attrs("xmlns:fed", nsFederation), 1), nil
}

const nsFederation = "http://docs.oasis-open.org/wsfed/federation/200706"

func (p *IdP) descriptor(st style, md func(string) string, keys *samlKeys, base string) parts {
	key := keys.own
	info := func(use string) (out string) {
		for _, k := range append([]samlKey{key}, keys.beside...) {
			out += el(md("KeyDescriptor"), attrs("use", use), el(st.ds("KeyInfo"), st.dsDeclaration(),
				el(st.ds("X509Data"), "", el(st.ds("X509Certificate"), "", st.base64(k.der)))))
		}
		return out
	}
	service := func(binding string) string {
		return el(md("SingleSignOnService"), attrs("Binding", binding, "Location", p.ssoURL(base)))
	}
	places := p.logoutPlaces(md, base)
	formats := ""
	for _, name := range []string{"unspecified", "emailAddress"} {
		formats += el(md("NameIDFormat"), "", nameIDFormats[name])
	}
	if !p.kind.IsEntra() {
		return parts{"", "<" + md("EntityDescriptor") + declare(md, nsMetadata) + attrs("entityID", p.saml.entityID()) + ">",
			el(md("IDPSSODescriptor"), attrs("WantAuthnRequestsSigned", "false", "protocolSupportEnumeration", nsProtocol),
				info("signing"), places, formats, service(bindingPOST), service(bindingRedirect)) + "</" + md("EntityDescriptor") + ">"}
	}
	id := "_" + key.fingerprint()[:32]
	return parts{id, "<" + md("EntityDescriptor") + declare(md, nsMetadata) + attrs("ID", id, "entityID", p.saml.entityID()) + ">",
		p.federation(info("signing")) +
			el(md("IDPSSODescriptor"), attrs("protocolSupportEnumeration", nsProtocol), info("signing"), places, service(bindingRedirect), service(bindingPOST)) +
			"</" + md("EntityDescriptor") + ">"}
}

// logoutPlaces are the services for artifacts and logout, as far as the vendor has them.
func (p *IdP) logoutPlaces(md func(string) string, base string) (out string) {
	if p.kind.resolvesArtifacts() {
		out += el(md("ArtifactResolutionService"), attrs("Binding", bindingSOAP, "Location", p.artifactURL(base), "index", fmt.Sprint(artifactIndex)))
	}
	if p.kind.logsOut() {
		for _, binding := range []string{bindingRedirect, bindingPOST} {
			out += el(md("SingleLogoutService"), attrs("Binding", binding, "Location", p.sloURL(base)))
		}
	}
	return out
}

// federation is Entra's WS-Federation role, which SAML applications have no use for.
func (p *IdP) federation(key string) string {
	const auth = "http://docs.oasis-open.org/wsfed/authorization/200706"
	var claims strings.Builder
	for _, a := range samlDefaults(p.kind).Attributes {
		name := a.Name[strings.LastIndexByte(a.Name, '/')+1:]
		claims.WriteString(el("auth:ClaimType", attrs("xmlns:auth", auth, "Uri", a.Name), el("auth:DisplayName", "", xmlText(name))))
	}
	return el("RoleDescriptor", attrs("xmlns:xsi", nsXSI, "protocolSupportEnumeration", nsFederation, "xsi:type", "fed:SecurityTokenServiceType"),
		key, el("fed:ClaimTypesOffered", attrs("xmlns:fed", nsFederation), claims.String()))
}

// spMetadata is what the application's metadata tells an IdP.
type spMetadata struct {
	entityID, acs         string
	logout, logoutAnswers map[string]string // by binding, as SAMLSettings.LogoutBinding has it
	signing, encryption   []string          // certificates, base64
}

// maxMetadata bounds what is fetched, in bytes.
const maxMetadata = 1 << 20

// fetchMetadata gets the application's metadata as Okta's console would.
func (p *IdP) fetchMetadata(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w metadata URL: %w", ErrInvalid, err)
	}
	req.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, */*;q=0.1")
	res, err := p.opts.HTTPClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w metadata: %w", ErrInvalid, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w metadata: %w", ErrInvalid, err)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w metadata: %s answered %s, expected 200", ErrInvalid, address, res.Status)
	case len(raw) > maxMetadata:
		return nil, fmt.Errorf("%w metadata: %s is larger than %d bytes", ErrInvalid, address, maxMetadata)
	}
	return raw, nil
}

// readMetadata finds the entityID and the ACS by POST: the default one, else the one with the
// lowest index.
func readMetadata(raw []byte) (spMetadata, error) {
	var d struct {
		XMLName  xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
		EntityID string   `xml:"entityID,attr"`
		Roles    []struct {
			Protocols string `xml:"protocolSupportEnumeration,attr"`
			Services  []struct {
				Binding   string `xml:"Binding,attr"`
				Location  string `xml:"Location,attr"`
				Index     *int   `xml:"index,attr"`
				IsDefault string `xml:"isDefault,attr"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:metadata AssertionConsumerService"`
			Logout []struct {
				Binding   string `xml:"Binding,attr"`
				Location  string `xml:"Location,attr"`
				Responses string `xml:"ResponseLocation,attr"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:metadata SingleLogoutService"`
			Keys []struct {
				Use          string   `xml:"use,attr"`
				Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata SPSSODescriptor"`
	}
	if err := xml.Unmarshal(raw, &d); err != nil {
		return spMetadata{}, fmt.Errorf("%w metadata: %w", ErrInvalid, err)
	}
	switch {
	case d.EntityID == "":
		return spMetadata{}, fmt.Errorf("%w metadata: EntityDescriptor has no entityID", ErrInvalid)
	case len(d.Roles) != 1:
		return spMetadata{}, fmt.Errorf("%w metadata: it has %d SPSSODescriptor elements, expected one", ErrInvalid, len(d.Roles))
	case !strings.Contains(d.Roles[0].Protocols, nsProtocol):
		return spMetadata{}, fmt.Errorf("%w metadata: protocolSupportEnumeration is %q, expected %q", ErrInvalid, d.Roles[0].Protocols, nsProtocol)
	}
	out := spMetadata{entityID: d.EntityID, logout: map[string]string{}, logoutAnswers: map[string]string{}}
	words := map[string]string{bindingRedirect: "redirect", bindingPOST: "post"}
	for _, s := range d.Roles[0].Logout {
		if word := words[s.Binding]; word != "" {
			out.logout[word], out.logoutAnswers[word] = s.Location, s.Responses
		}
	}
	for _, k := range d.Roles[0].Keys {
		if k.Use != "encryption" {
			out.signing = append(out.signing, k.Certificates...)
		}
		if k.Use != "signing" {
			out.encryption = append(out.encryption, k.Certificates...)
		}
	}
	lowest := -1
	for _, s := range d.Roles[0].Services {
		if s.Index == nil {
			return spMetadata{}, fmt.Errorf("%w metadata: an AssertionConsumerService has no index", ErrInvalid)
		}
		if s.Binding != bindingPOST {
			continue
		}
		if boolean(s.IsDefault) {
			out.acs = s.Location
			return out, nil
		}
		if lowest < 0 || *s.Index < lowest {
			lowest, out.acs = *s.Index, s.Location
		}
	}
	if out.acs == "" {
		return spMetadata{}, fmt.Errorf("%w metadata: no AssertionConsumerService has the binding %q", ErrInvalid, bindingPOST)
	}
	return out, nil
}
