package saml

import (
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Limits of metadata. Entra's has 60 KB with role descriptors of other protocols, and federations
// publish some megabytes with thousands of entities.
const (
	maxMetadataBytes = 5 << 20
	maxMetadataNodes = 100_000
)

// ParseMetadata reads an identity provider's metadata: an EntityDescriptor, or an EntitiesDescriptor
// from which entityID chooses. With entityID "" there must be exactly one identity provider; with
// another, what is found must be that one. now is held against validUntil; cacheDuration is not read.
//
// Addresses may begin with https or http; Check decides about http. A signature on the metadata
// is not looked at (ParseSignedMetadata does): trust comes from how the document was obtained. A signing key that cannot
// be used is left out and named in Ignored. The error is a sentence that names what was
// expected and what was received.
func ParseMetadata(raw []byte, entityID string, now time.Time) (IdentityProvider, error) {
	return parseMetadata(raw, entityID, now, func(root, entity *strictxml.Element) error { return nil })
}

// parseMetadata is ParseMetadata with a check of the document and the chosen entity before it is read.
func parseMetadata(raw []byte, entityID string, now time.Time, check func(root, entity *strictxml.Element) error) (IdentityProvider, error) {
	if len(raw) > maxMetadataBytes {
		return IdentityProvider{}, sentencef("The metadata has %d bytes; up to %d are accepted.", len(raw), maxMetadataBytes)
	}
	root, err := strictxml.Parse(raw, strictxml.Limits{Bytes: maxMetadataBytes, Nodes: maxMetadataNodes})
	if err != nil {
		return IdentityProvider{}, syntaxSentence(err)
	}
	entity, role, err := choose(root, entityID)
	if err != nil {
		return IdentityProvider{}, err
	}
	if err := check(root, entity); err != nil {
		return IdentityProvider{}, err
	}
	return readEntity(entity, role, now)
}

func syntaxSentence(err error) error {
	var syntax *strictxml.SyntaxError
	if errors.As(err, &syntax) && syntax.Cause == strictxml.TooLarge {
		return sentencef("The metadata is too large: %v.", err)
	}
	return sentencef("This is not metadata in XML, or it has a part that is not accepted: %v.", err)
}

// choose finds the entity and its identity provider role.
func choose(root *strictxml.Element, entityID string) (entity, role *strictxml.Element, err error) {
	if !root.Is(nsMetadata, "EntityDescriptor") && !root.Is(nsMetadata, "EntitiesDescriptor") {
		return nil, nil, sentencef("This is not SAML metadata: the document is %s.", named(root))
	}
	var found, names []string
	for e := range entities(root) {
		id := attr(e, "entityID")
		names = append(names, id)
		idp := providerRole(e)
		if idp == nil {
			continue
		}
		found = append(found, id)
		if entityID == "" || id == entityID {
			if entity != nil && id == entityID {
				return nil, nil, sentencef("The metadata has %s twice.", quote(id))
			}
			entity, role = e, idp
		}
	}
	switch {
	case entity != nil && (entityID != "" || len(found) == 1):
		return entity, role, nil
	case len(found) == 0 && len(names) == 0:
		return nil, nil, sentence("The metadata describes nobody.")
	case len(found) == 0:
		return nil, nil, sentencef("The metadata of %s describes no SAML 2.0 identity provider; perhaps it is a service provider's, such as our own.", listed(names))
	case entityID != "":
		return nil, nil, sentencef("The metadata is of %s; expected %s.", listed(found), quote(entityID))
	}
	return nil, nil, sentencef("The metadata has %d identity providers, %s. Say which one is meant.", len(found), listed(found))
}

// listed names a few things.
func listed(names []string) string {
	const most = 10
	quoted := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, quote(name))
	}
	list := strings.Join(quoted, ", ")
	if len(names) > most {
		list += ", ..."
	}
	return list
}

// entities yields the EntityDescriptors below nested EntitiesDescriptors.
func entities(root *strictxml.Element) iter.Seq[*strictxml.Element] {
	return func(yield func(*strictxml.Element) bool) {
		walkEntities(root, yield)
	}
}

func walkEntities(e *strictxml.Element, yield func(*strictxml.Element) bool) bool {
	if e.Is(nsMetadata, "EntityDescriptor") {
		return yield(e)
	}
	for child := range e.Elements() {
		if (child.Is(nsMetadata, "EntityDescriptor") || child.Is(nsMetadata, "EntitiesDescriptor")) && !walkEntities(child, yield) {
			return false
		}
	}
	return true
}

// providerRole returns the IDPSSODescriptor for SAML 2.0, nil when there is none. Roles of other
// protocols, such as Entra's of WS-Federation, are passed over.
func providerRole(entity *strictxml.Element) *strictxml.Element {
	for role := range entity.Elements() {
		if role.Is(nsMetadata, "IDPSSODescriptor") &&
			slices.Contains(strings.Fields(attr(role, "protocolSupportEnumeration")), nsProtocol) {
			return role
		}
	}
	return nil
}

