package settings

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// state is a configuration in canonical form: one text for each thing that can be set, under the
// key by which people are told of it. People and tokens are no part of it, ids neither. Two
// configurations are the same exactly when their states are.
type state map[string]string

// present is the value of a key that stands for a thing with further keys, or for a bare entry.
const present = "yes"

func stateOf(c *directory.Config) state {
	s := state{}
	if c == nil {
		return s
	}
	w := &c.Workspace
	s["name"], s["preset"] = w.Name, w.Preset
	for _, k := range policyKeys() {
		s["policy."+k.name] = k.get(w.Policy)
	}
	s.put("policy.required_attributes", strings.Join(w.Policy.RequiredAttributes, ", "))
	s["policy.roles"] = strings.Join(c.Roles.Names(), ", ")
	for _, r := range c.Roles {
		s[rolesKey+r.Name+permissionsKey] = permissionsText(r.Permissions)
	}
	for _, d := range c.Domains {
		s["domains["+d+"]"] = present
	}
	for _, m := range c.Mappings {
		role, _ := c.Roles.ByID(m.Role)
		s[mappingKey(c, m)] = role.Name
	}
	for _, con := range c.Connections {
		at := "connections." + con.Name
		s[at], s[at+".provider"], s[at+".protocol"], s[at+".status"] = present, con.Provider, string(con.Protocol), string(con.Status)
		if con.Status == directory.ConnectionActive && !con.Verified() {
			s[at+".verified"] = "no"
		}
		s.put(at+".domains", strings.Join(con.Domains, ", "))
		if con.SessionsRun {
			s[at+".open_sessions"] = openSessions[1]
		}
		s.saml(at, con.SAML)
		s.oidc(at, con.OIDC)
	}
	for _, d := range c.Directories {
		s.directory(c, d)
	}
	for _, schema := range c.Schemas {
		s.schema(schema)
	}
	s.peopleAttributes(c)
	s["enforcement.require_sso"] = string(cmp.Or(w.Enforcement.RequireSSO, directory.RequireNone))
	s.put("enforcement.domains", strings.Join(w.Enforcement.Domains, ", "))
	for _, a := range c.Applications {
		at := "applications." + a.Name
		s[at], s[at+".public"] = present, yesNo(a.Public)
		s.put(at+".redirect_uris", strings.Join(a.RedirectURIs, ", "))
		s.put(at+".post_logout_redirect_uris", strings.Join(a.PostLogoutRedirectURIs, ", "))
		s.put(at+".backchannel_logout_uri", a.BackchannelLogoutURI)
		s.put(at+".scim_events_uri", a.SCIMEventsURI)
		s.put(at+".scim_events_audience", a.SCIMEventsAudience)
	}
	return s
}

// The key of what a role allows, around its name. Versions before it knew no permissions by name.
const (
	rolesKey       = "roles["
	permissionsKey = "].permissions"
	noPermissions  = "none"
)

func permissionsText(names []string) string {
	if len(names) == 0 {
		return noPermissions
	}
	return strings.Join(names, ", ")
}

// statusKey ends the key of a directory's status. enabledKey is what versions before it kept in its place: yes or
// no.
const (
	statusKey  = ".status"
	enabledKey = ".enabled"
)

// unconfirmedKey ends the key of a connection that waits for an owner's word.
const unconfirmedKey = ".unconfirmed"

// saml puts the SAML side of a connection. Certificates are told by their fingerprints.
func (s state) saml(at string, side *directory.SAML) {
	if side == nil {
		return
	}
	s[at+".idp_initiated"] = tileWord(side)
	if side.Unconfirmed {
		s[at+unconfirmedKey] = yesNo(true)
	}
	for _, k := range attributeKeys() {
		s.put(at+".attributes."+k.name, *k.at(&side.Attributes))
	}
	s.put(at+".idp.entity_id", side.EntityID)
	var sso, certificates []string
	for _, e := range side.SSO {
		sso = append(sso, bindingWord(e.Binding)+" "+e.Location)
	}
	for _, der := range side.Certificates {
		certificates = append(certificates, "sha256:"+fingerprint(der))
	}
	s.put(at+".idp.sso", strings.Join(sso, ", "))
	s.put(at+".idp.slo", placesText(side.SLO))
	s.put(at+".idp.artifact_resolution", placesText(side.ArtifactResolution))
	s.put(at+".idp.name_id_formats", strings.Join(side.NameIDFormats, ", "))
	s.put(at+".metadata_url", side.MetadataURL)
	if side.MetadataSigner != nil {
		s[at+".metadata_signer"] = "sha256:" + fingerprint(side.MetadataSigner)
	}
	var states []string
	for _, k := range side.IdPKeys {
		if words := keyWords(k); words != string(directory.KeyStaged) { // a key that is new says so by being there
			states = append(states, "sha256:"+k.Fingerprint+" "+words)
		}
	}
	s.put(at+keyStatesKey, strings.Join(states, ", "))
	s.put(at+".idp.certificates", strings.Join(certificates, ", "))
	s.samlOptions(at, side)
}

