package signin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
)

// oidcSentences are for people, by reason, once the IdP's signature was verified.
var oidcSentences = map[string]string{
	relyingparty.ReasonIssuer:       "The answer comes from another identity provider than the one that is set up here.",
	relyingparty.ReasonTenant:       "Your account belongs to an organisation that cannot sign in to this workspace.",
	relyingparty.ReasonAudience:     "Your identity provider's answer is meant for another service. The administrator should check the client id there.",
	relyingparty.ReasonParty:        "Your identity provider's answer was given to another service.",
	relyingparty.ReasonExpired:      "Your identity provider's answer had expired when it came, or its clock is wrong. Start again.",
	relyingparty.ReasonNotYetValid:  "Your identity provider's answer is not valid yet: its clock is ahead of ours.",
	relyingparty.ReasonIssuedAt:     "Your identity provider's answer does not say when it was made, or its clock is ahead of ours.",
	relyingparty.ReasonSubject:      "Your identity provider's answer does not say who you are.",
	relyingparty.ReasonNonce:        "Your identity provider's answer does not belong to this sign-in. Start again.",
	relyingparty.ReasonAccessHash:   "The parts of your identity provider's answer do not belong together.",
	relyingparty.ReasonAuthTime:     "Your identity provider did not ask you to sign in again, which was required.",
	relyingparty.ReasonContext:      "You signed in at your identity provider by other means than required.",
	relyingparty.ReasonHostedDomain: "Your Google account does not belong to the organisation of this workspace. Choose your work account.",
	relyingparty.ReasonUserInfo:     "Your identity provider did not say who you are.",
	relyingparty.ReasonUserInfoSub:  "Your identity provider speaks of two people at once.",
}

// ofOIDCRefusal returns what people are told of a refusal by the protocol.
func ofOIDCRefusal(r *relyingparty.Refusal) *errs.Error {
	switch {
	case r.Reason == relyingparty.ReasonUnreachable, r.Reason == relyingparty.ReasonKeys:
		return errs.Unavailable(r.Reason, "Your identity provider does not answer at the moment. Try again, or sign in another way.").With(r)
	case r.Reason == relyingparty.ReasonDiscovery, r.Reason == relyingparty.ReasonDiscoveryIss, r.Reason == relyingparty.ReasonIdPUnknown, r.Reason == relyingparty.ReasonPushed:
		return errs.Forbidden(r.Reason, "Single sign-on is not set up rightly: the administrator should test the connection.").With(r)
	case !r.Verified:
		return errOIDCNotVerified
	case oidcSentences[r.Reason] != "":
		return errs.Forbidden(r.Reason, "%s", oidcSentences[r.Reason]).With(r)
	}
	return errs.Forbidden(r.Reason, "Your identity provider's answer was not accepted.").With(r)
}

// turnedBack records why an answer was refused and returns the *TurnedAway for it. What is nobody's no is
// returned as it is.
func (s *Service) turnedBack(ctx context.Context, r *redeemed, cause error) error {
	if !refusing(cause) && !errors.As(cause, new(*relyingparty.Refusal)) && errs.CodeOf(cause) != reasonSecret {
		return cause
	}
	out := refused{entry: &r.entry, client: r.Client, to: r.pending.to, verified: r.outcome != nil, told: errs.As(cause), reason: reasonOf(cause)}
	detail := ""
	var refusal *relyingparty.Refusal
	var early *unaccepted
	switch {
	case errors.As(cause, &early):
		out.told, out.reason, detail = early.told, early.reason, early.detail
		if early.shown {
			out.detail = detail
		}
	case errors.As(cause, &refusal):
		out.told, out.reason, detail, out.verified = ofOIDCRefusal(refusal), refusal.Reason, refusal.Detail, refusal.Verified
		r.refusal, out.said = refusal, refusal.IdPError
		if refusal.Verified {
			out.detail, out.name = cut(detail, maxDetail), refusal.Claims.Text("sub")
		}
	}
	if out.verified {
		// Each answer has a state of its own, which only this browser could use, once.
		out.message = keys.HashToken(r.State)
	}
	out.request, out.how, out.skew, out.said = r.pending.found, "code flow", r.skew(), cmp.Or(out.said, r.Error)
	out.checks = judged(r.rules(), out.reason, cut(cmp.Or(detail, out.told.Message), maxDetail))
	out.browser = browserHash(r.Browser)
	out.payload = func(textless bool) json.RawMessage {
		return r.payload("", out.told.Code, &shownOIDC{Code: out.reason, Detail: cut(detail, maxDetail), refusal: refusal}, textless)
	}
	return s.record(ctx, out)
}