// readEntity reads what is wanted of the chosen role.
func readEntity(entity, role *strictxml.Element, now time.Time) (IdentityProvider, error) {
	idp := IdentityProvider{EntityID: attr(entity, "entityID")}
	if idp.EntityID == "" || len(idp.EntityID) > maxID {
		return idp, sentence("The metadata has no usable entityID.")
	}
	var err error
	if idp.ValidUntil, err = validUntil(role); err != nil {
		return idp, err
	}
	if !idp.ValidUntil.IsZero() && !now.Before(idp.ValidUntil) {
		return idp, sentencef("The metadata of %s was valid until %s; now it is %s. Fetch it anew from the identity provider.",
			quote(idp.EntityID), written(idp.ValidUntil), written(now))
	}
	idp.WantAuthnRequestsSigned = truth(attr(role, "WantAuthnRequestsSigned"))
	if err := idp.readServices(role); err != nil {
		return idp, err
	}
	idp.Certificates, idp.Ignored = readKeys(role)
	if len(idp.Certificates) == 0 {
		return idp, sentence(strings.Join(append([]string{"The metadata of " + quote(idp.EntityID) +
			" has no usable signing certificate: nothing that the identity provider sends could be verified."}, idp.Ignored...), " "))
	}
	return idp, nil
}

// validUntil returns the earliest validUntil of e and everything around it, zero when there is none.
func validUntil(e *strictxml.Element) (time.Time, error) {
	var earliest time.Time
	for ; e != nil; e = e.Parent {
		raw, has := e.Attr("validUntil")
		if !has {
			continue
		}
		t, ok := parseInstant(raw)
		if !ok {
			return t, sentencef("The metadata has validUntil %s, which is not a UTC instant.", quote(raw))
		}
		if earliest.IsZero() || t.Before(earliest) {
			earliest = t
		}
	}
	return earliest, nil
}

// readServices reads the places of the bindings that are spoken here.
func (idp *IdentityProvider) readServices(role *strictxml.Element) error {
	for e := range role.Elements() {
		if e.Space != nsMetadata {
			continue
		}
		var err error
		binding := attr(e, "Binding")
		browser := binding == BindingRedirect || binding == BindingPOST
		switch {
		case e.Local == "SingleSignOnService" && browser:
			idp.SSO, err = appendService(idp.SSO, e, "single sign-on service")
		case e.Local == "SingleLogoutService" && browser:
			idp.SLO, err = appendService(idp.SLO, e, "single logout service")
		case e.Local == "ArtifactResolutionService" && binding == BindingSOAP:
			idp.ArtifactResolution, err = appendService(idp.ArtifactResolution, e, "artifact resolution service")
		case e.Local == "NameIDFormat" && len(idp.NameIDFormats) < maxServices:
			if format, err := e.OnlyText(); err == nil {
				idp.NameIDFormats = append(idp.NameIDFormats, strings.TrimSpace(format))
			}
		}
		if err != nil {
			return err
		}
	}
	if len(idp.SSO) == 0 {
		return sentence("The metadata has no single sign-on service for the Redirect or POST binding.")
	}
	return nil
}

// maxServices is how many places of one kind are read.
const maxServices = 64

// appendService reads one place.
func appendService(list []Endpoint, e *strictxml.Element, what string) ([]Endpoint, error) {
	if len(list) == maxServices {
		return nil, sentencef("The metadata has more than %d places of one kind: %s.", maxServices, what)
	}
	endpoint := Endpoint{Binding: attr(e, "Binding"), Location: attr(e, "Location")}
	if _, err := checkLocation(endpoint.Location); err != nil {
		return nil, sentencef("The metadata's %s cannot be used. %v", what, err)
	}
	if e.Local == "SingleLogoutService" {
		if endpoint.ResponseLocation = attr(e, "ResponseLocation"); endpoint.ResponseLocation != "" {
			if _, err := checkLocation(endpoint.ResponseLocation); err != nil {
				return nil, sentencef("The metadata's %s cannot be used. %v", what, err)
			}
		}
	}
	if e.Local == "ArtifactResolutionService" {
		index, err := strconv.ParseUint(attr(e, "index"), 10, 16)
		if err != nil {
			return nil, sentencef("The metadata's %s has the index %s, which is none.", what, quote(attr(e, "index")))
		}
		endpoint.Index = uint16(index)
	}
	return append(list, endpoint), nil
}

// truth reads an xs:boolean.
func truth(s string) bool {
	s = strings.Trim(s, " \t\r\n")
	return s == "true" || s == "1"
}
