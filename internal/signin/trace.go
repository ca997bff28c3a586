package signin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/reason"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Attempts of which nothing is verified yet that this process keeps in a window of limitWindow: of one client at one
// connection, and of all at one. Past them an attempt is kept from its answer on.
const (
	tracesOfClient     = 200
	tracesOfConnection = 2000
	maxTraceClients    = 50_000
)

// traceBudget counts them. It is kept in memory: a count in the database would have all who sign in through one
// connection wait for one row.
type traceBudget struct {
	mu          sync.Mutex
	since       time.Time
	connections map[string]int
	clients     map[string]int
}

// admit reports whether one more may be kept.
func (b *traceBudget) admit(now time.Time, connection, client string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.connections == nil || now.Sub(b.since) >= limitWindow || now.Before(b.since) {
		b.since, b.connections, b.clients = now, map[string]int{}, map[string]int{}
	}
	key := connection + " " + client
	if b.connections[connection] >= tracesOfConnection || b.clients[key] >= tracesOfClient || len(b.clients) >= maxTraceClients {
		return false
	}
	b.connections[connection]++
	b.clients[key]++
	return true
}

// traced returns the id of an attempt that begins, "" where it is not kept yet.
func (s *Service) traced(connection string, c Client) string {
	now := s.now()
	if !s.traces.admit(now, connection, c.Bucket) {
		return ""
	}
	return store.NewAttemptID(now)
}

// begunAttempt is an attempt that led a browser to an IdP.
func begunAttempt(id string, at *side, browser string, c Client, now time.Time, asked audit.Step) store.Attempt {
	asked.At = now
	return store.Attempt{ID: id, Connection: at.connection.ID, Method: directory.Method(at.connection.Protocol), Browser: browser, Steps: []audit.Step{
		{Actor: audit.ActorBrowser, At: now, Text: "Asked to sign in, " + whereFrom(c.address(), c.UserAgent) + "."}, asked}}
}

func whereFrom(address, userAgent string) string {
	from := "from " + cmp.Or(address, "an unknown address")
	if userAgent != "" {
		from += ", " + BrowserName(userAgent)
	}
	return from
}

// rule is something that an answer is held against, with the reasons of those that fail it.
type rule struct {
	name     string
	expected string
	received string // where it passed
	reasons  []string
}

// judged is what became of each rule. failed is the reason of the refusal, "" for none; a reason of no rule is the
// last one's, which is about who it is.
func judged(rules []rule, failed, detail string) []audit.Check {
	at := len(rules)
	if failed != "" {
		at = slices.IndexFunc(rules, func(r rule) bool { return slices.Contains(r.reasons, failed) })
		if at < 0 {
			at = len(rules) - 1
		}
	}
	checks := make([]audit.Check, len(rules))
	for i, r := range rules {
		c := audit.Check{Name: r.name, Expected: r.expected, Outcome: audit.NotReached}
		switch {
		case i < at:
			c.Outcome, c.Received = audit.Passed, r.received
		case i == at:
			c.Outcome, c.Received = audit.Failed, detail
		}
		checks[i] = c
	}
	return checks
}

// allPassed is what became of each rule where none failed. What says the same of every sign-in is left out: there are many.
func allPassed(rules []rule) []audit.Check {
	checks := make([]audit.Check, len(rules))
	for i, r := range rules {
		checks[i] = audit.Check{Name: r.name, Outcome: audit.Passed, Received: r.received}
		if r.received != "" && r.received != r.expected {
			checks[i].Expected = r.expected
		}
	}
	return checks
}