// oidcPayload is the payload of a sign-in by an IdP's OIDC answer. It holds no token, and no code.
type oidcPayload struct {
	attempt
	// Request is as in samlPayload, of the state.
	Request     string          `json:"request,omitempty"`
	Issuer      string          `json:"issuer,omitempty"`
	Subject     string          `json:"subject,omitempty"` // once verified
	SkewSeconds int64           `json:"clock_skew_seconds,omitempty"`
	Refusal     *shownOIDC      `json:"refusal,omitempty"`
	Notes       []string        `json:"notes,omitempty"`
	Claims      json.RawMessage `json:"claims,omitempty"`
}

type shownOIDC struct {
	Told           string `json:"told,omitempty"` // the code that people see, where it is another one
	Code           string `json:"code"`
	Detail         string `json:"detail,omitempty"`
	IdPError       string `json:"idp_error,omitempty"`
	IdPDescription string `json:"idp_error_description,omitempty"`

	refusal *relyingparty.Refusal
}

// payload is what the event keeps of an answer; why is nil for one that was accepted.
func (r *redeemed) payload(session, code string, why *shownOIDC, textless bool) json.RawMessage {
	p := oidcPayload{attempt: attemptBy(r.Client, directory.MethodOIDC), Request: r.pending.found, Notes: r.notes}
	p.Session = session
	var claims relyingparty.Claims
	if o := r.outcome; o != nil {
		claims, p.Issuer, p.Subject, p.SkewSeconds = o.Claims, cut(o.Issuer, maxTyped), cut(r.arrival.Shown, maxTyped), int64(math.Round(-o.Behind.Seconds()))
	}
	if why != nil {
		if p.Refusal = why; code != why.Code {
			p.Refusal.Told = code
		}
		p.Refusal.IdPError, p.Refusal.IdPDescription = cut(r.Error, maxTyped), cut(r.ErrorDescription, maxDetail)
		if f := why.refusal; f != nil {
			p.Refusal.IdPError, p.Refusal.IdPDescription = cut(f.IdPError, maxTyped), cut(f.IdPDescription, maxDetail)
			if claims == nil {
				claims = f.Claims
			}
			if f.Verified {
				p.Issuer, p.Subject = cut(f.Claims.Text("iss"), maxTyped), cut(f.Claims.Text("sub"), maxTyped)
			} else if len(claims) > 0 && !textless {
				p.Notes = append(p.Notes, "the claims are those of a token whose signature was not verified")
			}
		}
	}
	if !textless || r.outcome != nil {
		p.Claims, p.Notes = shownClaims(claims, p.Notes)
	}
	return fittingPayload(&p)
}

// withheld are claims that bind a token to others: they say nothing to who reads the log.
var withheld = []string{"nonce", "at_hash", "c_hash", "s_hash"}

// shownClaims is what of a token's claims is kept.
func shownClaims(claims relyingparty.Claims, notes []string) (json.RawMessage, []string) {
	if len(claims) == 0 {
		return nil, notes
	}
	kept := relyingparty.Claims{}
	for name, value := range claims {
		kept[name] = value
	}
	for _, name := range withheld {
		delete(kept, name)
	}
	out, note := audit.Redact(encoded(kept), audit.MaxPayload-8<<10)
	if note != "" {
		notes = append(notes, note)
	}
	return out, notes
}

// fittingPayload is a payload as JSON, without the claims where it would be too long with them.
func fittingPayload(p *oidcPayload) json.RawMessage {
	out := encoded(p)
	if len(out) > audit.MaxPayload {
		p.Claims, p.Notes = nil, append(p.Notes, "the claims are too long to be kept")
		out = encoded(p)
	}
	return out
}

// beginPayload is the payload of a sign-in that could not begin because of what the IdP did.
func beginPayload(c Client, why *relyingparty.Refusal) json.RawMessage {
	return encoded(oidcPayload{attempt: attemptBy(c, directory.MethodOIDC), Refusal: &shownOIDC{Code: why.Reason, Detail: cut(why.Detail, maxDetail),
		IdPError: cut(why.IdPError, maxTyped), IdPDescription: cut(why.IdPDescription, maxDetail)}})
}
