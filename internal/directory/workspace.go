package directory

import (
	"slices"
	"time"
)

// Workspace is the tenant.
type Workspace struct {
	ID          string
	Slug        string
	Name        string
	Preset      string
	Policy      Policy
	Enforcement Enforcement
	// Version grows with every change of configuration.
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Require is how far single sign-on is enforced.
type Require string

const (
	RequireNone    Require = "none"
	RequireAll     Require = "all"
	RequireDomains Require = "domains"
)

// Enforcement says who must sign in through a connection.
type Enforcement struct {
	RequireSSO Require  `json:"require_sso"`
	Domains    []string `json:"domains,omitempty"` // DomainName; with RequireDomains
	// Relaxed is set by emergency access and may be over: RelaxedAt. It is shared with the cache of configurations.
	Relaxed *Relaxation `json:"relaxed,omitempty"`
}

// Covers reports whether somebody with that address must use single sign-on.
func (e Enforcement) Covers(address string) bool {
	switch e.RequireSSO {
	case RequireAll:
		return true
	case RequireDomains:
		return slices.Contains(e.Domains, Domain(address))
	default:
		return false
	}
}

// Protocol is how a connection talks to its IdP.
type Protocol string

const (
	ProtocolSAML Protocol = "saml"
	ProtocolOIDC Protocol = "oidc"
)

// ConnectionStatus is where a connection stands.
type ConnectionStatus string

const (
	ConnectionDraft    ConnectionStatus = "draft"
	ConnectionActive   ConnectionStatus = "active"
	ConnectionDisabled ConnectionStatus = "disabled"
)

// Connection is one single sign-on link to an IdP.
type Connection struct {
	ID       string
	Name     string
	Provider string // one of Providers
	Protocol Protocol
	Status   ConnectionStatus
	// VerifiedAt is when a sign-in or test last proved the connection as it is; zero if never.
	VerifiedAt time.Time
	CreatedAt  time.Time
	// Domains are those whose people the sign-in page leads here, folded. A domain is one connection's alone. It proves
	// nothing and keeps nobody out. It is shared with the cache of configurations: a change is made on a copy.
	Domains []string
	// SessionsRun says of a disabled connection that the sessions which it made go on to their own end.
	SessionsRun bool
	// SAML is set for SAML connections, OIDC for OIDC ones. They are shared with the cache of
	// configurations: a change is made on a copy.
	SAML *SAML
	OIDC *OIDC
}

// Verified reports whether the connection is active and proven.
func (c Connection) Verified() bool {
	return c.Status == ConnectionActive && !c.VerifiedAt.IsZero()
}

// Generic is the provider of every IdP without a preset of its own. In the table of IdPs it is two rows, generic SAML and
// generic OpenID Connect (F8, F9), each with its one protocol and without SCIM.
const Generic = "generic"

// Providers lists the known provider presets (F3 to F9 of the seeds).
func Providers() []string {
	return []string{"okta", "entra", "google", "onelogin", "jumpcloud", Generic}
}

// OffersSCIM reports whether a directory may stand beside a connection of that provider.
func OffersSCIM(provider string) bool { return provider != Generic }

// Mode is how literally a directory takes SCIM.
type Mode string

const (
	ModeLenient Mode = "lenient"
	ModeStrict  Mode = "strict"
)

// Directory is one provisioning feed.
type Directory struct {
	ID         string
	Name       string
	Connection string // connection id or ""
	Status     DirectoryStatus
	// Pilot are names (userName, externalId or address) of people who take effect while the directory is
	// testing. It is shared with the cache of configurations: a change is made on a copy.
	Pilot     []string
	Mode      Mode
	Override  Override
	CreatedAt time.Time
}

// Config is all that a rule may ask of a workspace, as of one version.
type Config struct {
	Workspace   Workspace
	Roles       Roles
	Mappings    []RoleMapping
	Connections []Connection
	Directories []Directory
	// Applications are the host applications behind this workspace.
	Applications []Application
	Domains      []string // proven, as DomainName has them
	// Schemas are the extensions of SCIM's resources that the workspace defines, in the order of their URNs.
	Schemas []Schema
}

// Directory finds a directory by id.
func (c *Config) Directory(id string) (Directory, bool) {
	for _, d := range c.Directories {
		if d.ID == id {
			return d, true
		}
	}
	return Directory{}, false
}

// Connection finds a connection by id.
func (c *Config) Connection(id string) (Connection, bool) {
	for _, d := range c.Connections {
		if d.ID == id {
			return d, true
		}
	}
	return Connection{}, false
}

// Application finds a host application by id.
func (c *Config) Application(id string) (Application, bool) {
	for _, a := range c.Applications {
		if a.ID == id {
			return a, true
		}
	}
	return Application{}, false
}

// HasVerifiedConnection reports whether any connection is active and proven.
func (c *Config) HasVerifiedConnection() bool {
	return slices.ContainsFunc(c.Connections, Connection.Verified)
}

// PolicyFor returns the workspace's policy as one of its directories overrides it; "" is the
// workspace's own.
func (c *Config) PolicyFor(directory string) Policy {
	d, _ := c.Directory(directory)
	return d.Override.Over(c.Workspace.Policy)
}
