package settings

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// SecretPrefix begins every secret of a host application.
const SecretPrefix = "gcs_"

// applications are found by name without regard to letter case. The list is exact: an application
// that it does not name goes, with all that was given to it.
func (p *plan) applications() {
	if p.file.applications == nil {
		return
	}
	had := p.after.Applications
	p.after.Applications = nil
	for _, part := range *p.file.applications {
		var a directory.Application
		i := slices.IndexFunc(had, func(a directory.Application) bool { return strings.EqualFold(a.Name, part.name) })
		switch {
		case i >= 0:
			a = had[i]
		case part.redirects == nil:
			p.add(part.line, "%s: expected redirect_uris for the new application %q", part.path, part.name)
			continue
		default:
			a = directory.Application{ID: keys.ID("app_", p.now), Name: part.name}
		}
		if part.redirects != nil {
			a.RedirectURIs = *part.redirects
		}
		if part.postLogout != nil {
			a.PostLogoutRedirectURIs = noneIfEmpty(*part.postLogout)
		}
		if part.backchannel != nil {
			a.BackchannelLogoutURI = *part.backchannel
		}
		if part.events != nil {
			a.SCIMEventsURI = *part.events
		}
		if part.audience != nil {
			a.SCIMEventsAudience = *part.audience
		}
		if part.public != nil {
			a.Public = *part.public
		}
		p.after.Applications = append(p.after.Applications, a)
	}
}

// noneIfEmpty is how the store gives an empty list back.
func noneIfEmpty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}
