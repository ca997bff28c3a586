package reason

import "slices"

// Party is who can mend the cause.
type Party string

const (
	Person         Party = "person"
	IdPAdmin       Party = "idp_admin"       // of the identity provider
	GatehouseAdmin Party = "gatehouse_admin" // an administrator of the workspace
	Operator       Party = "operator"        // of the server
)

// Name is the party in words.
func (p Party) Name() string {
	switch p {
	case Person:
		return "the person"
	case IdPAdmin:
		return "the identity provider's administrator"
	case GatehouseAdmin:
		return "an administrator of the workspace"
	}
	return "the operator of the server"
}

// Reason is one line of the list.
type Reason struct {
	Code     string // stable, snake_case; the anchor of its documentation
	Cause    Party
	Sentence string // for the person, once they may be told
	Why      string // the cause
	Expected string // what "expected" means in the checks of an attempt
	Received string // and "received"
	Do       string // what mends it
	Where    Places // where in the IdP's console, empty where there is nothing to mend there
	Of       []string
}

// Places say where in each IdP's console something is set.
type Places struct{ Okta, Entra, Google, OneLogin, JumpCloud, Generic string }

// For returns the place at a provider, by the names that connections have: "okta", "entra", "google", "onelogin",
// "jumpcloud"; any other is generic.
func (p Places) For(provider string) string {
	switch provider {
	case "okta":
		return p.Okta
	case "entra":
		return p.Entra
	case "google":
		return p.Google
	case "onelogin":
		return p.OneLogin
	case "jumpcloud":
		return p.JumpCloud
	}
	return p.Generic
}

// Providers are the names that Places knows, in the order of the documentation, with what people call them.
func Providers() [][2]string {
	return [][2]string{{"okta", "Okta"}, {"entra", "Microsoft Entra ID"}, {"google", "Google Workspace"}, {"onelogin", "OneLogin"},
		{"jumpcloud", "JumpCloud"}, {"generic", "Any other"}}
}

// All is the list, in the order in which a sign-in meets them.
func All() []Reason {
	return slices.Concat(beginning(), answers(), signatures(), addressed(), times(), people(), otherWays())
}

// ByCode returns the reason of that code.
func ByCode(code string) (Reason, bool) {
	for _, r := range All() {
		if r.Code == code {
			return r, true
		}
	}
	return Reason{}, false
}

// NoAnswer is the code of an attempt that was begun and never came back. There is no refusal to diagnose.
const NoAnswer = "no_answer"

// Facts are what is known of a refusal.
type Facts struct {
	Reason string // the precise one, of the event
	// Request is what the answer's RelayState or state led to where it led to no sign-in of this browser: "none",
	// "unknown", "expired", "other_connection" or "other_browser".
	Request string
	// IdPSaid is the IdP's own code: the status of SAML ("RequestDenied"), or the error of OIDC ("access_denied").
	IdPSaid string
}

// Diagnose returns the coded reason of a refusal. One that is not on the list is "unexplained".
func Diagnose(f Facts) Reason {
	code := codes[f.Reason]
	switch {
	case f.Reason == "in_response_to" && f.Request == "expired":
		code = "too_slow"
	case f.Reason == "in_response_to" && f.Request == "other_browser":
		code = "other_browser"
	case code == "idp_said_no" && (f.IdPSaid == "RequestDenied" || f.IdPSaid == "access_denied"):
		code = "idp_refused_access"
	}
	if r, ok := ByCode(code); ok {
		return r
	}
	return Reason{Code: "unexplained", Cause: Operator, Sentence: "You could not be signed in.", Why: "The reason " + f.Reason + " is not on the list.",
		Do: "Look at the event, which has what was received."}
}

// codes are the coded reasons by the precise ones.
var codes = func() map[string]string {
	m := map[string]string{}
	for _, r := range All() {
		for _, precise := range r.Of {
			m[precise] = r.Code
		}
	}
	return m
}()
