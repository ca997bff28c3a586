package scimserver

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// TokenPath is where clients of directories exchange a secret for access tokens (RFC 6749 section 4.4).
const TokenPath = "/scim/oauth2/token"

const (
	// accessPrefix begins every access token.
	accessPrefix = "gsca_"
	// accessLife is how long an access token lives when nothing ends it.
	accessLife   = time.Hour
	maxTokenForm = 16 << 10
)

// oauthError is a refusal of the token endpoint (RFC 6749 section 5.2). reason is for the log alone: a
// caller who did not prove who they are learns nothing from it.
type oauthError struct {
	status      int
	code        string
	description string
	reason      string
	wait        time.Duration
}

func (e *oauthError) Error() string { return e.code + ": " + e.reason }

func invalidClient(reason string) *oauthError {
	return &oauthError{http.StatusUnauthorized, "invalid_client", "The client could not be authenticated.", reason, 0}
}

func invalidRequest(description string) *oauthError {
	return &oauthError{http.StatusBadRequest, "invalid_request", description, "request_invalid", 0}
}

func tooOften(wait time.Duration) *oauthError {
	return &oauthError{http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests; ask again later, and use an access token until it expires.", "rate_limited", wait}
}

// TokenEndpoint answers POST /scim/oauth2/token for the clients of all workspaces.
func (s *Server) TokenEndpoint() http.Handler {
	door := web.JSONDoor()
	door.Fail, door.MaxBody = failToken, maxTokenForm
	return door.Handle(s.token)
}

// accessToken is the answer (RFC 6749 section 5.1).
type accessToken struct {
	Token     string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int    `json:"expires_in"` // seconds
	Scope     string `json:"scope"`      // always told: another may have been asked for (section 3.3)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &oauthError{http.StatusMethodNotAllowed, "invalid_request", "Expected POST.", "method_not_allowed", 0}
	}
	now := s.db.Now()
	source := web.Bucket(web.ClientIP(r))
	if wait := s.limits.strangers.empty(source, now); wait > 0 {
		s.db.System().RecordStranger(source, "scim_client.rate_limited", nil)
		return tooOften(wait)
	}
	holder, seen, refusal, err := s.client(r, now)
	if err != nil {
		return err
	}
	if refusal != nil {
		s.limits.strangers.take(source, now)
		return s.refuseClient(r, holder, refusal, now)
	}
	web.Add(r.Context(), "workspace", holder.Slug)
	web.Add(r.Context(), "directory", holder.Directory)
	if wait := s.limits.mints.take(holder.Directory, now); wait > 0 {
		return s.refuseClient(r, holder, tooOften(wait), now)
	}
	if refusal := mayHave(holder, r.PostForm.Get("grant_type")); refusal != nil {
		return s.refuseClient(r, holder, refusal, now)
	}
	given, err := s.give(r, holder, seen, now)
	if errors.Is(err, errReplayed) {
		s.limits.strangers.take(source, now)
		return s.refuseClient(r, holder, invalidClient("assertion_replayed"), now)
	}
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, given)
}

// mayHave judges what an authenticated client asks for.
func mayHave(holder *store.TokenHolder, grant string) *oauthError {
	switch {
	case grant == "":
		return invalidRequest("Expected the parameter grant_type.")
	case grant != "client_credentials":
		return &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Expected grant_type client_credentials.", "grant_type_unsupported", 0}
	case !holder.Status.Serves():
		off := holder.Status.Refusal()
		return &oauthError{http.StatusBadRequest, "unauthorized_client", off.Error(), errs.CodeOf(off), 0}
	}
	return nil
}

// errReplayed says that an assertion was used before.
var errReplayed = errors.New("the assertion was used before")

// give makes an access token and commits it before it is told. With it an assertion is used up: of many
// who bring one, one gets a token.
func (s *Server) give(r *http.Request, holder *store.TokenHolder, seen *sighting, now time.Time) (accessToken, error) {
	plain, hash := keys.NewToken(accessPrefix)
	// A client that asks for each of its requests anew fills no log.
	noted := s.limits.given.take(holder.Token, now) == 0
	err := s.db.Write(r.Context(), holder.Workspace, func(tx *store.Tx) error {
		if seen != nil {
			if first, err := tx.FirstSight(holder.Directory, seen.id, seen.until); err != nil || !first {
				return cmp.Or(err, errReplayed)
			}
		}
		tx.InsertSCIMAccess(hash, holder.Token, tx.Now().Add(accessLife))
		if !noted {
			return nil
		}
		return tx.Record(audit.Event{Type: audit.ClientTokenGiven, Actor: directoryParty(holder), Directory: holder.Directory,
			Subject: audit.Party{Kind: "token", ID: holder.Token, Name: holder.TokenName}})
	})
	return accessToken{Token: plain, Type: "Bearer", ExpiresIn: int(accessLife.Seconds()), Scope: "scim"}, err
}

