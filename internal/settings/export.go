package settings

import (
	"context"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// exported is the apply file of a workspace, in the order in which people read it.
type exported struct {
	Workspace    string               `yaml:"workspace"`
	Name         string               `yaml:"name"`
	Preset       string               `yaml:"preset"`
	Policy       *yaml.Node           `yaml:"policy"`
	Domains      []string             `yaml:"domains,flow"`
	Owners       []exportedOwner      `yaml:"owners,omitempty"`
	RoleMappings []exportedMapping    `yaml:"role_mappings"`
	Connections  []exportedConnection `yaml:"connections"`
	Directories  []exportedDirectory  `yaml:"directories"`
	Schemas      []exportedSchema     `yaml:"schemas"`

	Attributes   []exportedPeopleAttribute `yaml:"attributes"`
	Enforcement  exportedEnforcement       `yaml:"enforcement"`
	Applications []exportedApplication     `yaml:"applications"`
}

type exportedOwner struct {
	Email      string `yaml:"email"`
	Name       string `yaml:"name,omitempty"`
	BreakGlass bool   `yaml:"break_glass,omitempty"`
}

type exportedMapping struct {
	Directory  string `yaml:"directory,omitempty"`
	Connection string `yaml:"connection,omitempty"`
	Group      string `yaml:"group"`
	Role       string `yaml:"role"`
}

type exportedConnection struct {
	Name     string `yaml:"name"`
	Provider string `yaml:"provider"`
	Protocol string `yaml:"protocol"`
	Status   string `yaml:"status"`
	// OpenSessions is told where a disabled connection lets its sessions run.
	OpenSessions string   `yaml:"open_sessions,omitempty"`
	Domains      []string `yaml:"domains,omitempty,flow"`
	// What follows is of OIDC. The client secret is never told.
	Issuer        string   `yaml:"issuer,omitempty"`
	ClientID      string   `yaml:"client_id,omitempty"`
	ClientAuth    string   `yaml:"client_auth,omitempty"`
	Scopes        []string `yaml:"scopes,omitempty,flow"`
	Prompt        string   `yaml:"prompt,omitempty"`
	MaxAge        *int     `yaml:"max_age,omitempty"`
	ACRValues     []string `yaml:"acr_values,omitempty,flow"`
	Algorithms    []string `yaml:"algorithms,omitempty,flow"`
	Audiences     []string `yaml:"audiences,omitempty,flow"`
	Tenants       []string `yaml:"tenants,omitempty,flow"`
	HostedDomains []string `yaml:"hosted_domains,omitempty,flow"`
	Callback      string   `yaml:"callback,omitempty"`
	ResponseMode  string   `yaml:"response_mode,omitempty"`
	UserInfo      string   `yaml:"userinfo,omitempty"`
	Logout        *bool    `yaml:"logout,omitempty"`
	// And of SAML. Its keys are never told.
	SignRequests  *bool    `yaml:"sign_requests,omitempty"`
	Encryption    string   `yaml:"encryption,omitempty"`
	SHA1Until     string   `yaml:"sha1_until,omitempty"`
	ForceAuthn    *bool    `yaml:"force_authn,omitempty"`
	AuthnContexts []string `yaml:"authn_contexts,omitempty,flow"`
	SingleLogout  *bool    `yaml:"single_logout,omitempty"`
	Artifact      *bool    `yaml:"artifact,omitempty"`

	IdPInitiated any        `yaml:"idp_initiated,omitempty"` // yes, no or convert
	Attributes   *yaml.Node `yaml:"attributes,omitempty"`
	AttributeMap *yaml.Node `yaml:"attribute_map"`
	Metadata     *yaml.Node `yaml:"metadata,omitempty"`
	// Where it is published, which an apply with metadata beside it does not fetch.
	MetadataURL    string `yaml:"metadata_url,omitempty"`
	MetadataSigner string `yaml:"metadata_signer,omitempty"`
}

type exportedApplication struct {
	Name                   string   `yaml:"name"`
	RedirectURIs           []string `yaml:"redirect_uris"`
	PostLogoutRedirectURIs []string `yaml:"post_logout_redirect_uris"`
	BackchannelLogoutURI   string   `yaml:"backchannel_logout_uri"`
	SCIMEventsURI          string   `yaml:"scim_events_uri"`
	SCIMEventsAudience     string   `yaml:"scim_events_audience"`
	Public                 bool     `yaml:"public"`
}

type exportedDirectory struct {
	Name       string     `yaml:"name"`
	Connection string     `yaml:"connection"`
	Enabled    bool       `yaml:"enabled"`
	Status     string     `yaml:"status,omitempty"` // where enabled does not say it
	Pilot      []string   `yaml:"pilot,omitempty,flow"`
	Mode       string     `yaml:"mode"`
	Policy     *yaml.Node `yaml:"policy,omitempty"`

	AttributeMap *yaml.Node `yaml:"attribute_map"`
}

type exportedEnforcement struct {
	RequireSSO string   `yaml:"require_sso"`
	Domains    []string `yaml:"domains,omitempty,flow"`
}

// Export writes the apply file of a workspace. Applied back it changes nothing. It holds no secret:
// owners come without passwords, which are set at creation only.
func (s *Service) Export(ctx context.Context, slug string) ([]byte, error) {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return nil, err
	}
	var out exported
	err = s.DB.Read(ctx, id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		owners, err := tx.MembersByRole(cfg.Roles.Owner().ID, maxItems)
		if err != nil {
			return err
		}
		out = export(cfg, owners)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(out); err != nil {
		return nil, fmt.Errorf("write the apply file of %s: %w", slug, err)
	}
	return []byte(text.String()), nil
}

func export(cfg *directory.Config, owners []directory.Member) exported {
	w := &cfg.Workspace
	out := exported{Workspace: w.Slug, Name: w.Name, Preset: w.Preset, Policy: exportPolicy(cfg), Domains: orEmpty(cfg.Domains),
		Owners: []exportedOwner{}, RoleMappings: []exportedMapping{}, Connections: []exportedConnection{}, Directories: []exportedDirectory{},
		Schemas: exportSchemas(cfg.Schemas), Attributes: exportPeopleAttributes(cfg.Attributes), Applications: []exportedApplication{}}
	for _, m := range owners {
		if m.In() {
			out.Owners = append(out.Owners, exportedOwner{Email: m.Email, Name: m.Name, BreakGlass: m.BreakGlass})
		}
	}
	for _, m := range cfg.Mappings {
		d, _ := cfg.Directory(m.Directory)
		con, _ := cfg.Connection(m.Connection)
		role, _ := cfg.Roles.ByID(m.Role)
		out.RoleMappings = append(out.RoleMappings, exportedMapping{Directory: d.Name, Connection: con.Name, Group: m.Match, Role: role.Name})
	}
	for _, c := range cfg.Connections {
		out.Connections = append(out.Connections, exportConnection(c))
	}
	for _, d := range cfg.Directories {
		con, _ := cfg.Connection(d.Connection)
		out.Directories = append(out.Directories, exportDirectory(d, con))
	}
	for _, a := range cfg.Applications {
		out.Applications = append(out.Applications, exportedApplication{a.Name, a.RedirectURIs, orEmpty(a.PostLogoutRedirectURIs), a.BackchannelLogoutURI, a.SCIMEventsURI, a.SCIMEventsAudience, a.Public})
	}
	out.Enforcement.RequireSSO = stateOf(cfg)["enforcement.require_sso"]
	out.Enforcement.Domains = w.Enforcement.Domains
	return out
}

// exportConnection holds the IdP's metadata in the file itself, written anew from what is kept of it,
// so that an export needs no other file.
func exportConnection(c directory.Connection) exportedConnection {
	out := exportedConnection{Name: c.Name, Provider: c.Provider, Protocol: string(c.Protocol), Status: string(c.Status), Domains: c.Domains, AttributeMap: exportMap(c.Map)}
	if c.SessionsRun {
		out.OpenSessions = openSessions[1]
	}
	switch {
	case c.OIDC != nil:
		o := *c.OIDC
		out.IdPInitiated, out.Attributes = o.IdPInitiated, exportAttributes(o.Attributes)
		out.Issuer, out.ClientID, out.ClientAuth, out.Scopes, out.Prompt, out.MaxAge = o.Issuer, o.ClientID, o.ClientAuth, o.Scopes, o.Prompt, o.MaxAge
		out.ACRValues, out.Algorithms, out.Audiences, out.Tenants, out.HostedDomains = o.ACRValues, o.Algorithms, o.Audiences, o.Tenants, o.HostedDomains
		out.Callback, out.ResponseMode, out.UserInfo, out.Logout = oneOfTwo(callbacks, o.OwnCallback), oneOfTwo(responseModes, o.FormPost), o.UserInfo, &o.Logout
		return out
	case c.SAML == nil:
		return out
	}
	side := *c.SAML
	out.IdPInitiated, out.Attributes = side.IdPInitiated, exportAttributes(side.Attributes)
	if side.ConvertUnasked {
		out.IdPInitiated = convertWord
	}
	if side.SignRequests {
		out.SignRequests = &side.SignRequests
	}
	if side.ForceAuthn {
		out.ForceAuthn = &side.ForceAuthn
	}
	if side.SingleLogout {
		out.SingleLogout = &side.SingleLogout
	}
	if side.Artifact {
		out.Artifact = &side.Artifact
	}
	out.Encryption, out.SHA1Until, out.AuthnContexts = side.Encryption, side.SHA1Until, side.AuthnContexts
	out.MetadataURL = side.MetadataURL
	if c, err := saml.ParseCertificate(side.MetadataSigner); err == nil {
		out.MetadataSigner = c.PEM()
	}
	if text := metadataOf(&side); text != "" {
		out.Metadata = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.LiteralStyle, Value: text}
	}
	return out
}

func exportAttributes(a directory.Attributes) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range attributeKeys() {
		var name yaml.Node
		name.SetString(*k.at(&a))
		out.Content = append(out.Content, plainText(k.name), &name)
	}
	return out
}

func exportPolicy(cfg *directory.Config) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range policyKeys() {
		n.Content = append(n.Content, plainText(k.name), plainText(k.get(cfg.Workspace.Policy)))
	}
	n.Content = append(n.Content, plainText("required_attributes"), flowList(cfg.Workspace.Policy.RequiredAttributes))
	n.Content = append(n.Content, plainText("roles"), exportRoles(cfg.Roles))
	return n
}

// exportRoles is a list with the permissions of each role; the owner's needs none.
func exportRoles(roles directory.Roles) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, r := range roles {
		var name yaml.Node
		name.SetString(r.Name)
		if r.IsOwner() {
			n.Content = append(n.Content, &name)
			continue
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle,
			Content: []*yaml.Node{plainText("name"), &name, plainText("permissions"), flowList(r.Permissions)}})
	}
	return n
}

func exportDirectory(d directory.Directory, con directory.Connection) exportedDirectory {
	out := exportedDirectory{Name: d.Name, Connection: con.Name, Enabled: d.Status == directory.DirectoryEnabled, Pilot: d.Pilot,
		Mode: string(d.Mode), Policy: exportOverride(d.Override), AttributeMap: exportMap(d.Map)}
	if !out.Enabled {
		out.Status = string(d.Status)
	}
	return out
}

// exportOverride is nil where a directory does not differ from its workspace.
func exportOverride(o directory.Override) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, k := range policyKeys() {
		if k.getOver != nil && k.getOver(o) != "" {
			n.Content = append(n.Content, plainText(k.name), plainText(k.getOver(o)))
		}
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// plainText is a word of ours, which needs no quotes: yes and no stay as people write them.
func plainText(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// flowList is a list of texts on one line. The encoder quotes what would not be read back as text.
func flowList(values []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		var item yaml.Node
		item.SetString(v)
		n.Content = append(n.Content, &item)
	}
	return n
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
