package idpsim

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// step is one numbered step of a client's behaviour.
type step struct{ name, section string }

// request is what a step sends. path begins with / and is joined to the base URL; query is
// already encoded; body may be nil.
type request struct {
	step
	method, path, query string
	body                object
}

// answer is a successful response; body is nil when there was none.
type answer struct {
	status int
	body   object
}

// Limits of the client. An answer may not be larger than maxAnswer bytes.
const (
	maxAnswer     = 32 << 20
	firstBackoff  = time.Second
	maxBackoff    = 30 * time.Second
	maxRetryAfter = 5 * time.Minute // a longer wait is left to the next cycle or to the administrator
)

// send performs r with retries: 429 waits as Retry-After says, 5xx and silence wait for a doubled,
// jittered time. Everything else that is not 2xx is a *StepError at once.
func (p *IdP) send(ctx context.Context, r request) (answer, error) {
	conn, err := p.settings()
	if err != nil {
		return answer{}, err
	}
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		got, wait, err := p.attempt(ctx, conn, r, attempt)
		if err == nil {
			return got, nil
		}
		var se *StepError
		if !errors.As(err, &se) || !se.Unreachable() || attempt >= conn.Attempts || ctx.Err() != nil || wait > maxRetryAfter {
			return answer{}, err
		}
		if wait == 0 {
			wait = p.opts.jitter(backoff)
			backoff = min(2*backoff, maxBackoff)
		}
		if sleepErr := p.opts.Sleep(ctx, wait); sleepErr != nil {
			return answer{}, err
		}
	}
}

// attempt sends r once. wait is what the application asked for, or 0.
func (p *IdP) attempt(ctx context.Context, conn Connection, r request, n int) (got answer, wait time.Duration, err error) {
	req, target, err := p.build(ctx, conn, r)
	if err != nil {
		return answer{}, 0, err
	}
	e := Exchange{Time: p.opts.Clock(), IdP: p.kind, Step: r.name, Section: r.section, Attempt: n, Method: r.method,
		Target: target, RequestHeader: visible(req.Header), RequestBody: string(encode(redacted(r.body)))}
	if r.body == nil {
		e.RequestBody = ""
	}
	fail := &StepError{IdP: p.kind, Step: r.name, Method: r.method, Target: target, Attempts: n}
	defer func() {
		e.Duration = p.opts.Clock().Sub(e.Time)
		if err != nil {
			e.Error = err.Error()
		}
		e = p.trace.add(e)
		if p.opts.OnExchange != nil {
			p.opts.OnExchange(e)
		}
	}()
	res, err := p.opts.HTTPClient.Do(req)
	if err != nil {
		fail.Err = err
		return answer{}, 0, fail
	}
	defer res.Body.Close()
	e.Status, e.ResponseHeader = res.StatusCode, res.Header.Clone()
	data, err := readBody(res)
	if err != nil {
		fail.Err = fmt.Errorf("read answer: %w", err)
		return answer{}, 0, fail
	}
	e.ResponseBody = string(data)
	fail.Status = res.StatusCode
	got, err = interpret(res.StatusCode, data, fail)
	return got, retryAfter(res.Header.Get("Retry-After"), p.opts.Clock()), err
}

// build makes the HTTP request with the headers of this vendor's client.
func (p *IdP) build(ctx context.Context, conn Connection, r request) (*http.Request, string, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(encode(r.body))
	}
	req, err := http.NewRequestWithContext(ctx, r.method, p.kind.target(conn.BaseURL, r.path, r.query), body)
	if err != nil {
		return nil, "", fmt.Errorf("build %s: %w", r.name, err)
	}
	p.kind.headers(req.Header, body != nil)
	if conn.RawAuthorization {
		req.Header.Set("Authorization", conn.Token)
	} else {
		req.Header.Set("Authorization", "Bearer "+conn.Token)
	}
	return req, req.URL.RequestURI(), nil
}

// interpret turns a status and a body into an answer or completes fail.
func interpret(status int, data []byte, fail *StepError) (answer, error) {
	var body object
	var bad error
	if len(bytes.TrimSpace(data)) > 0 {
		v, err := decodeOrdered(data)
		body, _ = v.(object)
		switch {
		case err != nil:
			bad = err
		case body == nil:
			bad = errors.New("the answer is not a JSON object")
		}
	}
	if status < 200 || status > 299 {
		fail.ScimType, fail.Detail = body.text("scimType"), body.text("detail")
		if status >= 300 && status < 400 {
			fail.Err = errors.New("redirects are not followed")
		}
		return answer{}, fail
	}
	if bad != nil {
		fail.Err = bad
		return answer{}, fail
	}
	return answer{status, body}, nil
}

// readBody reads the answer; Okta's client asks for compression, so this side must undo it.
func readBody(res *http.Response) ([]byte, error) {
	var r io.Reader = res.Body
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case "deflate":
		z, err := zlib.NewReader(res.Body)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	}
	data, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = fmt.Errorf("larger than %d bytes", maxAnswer)
	}
	return data, err
}

func retryable(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// retryAfter reads the header's two forms, seconds and HTTP date (RFC 9110 section 10.2.3).
func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	if s, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && s >= 0 {
		return time.Duration(min(s, 1<<31)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// visible is the request's headers without the credential.
func visible(h http.Header) http.Header {
	out := h.Clone()
	if out.Get("Authorization") != "" {
		out.Set("Authorization", "(not kept)")
	}
	if out.Get("User-Agent") == "" {
		out.Del("User-Agent")
	}
	return out
}

// redacted is body with every password replaced, at any depth.
func redacted(body object) object {
	out := make(object, 0, len(body))
	for _, f := range body {
		switch v := f.value.(type) {
		case object:
			f.value = redacted(v)
		case []object:
			list := make([]object, 0, len(v))
			for _, o := range v {
				list = append(list, redacted(o))
			}
			f.value = list
		}
		if strings.EqualFold(f.key, "password") {
			f.value = "(not kept)"
		}
		out = append(out, f)
	}
	return out
}

// eqFilter is a filter query as the client encodes it: Entra writes spaces as +, Okta as %20.
func (p *IdP) eqFilter(attribute, value string) string {
	return p.filterQuery(equals(attribute, value))
}

// resources returns the objects of a ListResponse.
func (a answer) resources() []object {
	list, _ := a.body.get("Resources").([]any)
	out := make([]object, 0, len(list))
	for _, v := range list {
		if o, ok := v.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

// unusable is the error for a 2xx answer that lacks what the client needs.
func (p *IdP) unusable(r request, got answer, reason string) error {
	return &StepError{IdP: p.kind, Step: r.name, Method: r.method, Target: r.path, Status: got.status,
		Attempts: 1, Err: errors.New(reason)}
}
