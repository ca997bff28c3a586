package scimserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/scim"
)

// Prefix is where the SCIM endpoints live below the origin.
const Prefix = "/scim/v2"

// Options are what a Server needs.
type Options struct {
	DB        *store.DB
	Provision *provision.Service
	// Origin is the public origin of the SCIM address, such as https://api.example.com; it alone
	// makes locations.
	Origin string
	Log    *slog.Logger
	// Rate is how many requests of each directory are served a second, in this process, and twice as many
	// after a quiet time; MinRate or more. 0 serves all that come.
	Rate int
	// Fetch gets a document of an issuer that vouches for clients, by an address that a customer chose.
	// nil trusts no issuer.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Pause waits for a time, or until ctx ends; nil is a timer. Refusals of a directory that takes no notice of them
	// are answered after it.
	Pause func(ctx context.Context, d time.Duration)
	// Time is how long one request may take, each operation of a bulk request included: what is not done by then is
	// answered 503 and changes nothing. 0 is MaxTime.
	Time time.Duration
}

// MaxTime is how long one request may take, below what the server gives an answer.
const MaxTime = 100 * time.Second

// Server answers SCIM requests for all workspaces.
type Server struct {
	db        *store.DB
	provision *provision.Service
	log       *slog.Logger
	types     typeCache
	handler   *scim.Handler
	limits    *limits
	walks     walks
	bodies    provision.Room
	held      held
	pause     func(context.Context, time.Duration)
	time      time.Duration
	keySets   keySets
	tokenURL  string // of the token endpoint: what assertions are addressed to
}

// New makes the server.
func New(o Options) *Server {
	s := &Server{db: o.DB, provision: o.Provision, log: o.Log,
		types:  typeCache{plain: &resourceTypes{users: scim.NewUserType(), groups: scim.NewGroupType()}},
		limits: newLimits(o.Rate), keySets: keySets{fetch: o.Fetch}, tokenURL: strings.TrimRight(o.Origin, "/") + TokenPath}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.pause = o.Pause; s.pause == nil {
		s.pause = pause
	}
	if s.time = o.Time; s.time == 0 {
		s.time = MaxTime
	}
	s.handler = &scim.Handler{BaseURL: strings.TrimRight(o.Origin, "/") + Prefix, Prefix: Prefix, Types: s.types.plain.list(),
		MaxBody: MaxBody, Backend: s.authenticate, Observe: s.observe, Offers: scim.Offers{Sort: true, Cursor: true, ETag: true}, Bulk: &scim.BulkLimits{}}
	return s
}