// samlRules are the checks of a Response in the order in which they are made.
func (r *received) rules(publicURL string) []rule {
	c := r.side.connection
	sp, limit := ServiceProvider(publicURL, c), c.SAML.Skew
	if limit <= 0 || limit > maxSkew {
		limit = maxSkew
	}
	asked := "no request: it may begin at the identity provider"
	switch {
	case r.pending.state != nil:
		asked = r.pending.state.RequestID
	case !unasked(c.SAML):
		asked = "a request that this browser made"
	}
	contexts := "any means, and an instant that is not in the future"
	if len(c.SAML.AuthnContexts) > 0 {
		contexts = "one of " + strings.Join(c.SAML.AuthnContexts, ", ")
	}
	if r.pending.state != nil && r.pending.state.Force {
		contexts += "; proven after the request"
	}
	name := "a lasting NameID"
	if c.SAML.Attributes.Subject != "" {
		name = "one value of the attribute " + c.SAML.Attributes.Subject
	}
	rules := []rule{
		{name: "The form can be read", expected: "SAMLResponse once, in base64, or an artifact where the connection takes one", reasons: []string{"malformed", "too_large", reasonArtifactOff, reasonUnfetched}},
		{name: "It is a SAML 2.0 Response", expected: "its elements in order, without what attacks use",
			reasons: []string{"dtd", "comment", "processing_instruction", "cdata", "duplicate_id", "not_a_response", "unexpected_message", "version", "structure", "second_assertion", "nested_assertion", "misplaced_signature"}},
		{name: "It can be decrypted", expected: "encrypted for this connection, or not at all", reasons: []string{"encrypted", "encryption_algorithm", "decryption", reasonSPKey}},
		{name: "It is signed by the identity provider", expected: keysOf(len(c.SAML.Certificates)),
			reasons: []string{"signature_missing", "signature_invalid", "signature_reference", "signature_algorithm", "unknown_key", "idp_unknown"}},
		{name: "Destination", expected: sp.ACS, reasons: []string{"destination"}},
		{name: "Issuer", expected: c.SAML.EntityID, received: c.SAML.EntityID, reasons: []string{"issuer", "artifact"}},
		{name: "Status", expected: "Success", received: "Success", reasons: []string{"status"}},
		{name: "It answers the request", expected: asked, reasons: []string{"in_response_to", "unsolicited"}},
		{name: "Clock", expected: fmt.Sprintf("at most %s off", limit), received: skewText(r.skew()), reasons: []string{"clock_skew", "not_yet_valid"}},
		{name: "Recipient", expected: sp.ACS, reasons: []string{"recipient", "no_confirmation"}},
		{name: "Time", expected: "not expired, give or take " + limit.String(), reasons: []string{"expired"}},
		{name: "Audience", expected: sp.EntityID, received: sp.EntityID, reasons: []string{"audience", "no_conditions", "unknown_condition"}},
		{name: "Authentication", expected: contexts, reasons: []string{"no_authn_statement", "authn_instant", "authn_context", "session_expired"}},
		{name: "Subject", expected: name, received: r.arrival.Shown, reasons: []string{"subject_missing", "subject_transient", "subject_too_long", "subject_invalid"}},
		{name: "It is new", expected: "an assertion that was not accepted before", reasons: []string{reasonReplayed}},
		r.memberRule(),
	}
	return rules
}

// keysOf says how many keys may have signed.
func keysOf(n int) string {
	if n == 1 {
		return "the key of the connection"
	}
	return fmt.Sprintf("one of the %d keys of the connection", n)
}

// maxSkew is how far a clock may be off where the connection says nothing less.
const maxSkew = 300 * time.Second

// memberRule is the last one: the connection is on, and the person may sign in.
func (e *entry) memberRule() rule {
	out := rule{name: "Account", expected: "a person who may sign in to this workspace through an active connection"}
	if e.member != nil {
		out.received = e.member.Email
	}
	return out
}

// skewText says a measured difference, "" for none.
func skewText(skew *time.Duration) string {
	if skew == nil {
		return ""
	}
	d := skew.Round(time.Second)
	switch {
	case d > 0:
		return "the identity provider's clock is " + d.String() + " ahead of ours"
	case d < 0:
		return "the identity provider's clock is " + (-d).String() + " behind ours, or the answer was that long under way"
	}
	return "no difference"
}

// skew is how far the IdP's clock is ahead, as far as it was measured by something verified.
func (r *received) skew() *time.Duration {
	switch {
	case r.assertion != nil:
		return &r.assertion.Skew
	case r.refusal != nil && r.refusal.Verified && (r.refusal.Skew != 0 || r.refusal.AssertionID != ""):
		return &r.refusal.Skew
	}
	return nil
}

