package idpsim

import (
	"fmt"
	"slices"
	"time"
)

// OIDCFault is what goes wrong with the next sign-in of an OpenID provider. It is used once.
type OIDCFault string

// The faults. All must be refused but OIDCNone, OIDCClockAhead4m, OIDCNoKeyID and OIDCMailText, which must not link
// anybody by an address; OIDCOtherUserInfo only where
// the application asks userinfo.
const (
	OIDCNone          OIDCFault = "none"
	OIDCExpired       OIDCFault = "expired"           // made two days ago
	OIDCClockAhead7m  OIDCFault = "clock_ahead_7m"    // the IdP's clock is seven minutes ahead
	OIDCClockAhead4m  OIDCFault = "clock_ahead_4m"    // four minutes, which must work
	OIDCWrongNonce    OIDCFault = "wrong_nonce"       // of another sign-in
	OIDCNoNonce       OIDCFault = "no_nonce"          // none
	OIDCWrongAudience OIDCFault = "wrong_aud"         // meant for another application
	OIDCWrongParty    OIDCFault = "wrong_azp"         // given to another application
	OIDCWrongIssuer   OIDCFault = "wrong_iss"         // another organisation at the same vendor
	OIDCNoSubject     OIDCFault = "no_sub"            // nobody
	OIDCNoIssuedAt    OIDCFault = "no_iat"            // made at no time
	OIDCWrongHash     OIDCFault = "wrong_at_hash"     // of another access token
	OIDCUnsigned      OIDCFault = "alg_none"          // no signature at all
	OIDCSymmetric     OIDCFault = "hs256"             // an HMAC keyed with the public key
	OIDCWrongKey      OIDCFault = "wrong_key"         // another key under the id of the published one
	OIDCUnknownKey    OIDCFault = "unknown_kid"       // another key under its own id
	OIDCKeyInHeader   OIDCFault = "key_in_header"     // another key, which the header brings along
	OIDCKeyAddress    OIDCFault = "key_address"       // another key, and the header says where it is (jku)
	OIDCCritical      OIDCFault = "crit"              // the header demands what nobody knows
	OIDCEncrypted     OIDCFault = "encrypted"         // an encrypted token whose key would cost hours to derive
	OIDCMailText      OIDCFault = "mail_verified_odd" // email_verified is "true " and no truth, so that it links nobody
	OIDCNoKeyID       OIDCFault = "no_kid"            // the header names no key, which must work
	OIDCOldToken      OIDCFault = "replayed_token"    // the ID token of the sign-in before
	OIDCReplay        OIDCFault = "replay"            // the answer of the sign-in before
	OIDCDenied        OIDCFault = "access_denied"     // the IdP says no
	OIDCOtherIdP      OIDCFault = "wrong_iss_answer"  // the answer says that it is another IdP's (RFC 9207)
	OIDCOtherState    OIDCFault = "wrong_state"       // answers a sign-in that nobody began
	OIDCSpentCode     OIDCFault = "spent_code"        // the code was redeemed before
	OIDCOtherUserInfo OIDCFault = "wrong_userinfo"    // userinfo speaks of somebody else
	OIDCNoToken       OIDCFault = "no_id_token"       // plain OAuth
	OIDCConsumer      OIDCFault = "consumer_account"  // Google: no hd
	OIDCOtherDomain   OIDCFault = "other_hosted_name" // Google: hd of another organisation
)

type oidcFaultInfo struct {
	Fault OIDCFault `json:"fault"`
	Title string    `json:"title"`
	Works bool      `json:"works"` // the application should let the person in
}

