package settings

import (
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/saml"
)

// keptEndpoints are an IdP's places as a connection keeps them, nil for none.
func keptEndpoints(list []saml.Endpoint) (out []directory.Endpoint) {
	for _, e := range list {
		out = append(out, directory.Endpoint(e))
	}
	return out
}

// samlEndpoints is the other way.
func samlEndpoints(list []directory.Endpoint) (out []saml.Endpoint) {
	for _, e := range list {
		out = append(out, saml.Endpoint(e))
	}
	return out
}

// writeLogoutAndArtifact writes what metadata has between the keys and the sign-on services.
func writeLogoutAndArtifact(b *strings.Builder, s *directory.SAML) {
	for _, e := range s.ArtifactResolution {
		fmt.Fprintf(b, "    <md:ArtifactResolutionService Binding=\"%s\" Location=\"%s\" index=\"%d\"/>\n", escape(e.Binding), escape(e.Location), e.Index)
	}
	for _, e := range s.SLO {
		answers := ""
		if e.ResponseLocation != "" {
			answers = ` ResponseLocation="` + escape(e.ResponseLocation) + `"`
		}
		fmt.Fprintf(b, "    <md:SingleLogoutService Binding=\"%s\" Location=\"%s\"%s/>\n", escape(e.Binding), escape(e.Location), answers)
	}
}

// placesText are places of an IdP as a change tells them.
func placesText(list []directory.Endpoint) string {
	var out []string
	for _, e := range list {
		text := e.Location
		if e.Binding != saml.BindingSOAP {
			text = bindingWord(e.Binding) + " " + text
		} else {
			text = fmt.Sprintf("%d %s", e.Index, text)
		}
		if e.ResponseLocation != "" {
			text += " answers to " + e.ResponseLocation
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
