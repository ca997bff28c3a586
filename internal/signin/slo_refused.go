package signin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// logoutPayload is the payload of an event of single logout.
type logoutPayload struct {
	attempt
	Binding        string       `json:"binding,omitempty"`
	MessageID      string       `json:"message_id,omitempty"`
	InResponseTo   string       `json:"in_response_to,omitempty"`
	Issuer         string       `json:"issuer,omitempty"`
	Subject        string       `json:"subject,omitempty"` // once verified
	SessionIndexes []string     `json:"session_indexes,omitempty"`
	Ended          []string     `json:"ended,omitempty"` // sessions
	SkewSeconds    int64        `json:"clock_skew_seconds,omitempty"`
	StatusCode     string       `json:"status_code,omitempty"`
	StatusMessage  string       `json:"status_message,omitempty"`
	Detail         string       `json:"detail,omitempty"`
	Refusal        *shownReason `json:"refusal,omitempty"`
	Notes          []string     `json:"notes,omitempty"`
	// XML is the decoded message without the values of signatures. That of the Redirect binding is not in it.
	XML json.RawMessage `json:"xml,omitempty"`
}

// maxShown is how many sessions and indexes an event lists.
const maxShown = 50

// payload is what an event keeps of a logout message: a request by what was verified, an answer by its outcome.
func (r *logoutReceived) payload(outcome *saml.LogoutOutcome, textless bool) json.RawMessage {
	p := r.shown()
	if l := r.logout; l != nil {
		p.MessageID, p.Issuer, p.Subject = cut(l.ID, maxTyped), cut(l.Issuer, maxTyped), cut(l.NameID.Value, maxTyped)
		p.SkewSeconds = int64(math.Round(l.Skew.Seconds()))
		for _, index := range l.SessionIndexes[:min(len(l.SessionIndexes), maxShown)] {
			p.SessionIndexes = append(p.SessionIndexes, cut(index, maxTyped))
		}
		p.Ended = r.ended[:min(len(r.ended), maxShown)]
		if l.SHA1 {
			p.Notes = append(p.Notes, "a signature with SHA-1 was accepted, by the grace of this connection that ends on "+r.side.connection.SAML.SHA1Until)
		}
		p.Notes = append(p.Notes, encryptionNotes(l.Encryption)...)
		if r.partial {
			p.Notes = append(p.Notes, "an application that got tokens has no address for logouts, so the answer says that the logout is partial")
		}
	}
	if o := outcome; o != nil {
		p.MessageID, p.InResponseTo, p.Issuer = cut(o.ID, maxTyped), cut(o.InResponseTo, maxTyped), cut(o.Issuer, maxTyped)
		p.StatusCode, p.StatusMessage, p.SkewSeconds = cut(o.StatusCode, maxTyped), cut(o.StatusMessage, maxDetail), int64(math.Round(o.Skew.Seconds()))
	}
	return r.withText(p, textless)
}

// shown is what is known of any message.
func (r *logoutReceived) shown() logoutPayload {
	p := logoutPayload{attempt: attemptBy(r.Client, directory.MethodSAML), Binding: "redirect"}
	if r.Form != nil || r.unreadable != nil {
		p.Binding = "post"
	}
	return p
}

// withText adds the message's text as far as there is room.
func (r *logoutReceived) withText(p logoutPayload, textless bool) json.RawMessage {
	xml := maskSignatures(r.message.XML)
	if textless && len(xml) > 0 {
		xml = nil
		p.Notes = append(p.Notes, "many unverified messages came to this connection, so the text of this one is not kept")
	}
	shown := fitting(xml, audit.MaxPayload-len(encoded(p))-roomForNotes)
	if shown < len(xml) {
		p.Notes = append(p.Notes, fmt.Sprintf("the XML is cut: %d of %d bytes are kept", shown, len(xml)))
	}
	if shown > 0 {
		p.XML = encoded(string(bytes.ToValidUTF8(xml[:shown], []byte("\uFFFD"))))
	}
	out := encoded(p)
	if len(out) > audit.MaxPayload {
		p.XML = nil
		out = encoded(p)
	}
	return out
}

// errLogoutNotVerified is the one answer while nothing is verified.
var errLogoutNotVerified = errs.Forbidden("saml_refused", "This sign-out message of an identity provider was not accepted, and nothing was done.")

// logoutTurnedAway records why a logout message was refused, as few of them as of refused sign-ins, and returns the
// *TurnedAway for it. It does not wait for the client.
func (s *Service) logoutTurnedAway(ctx context.Context, r *logoutReceived, cause error) error {
	var refusal *saml.Refusal
	p := r.shown()
	away := &TurnedAway{err: errLogoutNotVerified, Slug: r.side.cfg.Workspace.Slug}
	verified, message, reason, detail := r.logout != nil, "", errs.CodeOf(cause), cause.Error()
	if errors.As(cause, &refusal) {
		verified, message, reason, detail = refusal.Verified, refusal.ResponseID, refusal.Reason, refusal.Detail
		p.MessageID, p.InResponseTo, p.Issuer, p.Subject = cut(refusal.ResponseID, maxTyped), cut(refusal.InResponseTo, maxTyped), cut(refusal.Issuer, maxTyped), cut(refusal.Subject, maxTyped)
		p.SkewSeconds = int64(math.Round(refusal.Skew.Seconds()))
	} else if errs.As(cause) == nil {
		return cause
	}
	if r.answer != "" {
		verified, message, p.MessageID = true, r.answer, cut(r.answer, maxTyped)
	}
	if r.logout != nil {
		message, p.MessageID, p.Issuer, p.Subject = r.logout.ID, cut(r.logout.ID, maxTyped), cut(r.logout.Issuer, maxTyped), cut(r.logout.NameID.Value, maxTyped)
	}
	if verified {
		away.err = errs.Forbidden(reason, "This sign-out message of your identity provider was not accepted, and nothing was done.")
		away.Detail = cut(detail, maxDetail)
	}
	p.Refusal = &shownReason{Code: away.err.Code, Detail: cut(detail, maxDetail)}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	admitted, text, err := s.admitEvent(ctx, r.Connection, refused{client: r.Client, verified: verified, message: message})
	if err != nil {
		return err
	}
	if !admitted {
		s.DB.System().RecordStranger(r.Client.Bucket, "logout."+reason, nil)
		return away
	}
	e := audit.Event{ID: keys.ID("evt_", s.now()), Type: audit.LogoutRefused, Outcome: audit.Refused, Reason: reason, Actor: r.Client.stranger(), Connection: r.Connection,
		Subject: audit.Party{Kind: "connection", ID: r.Connection, Name: r.side.connection.Name}, Payload: r.withText(p, !text)}
	if err := s.DB.Write(ctx, r.side.workspace, func(tx *store.Tx) error { return tx.Record(e) }); err != nil {
		return fmt.Errorf("record refusal: %w", err)
	}
	away.Event = e.ID
	return away
}
