package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// LogoutTokenLife is how long a logout token is worth something (OIDC Back-Channel Logout 1.0 section 2.4
// advises two minutes at the most).
const LogoutTokenLife = 2 * time.Minute

// logoutEvent is the member of "events" that makes a token a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutHandler does the jobs of the kind store.JobLogout.
func (s *Service) LogoutHandler() jobs.Handler {
	return jobs.Handler{
		Do: s.SendLogout,
		Lane: func(j store.Job) string {
			var l store.Logout
			if json.Unmarshal([]byte(j.Body), &l) != nil {
				return ""
			}
			return l.Application
		},
		Dead: s.logoutDead,
	}
}

// SendLogout tells an application that a session has ended. An application that is gone or has no address for
// it needs no word. What the application refuses for good (400) is a permanent error; it is an event
// of its own once the job is given up.
func (s *Service) SendLogout(ctx context.Context, j store.Job) error {
	var l store.Logout
	if err := json.Unmarshal([]byte(j.Body), &l); err != nil {
		return jobs.Permanent(fmt.Errorf("read logout job: %w", err))
	}
	client, err := s.DB.System().Client(ctx, l.Application)
	if errs.Is(err, errs.KindNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("send logout: %w", err)
	}
	if client.Workspace != j.Workspace || client.BackchannelLogoutURI == "" {
		return nil
	}
	token, err := s.logoutToken(ctx, client, l)
	if err != nil {
		return fmt.Errorf("send logout: %w", err)
	}
	if err := s.post(ctx, client.BackchannelLogoutURI, url.Values{"logout_token": {token}}); err != nil {
		return fmt.Errorf("send logout: %w", err)
	}
	return s.noteLogout(ctx, j, clientParty(client), audit.OK, "")
}

// logoutToken makes a logout token (section 2.4). Each try has one of its own: a token may have expired by
// the next.
func (s *Service) logoutToken(ctx context.Context, client *store.Client, l store.Logout) (string, error) {
	now := s.now()
	return s.Keys.sign(ctx, typeLogout, Claims{
		"iss": s.Issuer, "aud": client.ID, "iat": now.Unix(), "exp": now.Add(LogoutTokenLife).Unix(), "jti": keys.UUID(),
		"sub": l.Member, "sid": l.Session, "events": map[string]any{logoutEvent: struct{}{}},
	})
}

// maxAnswer is how much of an answer is read, so that the connection can be used again.
const maxAnswer = 8 << 10

// post sends a form and wants 200 or 204. No redirect is followed: the token is for that address alone.
func (s *Service) post(ctx context.Context, address string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return jobs.Permanent(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := *s.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, readErr := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(readErr, resp.Body.Close()); err != nil && resp.StatusCode/100 != 2 {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return nil
	case http.StatusBadRequest:
		return jobs.Permanent(fmt.Errorf("the application refused the logout token with %s", resp.Status))
	}
	return fmt.Errorf("the application answered %s", resp.Status)
}

// logoutDead notes that an application could not be told.
func (s *Service) logoutDead(ctx context.Context, j store.Job, _ error) {
	var l store.Logout
	if json.Unmarshal([]byte(j.Body), &l) != nil {
		return
	}
	// The runner has logged and kept the job with its cause; the event is for the workspace's people.
	_ = s.noteLogout(ctx, j, audit.Party{Kind: "application", ID: l.Application}, audit.Refused, "given_up")
}

func (s *Service) noteLogout(ctx context.Context, j store.Job, application audit.Party, outcome audit.Outcome, reason string) error {
	var l store.Logout
	if err := json.Unmarshal([]byte(j.Body), &l); err != nil {
		return err
	}
	return s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error {
		return tx.Record(audit.Event{Type: audit.ApplicationLogoutSent, Outcome: outcome, Reason: reason,
			Actor: audit.Party{Kind: "system"}, Subject: application,
			Changes: []audit.Change{{Field: "session", From: l.Session}, {Field: "member", From: l.Member}}})
	})
}

// Bounds of one EndExpired.
const (
	expireBatch   = 200
	expireBatches = 50
)

// EndExpired ends sessions that have run out, idle or at their absolute end, and gave something to
// applications, so that these are told as they are at every other end. It is called every half minute or so,
// by any number of processes, and costs one look at an index where nothing has run out.
func (s *Service) EndExpired(ctx context.Context) error {
	for range expireBatches {
		due, err := s.DB.System().DueSessions(ctx, s.DB.Now(), expireBatch)
		if err != nil {
			return fmt.Errorf("end expired sessions: %w", err)
		}
		byWorkspace := map[string][]string{}
		for _, d := range due {
			if !slices.Contains(byWorkspace[d.Workspace], d.Session) {
				byWorkspace[d.Workspace] = append(byWorkspace[d.Workspace], d.Session)
			}
		}
		for workspace, ids := range byWorkspace {
			if err := s.DB.Write(ctx, workspace, func(tx *store.Tx) error { return expire(tx, ids) }); err != nil {
				return fmt.Errorf("end expired sessions of %s: %w", workspace, err)
			}
		}
		if len(due) < expireBatch {
			return nil
		}
	}
	return nil
}

func expire(tx *store.Tx, ids []string) error {
	ended, err := tx.ExpireSessions(ids)
	if err != nil {
		return err
	}
	for _, id := range ended {
		if err := tx.Record(audit.Event{Type: audit.SessionEnded, Reason: "session_expired", Actor: audit.Party{Kind: "system"},
			Subject: audit.Party{Kind: "session", ID: id}}); err != nil {
			return err
		}
	}
	return nil
}
