package signin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Renew gives the browser of r a new token of its live session, where what its member may do has grown since it got
// the one that it has: who had got hold of that, or put it there, gains nothing by the change. Only pages call
// it, before they write anything; programs that check a session on somebody's behalf cannot keep what they are given.
//
// The old token counts for session.RenewGrace longer, so that what other tabs have sent with it is answered. Of
// several requests at once one gets the new token, which is the browser's for all its tabs.
func (s *Service) Renew(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	if live.Renew == "" {
		return nil
	}
	token, err := s.renew(r.Context(), live, keys.HashToken(s.tokenOf(r)))
	if err != nil || token == "" {
		return err
	}
	s.setCookie(w, token)
	return nil
}

func (s *Service) renew(ctx context.Context, live *store.LiveSession, old string) (token string, err error) {
	err = s.DB.Write(ctx, live.Workspace, func(tx *store.Tx) error {
		fresh, hash := keys.NewToken(session.TokenPrefix)
		renewed, err := tx.RenewSession(live.Session.ID, old, hash)
		token = ""
		if err != nil || !renewed {
			return err
		}
		token = fresh
		return tx.Record(audit.Event{Type: audit.SessionRenewed, Reason: live.Renew, Actor: audit.Party{Kind: "system"},
			Subject: audit.Party{Kind: "session", ID: live.Session.ID}, Changes: []audit.Change{{Field: "member", To: live.Member.ID}}})
	})
	if err != nil {
		return "", fmt.Errorf("renew session: %w", err)
	}
	return token, nil
}

// setCookie gives the browser its session. The cookie ends with the browser; the session's own
// end is the database's to know.
func (s *Service) setCookie(w http.ResponseWriter, token string) { http.SetCookie(w, s.cookie(token)) }

func (s *Service) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: s.cookieName(), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure()}
}