// rules are the checks of an OIDC answer in the order in which they are made.
func (r *redeemed) rules() []rule {
	o := r.side.connection.OIDC
	limit := o.Skew
	if limit <= 0 || limit > maxSkew {
		limit = maxSkew
	}
	fresh := "any means"
	if len(o.ACRValues) > 0 {
		fresh = "one of " + strings.Join(o.ACRValues, ", ")
	}
	if s := r.pending.state; s != nil && s.OIDC != nil && s.OIDC.MaxAge != nil {
		fresh += fmt.Sprintf("; not older than %d s", *s.OIDC.MaxAge)
	}
	organisation := "any"
	if len(o.Tenants) > 0 || len(o.HostedDomains) > 0 {
		organisation = "one of " + strings.Join(slices.Concat(o.Tenants, o.HostedDomains), ", ")
	}
	name := "sub"
	if o.Attributes.Subject != "" {
		name = o.Attributes.Subject
	}
	return []rule{
		{name: "The answer can be read", expected: "each of code, state, iss and error once at the most", reasons: []string{"callback_malformed"}},
		{name: "State", expected: "a sign-in that this browser has begun", reasons: []string{"state_none", "state_unknown", "state_expired", "state_other_connection", "state_other_browser", "state_used", "state_invalid"}},
		{name: "Redirect URI", expected: "the one that the sign-in was begun with", reasons: []string{reasonRedirectURI}},
		{name: "Connection", expected: "active, and as it was", reasons: []string{"connection_draft", "connection_disabled", "idp_unknown", reasonMoved, reasonSecret}},
		{name: "Discovery", expected: o.Issuer, reasons: []string{"discovery_invalid", "discovery_issuer", "idp_unreachable"}},
		{name: "iss of the answer", expected: o.Issuer, reasons: []string{reasonIssMissing, reasonIssMismatch}},
		{name: "The identity provider says yes", expected: "a code", reasons: []string{reasonIdPError, reasonCode}},
		{name: "Token request", expected: "tokens for the code and the client " + o.ClientID, reasons: []string{"token_refused", "token_malformed"}},
		{name: "ID token is signed by the identity provider", expected: "a key of its key set", reasons: []string{"jwt_malformed", "jwt_algorithm", "jwt_type", "jwt_key_unknown", "jwt_signature", "keys_unavailable"}},
		{name: "Issuer", expected: o.Issuer, received: o.Issuer, reasons: []string{"issuer_mismatch", "tenant_not_allowed"}},
		{name: "Audience", expected: o.ClientID, received: o.ClientID, reasons: []string{"audience_mismatch", "azp_mismatch"}},
		{name: "Clock", expected: fmt.Sprintf("at most %s off", limit), received: skewText(r.skew()), reasons: []string{"iat_invalid", "token_not_yet_valid"}},
		{name: "Subject", expected: name, received: r.arrival.Shown, reasons: []string{"sub_missing", "subject_too_long", "subject_invalid"}},
		{name: "Time", expected: "not expired, give or take " + limit.String(), reasons: []string{"token_expired"}},
		{name: "Nonce", expected: "the one of this sign-in", reasons: []string{"nonce_mismatch"}},
		{name: "Authentication", expected: fresh, reasons: []string{"auth_time_too_old", "acr_not_met"}},
		{name: "Organisation", expected: organisation, reasons: []string{"hd_not_allowed"}},
		{name: "Access token and userinfo", expected: "of the same person", reasons: []string{"at_hash_mismatch", "userinfo_invalid", "userinfo_sub_mismatch"}},
		{name: "It is new", expected: "an ID token that was not accepted before", reasons: []string{reasonReplayed}},
		r.memberRule(),
	}
}

// skew is how far the IdP's clock is ahead, as far as it was measured by something verified.
func (r *redeemed) skew() *time.Duration {
	if r.outcome != nil {
		ahead := -r.outcome.Behind
		return &ahead
	}
	if r.refusal == nil || !r.refusal.Verified {
		return nil
	}
	issued, given := r.refusal.Claims.Instant("iat")
	if !given {
		return nil
	}
	ahead := issued.Sub(r.at)
	return &ahead
}

// browserHash is how an attempt names a browser, "" for one that holds nothing.
func browserHash(secret string) string {
	if secret == "" {
		return ""
	}
	return keys.HashToken(secret)
}

// ended are the steps of an answer: who brought it, and what became of it.
func ended(now time.Time, verified bool, how string, checks []audit.Check, why *reason.Reason) []audit.Step {
	came := audit.Step{Actor: audit.ActorIdP, At: now, Text: "Answered, by way of the browser (" + how + ")."}
	if !verified {
		came = audit.Step{Actor: audit.ActorBrowser, At: now, Text: "Brought an answer (" + how + "). Nothing proves that it is the identity provider's."}
	}
	said := audit.Step{Actor: audit.ActorGatehouse, At: now, Text: "Accepted the answer and signed the person in.", Checks: checks}
	if why != nil {
		said.Text = "Refused: " + why.Sentence
	}
	return []audit.Step{came, said}
}

// plainAttempt is an attempt without an IdP.
func plainAttempt(a attempt, now time.Time) store.Attempt {
	text := "Used a one-time link"
	switch {
	case a.Method == directory.MethodPassword && a.Emergency:
		text = "Entered a password for emergency access"
	case a.Method == directory.MethodPassword:
		text = "Entered a password"
	}
	text += ", " + whereFrom(a.Address, a.UserAgent) + "."
	return store.Attempt{ID: store.NewAttemptID(now), Method: a.Method, Steps: []audit.Step{{Actor: audit.ActorBrowser, At: now, Text: text}}}
}

// refusedAttempt makes an attempt without an IdP a refused one, by its event.
func refusedAttempt(a attempt, e audit.Event, now time.Time) store.Attempt {
	why := reason.Diagnose(reason.Facts{Reason: e.Reason})
	out := plainAttempt(a, now)
	out.Outcome, out.Reason, out.Code, out.Event, out.Name = audit.Refused, e.Reason, why.Code, e.ID, e.Subject.Name
	out.Loose = e.Actor.Kind == "stranger"
	if e.Subject.Kind == "member" {
		out.Member = e.Subject.ID
	}
	out.Steps = append(out.Steps, audit.Step{Actor: audit.ActorGatehouse, At: now, Text: "Refused: " + why.Sentence})
	return out
}