const (
	// keysKey ends the key of a SAML connection's own keys.
	keysKey = ".keys"
	// keyStatesKey ends the key that says where the IdP's keys stand.
	keyStatesKey = ".idp.keys"
)

// keyWords is where a key stands in words.
func keyWords(k directory.IdPKey) string {
	words := string(k.State)
	if k.Kept {
		words += ", kept"
	}
	if k.Gone {
		words += ", no longer published"
	}
	return words
}

// samlOptions puts the choices of a SAML side as far as they differ from what versions without them did. Keys are
// told by the fingerprints of their certificates.
func (s state) samlOptions(at string, side *directory.SAML) {
	if side.SignRequests {
		s[at+".sign_requests"] = yesNo(true)
	}
	if side.ForceAuthn {
		s[at+".force_authn"] = yesNo(true)
	}
	if side.SingleLogout {
		s[at+".single_logout"] = yesNo(true)
	}
	if side.Artifact {
		s[at+".artifact"] = yesNo(true)
	}
	s.put(at+".encryption", encryptionOf(side.Encryption))
	s.put(at+".sha1_until", side.SHA1Until)
	s.put(at+".authn_contexts", strings.Join(side.AuthnContexts, ", "))
	var ours []string
	for _, k := range side.Keys {
		text := "sha256:" + fingerprint(k.Certificate)
		if k.Signs {
			text += " (signs)"
		}
		ours = append(ours, text)
	}
	s.put(at+keysKey, strings.Join(ours, ", "))
}

func (s state) directory(c *directory.Config, d directory.Directory) {
	at := "directories." + d.Name
	s[at], s[at+statusKey], s[at+".mode"] = present, string(d.Status), string(d.Mode)
	s.put(at+".pilot", pilotText(d.Pilot))
	con, _ := c.Connection(d.Connection)
	s.put(at+".connection", con.Name)
	for _, k := range policyKeys() {
		if k.getOver != nil {
			s.put(at+".policy."+k.name, k.getOver(d.Override))
		}
	}
}

// put leaves out what is empty: no value and an empty one are the same.
func (s state) put(key, value string) {
	if value != "" {
		s[key] = value
	}
}

// mappingKey names a mapping by what decides it. No directory is called "*".
func mappingKey(c *directory.Config, m directory.RoleMapping) string {
	from := "*"
	if d, ok := c.Directory(m.Directory); ok {
		from = d.Name
	}
	if con, ok := c.Connection(m.Connection); ok {
		from = "connection " + con.Name
	}
	return "role_mappings[" + from + ": " + m.Match + "]"
}

// encode and decodeState turn a state into what the store keeps of the last apply.
func (s state) encode() string {
	out, err := json.Marshal(s) // a map of strings, in the order of its keys
	if err != nil {
		return ""
	}
	return string(out)
}

func decodeState(text string) (state, error) {
	if text == "" {
		return nil, nil
	}
	var s state
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("read what the last apply left: %w", err)
	}
	for key, word := range s {
		thing, ok := strings.CutSuffix(key, enabledKey)
		if ok && word == yesNo(true) && strings.HasPrefix(key, "directories.") && s[thing+statusKey] == "" {
			s[thing+statusKey] = string(directory.DirectoryEnabled)
		}
	}
	return s, nil
}

// difference is one key before and after; "" is its absence.
type difference struct{ key, from, to string }

// sections is the order in which people are told of differences: that of the file.
var sections = []string{"name", "preset", "roles", "policy", "domains", "role_mappings", "connections", "directories", "schemas", "attributes", "enforcement", "applications"}

