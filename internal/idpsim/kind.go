package idpsim

// Kind names one of the simulated IdPs; it is also its segment in URLs.
type Kind string

// The provisioning clients.
const (
	Okta       Kind = "okta"
	OktaCustom Kind = "okta-custom"
	Entra      Kind = "entra"
	EntraFlag  Kind = "entra-flag"
	OneLogin   Kind = "onelogin"
	JumpCloud  Kind = "jumpcloud"
	Google     Kind = "google"
	PingOne    Kind = "pingone"
	CyberArk   Kind = "cyberark"
)

// Kinds lists the clients in the order in which pages show them.
func Kinds() []Kind {
	return []Kind{Okta, OktaCustom, Entra, EntraFlag, OneLogin, JumpCloud, Google, PingOne, CyberArk}
}

// kindTexts are the heading and one sentence on how a client differs from its neighbours. The
// vendors' names stand here as plain text.
var kindTexts = map[Kind]struct{ title, summary string }{
	Okta:       {"Okta-like, catalogue app", "PUT for profiles, PATCH for state and groups. Sends at once."},
	OktaCustom: {"Okta-like, custom app", "PUT for everything, with complete member lists. Sends at once."},
	Entra:      {"Entra-like", "One capitalised operation per attribute, booleans as strings. Sends in cycles."},
	EntraFlag:  {"Entra-like, compliance flag", "?aadOptscim062020: lower-case operations, dotted keys, true booleans. Sends in cycles."},
	OneLogin:   {"OneLogin-like", "PUT from a JSON template, empty texts for what is unset, PATCH for members. Sends at once."},
	JumpCloud:  {"JumpCloud-like", "Activation makes and deletes a test user and a test group. PUT for people, value lists for members. Sends at once."},
	Google:     {"Google-like", "People only, mapped from the application's /Schemas; suspending and deleting are separate. Sends at once."},
	PingOne:    {"PingOne-like", "The administrator writes the filter; people may be made inactive; members are replaced whole. Sends at once."},
	CyberArk:   {"CyberArk-like", "Reads each schema and resource type by its id, and each person before the PUT. Sends at once."},
}

// Title is the heading for people.
func (k Kind) Title() string {
	if t, ok := kindTexts[k]; ok {
		return t.title
	}
	return string(k)
}

// Summary says in one sentence how this client differs from its neighbours.
func (k Kind) Summary() string { return kindTexts[k].summary }

// IsEntra says whether this client works in cycles, as Entra's does.
func (k Kind) IsEntra() bool { return k == Entra || k == EntraFlag }

// PushesGroups says whether this client provisions groups: Google's does not.
func (k Kind) PushesGroups() bool { return k != Google }

// isOkta says whether this is one of Okta's two families.
func (k Kind) isOkta() bool { return k == Okta || k == OktaCustom }

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
