package guide

import (
	"regexp"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Values are our values by place. A place with an empty value takes its field out of the guide.
type Values map[string]string

// place is a value of ours in a text: {acs_url}.
var place = regexp.MustCompile(`\{([a-z_]+)\}`)

func firstPlace(text string) string {
	if found := place.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// Blank are the values where no connection is known, on the origin publicURL: an id stands as CONNECTION. What is the
// same for all connections is as it really is.
func Blank(publicURL, scimBaseURL string) Values {
	v := Values{}
	v.saml(publicURL, "CONNECTION")
	v.oidc(publicURL, "CONNECTION", directory.OIDC{})
	v["scim_base_url"] = scimBaseURL
	return v
}

// Connection are the values of a connection on the origin publicURL.
func Connection(publicURL, scimBaseURL string, c directory.Connection) Values {
	v := Values{"scim_base_url": scimBaseURL}
	if c.OIDC != nil {
		v.oidc(publicURL, c.ID, *c.OIDC)
	} else {
		v.saml(publicURL, c.ID)
	}
	v.attributes(c.Attributes())
	return v
}

func (v Values) saml(publicURL, id string) {
	at := directory.SAMLEndpoints(publicURL, id)
	v["metadata_url"], v["entity_id"], v["acs_url"] = at.Metadata, at.EntityID, at.ACS
	v["acs_pattern"] = "^" + regexp.QuoteMeta(at.ACS) + "$"
	v["login_url"], v["logout_url"] = at.Login, at.Logout
}

func (v Values) oidc(publicURL, id string, o directory.OIDC) {
	at := directory.OIDCEndpoints(publicURL, id)
	v["callback_url"] = o.RedirectURI(at)
	v["initiate_url"], v["backchannel_url"], v["frontchannel_url"], v["post_logout_url"] = at.Initiate, at.Backchannel, at.FrontLogout, at.AfterLogout
	v["oidc_login_url"] = at.Login
	v["jwks_url"] = strings.TrimRight(publicURL, "/") + "/oauth2/jwks"
}

// attributes are the names of an assertion's attributes, or of claims, as a connection reads them.
func (v Values) attributes(a directory.Attributes) {
	v["email_attribute"], v["first_name_attribute"], v["last_name_attribute"], v["groups_attribute"] = a.Email, a.FirstName, a.LastName, a.Groups
	v["name_attribute"] = a.Name
}

// With is the guide with values in its places. What v does not have is taken from the preset of the guide's IdP, else it
// stays as it is; a field of ours whose value is empty goes.
func (g Guide) With(v Values) Guide {
	preset := Values{}
	switch row := rowOf(g.IdP); g.Protocol {
	case SAML:
		preset.attributes(directory.DefaultSAML(row.Provider).Attributes)
	case OIDC:
		preset.attributes(directory.DefaultOIDC(row.Provider).Attributes)
	}
	gone := false
	fill := func(text string) string {
		return place.ReplaceAllStringFunc(text, func(found string) string {
			key := found[1 : len(found)-1]
			value, ok := v[key]
			if !ok {
				value, ok = preset[key]
			}
			if !ok {
				return found
			}
			gone = gone || value == ""
			return value
		})
	}
	all := func(texts []string) []string {
		out := make([]string, len(texts))
		for i, t := range texts {
			out[i] = fill(t)
		}
		return out
	}
	out := g
	out.Needs, out.Warnings, out.Groups = all(g.Needs), all(g.Warnings), fill(g.Groups)
	out.Steps = make([]Step, 0, len(g.Steps))
	for _, s := range g.Steps {
		step := Step{Do: fill(s.Do)}
		for _, f := range s.Fields {
			gone = false
			f.Name, f.Value, f.Note = fill(f.Name), fill(f.Value), fill(f.Note)
			if !gone {
				step.Fields = append(step.Fields, f)
			}
		}
		out.Steps = append(out.Steps, step)
	}
	out.Bring = make([]Find, 0, len(g.Bring))
	for _, b := range g.Bring {
		out.Bring = append(out.Bring, Find{fill(b.What), fill(b.Where), fill(b.Note)})
	}
	return out
}

func rowOf(name string) IdP {
	for _, row := range IdPs() {
		if row.Name == name {
			return row
		}
	}
	return IdP{}
}

// Copy is the field of the guide that has a value of ours at that place.
func (g Guide) Copy(place string) (Field, bool) {
	for _, s := range g.Steps {
		for _, f := range s.Fields {
			if f.Place == place {
				return f, true
			}
		}
	}
	return Field{}, false
}
