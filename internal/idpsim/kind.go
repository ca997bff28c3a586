package idpsim

// Kind names one of the simulated IdPs; it is also its segment in URLs.
type Kind string

// The four provisioning clients.
const (
	Okta       Kind = "okta"
	OktaCustom Kind = "okta-custom"
	Entra      Kind = "entra"
	EntraFlag  Kind = "entra-flag"
)

// Kinds lists the clients in the order in which pages show them.
func Kinds() []Kind { return []Kind{Okta, OktaCustom, Entra, EntraFlag} }

// Title is the heading for people. The vendors' names stand here as plain text.
func (k Kind) Title() string {
	switch k {
	case Okta:
		return "Okta-like, catalogue app"
	case OktaCustom:
		return "Okta-like, custom app"
	case Entra:
		return "Entra-like"
	case EntraFlag:
		return "Entra-like, compliance flag"
	}
	return string(k)
}

// Summary says in one sentence how this client differs from its neighbours.
func (k Kind) Summary() string {
	switch k {
	case Okta:
		return "PUT for profiles, PATCH for state and groups. Sends at once."
	case OktaCustom:
		return "PUT for everything, with complete member lists. Sends at once."
	case Entra:
		return "One capitalised operation per attribute, booleans as strings. Sends in cycles."
	case EntraFlag:
		return "?aadOptscim062020: lower-case operations, dotted keys, true booleans. Sends in cycles."
	}
	return ""
}

// IsEntra says whether this client works in cycles, as Entra's does.
func (k Kind) IsEntra() bool { return k == Entra || k == EntraFlag }

// usesPut says whether state and groups are written with PUT (Okta's App Integration Wizard).
func (k Kind) usesPut() bool { return k == OktaCustom }

// complianceFlag is the query string that an administrator puts on Entra's tenant URL.
const complianceFlag = "aadOptscim062020"

// Schema URNs, as the clients write them.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	// Entra adds Microsoft's own schema to every group that it creates.
	adscimGroupSchema = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
)
