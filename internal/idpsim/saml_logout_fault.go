package idpsim

import (
	"fmt"
	"slices"
	"time"
)

// LogoutFault is what goes wrong with the next logout message of an IdP. It is used once.
type LogoutFault string

// The faults. The last three are of answers to the application's own logout, the others of the IdP's; wrong_issuer,
// wrong_key, unsigned, no_algorithm, reencoded and bomb are of either.
const (
	LogoutNone         LogoutFault = "none"
	LogoutUnsigned     LogoutFault = "unsigned"
	LogoutWrongKey     LogoutFault = "wrong_key"
	LogoutWrongIssuer  LogoutFault = "wrong_issuer"
	LogoutReplay       LogoutFault = "replay"        // the logout before, once more
	LogoutExpired      LogoutFault = "expired"       // made two days ago
	LogoutElsewhere    LogoutFault = "wrong_address" // for another application
	LogoutOther        LogoutFault = "other_person"  // somebody else's name, with this session's index
	LogoutUnknownIndex LogoutFault = "unknown_index" // a session that never was
	LogoutNoAlgorithm  LogoutFault = "no_algorithm"  // by Redirect: a Signature and no SigAlg
	LogoutReencoded    LogoutFault = "reencoded"     // by Redirect: signed over other escapes than those that are sent
	LogoutBomb         LogoutFault = "bomb"          // compressed, 16 MiB of it
	LogoutSilent       LogoutFault = "no_answer"     // the browser stays here
	LogoutDenied       LogoutFault = "denied"        // the IdP says no
	LogoutPartial      LogoutFault = "partial"       // other applications may not know
)

type logoutFaultInfo struct {
	Fault LogoutFault `json:"fault"`
	Title string      `json:"title"`
}

// logoutFaults lists them in the order in which pages offer them.
var logoutFaults = []logoutFaultInfo{
	{LogoutNone, "Nothing, a good logout"},
	{LogoutUnsigned, "Unsigned"},
	{LogoutWrongKey, "Signed with another key"},
	{LogoutWrongIssuer, "Wrong issuer"},
	{LogoutReplay, "Replay: the logout before, once more"},
	{LogoutExpired, "Expired: made two days ago"},
	{LogoutElsewhere, "For another application's address"},
	{LogoutOther, "Names somebody else, with this session's index"},
	{LogoutUnknownIndex, "Names a session that never was"},
	{LogoutNoAlgorithm, "By Redirect: the signature names no algorithm"},
	{LogoutReencoded, "By Redirect: signed over other escapes than those that are sent"},
	{LogoutBomb, "16 MiB, compressed"},
	{LogoutSilent, "The application's logout is never answered"},
	{LogoutDenied, "The application's logout is denied"},
	{LogoutPartial, "The application's logout is answered: partial"},
}

// LogoutFaults lists every fault by name, LogoutNone first.
func LogoutFaults() []LogoutFault {
	out := make([]LogoutFault, 0, len(logoutFaults))
	for _, f := range logoutFaults {
		out = append(out, f.Fault)
	}
	return out
}

// SetSAMLLogoutFault arms a fault for the next logout message; LogoutNone disarms. A replay needs a logout to repeat.
func (p *IdP) SetSAMLLogoutFault(f LogoutFault) error {
	if !slices.Contains(LogoutFaults(), f) {
		return fmt.Errorf("%w: fault %q; the faults are %v", ErrInvalid, f, LogoutFaults())
	}
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	if f == LogoutReplay && p.saml.goodLogout == nil {
		return fmt.Errorf("%w: there is no logout to replay yet, sign out once before", ErrInvalid)
	}
	p.saml.logoutFault = f
	return nil
}

// armedLogoutFault uses up the fault that is armed, and returns the last good logout with it.
func (p *IdP) armedLogoutFault() (LogoutFault, *Carrying) {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	f := p.saml.logoutFault
	p.saml.logoutFault = LogoutNone
	if f == "" {
		f = LogoutNone
	}
	if p.saml.goodLogout == nil {
		return f, nil
	}
	again := *p.saml.goodLogout
	return f, &again
}

// spoilLogout changes what a LogoutRequest says as the fault has it.
func (p *IdP) spoilLogout(f *logoutFacts, fault LogoutFault, ended SAMLSession) error {
	switch fault {
	case LogoutWrongIssuer:
		f.issuer = p.anotherIssuer()
	case LogoutExpired:
		f.issued = f.issued.Add(-48 * time.Hour)
	case LogoutElsewhere:
		f.destination = "https://another-application.example/saml/logout"
	case LogoutOther:
		x, err := p.person(ended.person)
		if err != nil {
			return err
		}
		victim := p.forgery(x, p.SAMLSettings(), samlFacts{nameIDFormat: f.format})
		f.nameID, f.indexes = victim.nameID, []string{ended.Index}
	case LogoutUnknownIndex:
		f.indexes = []string{"_a-session-that-never-was"}
	}
	return nil
}

// anotherIssuer is another organisation at the same vendor.
func (p *IdP) anotherIssuer() string {
	if p.kind.IsEntra() {
		return "https://sts.windows.net/00000000-0000-4000-8000-000000000000/"
	}
	return "http://www.okta.com/exkanotherorganis00"
}
