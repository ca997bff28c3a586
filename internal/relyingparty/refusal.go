package relyingparty

import (
	"encoding/json"
	"fmt"
)

// Reasons of a Refusal. Those from ReasonType on concern a token that came from the IdP's token endpoint or
// was posted as a logout token; from ReasonIssuer on its signature has been verified.
const (
	ReasonIdPUnknown   = "idp_unknown"       // the connection's IdP is not set up
	ReasonUnreachable  = "idp_unreachable"   // the IdP did not answer, or not as it should
	ReasonDiscovery    = "discovery_invalid" // the discovery document cannot be used
	ReasonDiscoveryIss = "discovery_issuer"  // it is another issuer's
	ReasonKeys         = "keys_unavailable"  // the set of keys cannot be had or read
	ReasonPushed       = "par_refused"       // the IdP refused the pushed request
	ReasonTokenRequest = "token_refused"     // the IdP refused the token request
	ReasonTokenAnswer  = "token_malformed"   // its answer to it cannot be used
	ReasonMalformed    = "jwt_malformed"
	ReasonAlgorithm    = "jwt_algorithm"
	ReasonType         = "jwt_type"
	ReasonKeyUnknown   = "jwt_key_unknown"
	ReasonSignature    = "jwt_signature"

	ReasonIssuer       = "issuer_mismatch"
	ReasonTenant       = "tenant_not_allowed"
	ReasonAudience     = "audience_mismatch"
	ReasonParty        = "azp_mismatch"
	ReasonExpired      = "token_expired"
	ReasonNotYetValid  = "token_not_yet_valid"
	ReasonIssuedAt     = "iat_invalid"
	ReasonSubject      = "sub_missing"
	ReasonNonce        = "nonce_mismatch"
	ReasonAccessHash   = "at_hash_mismatch"
	ReasonAuthTime     = "auth_time_too_old"
	ReasonContext      = "acr_not_met"
	ReasonHostedDomain = "hd_not_allowed"
	ReasonUserInfo     = "userinfo_invalid"
	ReasonUserInfoSub  = "userinfo_sub_mismatch"

	ReasonLogoutEvent   = "logout_event_missing"
	ReasonLogoutNonce   = "logout_nonce_present"
	ReasonLogoutSubject = "logout_subject_missing"
	ReasonLogoutID      = "logout_jti_missing"
)

// Refusal is what an IdP sent and is not believed.
type Refusal struct {
	Reason string // one of the constants
	// Detail is a sentence for administrators: what was expected and what was received. It quotes the IdP.
	Detail string
	// Verified says that the token's signature was that of the IdP. Before, nobody is told more than that it
	// was refused.
	Verified bool
	// IdPError and IdPDescription are what the IdP itself said, for ReasonTokenRequest and ReasonPushed.
	IdPError, IdPDescription string
	// Claims are those of the token that was refused, as far as they could be read. They are believed only
	// where Verified is set.
	Claims Claims

	cause error // for logs: it may name the operator's network
}

// Error is the reason with the cause. It is for logs, not for people.
func (r *Refusal) Error() string {
	if r.cause != nil {
		return fmt.Sprintf("%s: %s (%v)", r.Reason, r.Detail, r.cause)
	}
	return r.Reason + ": " + r.Detail
}

// Unwrap returns what lay behind it, or nil.
func (r *Refusal) Unwrap() error { return r.cause }

func refuse(reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

func (r *Refusal) because(cause error) *Refusal {
	r.cause = cause
	return r
}

// quote shows a value that an IdP sent, cut where it is long.
func quote(v any) string {
	const most = 200
	text, err := json.Marshal(v)
	if err != nil {
		return "something unreadable"
	}
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