// Claims reports whether a request path is SCIM's. It is asked before any ServeMux, which would
// answer a double slash by a redirect that IdPs do not follow.
func (s *Server) Claims(path string) bool { return s.handler.Claims(path) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(strings.ToLower(r.URL.Path), "serviceproviderconfig") {
		s.tellConfig(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.time)
	defer cancel()
	withLarge(s.handler, w, r.WithContext(ctx))
}

// stranger notes a refusal of somebody whose workspace is not known, summed up per source.
func (s *Server) stranger(r *http.Request, reason string) {
	payload := exchange(r, http.StatusUnauthorized, nil, nil)
	s.db.System().RecordStranger(web.Bucket(web.ClientIP(r)), "scim."+reason, payload)
}

// observe is called for every answer before it is sent.
func (s *Server) observe(ctx context.Context, x scim.Exchange) {
	b, ok := x.Backend.(*backend)
	if !ok {
		if x.Status >= http.StatusInternalServerError {
			s.log.ErrorContext(ctx, "SCIM request failed", "error", x.Err)
		}
		return
	}
	if x.Status < http.StatusBadRequest {
		b.hear(x)
		if x.Request.Method == http.MethodGet || b.listed {
			if err := s.db.LogRead(ctx, store.ReadLogEntry{Workspace: b.scope.Workspace, Directory: b.scope.Directory, Time: b.began,
				Method: x.Request.Method, Path: requestPath(x.Request, b.sealed()...), Status: x.Status, Took: s.db.Now().Sub(b.began), Results: b.results}); err != nil {
				s.log.ErrorContext(ctx, "the request log could not be written", "error", err)
			}
		}
		return
	}
	if x.Status >= http.StatusInternalServerError {
		s.log.ErrorContext(ctx, "SCIM request failed", "workspace", b.scope.Workspace, "directory", b.scope.Directory, "error", x.Err)
	}
	// The client may be gone; its refused request stays on record all the same.
	ctx = context.WithoutCancel(ctx)
	if err := b.refused(ctx, x.Status, x.Body, b.about(x), x.Err); err != nil {
		s.log.ErrorContext(ctx, "a refused SCIM request could not be recorded", "workspace", b.scope.Workspace, "error", err)
	}
}

// hear counts a request that was served.
func (b *backend) hear(x scim.Exchange) {
	kind := store.HeardOther
	switch {
	case x.Request.Method == http.MethodGet || b.listed:
		kind = store.HeardRead
	case x.Type == nil: // a bulk request is counted by its parts
	case x.Request.Method == http.MethodPost:
		kind = store.HeardCreated
	case x.Request.Method == http.MethodDelete, b.deactivates:
		kind = store.HeardDeactivated
	default:
		kind = store.HeardUpdated
	}
	b.s.db.Hear(b.scope.Workspace, b.scope.Directory, b.began, kind, "")
}

// about is the person whom a refused request was about, as it names them, so that a question about them finds it;
// the zero Party for none.
func (b *backend) about(x scim.Exchange) audit.Party {
	if x.Type == nil || x.Type.Name != "User" {
		return audit.Party{}
	}
	var sent struct {
		UserName string `json:"userName"`
	}
	// What is no JSON names nobody.
	if json.Unmarshal(x.Body, &sent) != nil || len(sent.UserName) > 1024 {
		sent.UserName = ""
	}
	if x.ID == "" && sent.UserName == "" || len(x.ID) > 256 {
		return audit.Party{}
	}
	return audit.Party{Kind: "scim_user", ID: x.ID, Name: sent.UserName}
}

// refused records a refusal in the workspace's log.
func (b *backend) refused(ctx context.Context, status int, body []byte, about audit.Party, cause error) error {
	b.s.db.Hear(b.scope.Workspace, b.scope.Directory, b.began, store.HeardRefused, errs.CodeOf(coded(cause)))
	scope := b.scope
	scope.Payload = exchange(b.r, status, body, []string{detail(cause)}, b.sealed()...)
	return b.s.provision.Refused(ctx, scope, about, coded(cause))
}

// coded gives an error of the engine a code for the log: its scimType in snake case, else its
// status.
func coded(err error) error {
	if errs.As(err) != nil {
		return err
	}
	var e *scim.Error
	if !errors.As(err, &e) {
		return err
	}
	code := map[string]string{
		scim.TypeInvalidFilter: "filter_invalid", scim.TypeTooMany: "too_many", scim.TypeUniqueness: "already_exists",
		scim.TypeMutability: "attribute_read_only", scim.TypeInvalidSyntax: "syntax_invalid", scim.TypeInvalidPath: "path_invalid",
		scim.TypeNoTarget: "no_target", scim.TypeInvalidValue: "value_invalid", scim.TypeInvalidVers: "version_invalid", scim.TypeSensitive: "sensitive",
		scim.TypeInvalidCursor: "cursor_invalid", scim.TypeExpiredCursor: "cursor_expired", scim.TypeInvalidCount: "count_invalid",
	}[e.Type]
	if code == "" {
		code = map[int]string{
			http.StatusNotFound: "resource_unknown", http.StatusMethodNotAllowed: "method_not_allowed", http.StatusRequestEntityTooLarge: "body_too_large",
			http.StatusUnsupportedMediaType: "media_type_unsupported", http.StatusNotImplemented: "not_implemented", http.StatusForbidden: "forbidden",
			http.StatusPreconditionFailed: "version_mismatch",
		}[e.Status]
	}
	if code == "" {
		return err
	}
	return errs.Invalid(code, "%s", e.Detail).With(err)
}

func detail(err error) string {
	if e := errs.As(err); e != nil {
		return e.Message
	}
	var e *scim.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return "internal error"
}

// wire turns an error with a kind into the SCIM error that says the same. The kind's error stays
// in the chain, for the log.
func wire(err error) error {
	e := errs.As(err)
	if e == nil {
		return err
	}
	out := scim.Errorf(http.StatusInternalServerError, "", "%s", e.Message)
	switch e.Kind {
	case errs.KindInvalid:
		out.Status, out.Type = http.StatusBadRequest, scim.TypeInvalidValue
		if e.Code == "too_many" {
			out.Type = scim.TypeTooMany
		}
	case errs.KindNotFound:
		out.Status = http.StatusNotFound
	case errs.KindConflict:
		out.Status, out.Type = http.StatusConflict, scim.TypeUniqueness
	case errs.KindForbidden:
		out.Status = http.StatusForbidden
	case errs.KindUnauthenticated:
		out = scim.Unauthorized()
	case errs.KindLimited:
		out.Status, out.RetryAfter = http.StatusTooManyRequests, 1
	case errs.KindUnavailable:
		out.Status, out.RetryAfter = http.StatusServiceUnavailable, 5
	default:
		return err
	}
	return &refusal{out, err}
}

// refusal is what the client is told, with the cause for the log.
type refusal struct {
	told  *scim.Error
	cause error
}

func (r *refusal) Error() string { return r.cause.Error() }

// Unwrap gives the engine what to tell, and the log why.
func (r *refusal) Unwrap() []error { return []error{r.told, r.cause} }

// captured keeps what was read of a body, for the event.
type captured struct {
	io.ReadCloser
	patience
	bytes []byte
}

func (c *captured) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes = append(c.bytes, p[:n]...)
	if dead := c.ask(); dead != nil {
		return 0, dead
	}
	return n, err
}

