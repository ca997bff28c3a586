package settings

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func (r *reader) owners(n *yaml.Node) []ownerPart {
	nodes, ok := r.list(n, "owners", maxItems)
	if ok && len(nodes) == 0 {
		r.add(n.Line, "owners: expected one owner at least, found none; leave the key out to keep those that are there")
	}
	var out []ownerPart
	first := map[string]int{}
	glass := 0 // line of the break-glass administrator
	for i, n := range nodes {
		path := indexed("owners", i)
		parts, ok := r.object(n, path, []string{"email", "name", "password_env", "password_file", "break_glass"})
		if !ok {
			continue
		}
		o := ownerPart{line: n.Line, path: path}
		if n := parts["email"]; n == nil {
			r.add(o.line, "%s.email: expected an address, found none", path)
		} else if email, ok := r.text(n, path+".email"); ok {
			o.email = email
			if !directory.IsAddress(email) {
				r.add(n.Line, "%s.email: expected an address, received %s", path, quote(email))
			} else if before := first[directory.Fold(email)]; before > 0 {
				r.add(n.Line, "%s.email: %s is given twice, first in line %d", path, quote(email), before)
			}
			first[directory.Fold(email)] = n.Line
		}
		r.optional(parts["name"], path+".name", &o.name)
		r.optional(parts["password_env"], path+".password_env", &o.passwordEnv)
		r.optional(parts["password_file"], path+".password_file", &o.passwordFile)
		if o.passwordEnv != "" && o.passwordFile != "" {
			r.add(o.line, "%s: expected password_env or password_file, received both", path)
		}
		o.breakGlass = r.optionalBool(parts["break_glass"], path+".break_glass")
		if o.breakGlass != nil && *o.breakGlass {
			if glass > 0 {
				r.add(parts["break_glass"].Line, "%s.break_glass: expected one break-glass administrator, the first is in line %d", path, glass)
			}
			glass = parts["break_glass"].Line
		}
		out = append(out, o)
	}
	return out
}

func (r *reader) optional(n *yaml.Node, path string, to *string) {
	if n == nil {
		return
	}
	if s, ok := r.text(n, path); ok {
		*to = s
	}
}

func (r *reader) optionalBool(n *yaml.Node, path string) *bool {
	if n == nil {
		return nil
	}
	if b, ok := r.boolean(n, path); ok {
		return &b
	}
	return nil
}

// convertWord is the third value of idp_initiated, of SAML alone.
const convertWord = "convert"

// idpInitiated reads yes, no or convert.
func (r *reader) idpInitiated(n *yaml.Node, path string) (on, convert *bool) {
	if n == nil {
		return nil, nil
	}
	word, ok := r.word(n, path, []string{"yes", "true", "no", "false", convertWord})
	if !ok {
		return nil, nil
	}
	yes, third := word == "yes" || word == "true", word == convertWord
	return &yes, &third
}

func (r *reader) mappings(n *yaml.Node) *[]mappingPart {
	nodes, ok := r.list(n, "role_mappings", MaxMappings)
	if !ok {
		return nil
	}
	out := make([]mappingPart, 0, len(nodes))
	first := map[[3]string]int{}
	for i, n := range nodes {
		path := indexed("role_mappings", i)
		parts, ok := r.object(n, path, []string{"directory", "connection", "group", "role"})
		if !ok {
			continue
		}
		m := mappingPart{line: n.Line, path: path}
		r.optional(parts["directory"], path+".directory", &m.directory)
		r.optional(parts["connection"], path+".connection", &m.connection)
		if m.directory != "" && m.connection != "" {
			r.add(n.Line, "%s: expected directory (its groups) or connection (its group claims), received both; leave both out for either", path)
		}
		r.required(parts["group"], path+".group", n.Line, &m.group)
		r.required(parts["role"], path+".role", n.Line, &m.role)
		// Two roles for one group would leave open which one is meant.
		key := [3]string{directory.Fold(m.directory), directory.Fold(m.connection), directory.Fold(m.group)}
		if before := first[key]; before > 0 && m.group != "" {
			r.add(n.Line, "%s: the group %s is mapped twice, first in line %d", path, quote(m.group), before)
		}
		first[key] = n.Line
		out = append(out, m)
	}
	return &out
}

