package idpsim

import (
	"context"
	"fmt"
	"strings"
)

// oneLogin is the "SCIM Provisioner with SAML (SCIM v2)" connector. Seen on the wire (authentik
// issue 11249): no User-Agent, application/json, spaces as +, an & after each parameter, a ? after
// each path, PUT for people, POST and PATCH for groups. From memory: what the connection test and the
// import send, the shapes of membership operations, and that removal suspends by default.
func oneLogin() vendor {
	return vendor{
		contentType: "application/json",
		plain: func(path, query string) string {
			if query != "" {
				query += "&"
			}
			return path + "?" + query
		},
		plus: true,
		test: func(ctx context.Context, p *IdP) error {
			return p.probe(ctx, request{step: p.step("test configuration", 1), path: "/ServiceProviderConfig"},
				request{step: p.step("test users", 1), path: "/Users"},
				request{step: p.step("test groups", 1), path: "/Groups"})
		},
		filter:   func(_ Connection, f profile) string { return equals("userName", f.userName) },
		document: oneLoginDocument,
		removed:  actionSuspend, unassigning: true, // "Do nothing", "Suspend" or "Delete", for both ways out
		listsGroups: true, importsGroups: true, // names of groups are offered in its rules
		replaces: true,
		members: func(add, remove []member) []object {
			return append(removeByPath(remove), addValues(add)...)
		},
	}
}

// oneLoginTemplate is the JSON template of a new connection. The administrator may change all of it,
// leave out schemas, or write numbers and booleans as texts.
const oneLoginTemplate = `{"schemas":["` + userSchema + `","` + enterpriseSchema + `"],` +
	`"userName":"{$parameters.scimusername}","externalId":"{$user.id}",` +
	`"name":{"familyName":"{$user.lastname}","givenName":"{$user.firstname}"},"displayName":"{$user.display_name}",` +
	`"emails":[{"value":"{$user.email}","type":"work","primary":true}],` +
	`"phoneNumbers":[{"value":"{$user.phone}","type":"mobile"}],"title":"{$user.title}",` +
	`"` + enterpriseSchema + `":{"department":"{$user.department}"}}`

// parseTemplate reads an administrator's template.
func parseTemplate(text string) (object, error) {
	if text == "" {
		text = oneLoginTemplate
	}
	v, err := decodeOrdered([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%w: template: %w", ErrInvalid, err)
	}
	o, ok := v.(object)
	if !ok || o.text("userName") == "" {
		return nil, fmt.Errorf("%w: template must be a JSON object with a userName", ErrInvalid)
	}
	return o, nil
}

// oneLoginDocument fills in the template. What is unset becomes "", and neither id nor meta is ever
// sent. active is the connector's own, unless the template has it.
func oneLoginDocument(_ context.Context, _ *IdP, c Connection, f profile, _ bool) (object, error) {
	o, err := parseTemplate(c.Template)
	if err != nil {
		return nil, err
	}
	pairs := []string{"{$parameters.scimusername}", f.userName, "{$user.id}", f.externalID, "{$user.firstname}", f.givenName,
		"{$user.lastname}", f.familyName, "{$user.display_name}", f.displayName, "{$user.email}", f.email,
		"{$user.phone}", f.phone, "{$user.title}", f.title, "{$user.department}", f.department,
		"{$user.status}", map[bool]string{true: "true", false: "false"}[f.active]}
	for k, v := range f.custom {
		pairs = append(pairs, "{$user.custom_fields."+k+"}", v)
	}
	o = filled(o, strings.NewReplacer(pairs...)).(object) // an object stays one
	if o.get("active") == nil {
		o = o.set("active", f.active)
	}
	return o, nil
}

// filled replaces macros in all texts of v.
func filled(v any, with *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return with.Replace(v)
	case object:
		out := make(object, 0, len(v))
		for _, f := range v {
			out = append(out, field{f.key, filled(f.value, with)})
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, filled(e, with))
		}
		return out
	}
	return v
}