// bare is a request without its query, for those that are refused before it is known what the workspace never shows: a
// filter may name that.
func bare(r *http.Request) *http.Request {
	if r.URL.RawQuery == "" {
		return r
	}
	u := *r.URL
	u.RawQuery = audit.Masked
	return &http.Request{Method: r.Method, URL: &u}
}

// exchange is the payload of an event: the request, redacted, and how it was answered (0 where
// that is not known yet, and then it was a success). sealed are names of attributes that the workspace has declared to be
// never returned.
func exchange(r *http.Request, status int, body []byte, notes []string, sealed ...string) json.RawMessage {
	x := audit.Exchange{Method: r.Method, Path: requestPath(r, sealed...), Status: status}
	for _, n := range notes {
		if n != "" {
			x.Notes = append(x.Notes, n)
		}
	}
	// Room for the rest of the exchange: the body is by far the largest part.
	redacted, note := audit.Redact(body, audit.MaxPayload-8<<10, sealed...)
	x.Body = redacted
	if note != "" {
		x.Notes = append(x.Notes, note)
	}
	x.Notes = limitNotes(x.Notes)
	out, err := json.Marshal(x)
	if err != nil || len(out) > audit.MaxPayload {
		return nil
	}
	return out
}

// limitNotes keeps notes within 4 KiB.
func limitNotes(notes []string) []string {
	size := 0
	for i, n := range notes {
		if size += len(n); size > 2<<10 {
			return append(notes[:i:i], "and more")
		}
	}
	return notes
}

// ourTokens are credentials of ours that somebody put into an address.
var ourTokens = regexp.MustCompile(`(g(?:scim|sca|scs|ses|link|k)_)[0-9A-Za-z]{16,}`)

// requestPath is path and query, at most 500 bytes, without a query that may hold a secret.
func requestPath(r *http.Request, sealed ...string) string {
	path := r.URL.EscapedPath()
	if q := r.URL.RawQuery; q != "" {
		if text, err := json.Marshal(q); err == nil {
			// As text behind a name, so that the redaction of names applies.
			masked, _ := audit.Redact([]byte(q+" "), len(text)*2+64, sealed...)
			var plain string
			if json.Unmarshal(masked, &plain) == nil {
				path += "?" + strings.TrimSpace(plain)
			}
		}
		// A name may be hidden behind percent signs: p%61ssword.
		decoded, err := url.QueryUnescape(q)
		if hidden, _ := audit.Redact([]byte(decoded+" "), len(q)*6+64, sealed...); err == nil && bytes.Contains(hidden, []byte(audit.Masked)) && !strings.Contains(path, audit.Masked) {
			path = r.URL.EscapedPath() + "?" + audit.Masked
		}
	}
	path = ourTokens.ReplaceAllString(path, "${1}"+audit.Masked)
	if len(path) > 500 {
		path = strings.ToValidUTF8(path[:500], "")
	}
	return path
}
