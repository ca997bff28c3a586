package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Problem is every error's body (RFC 9457).
type Problem struct {
	Type      string         `json:"type" doc:"about:blank: the code tells the cases apart"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail" doc:"A sentence for people"`
	Code      string         `json:"code" doc:"Stable, snake_case"`
	RequestID string         `json:"request_id,omitempty" doc:"Under which the server's log has it"`
	Errors    []ProblemField `json:"errors,omitempty" doc:"What was wrong where, of a request that is not as the document says"`
	header    http.Header
}

// ProblemField is one thing that is wrong.
type ProblemField struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus, GetHeaders and ContentType are what huma asks of an error.
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) GetHeaders() http.Header   { return p.header }
func (*Problem) ContentType(_ string) string { return "application/problem+json" }

// errVersion is a condition (If-Match) that does not hold: somebody changed it since it was read.
func errVersion() error {
	return errs.Conflict("version_changed", "It was changed since you read it. Nothing was changed; read it again.")
}

// problemOf is an error as a caller may see it, and notes it on the log line.
func problemOf(r *http.Request, err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	f := web.FailureOf(r, err)
	if f.Code == "version_changed" {
		f.Status = http.StatusPreconditionFailed
	}
	note(r.Context(), errs.KindOf(err), f.Code, err)
	p := &Problem{Type: "about:blank", Title: http.StatusText(f.Status), Status: f.Status, Detail: f.Message, Code: f.Code, RequestID: f.RequestID, header: http.Header{}}
	switch f.Status {
	case http.StatusUnauthorized:
		p.header.Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	case http.StatusForbidden:
		if f.Code == "scope_missing" {
			p.header.Set("WWW-Authenticate", `Bearer realm="gatehouse", error="insufficient_scope"`)
		}
	}
	if f.RetryAfter > 0 {
		p.header.Set("Retry-After", seconds(f.RetryAfter))
	}
	return p
}

func note(ctx context.Context, kind errs.Kind, code string, err error) {
	web.Add(ctx, "error_kind", string(kind))
	web.Add(ctx, "error_code", code)
	web.Add(ctx, "error", err.Error())
}

// asProblem turns what huma found wrong with a request into a Problem.
func asProblem(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Type: "about:blank", Title: http.StatusText(m.Status), Status: m.Status, Detail: "The request is not as /api/openapi.json says.", Code: "request_invalid", RequestID: web.RequestID(ctx.Context())}
	switch m.Status {
	case http.StatusUnsupportedMediaType:
		p.Code, p.Detail = "media_type_unsupported", "The body must be application/json."
	case http.StatusInternalServerError:
		p.Code, p.Detail = "internal", "Something went wrong on our side."
	case http.StatusBadRequest:
		p.Detail = "The body could not be read as JSON, or is missing."
	}
	for _, e := range m.Errors {
		if e != nil && m.Status < http.StatusInternalServerError && len(p.Errors) < 20 {
			p.Errors = append(p.Errors, ProblemField{Location: clip(e.Location), Message: clip(e.Message)})
		}
	}
	note(ctx.Context(), errs.KindInvalid, p.Code, m)
	return p, nil
}

// clip bounds what an answer repeats of a request.
func clip(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