// client finds the client that sent the form and proved who it is, and the assertion that it did so with,
// if it was one. With a refusal, the holder is whose log it belongs to, or nil.
func (s *Server) client(r *http.Request, now time.Time) (*store.TokenHolder, *sighting, *oauthError, error) {
	if _, err := web.Form(r); errs.Is(err, errs.KindInvalid) {
		return nil, nil, invalidRequest("The form could not be read."), nil
	} else if err != nil {
		return nil, nil, nil, err
	}
	// Credentials in an address end up in logs.
	if r.URL.RawQuery != "" {
		return nil, nil, invalidRequest("Expected parameters in the form of the body, received some in the address."), nil
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return nil, nil, invalidRequest("Expected each parameter once (RFC 6749 section 3.2)."), nil
		}
	}
	if r.PostForm.Has("client_assertion") || r.PostForm.Has("client_assertion_type") {
		return s.vouched(r, now)
	}
	id, secret, refusal := credentials(r)
	if refusal != nil {
		return nil, nil, refusal, nil
	}
	holder, err := s.db.System().HolderBySecret(r.Context(), keys.HashToken(secret), now)
	switch {
	case errs.Is(err, errs.KindUnauthenticated) || err == nil && holder.Directory != id:
		// Somebody else's secret under this client's id is an unknown one.
		refusal := invalidClient("secret_unknown")
		owner, err := s.ownerOf(r.Context(), id)
		return owner, nil, refusal, err
	case err != nil:
		return nil, nil, nil, err
	case !holder.RevokedAt.IsZero():
		return holder, nil, invalidClient("secret_" + holder.Why), nil
	}
	return holder, nil, nil, nil
}

// credentials reads client_secret_basic or client_secret_post (RFC 6749 section 2.3.1).
func credentials(r *http.Request) (id, secret string, refusal *oauthError) {
	id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, basic := r.BasicAuth(); basic {
		if secret != "" {
			return "", "", invalidRequest("Expected one way of client authentication, received two.")
		}
		name, nameErr := url.QueryUnescape(user)
		word, wordErr := url.QueryUnescape(password)
		if nameErr != nil || wordErr != nil || id != "" && id != name {
			return "", "", invalidClient("basic_unreadable")
		}
		id, secret = name, word
	} else if r.Header.Get("Authorization") != "" {
		return "", "", invalidClient("authorization_scheme")
	}
	if id == "" || secret == "" {
		return "", "", invalidClient("credentials_missing")
	}
	return id, secret, nil
}

// ownerOf returns whose log an attempt under a client's id belongs to, nil for nobody's.
func (s *Server) ownerOf(ctx context.Context, client string) (*store.TokenHolder, error) {
	workspace, err := s.db.System().WorkspaceOfClient(ctx, client)
	if err != nil || workspace == "" {
		return nil, err
	}
	return &store.TokenHolder{Workspace: workspace, Directory: client}, nil
}

// refuseClient leaves the trace of a refusal: in the sum of strangers, and the first ones of an hour in
// the workspace's log, where it is known.
func (s *Server) refuseClient(r *http.Request, holder *store.TokenHolder, refusal *oauthError, now time.Time) error {
	payload := exchange(r, refusal.status, nil, []string{refusal.description})
	s.db.System().RecordStranger(web.Bucket(web.ClientIP(r)), "scim_client."+refusal.reason, payload)
	web.Add(r.Context(), "reason", refusal.reason)
	if holder == nil || s.limits.dead.take("client "+holder.Directory, now) > 0 {
		return refusal
	}
	ctx := context.WithoutCancel(r.Context())
	wait, err := s.db.System().Attempt(ctx, deadWindow, []string{"scim client " + holder.Directory}, []int{deadLimit})
	if err != nil {
		return err
	}
	if wait > 0 {
		return refusal
	}
	e := audit.Event{Type: audit.ClientRefused, Outcome: audit.Refused, Reason: refusal.reason, Directory: holder.Directory, Payload: payload,
		Actor: audit.Party{Kind: "stranger", Name: web.Bucket(web.ClientIP(r))}, Subject: audit.Party{Kind: "directory", ID: holder.Directory, Name: holder.Name}}
	if holder.Token != "" {
		e.Subject = audit.Party{Kind: "token", ID: holder.Token, Name: holder.TokenName}
		if !holder.RevokedAt.IsZero() {
			e.Changes, _ = obituary(holder)
		} else {
			e.Actor = directoryParty(holder)
		}
	}
	if err := s.db.Write(ctx, holder.Workspace, func(tx *store.Tx) error { return tx.Record(e) }); err != nil {
		return err
	}
	return refusal
}

// failToken renders refusals as RFC 6749 section 5.2 has them.
func failToken(w http.ResponseWriter, r *http.Request, err error) {
	body := struct {
		Code        string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{}
	var refusal *oauthError
	if !errors.As(err, &refusal) {
		f := web.FailureOf(r, err)
		refusal = &oauthError{status: f.Status, code: "invalid_request", description: f.Message}
		if f.Status >= http.StatusInternalServerError {
			refusal.code = "server_error"
		}
		if f.Status == http.StatusServiceUnavailable {
			refusal.code = "temporarily_unavailable"
		}
	}
	if refusal.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="SCIM"`)
	}
	if refusal.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(refusal.wait.Seconds()))))
	}
	body.Code, body.Description = refusal.code, refusal.description
	_ = web.WriteJSON(w, refusal.status, body) // strings always encode
}
