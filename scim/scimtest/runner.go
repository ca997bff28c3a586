package scimtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer     = 8 << 20 // bytes of an answer that are read
	maxWaits      = 5       // how often one request is sent again after 429
	longestWait   = 10 * time.Second
	cleanupTime   = time.Minute
	contentType   = "application/scim+json"
	searchSegment = ".search"
)

var errBudget = errors.New("the bound on requests is reached")

// runner is one run of a Probe.
type runner struct {
	probe    Probe
	base     string
	client   *http.Client
	ctx      context.Context
	cancel   context.CancelFunc
	left     int // requests that may still be made
	names    int // people and groups named so far
	report   Report
	offers   map[feature]bool
	config   answer // ServiceProviderConfig
	made     []string
	people   []person // for cases that only read
	peopleOK bool
}

// start reads what the server offers.
func (p Probe) start(ctx context.Context) (*runner, error) {
	base, err := p.base()
	if err != nil {
		return nil, err
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	client := http.Client{}
	if p.Client != nil {
		client = *p.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := &runner{probe: p, base: base, client: &client, left: cmp.Or(p.MaxRequests, DefaultMaxRequests)}
	r.report = Report{BaseURL: base, Prefix: "scimtest-" + hex.EncodeToString(random[:]), Results: []Result{}, Left: []string{}}
	r.ctx, r.cancel = context.WithTimeout(ctx, cmp.Or(p.Timeout, DefaultTimeout))
	if err := r.discover(); err != nil {
		r.cancel()
		return nil, errors.New(r.redact(fmt.Sprintf("read what the server offers: %v", err)))
	}
	return r, nil
}

// perform runs one case.
func (r *runner) perform(c Case) Result {
	out := Result{ID: c.ID, Title: c.Title, Section: c.Section, Outcome: Passed}
	for _, f := range c.needs {
		if !r.offers[f] {
			out.Outcome, out.Expected = NotOffered, string(f)
			return out
		}
	}
	x := &trial{r: r}
	if r.ctx.Err() == nil {
		c.run(x)
	}
	switch {
	case r.ctx.Err() != nil:
		out.Outcome, out.Got = NotRun, r.ctx.Err().Error()
	case errors.Is(x.err, errBudget):
		out.Outcome, out.Got = NotRun, errBudget.Error()
	case x.skipped != "":
		out.Outcome, out.Expected = NotOffered, x.skipped
	case x.over:
		out.Outcome, out.Expected, out.Got = Failed, r.redact(x.expected), r.redact(x.got)
	}
	return out
}

// redact takes the token out of a text, wherever it came from.
func (r *runner) redact(s string) string {
	if r.probe.Token == "" {
		return s
	}
	return strings.ReplaceAll(s, r.probe.Token, "[token]")
}

// answer is what came for one request.
type answer struct {
	what   string // the request, for people
	status int
	header http.Header
	raw    []byte
	body   any // nil where raw is not JSON
}

// request is one to be sent.
type request struct {
	method, path string
	body         []byte
	header       http.Header
	anonymous    bool   // without a token
	token        string // another one than the probe's
}

// send makes a request, and again where the server asks for patience.
func (r *runner) send(ctx context.Context, q request) (answer, error) {
	for waits := 0; ; waits++ {
		if r.left <= 0 {
			return answer{}, errBudget
		}
		r.left--
		r.report.Requests++
		a, err := r.once(ctx, q)
		if err != nil || a.status != http.StatusTooManyRequests || waits == maxWaits {
			return a, err
		}
		if err := pause(ctx, a.header.Get("Retry-After")); err != nil {
			return a, err
		}
	}
}

// pause waits as Retry-After says (RFC 9110 section 10.2.3), a second where it says nothing usable.
func pause(ctx context.Context, after string) error {
	wait := time.Second
	if n, err := strconv.Atoi(after); err == nil && n > 0 {
		wait = min(time.Duration(n)*time.Second, longestWait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *runner) once(ctx context.Context, q request) (answer, error) {
	a := answer{what: q.method + " " + q.path}
	req, err := http.NewRequestWithContext(ctx, q.method, r.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Accept", contentType)
	if q.body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	if token := cmp.Or(q.token, r.probe.Token); token != "" && !q.anonymous {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	if a.raw, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return a, err
	}
	if json.Unmarshal(a.raw, &a.body) != nil {
		a.body = nil
	}
	r.note(q, a)
	return a, nil
}

// note keeps track of what there is to remove in the end.
func (r *runner) note(q request, a answer) {
	path, _, _ := strings.Cut(q.path, "?")
	switch {
	case a.status/100 != 2:
	case q.method == http.MethodPost && (path == "/Users" || path == "/Groups"):
		if id := a.str("id"); id != "" {
			r.made = append(r.made, path+"/"+url.PathEscape(id))
		}
	case q.method == http.MethodPost && path == "/Bulk":
		for _, o := range a.list("Operations") {
			if text(o, "method") == http.MethodPost && text(o, "status") == "201" {
				r.noteLocation(text(o, "location"))
			}
		}
	case q.method == http.MethodDelete:
		r.made = slices.DeleteFunc(r.made, func(made string) bool { return made == path })
	}
}

func (r *runner) noteLocation(location string) {
	for _, kind := range []string{"/Users/", "/Groups/"} {
		if i := strings.LastIndex(location, kind); i >= 0 {
			r.made = append(r.made, location[i:])
		}
	}
}

// finish removes what was made and returns the report. The run's context may have ended: this has a time of its own.
func (r *runner) finish() Report {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), cleanupTime)
	defer cancel()
	r.cancel()
	requests := r.report.Requests
	r.left = 3*len(r.made) + 20
	for _, path := range slices.Backward(slices.Clone(r.made)) {
		r.remove(ctx, path)
	}
	// What was made by a request whose answer never came is known by its name alone.
	for _, stray := range append(r.strays(ctx, "/Groups", "displayName"), r.strays(ctx, "/Users", "userName")...) {
		r.remove(ctx, stray)
	}
	r.report.Requests = requests
	return r.report
}

func (r *runner) remove(ctx context.Context, path string) {
	a, err := r.send(ctx, request{method: http.MethodDelete, path: path})
	if err != nil || a.status/100 != 2 && a.status != http.StatusNotFound {
		r.report.Left = append(r.report.Left, path)
	}
}

// strays are resources with the run's prefix. A server may ignore the filter; so each name is looked at.
func (r *runner) strays(ctx context.Context, path, attr string) []string {
	query := url.Values{"filter": {attr + ` sw "` + r.report.Prefix + `"`}, "count": {"100"}}
	a, err := r.send(ctx, request{method: http.MethodGet, path: path + "?" + query.Encode()})
	if err != nil {
		return nil
	}
	var out []string
	for _, o := range a.list("Resources") {
		made := path + "/" + url.PathEscape(text(o, "id"))
		if strings.HasPrefix(strings.ToLower(text(o, attr)), r.report.Prefix) && text(o, "id") != "" && !slices.Contains(r.report.Left, made) {
			out = append(out, made)
		}
	}
	return out
}
