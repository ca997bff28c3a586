package scimserver

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/scim"
)

// bearer reads the credential. Okta's header authentication sends what its administrator typed,
// which often is the token without the scheme.
func bearer(r *http.Request) string {
	header := strings.TrimSpace(r.Header.Get("Authorization"))
	scheme, token, found := strings.Cut(header, " ")
	if !found {
		if strings.HasPrefix(header, TokenPrefix) {
			return header
		}
		return ""
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// TokenPrefix begins every SCIM token.
const TokenPrefix = "gscim_"

// authenticate turns the token into a workspace and a directory (scim.Handler asks it before
// anything else).
func (s *Server) authenticate(r *http.Request) (scim.Backend, error) {
	now := s.db.Now()
	token := bearer(r)
	find := s.db.System().TokenByHash
	if strings.HasPrefix(token, accessPrefix) {
		find = s.db.System().HolderBySCIMAccess
	} else if !strings.HasPrefix(token, TokenPrefix) {
		s.stranger(r, "token_missing")
		return nil, scim.Unauthorized()
	}
	hash := keys.HashToken(token)
	// What is refused is refused before the database is asked, so that it costs the neighbours nothing, and what is to
	// wait does so before it is asked whether the token lives. A bulk request is served whole and paid for
	// afterwards: half of it would be nobody's wish.
	paid := false
	if known := s.limits.known(hash); known != nil && !scim.InBulk(r.Context()) {
		var err error
		if paid, err = s.ahead(r, known, now); err != nil {
			return nil, err
		}
		now = s.db.Now()
	}
	holder, err := find(r.Context(), hash, now)
	if errs.Is(err, errs.KindUnauthenticated) {
		s.stranger(r, errs.CodeOf(err))
		return nil, scim.Unauthorized()
	}
	if err != nil {
		return nil, wire(err)
	}
	s.limits.remember(hash, holder)
	sent := &captured{ReadCloser: r.Body}
	if r.Body != nil {
		r.Body = sent
	}
	b := &backend{s: s, r: r, sent: sent, began: now, scope: provision.Scope{Workspace: holder.Workspace, Directory: holder.Directory,
		Actor: directoryParty(holder)}, mode: modeOf(holder)}
	web.Add(r.Context(), "workspace", holder.Slug)
	web.Add(r.Context(), "directory", holder.Directory)
	if !holder.RevokedAt.IsZero() {
		// The administrator's log says when the token ended and why; the caller is told nothing.
		if err := b.noteDead(r.Context(), holder); err != nil {
			return nil, wire(err)
		}
		return nil, scim.Unauthorized()
	}
	if scim.InBulk(r.Context()) {
		s.limits.of(holder.Directory, now).charge(holder.Directory, now)
	} else if !paid {
		if err := s.enter(r, holder, now); err != nil {
			return nil, err
		}
	}
	if b.types, err = s.typesOf(r.Context(), holder.Workspace, holder.Version); err != nil {
		return nil, wire(err)
	}
	if err := holder.Status.Refusal(); err != nil {
		if rec := b.refused(r.Context(), http.StatusForbidden, nil, audit.Party{}, err); rec != nil {
			return nil, wire(rec)
		}
		return nil, wire(err)
	}
	if err := s.admit(r, holder.Directory); err != nil {
		return nil, err
	}
	sent.patience = patience{db: s.db, checked: now, again: func() error {
		holder, err := find(r.Context(), hash, s.db.Now())
		if err == nil && !holder.RevokedAt.IsZero() {
			err = errs.Unauthenticated("token_"+holder.Why, "The bearer token is missing or not valid.")
		}
		return wire(err)
	}}
	return b, nil
}

// ahead refuses a request past the limit of a directory. One that floods has paid for what is let in; of the others,
// a token that turns out to be dead takes nothing from the living one.
func (s *Server) ahead(r *http.Request, h *store.TokenHolder, now time.Time) (paid bool, err error) {
	if s.limits.floods.is(h.Directory, now) {
		return true, s.enter(r, h, now)
	}
	if wait := s.limits.requests.empty(h.Directory, now); wait > 0 {
		return false, s.tooMany(r, h, now, wait)
	}
	return false, nil
}

// enter lets a request of a directory in, or refuses it past the limit.
func (s *Server) enter(r *http.Request, h *store.TokenHolder, now time.Time) error {
	wait, ok := s.limits.enter(h.Directory, now)
	if !ok {
		return s.tooMany(r, h, now, wait)
	}
	if wait > 0 {
		s.pause(r.Context(), wait)
	}
	return nil
}

func directoryParty(h *store.TokenHolder) audit.Party {
	return audit.Party{Kind: "directory", ID: h.Directory, Name: h.Name}
}

func modeOf(h *store.TokenHolder) scim.Mode {
	if directory.Mode(h.Mode) == directory.ModeStrict {
		return scim.Strict
	}
	return scim.Lenient
}

// patience asks after the token anew while a body is still coming in: one that was replaced meanwhile is dead
// for those as well who began before and send slowly. Whoever sends at once pays nothing.
type patience struct {
	db      *store.DB
	checked time.Time
	again   func() error // nil until the token is known
}

// recheck is how old the check of a token may be when the rest of a body arrives.
const recheck = time.Second

func (p *patience) ask() error {
	if p.again == nil || p.db.Now().Sub(p.checked) < recheck {
		return nil
	}
	p.checked = p.db.Now()
	return p.again()
}

// A token that was replaced because it leaked is in strangers' hands: were each use of it an event,
// it could still fill the workspace's log.
const (
	deadWindow = time.Hour
	deadLimit  = 20 // events of one token in a window
)

// noteDead counts a use of a token that has ended in the sum of strangers, and makes the first ones
// of a window events of the workspace.
func (b *backend) noteDead(ctx context.Context, holder *store.TokenHolder) error {
	b.s.stranger(b.r, "token_"+holder.Why)
	// The count that all nodes share is a write; a flood does not get that far.
	if b.s.limits.dead.take(holder.Token, b.began) > 0 {
		return nil
	}
	wait, err := b.s.db.System().Attempt(ctx, deadWindow, []string{"scim replaced " + holder.Token}, []int{deadLimit})
	if err != nil || wait > 0 {
		return err
	}
	return b.recordDead(ctx, holder)
}

func (b *backend) recordDead(ctx context.Context, holder *store.TokenHolder) error {
	changes, sentence := obituary(holder)
	return b.s.db.Write(ctx, holder.Workspace, func(tx *store.Tx) error {
		return tx.Record(audit.Event{Type: audit.TokenReplacedUsed, Outcome: audit.Refused,
			Reason: "token_" + holder.Why, Actor: b.scope.Actor, Subject: audit.Party{Kind: "token", ID: holder.Token, Name: holder.TokenName}, Directory: holder.Directory,
			Changes: changes, Payload: exchange(bare(b.r), http.StatusUnauthorized, nil, []string{sentence})})
	})
}

// obituary tells an administrator what became of a token (V26 of the seeds).
func obituary(h *store.TokenHolder) ([]audit.Change, string) {
	at := func(field string, t time.Time) audit.Change {
		return audit.Change{Field: field, To: t.Format(time.RFC3339)}
	}
	switch {
	case h.Why == store.TokenExpired:
		return []audit.Change{at("expired_at", h.RevokedAt)}, "This token expired on " + onDay(h.RevokedAt) + "."
	case h.Why == store.TokenReplaced && h.ReplacedAt.Before(h.RevokedAt) && !h.ReplacedAt.IsZero():
		return []audit.Change{at("replaced_at", h.ReplacedAt), at("ended_at", h.RevokedAt)},
			"This token was replaced on " + onDay(h.ReplacedAt) + " and went on working until " + onDay(h.RevokedAt) + "."
	default:
		return []audit.Change{at(h.Why+"_at", h.RevokedAt)}, "This token was " + h.Why + " on " + onDay(h.RevokedAt) + "."
	}
}

func onDay(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }
