package scim

// Mode says how much deviation from the standard is accepted. Tolerances lists where the modes differ.
type Mode int

const (
	// Lenient accepts what Okta, Entra, OneLogin and others really send, and reports what it dropped
	// as warnings. It is the zero value.
	Lenient Mode = iota
	// Strict accepts what RFC 7643 and RFC 7644 say, within what the interoperability profile
	// (draft-zollner-scim-interop-profile-01) leaves of them, and refuses the rest.
	Strict
)

// String returns "lenient" or "strict".
func (m Mode) String() string {
	if m.strict() {
		return "strict"
	}
	return "lenient"
}

func (m Mode) strict() bool { return m != Lenient }

// ModeBackend is a Backend that says by itself in which mode its client is read, where the clients of one Handler
// differ. Its word goes before Handler.Mode.
type ModeBackend interface {
	Backend
	Mode() Mode
}

// modeFor is the mode for a request of b, which is nil where nobody had to authenticate.
func (h *Handler) modeFor(b Backend) Mode {
	if own, ok := b.(ModeBackend); ok {
		return own.Mode()
	}
	return h.Mode
}

// Tolerance is one difference between the modes. Each sentence says what becomes of a request.
type Tolerance struct {
	Name    string // a few words, the same for good
	Lenient string // what lenient mode does
	Strict  string // what strict mode does
	Type    string // the scimType of strict mode's 400, "" where it does otherwise and refuses nothing
	Source  string // who sends it, and what forbids it
}

// Tolerances returns all differences between the modes, in the order of a request's life. What is not among them is
// the same in both.
func Tolerances() []Tolerance { return append([]Tolerance(nil), tolerances[:]...) }

// tolerance is a place in the table. Code that refuses in strict mode alone does so by it, so that the table knows
// of all such places.
type tolerance int

const (
	absentSchemas tolerance = iota
	undefinedAttribute
	unknownSchema
	unlistedSchema
	coreUnderURN
	unstoredAttribute
	booleanText
	arrayForOne
	oneForArray
	textForObject
	emptyText
	appRoles
	typeAlone
	twoPrimaries
	putKeepsMembers
	noPath
	noOperations
	undefinedInPatch
	extensionPath
	elementPath
	severalMatches
	replaceCreates
	subOfList
	replaceMerges
	removeValues
	memberDisplay
	unquotedText
	tightWords
	filterBoolean
	filterSub
	searchNameList
	countTolerances
)

// refused is strict mode's refusal.
func (t tolerance) refused(format string, args ...any) *Error {
	return bad(tolerances[t].Type, format, args...)
}

const (
	byProfile = "draft-zollner-scim-interop-profile-01"
	byRFC7643 = "RFC 7643"
	byRFC7644 = "RFC 7644"
)

