package scimtest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Defaults of a Probe.
const (
	DefaultDomain      = "example.com"
	DefaultMaxRequests = 2000
	DefaultTimeout     = 5 * time.Minute
)

// Probe says which server is checked, and how. Only BaseURL is needed.
type Probe struct {
	// BaseURL is the server's SCIM base, such as https://api.example.com/scim/v2.
	BaseURL string
	// Token is sent as a bearer token; "" sends none, for a Client that authenticates by itself.
	Token string
	// Client makes the requests; nil means a plain one. Redirects are not followed, whatever it says.
	Client *http.Client
	// Domain is the part after the @ of the names and addresses that the probe makes, "" for DefaultDomain. Give one
	// that the server accepts.
	Domain string
	// Only runs the cases whose ID is one of these or begins with one and a dot; none means all.
	Only []string
	// MaxRequests bounds how many requests are made, without those that clean up; 0 means DefaultMaxRequests.
	MaxRequests int
	// Timeout bounds the whole run without the clean-up; 0 means DefaultTimeout.
	Timeout time.Duration
	// Each, if set, is called with every result as soon as it is known.
	Each func(Result)
}

// Outcome is how a case ended.
type Outcome string

// The outcomes of a case.
const (
	Passed     Outcome = "pass"
	Failed     Outcome = "fail"
	NotOffered Outcome = "skip"    // the server says that it does not offer this
	NotRun     Outcome = "not run" // the context ended or a bound was met before or in it
)

// Result is one case and how it ended.
type Result struct {
	ID       string  `json:"id"`      // such as "create.location"
	Title    string  `json:"title"`   // what a server does that passes
	Section  string  `json:"section"` // of the standard, such as "RFC 7644 section 3.3"
	Outcome  Outcome `json:"outcome"`
	Expected string  `json:"expected"` // of a failed case; of one that is not offered, what would offer it
	Got      string  `json:"got"`      // of a failed case: the request and what came
}

// Report is what a run found.
type Report struct {
	BaseURL  string   `json:"base_url"`
	Prefix   string   `json:"prefix"` // of all names that the run made
	Results  []Result `json:"results"`
	Requests int      `json:"requests"`
	Left     []string `json:"left"` // paths of what was made and could not be removed
}

// Count tells how many cases ended so.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, c := range r.Results {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// OK tells whether every case passed or is about something not offered, and nothing was left behind.
func (r Report) OK() bool {
	return r.Count(Failed) == 0 && r.Count(NotRun) == 0 && len(r.Left) == 0
}

// Case is one thing that is checked.
type Case struct {
	ID      string
	Title   string
	Section string

	needs []feature
	run   func(*trial)
}

// Cases lists everything that is checked, in the order of a run.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{discoveryCases(), httpCases(), createCases(), lifeCases(), patchCases(), patchRefusals(), filterCases(),
		filterRefusals(), pageCases(), projectionCases(), groupCases(), memberCases(), versionCases(), sortCases(), cursorCases(), searchCases(), bulkCases(), roundTripCases()} {
		all = append(all, part...)
	}
	return all
}

// Run checks the server. The error says why nothing could be checked at all: a base URL that is none, or a server that
// cannot be reached. A failed case is no error.
func (p Probe) Run(ctx context.Context) (Report, error) {
	r, err := p.start(ctx)
	if err != nil {
		return Report{}, err
	}
	for _, c := range p.chosen() {
		result := r.perform(c)
		r.report.Results = append(r.report.Results, result)
		if p.Each != nil {
			p.Each(result)
		}
	}
	return r.finish(), nil
}

// chosen are the cases that Only leaves.
func (p Probe) chosen() []Case {
	if len(p.Only) == 0 {
		return Cases()
	}
	var out []Case
	for _, c := range Cases() {
		for _, only := range p.Only {
			if c.ID == only || strings.HasPrefix(c.ID, only+".") {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// ErrBaseURL is the error for a Probe whose BaseURL is none.
var ErrBaseURL = errors.New("expected a base URL such as https://api.example.com/scim/v2, without a password and a query")

// base checks the base URL and returns it without slashes at its end.
func (p Probe) base() (string, error) {
	u, err := url.Parse(p.BaseURL)
	// The error of Parse repeats the URL, which may hold a password.
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", ErrBaseURL
	}
	return strings.TrimRight(p.BaseURL, "/"), nil
}