// oidcFaultTable lists them in the order in which pages offer them.
var oidcFaultTable = []oidcFaultInfo{
	{OIDCNone, "Nothing, a good sign-in", true},
	{OIDCExpired, "Expired: made two days ago", false},
	{OIDCClockAhead7m, "The IdP's clock is 7 minutes ahead", false},
	{OIDCClockAhead4m, "The IdP's clock is 4 minutes ahead", true},
	{OIDCWrongNonce, "Nonce of another sign-in", false},
	{OIDCNoNonce, "No nonce", false},
	{OIDCWrongAudience, "Wrong audience", false},
	{OIDCWrongParty, "Given to another application (azp)", false},
	{OIDCWrongIssuer, "Wrong issuer", false},
	{OIDCNoSubject, "No subject", false},
	{OIDCNoIssuedAt, "No iat", false},
	{OIDCWrongHash, "at_hash of another access token", false},
	{OIDCUnsigned, "Unsigned (alg none)", false},
	{OIDCSymmetric, "HS256 with the public key", false},
	{OIDCWrongKey, "Signed with another key", false},
	{OIDCUnknownKey, "Signed with a key that is not published", false},
	{OIDCKeyInHeader, "Signed with the key that the header brings along", false},
	{OIDCKeyAddress, "Signed with a key at an address in the header", false},
	{OIDCCritical, "A critical header that nobody knows", false},
	{OIDCEncrypted, "Encrypted, at great cost to who reads it", false},
	{OIDCMailText, "email_verified as a text (links nobody)", true},
	{OIDCNoKeyID, "The header names no key", true},
	{OIDCOldToken, "The ID token of the sign-in before", false},
	{OIDCReplay, "Replay: the answer before, once more", false},
	{OIDCDenied, "The IdP says no", false},
	{OIDCOtherIdP, "The answer names another IdP", false},
	{OIDCOtherState, "Answers a sign-in that nobody began", false},
	{OIDCSpentCode, "The code was used before", false},
	{OIDCOtherUserInfo, "Userinfo speaks of somebody else", false},
	{OIDCNoToken, "No ID token", false},
	{OIDCConsumer, "A consumer's account (no hd)", false},
	{OIDCOtherDomain, "An account of another organisation (hd)", false},
}

// oidcFaultsOf are those that an IdP of that kind can play.
func oidcFaultsOf(kind Kind) []oidcFaultInfo {
	return slices.DeleteFunc(slices.Clone(oidcFaultTable), func(i oidcFaultInfo) bool {
		return kind != Google && (i.Fault == OIDCConsumer || i.Fault == OIDCOtherDomain)
	})
}

// OIDCFaults lists every fault of this IdP by name, OIDCNone first.
func (p *IdP) OIDCFaults() (out []OIDCFault) {
	for _, f := range oidcFaultsOf(p.kind) {
		out = append(out, f.Fault)
	}
	return out
}

// info is the fault's line in the table; an unknown one has only its name.
func (f OIDCFault) info() oidcFaultInfo {
	if i := slices.IndexFunc(oidcFaultTable, func(i oidcFaultInfo) bool { return i.Fault == f }); i >= 0 {
		return oidcFaultTable[i]
	}
	return oidcFaultInfo{Fault: f, Title: string(f)}
}

// Works says whether the application should let the person in all the same.
func (f OIDCFault) Works() bool { return f.info().Works }

// Title is the fault for people.
func (f OIDCFault) Title() string { return f.info().Title }

// shift is how far the token's times are from now.
func (f OIDCFault) shift() time.Duration {
	switch f {
	case OIDCExpired:
		return -48 * time.Hour
	case OIDCClockAhead7m:
		return 7 * time.Minute
	case OIDCClockAhead4m:
		return 4 * time.Minute
	}
	return 0
}

// SetOIDCFault arms a fault for the next sign-in; OIDCNone disarms. A replay needs a sign-in to repeat.
func (p *IdP) SetOIDCFault(f OIDCFault) error {
	if !slices.Contains(p.OIDCFaults(), f) {
		return fmt.Errorf("%w: fault %q; the faults are %v", ErrInvalid, f, p.OIDCFaults())
	}
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	if f == OIDCReplay && p.oidc.good == nil || f == OIDCOldToken && p.oidc.token == "" {
		return fmt.Errorf("%w: there is no sign-in to replay yet, sign in once before", ErrInvalid)
	}
	p.oidc.fault = f
	return nil
}

// spoil changes the claims of an ID token as the fault says.
func (f OIDCFault) spoil(p *IdP, c map[string]any) {
	switch f {
	case OIDCWrongNonce:
		c["nonce"] = p.opts.randomText(32)
	case OIDCNoNonce:
		delete(c, "nonce")
	case OIDCWrongAudience:
		c["aud"] = "another-client"
		delete(c, "azp")
	case OIDCWrongParty:
		c["azp"] = "another-client"
	case OIDCWrongIssuer:
		c["iss"] = p.otherIssuer(c["iss"])
	case OIDCNoSubject:
		delete(c, "sub")
	case OIDCNoIssuedAt:
		delete(c, "iat")
	case OIDCWrongHash:
		c["at_hash"] = halfHash("another access token")
	case OIDCMailText:
		c["email_verified"], c["xms_edov"] = "true ", "true "
	case OIDCConsumer:
		delete(c, "hd")
	case OIDCOtherDomain:
		c["hd"] = "evil.example"
	}
}