// tolerances is never written to.
var tolerances = [countTolerances]Tolerance{
	absentSchemas: {"body that does not name its schema",
		"Without \"schemas\", or with those of SCIM 1, it is read as what its endpoint holds, with a warning; but not without userName, or displayName of a group. \"schemas\" that names another kind of resource is refused.",
		"The request is refused.",
		TypeInvalidSyntax, "OneLogin, whose administrators write the body; " + byRFC7643 + " section 3"},
	undefinedAttribute: {"undefined attribute",
		"It is dropped, with a warning.", "The request is refused.",
		TypeInvalidSyntax, "Most clients send more than a server publishes; " + byProfile},
	unknownSchema: {"unknown schema",
		"Simple values under an unknown URN are kept as they are, within limits.", "The request is refused, whether the URN has data or is listed in \"schemas\" alone.",
		TypeInvalidSyntax, "Entra sends a customer's own attributes so, and lists its ADSCIM schema; " + byProfile},
	unlistedSchema: {"extension that \"schemas\" does not list",
		"Its data counts.", "The request is refused.",
		TypeInvalidSyntax, "Entra lists no extension; " + byRFC7643 + " section 3"},
	coreUnderURN: {"core attributes under the core URN",
		"They are read as if they stood at the top.", "The request is refused.",
		TypeInvalidSyntax, "Hand-written clients; " + byRFC7643 + " section 3"},
	unstoredAttribute: {"attribute that is never stored, such as password",
		"It is dropped, with a warning.", "The request is refused: /Schemas has no such attribute.",
		TypeInvalidSyntax, "Okta sends a password with every new user; " + byProfile + ", IPSIE"},
	booleanText: {"boolean as text",
		"\"True\" and \"False\" in any letter case are booleans.", "Only true and false are.",
		TypeInvalidValue, "Entra; " + byRFC7643 + " section 2.3.2"},
	arrayForOne: {"array for a single value",
		"Its one element is the value.", "The request is refused.",
		TypeInvalidValue, "Entra wraps a group's displayName; " + byRFC7643 + " section 2.2"},
	oneForArray: {"single value for an array",
		"It is an array of one.", "The request is refused, in PATCH as well.",
		TypeInvalidValue, "Hand-written clients; " + byRFC7643 + " section 2.4, " + byProfile},
	textForObject: {"text for an object",
		"It is the object's \"value\"; empty text is no object.", "The request is refused.",
		TypeInvalidValue, "Entra sends a manager so, others members and addresses; " + byRFC7643 + " section 2.3.8"},
	emptyText: {"empty text for a number or an instant",
		"It means that there is no value.", "The request is refused.",
		TypeInvalidValue, "OneLogin; " + byRFC7643 + " section 2.3"},
	appRoles: {"forms of Entra's app roles",
		"JSON text in the value of a role is read, and displayName stands for display.", "The request is refused.",
		TypeInvalidSyntax, "Entra (AppRoleAssignmentsComplex); " + byRFC7643 + " section 4.1.2"},
	typeAlone: {"value that says nothing but its type",
		"It is dropped, with a warning.", "The request is refused.",
		TypeInvalidValue, "Clients that send empty form fields; " + byRFC7643 + " section 2.4"},
	twoPrimaries: {"two primary values",
		"The first stays primary, with a warning.", "The request is refused.",
		TypeInvalidValue, "Clients that mark one for each type; " + byRFC7643 + " section 2.4"},
	putKeepsMembers: {"PUT of a group without members",
		"The members stay.", "The group is emptied.",
		"", "Okta renames a group so; " + byRFC7644 + " section 3.5.1"},
	noPath: {"PATCH operation without a path",
		"The keys of its value are paths.", "The request is refused.",
		TypeInvalidSyntax, "Okta deactivates so, Entra with aadOptscim062020; " + byProfile},
	noOperations: {"PATCH without operations",
		"It changes nothing and succeeds.", "The request is refused.",
		TypeInvalidSyntax, "Microsoft's validator; " + byRFC7644 + " section 3.5.2"},
	undefinedInPatch: {"kind of refusal of an undefined path",
		"A path to an undefined attribute or schema is refused as invalidPath, one under an unknown extension's URN is kept.", "It is refused as a body with such an attribute is.",
		TypeInvalidSyntax, byRFC7644 + " section 3.12; " + byProfile},
	extensionPath: {"URN of an extension as a path",
		"It stands for all attributes of the extension.", "The request is refused.",
		TypeInvalidPath, "scim2-models; " + byRFC7644 + " section 3.5.2, the grammar of paths"},
	elementPath: {"add or replace of a whole selected value",
		"The object is merged into the values that the filter selects.", "The request is refused: the path must end in a sub-attribute. Removal of a selected value stays possible.",
		TypeInvalidPath, "Clients that follow " + byRFC7644 + " section 3.5.2; " + byProfile},
	severalMatches: {"value filter that selects several",
		"All of them change.", "The request is refused.",
		TypeInvalidFilter, byRFC7644 + " section 3.5.2; " + byProfile},
	replaceCreates: {"replace of a value that is not there",
		"The value is made from the filter's equality terms.", "The request is refused.",
		TypeNoTarget, "Entra; " + byRFC7644 + " section 3.5.2.3"},
	subOfList: {"sub-attribute of a list without a filter",
		"The list's only value changes.", "The request is refused.",
		TypeInvalidPath, "Clients that know one address only; " + byRFC7644 + " section 3.5.2"},
	replaceMerges: {"replace of a complex attribute",
		"Sub-attributes that the value does not name stay.", "They go: the value is all there is.",
		"", byRFC7644 + " section 3.5.2.3; " + byProfile},
	removeValues: {"remove with a list of values",
		"Those values are removed and no others.", "The request is refused.",
		TypeInvalidSyntax, "Entra removes members so; " + byRFC7644 + " section 3.5.2.2"},
	memberDisplay: {"display of a member",
		"A change of it is ignored, with a warning.", "The request is refused.",
		TypeMutability, "Clients that keep a copy of names; " + byRFC7643 + " section 4.2"},
	unquotedText: {"unquoted text in a filter",
		"A bare word is a string, for eq, ne, co, sw and ew.", "The request is refused.",
		TypeInvalidFilter, "Microsoft's documents print it; " + byRFC7644 + " section 3.4.2.2"},
	tightWords: {"and, or without a space on each side",
		"A quote or a bracket does in place of the space.", "The request is refused.",
		TypeInvalidFilter, "Filters that administrators write by hand; " + byRFC7644 + " section 3.4.2.2, the grammar of filters"},
	filterBoolean: {"boolean as text in a filter",
		"\"True\" and True are booleans.", "Only true and false are.",
		TypeInvalidFilter, "Entra; " + byRFC7644 + " section 3.4.2.2"},
	filterSub: {"sub-attribute behind a value path in a filter",
		"emails[type eq \"work\"].value eq \"x\" selects by one value that satisfies both.", "The request is refused.",
		TypeInvalidFilter, "Entra, as the address of a matching attribute; " + byRFC7644 + " section 3.4.2.2, the grammar of filters"},
	searchNameList: {"attribute names as one text in a search",
		"They are split at the commas.", "The request is refused.",
		TypeInvalidValue, "Clients that copy the parameters of a URL; " + byRFC7644 + " section 3.4.3"},
}