func (r *reader) required(n *yaml.Node, path string, top int, to *string) {
	if n == nil {
		r.add(top, "%s: expected text, found none", path)
		return
	}
	r.optional(n, path, to)
}

func (r *reader) connections(n *yaml.Node) *[]connectionPart {
	nodes, ok := r.list(n, "connections", maxItems)
	if !ok {
		return nil
	}
	out := make([]connectionPart, 0, len(nodes))
	first := map[string]int{}
	for i, n := range nodes {
		path := indexed("connections", i)
		parts, ok := r.object(n, path, append([]string{"name", "provider", "protocol", "status", "idp_initiated", "attributes", "attribute_map", "domains", "open_sessions"}, slices.Concat(metadataKeys, samlOptionKeys, oidcKeys)...))
		if !ok {
			continue
		}
		c := connectionPart{line: n.Line, path: path}
		c.name, _ = r.named(parts, path, n.Line, first)
		if n := parts["provider"]; n != nil {
			if word, ok := r.word(n, path+".provider", directory.Providers()); ok {
				c.provider = &word
			}
		}
		c.protocol = oneOf(r, parts["protocol"], path+".protocol", directory.ProtocolSAML, directory.ProtocolOIDC)
		c.status = oneOf(r, parts["status"], path+".status", directory.ConnectionDraft, directory.ConnectionActive, directory.ConnectionDisabled)
		c.samlPart, c.oidcPart = r.saml(parts, path, n.Line), r.oidc(parts, path, n.Line)
		c.idpInitiated, c.convert = r.idpInitiated(parts["idp_initiated"], path+".idp_initiated")
		c.domains, c.sessionsRun = r.reach(parts, path)
		if n := parts["attributes"]; n != nil {
			c.attributes = r.attributes(n, path+".attributes")
		}
		c.attributeMap = r.attributeMap(parts["attribute_map"], path+".attribute_map")
		out = append(out, c)
	}
	return &out
}

func oneOf[T ~string](r *reader, n *yaml.Node, path string, words ...T) *T {
	if n == nil {
		return nil
	}
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	word, ok := r.word(n, path, known)
	if !ok {
		return nil
	}
	value := T(word)
	return &value
}

func (r *reader) directories(n *yaml.Node) *[]directoryPart {
	nodes, ok := r.list(n, "directories", maxItems)
	if !ok {
		return nil
	}
	out := make([]directoryPart, 0, len(nodes))
	first := map[string]int{}
	for i, n := range nodes {
		path := indexed("directories", i)
		parts, ok := r.object(n, path, []string{"name", "connection", "enabled", "status", "pilot", "mode", "policy", "attribute_map"})
		if !ok {
			continue
		}
		d := directoryPart{line: n.Line, path: path}
		d.name, _ = r.named(parts, path, n.Line, first)
		d.connection = r.textOrNone(parts["connection"], path+".connection")
		d.enabled = r.optionalBool(parts["enabled"], path+".enabled")
		d.status = oneOf(r, parts["status"], path+".status", directory.DirectoryStatuses()...)
		if d.enabled != nil && d.status != nil && *d.enabled != (*d.status == directory.DirectoryEnabled) {
			r.add(n.Line, "%s.enabled: %s contradicts status: %s; leave one of them out", path, yesNo(*d.enabled), *d.status)
		}
		d.pilot = r.pilot(parts["pilot"], path+".pilot")
		d.mode = oneOf(r, parts["mode"], path+".mode", directory.ModeLenient, directory.ModeStrict)
		if n := parts["policy"]; n != nil {
			d.override = r.override(n, path+".policy")
		}
		d.attributeMap = r.attributeMap(parts["attribute_map"], path+".attribute_map")
		out = append(out, d)
	}
	return &out
}

// override reads what a directory sets differently from its workspace (E13 of the seeds).
func (r *reader) override(n *yaml.Node, path string) map[string]string {
	var known []string
	for _, k := range policyKeys() {
		if k.setOver != nil {
			known = append(known, k.name)
		}
	}
	parts, _ := r.object(n, path, known)
	out := map[string]string{}
	for _, k := range policyKeys() {
		if n := parts[k.name]; n != nil && k.setOver != nil {
			if word, ok := r.policyWord(n, join(path, k.name), k, inherit); ok {
				out[k.name] = word
			}
		}
	}
	return out
}
