package grants

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// SCIMEventHandler does the jobs of the kind provision.JobSCIMEvent: security event tokens (RFC 8417) with SCIM's events
// (RFC 9967), pushed to an application (RFC 8935).
func (s *Service) SCIMEventHandler() jobs.Handler {
	return jobs.Handler{
		Do: s.SendSCIMEvent,
		Lane: func(j store.Job) string {
			var e provision.SCIMEvent
			if json.Unmarshal([]byte(j.Body), &e) != nil {
				return ""
			}
			return e.Application
		},
		Dead: s.scimEventDead,
	}
}

// SendSCIMEvent tells an application of one change. An application that is gone, or wants no events any more, needs no
// word. What the receiver refuses (400) is final and an event of its own; whatever else it answers is tried again.
func (s *Service) SendSCIMEvent(ctx context.Context, j store.Job) error {
	var e provision.SCIMEvent
	if err := json.Unmarshal([]byte(j.Body), &e); err != nil {
		return jobs.Permanent(fmt.Errorf("read SCIM event: %w", err))
	}
	client, err := s.DB.System().Client(ctx, e.Application)
	if errs.Is(err, errs.KindNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("send SCIM event: %w", err)
	}
	if client.Workspace != j.Workspace || client.SCIMEventsURI == "" {
		return nil
	}
	token, err := s.eventToken(ctx, client, e)
	if err != nil {
		return fmt.Errorf("send SCIM event: %w", err)
	}
	if err := s.push(ctx, client.SCIMEventsURI, token); err != nil {
		return fmt.Errorf("send SCIM event: %w", err)
	}
	return nil
}

// eventToken makes the token. Each try makes the same but for the key that signs it; it has no end (RFC 8417 section
// 4.6) and no subject that could make it pass for a token of a session (RFC 9967 section 2.1).
func (s *Service) eventToken(ctx context.Context, client *store.Client, e provision.SCIMEvent) (string, error) {
	subject := map[string]any{"format": "scim", "uri": e.Path, "id": e.ID}
	if e.ExternalID != "" {
		subject["externalId"] = e.ExternalID
	}
	what := map[string]any{}
	if e.Attributes != nil {
		what["attributes"] = e.Attributes
	}
	return s.Keys.sign(ctx, typeEvent, Claims{
		"iss": s.Issuer, "aud": cmp.Or(client.SCIMEventsAudience, client.ID), "iat": e.At, "jti": e.JTI, "txn": e.Txn,
		"sub_id": subject, "events": map[string]any{e.Event: what},
	})
}

// push delivers a token (RFC 8935 section 2). No redirect is followed: the token is for that address alone.
func (s *Service) push(ctx context.Context, address, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(token))
	if err != nil {
		return jobs.Permanent(err)
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	req.Header.Set("Accept", "application/json")
	client := *s.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode == http.StatusAccepted:
		return nil
	case resp.StatusCode == http.StatusBadRequest && err == nil:
		return jobs.Permanent(setRefusal(resp.Header.Get("Content-Type"), body))
	}
	return fmt.Errorf("the receiver answered %s, where 202 was expected", resp.Status)
}

// refusedSET is why a receiver refuses a token for good (RFC 8935 section 2.4).
type refusedSET struct{ code, description string }

func (r *refusedSET) Error() string {
	return strings.TrimSpace("the receiver refused the event: " + r.code + " " + r.description)
}

// maxReason bounds what is kept of a receiver's words.
const maxReason = 200

func setRefusal(contentType string, body []byte) *refusedSET {
	var said struct {
		Err         string `json:"err"`
		Description string `json:"description"`
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind != "application/json" || json.Unmarshal(body, &said) != nil {
		said.Err, said.Description = "", ""
	}
	return &refusedSET{code: clipped(cmp.Or(said.Err, "without a reason")), description: clipped(said.Description)}
}

func clipped(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason] + "..."
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s), "")
}

// scimEventDead notes that an application was not told.
func (s *Service) scimEventDead(ctx context.Context, j store.Job, cause error) {
	var e provision.SCIMEvent
	if json.Unmarshal([]byte(j.Body), &e) != nil {
		return
	}
	reason := "given_up"
	changes := []audit.Change{{Field: "event", From: e.Event}, {Field: "resource", From: e.Path}, {Field: "jti", From: e.JTI}}
	if refused := (*refusedSET)(nil); errors.As(cause, &refused) {
		reason = "refused_by_receiver"
		changes = append(changes, audit.Change{Field: "receiver_said", To: strings.TrimSpace(refused.code + " " + refused.description)})
	}
	// The runner has logged and kept the job with its cause; the event is for the workspace's people.
	_ = s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error {
		return tx.Record(audit.Event{Type: audit.ApplicationEventUnsent, Outcome: audit.Refused, Reason: reason,
			Actor: audit.Party{Kind: "system"}, Subject: audit.Party{Kind: "application", ID: e.Application}, Changes: changes})
	})
}
