package settings

import (
	"cmp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// maxConnectionDomains is how many domains one connection may have.
const maxConnectionDomains = 200

// openSessions are the words for what becomes of a connection's sessions when it is disabled, the one for off first.
var openSessions = []string{"end", "keep"}

// cleanDomains is a list of domains in their one form, each once, in order; nil for none.
func cleanDomains(domains []string) []string {
	out := slices.Compact(slices.Sorted(slices.Values(domains)))
	if len(out) == 0 {
		return nil
	}
	return out
}

// reach reads who is led to a connection, and what becomes of its sessions.
func (r *reader) reach(parts map[string]*yaml.Node, path string) (domains *[]string, sessionsRun *bool) {
	if n := parts["domains"]; n != nil {
		if domains = r.domains(n, path+".domains"); domains != nil && len(*domains) > maxConnectionDomains {
			r.add(n.Line, "%s.domains: expected at most %d, received %d", path, maxConnectionDomains, len(*domains))
		}
	}
	if word := r.oneWord(parts["open_sessions"], path+".open_sessions", openSessions); word != nil {
		keep := *word == openSessions[1]
		sessionsRun = &keep
	}
	return domains, sessionsRun
}

// openSessions settles what becomes of the sessions of a connection that the file disables, or has disabled.
func (p *plan) openSessions(c *directory.Connection, part connectionPart) {
	if c.Status != directory.ConnectionDisabled {
		c.SessionsRun = false
		if part.sessionsRun != nil {
			p.add(part.line, "%s.open_sessions: expected only with status: disabled, received it with %s", part.path, c.Status)
		}
		return
	}
	if part.sessionsRun != nil {
		c.SessionsRun = *part.sessionsRun
	}
}

// claimedOnce refuses a domain that two connections of the outcome have, at the line of the one that the file gives it to.
func (p *plan) claimedOnce(parts []connectionPart) {
	of := map[string]string{} // connection by domain
	for _, c := range p.after.Connections {
		was, _ := p.had().Connection(c.ID)
		for _, d := range c.Domains {
			if other, taken := of[d]; taken {
				line, path := givenIn(parts, d)
				p.add(line, "%s.domains: %s is both %s's and %s's; a domain leads to one connection", path, d, quote(other), quote(c.Name))
			}
			of[d] = c.Name
			if !slices.Contains(was.Domains, d) && !slices.Contains(p.provenDomains(), d) {
				p.notes = append(p.notes, "connections."+c.Name+".domains: "+d+" is not among the workspace's domains, so whoever types an address there on the sign-in page is asked for the workspace first")
			}
		}
	}
}

// givenIn is where the file gives a domain to a connection last.
func givenIn(parts []connectionPart, domain string) (line int, path string) {
	path = "connections"
	for _, part := range parts {
		if part.domains != nil && slices.Contains(*part.domains, domain) {
			line, path = part.line, part.path
		}
	}
	return line, path
}

// provenDomains are those that the workspace has once the file is applied.
func (p *plan) provenDomains() []string {
	if p.file != nil && p.file.domains != nil {
		return *p.file.domains
	}
	return p.after.Domains
}

// had is the configuration before, empty for a workspace that is being made.
func (p *plan) had() *directory.Config { return cmp.Or(p.before, &directory.Config{}) }

// genericRow is what a provider without a preset is called in the table of IdPs.
func genericRow(protocol directory.Protocol) string {
	if protocol == directory.ProtocolOIDC {
		return "generic OpenID Connect"
	}
	return "generic SAML 2.0"
}

// besideGeneric refuses a directory beside a connection whose provider offers no SCIM. One that stands there from before is
// left, so that an export can be applied.
func (p *plan) besideGeneric() {
	for _, d := range p.after.Directories {
		c, ok := p.after.Connection(d.Connection)
		if !ok || directory.OffersSCIM(c.Provider) {
			continue
		}
		was, there := p.had().Directory(d.ID)
		if then, _ := p.had().Connection(was.Connection); there && was.Connection == d.Connection && then.Provider == c.Provider {
			p.notes = append(p.notes, "directories."+d.Name+": stands beside "+c.Name+", and "+genericRow(c.Protocol)+" offers no SCIM; give it the provider that it is, or no connection")
			continue
		}
		p.add(0, "directories.%s.connection: %s offers no SCIM, and %q is one. Give the connection the provider that it is, or the directory no connection", d.Name, genericRow(c.Protocol), c.Name)
	}
}