func sectionOf(key string) int {
	return slices.IndexFunc(sections, func(s string) bool {
		rest, ok := strings.CutPrefix(key, s)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// to lists what differs from s to other, in the order of the file.
func (s state) to(other state) []difference {
	var out []difference
	for key, from := range s {
		if to := other[key]; to != from {
			out = append(out, difference{key, from, to})
		}
	}
	for key, to := range other {
		if _, ok := s[key]; !ok && to != "" {
			out = append(out, difference{key, "", to})
		}
	}
	slices.SortFunc(out, func(a, b difference) int {
		return cmp.Or(cmp.Compare(sectionOf(a.key), sectionOf(b.key)), cmp.Compare(a.key, b.key))
	})
	return out
}

// thing returns the connection, directory or application that a key is about, as its own key, or "".
func (d difference) thing() string {
	parts := strings.SplitN(d.key, ".", 3) // their names have no dots
	if len(parts) < 2 || parts[0] != "connections" && parts[0] != "directories" && parts[0] != "applications" {
		return ""
	}
	return parts[0] + "." + parts[1]
}

// whole is thing, or the schema that a key is about: URNs have dots.
func (d difference) whole() string {
	if strings.HasPrefix(d.key, "schemas[") {
		return d.key[:strings.IndexByte(d.key, ']')+1]
	}
	return d.thing()
}

// ownerOf is the first of a list of names of roles.
func ownerOf(names string) string {
	name, _, _ := strings.Cut(names, ", ")
	return name
}

// line is the difference as a person reads it.
func (d difference) line() string {
	entry := strings.HasSuffix(d.key, "]") || d.key == d.thing()
	switch {
	case entry && d.from == "" && d.to != present:
		return d.key + ": added, " + d.to
	case entry && d.from == "":
		return d.key + ": added"
	case entry && d.to == "":
		return d.key + ": removed"
	default:
		return fmt.Sprintf("%s: %s -> %s", d.key, orNone(d.from), orNone(d.to))
	}
}

// wordOfDiffs names differences, but for keys of ours: they are made anew each time.
func wordOfDiffs(diffs []difference) string {
	var lines []string
	for _, d := range diffs {
		if !strings.HasSuffix(d.key, keysKey) || strings.HasSuffix(d.key, keyStatesKey) {
			lines = append(lines, d.key+"\n"+d.from+"\n"+d.to)
		}
	}
	return keys.HashToken(strings.Join(lines, "\n\n"))[:16]
}

func (d difference) change() audit.Change { return audit.Change{Field: d.key, From: d.from, To: d.to} }

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// linesOf renders differences. What a new workspace starts with, and the parts of a thing that
// comes or goes as a whole, are not told one by one.
func linesOf(diffs []difference, fresh bool) []string {
	whole := map[string]bool{}
	for _, d := range diffs {
		if d.key == d.whole() {
			whole[d.key] = true
		}
	}
	lines := []string{}
	for _, d := range diffs {
		part := d.key != d.whole() && whole[d.whole()]
		given := fresh && sectionOf(d.key) <= slices.Index(sections, "policy")
		if !part && !given && (!fresh || d.key != "enforcement.require_sso" || d.to != string(directory.RequireNone)) {
			lines = append(lines, d.line())
		}
	}
	return lines
}

// checkDrift refuses an apply that would overwrite what somebody changed elsewhere since the last
// one: a key that is neither as the last apply left it nor as the file wants it. Keys that the file
// does not have are wanted as they are, so they never count.
func checkDrift(last, now, wanted state) error {
	if last == nil {
		return nil
	}
	var lines []string
	for _, d := range now.to(wanted) {
		// Whether an owner has confirmed a connection is no key of the file: to apply it is the operator's word.
		// Our keys at a connection are none either, nor is where the IdP's stand, which moves by itself.
		if last[d.key] != d.from && !last.olderThan(d) && !strings.HasSuffix(d.key, unconfirmedKey) && !strings.HasSuffix(d.key, keysKey) {
			lines = append(lines, fmt.Sprintf("%s: last applied %s, now %s, file %s", d.key, orNone(last[d.key]), orNone(d.from), orNone(d.to)))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errs.Conflict("changed_elsewhere",
		"The workspace was changed elsewhere since the last apply. Take the changes into the file, or overwrite them with --force.\n%s", strings.Join(lines, "\n"))
}

// olderThan reports whether the state was left by a version that did not know the difference's key:
// that of a connection without the keys that all of its protocol have had since, or of a directory's status.
func (s state) olderThan(d difference) bool {
	if strings.HasPrefix(d.key, rolesKey) {
		return s[rolesKey+ownerOf(s["policy.roles"])+permissionsKey] == ""
	}
	thing := d.thing()
	if d.key == thing+statusKey && s[thing] != "" && s[d.key] == "" && strings.HasPrefix(thing, "directories.") {
		return true
	}
	if s[thing+".protocol"] == string(directory.ProtocolOIDC) && s[thing+".client_auth"] == "" {
		return d.key != thing && d.key != thing+".provider" && d.key != thing+".protocol" && d.key != thing+".status"
	}
	if thing == d.key || s[thing+".protocol"] != string(directory.ProtocolSAML) || s[thing+".idp_initiated"] != "" {
		return false
	}
	key := strings.TrimPrefix(d.key, thing+".")
	return key == "idp_initiated" || strings.HasPrefix(key, "idp.") || strings.HasPrefix(key, "attributes.")
}
