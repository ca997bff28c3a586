package scimtest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

// exchange is a request to the server in memory, and what it may answer in place of the truth.
type exchange struct {
	h      http.Handler
	r      *http.Request
	body   string
	status int
	header http.Header
	answer string
}

// ask gets the server's true answer, to the request as it is now.
func (e *exchange) ask() {
	r := e.r.Clone(e.r.Context())
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(e.body)), int64(len(e.body))
	rec := httptest.NewRecorder()
	e.h.ServeHTTP(rec, r)
	e.status, e.header, e.answer = rec.Code, rec.Header(), rec.Body.String()
}

func (e *exchange) path() string { return strings.TrimPrefix(e.r.URL.Path, "/scim/v2") }

func (e *exchange) is(method, pattern string) bool {
	return e.r.Method == method && regexp.MustCompile(pattern).MatchString(e.path())
}

// query changes a parameter of the request; "" takes it away.
func (e *exchange) query(name, value string) {
	v := e.r.URL.Query()
	if v.Set(name, value); value == "" {
		v.Del(name)
	}
	e.r.URL.RawQuery = v.Encode()
}

// says changes the answer.
func (e *exchange) says(pattern, with string) {
	e.answer = regexp.MustCompile(pattern).ReplaceAllString(e.answer, with)
}

// breaking makes a server that answers as fault has it; fault asks by itself.
func breaking(fault func(*exchange)) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			e := &exchange{h: h, r: r, body: string(body)}
			u := *r.URL
			e.r.URL = &u
			fault(e)
			for name, values := range e.header {
				w.Header()[name] = values
			}
			w.Header().Del("Content-Length") // of the true answer
			w.WriteHeader(e.status)
			_, _ = io.Copy(w, bytes.NewReader([]byte(e.answer)))
		})
	}
}

const anyUser = `^/Users/[^/.]+$`

func TestRun_ABrokenServerFailsTheCasesThatItBreaksAndNoOther(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault func(e *exchange)
		fails string // ids, separated by spaces, in the order of a run
	}{
		"no Location": {func(e *exchange) {
			if e.ask(); e.r.Method == http.MethodPost {
				e.header.Del("Location")
			}
		}, "create.location"},
		"errors as application/json": {func(e *exchange) {
			if e.ask(); e.status >= 400 {
				e.header.Set("Content-Type", "application/json")
			}
		}, "http.error-content-type"},
		"the status of an error as a number": {func(e *exchange) {
			if e.ask(); e.status >= 400 {
				e.says(`"status":"(\d+)"`, `"status":$1`)
			}
		}, "http.error-shape http.unknown-path http.wrong-token"},
		"created with 200": {func(e *exchange) {
			if e.ask(); e.is("POST", `^/Users$`) && e.status == 201 {
				e.status = 200
			}
		}, "create.user"},
		"401 without a challenge": {func(e *exchange) {
			e.ask()
			e.header.Del("WWW-Authenticate")
		}, "http.no-token"},
		"405 without Allow": {func(e *exchange) {
			e.ask()
			e.header.Del("Allow")
		}, "discovery.read-only http.method"},
		"an unreadable filter finds everything": {func(e *exchange) {
			if e.ask(); e.is("GET", `^/Users$`) && strings.Contains(e.answer, "invalidFilter") {
				e.query("filter", "")
				e.ask()
			}
		}, "filter.no-operator filter.no-value filter.unknown-operator filter.open filter.open-string filter.single-quotes filter.boolean-order filter.unknown-attribute"},
		"no match is 404": {func(e *exchange) {
			if e.ask(); e.is("GET", `^/Users$`) && strings.Contains(e.r.URL.RawQuery, "-nobody") {
				e.status = 404
			}
		}, "filter.none"},
		"If-Match is ignored": {func(e *exchange) {
			e.r.Header.Del("If-Match")
			e.ask()
		}, "version.stale-put version.stale-patch version.stale-delete"},
		"If-None-Match is ignored": {func(e *exchange) {
			e.r.Header.Del("If-None-Match")
			e.ask()
		}, "version.not-modified"},
		"no ETag header": {func(e *exchange) {
			e.ask()
			e.header.Del("ETag")
		}, "version.header"},
		"userName minds letter case": {func(e *exchange) {
			// Whoever comes in capitals is let in, as somebody else.
			if e.is("POST", `^/Users$`) && strings.Contains(e.body, `"SCIMTEST-`) {
				e.body = strings.Replace(e.body, `"SCIMTEST-`, `"scimtest-upper-`, 1)
			}
			e.ask()
		}, "create.duplicate-case"},
		"a filter minds letter case": {func(e *exchange) {
			if f := e.r.URL.Query().Get("filter"); strings.Contains(f, `"SCIMTEST-`) {
				e.query("filter", `userName eq "nobody"`)
			}
			e.ask()
		}, "filter.eq-any-case"},
		"a password comes back": {func(e *exchange) {
			secret := regexp.MustCompile(`"password":"[^"]*"`).FindString(e.body)
			if e.ask(); secret != "" {
				e.answer = strings.Replace(e.answer, "{", "{"+secret+",", 1)
			}
		}, "create.password"},
		"an attribute that the schema publishes is dropped": {func(e *exchange) {
			if e.is("POST", `^/Users$`) || e.is("PUT", anyUser) {
				e.body = regexp.MustCompile(`"timezone":"[^"]*",`).ReplaceAllString(e.body, "")
			}
			e.ask()
		}, "schema.create schema.put schema.sub-attributes"},
		"a PATCH of an extension does nothing": {func(e *exchange) {
			if e.is("PATCH", anyUser) && strings.Contains(e.body, "costCenter") {
				e.body = strings.ReplaceAll(e.body, ":costCenter", ":division")
			}
			e.ask()
		}, "schema.add schema.replace schema.remove"},
		"remove without a path is done": {func(e *exchange) {
			if e.ask(); strings.Contains(e.answer, "noTarget") {
				e.status, e.answer = 204, ""
			}
		}, "patch.remove-no-path"},
		"active: false in a PUT is not heard": {func(e *exchange) {
			if e.is("PUT", anyUser) {
				e.body = strings.Replace(e.body, `"active":false`, `"active":true`, 1)
			}
			e.ask()
		}, "replace.inactive"},
		"remove of one member removes all": {func(e *exchange) {
			if e.is("PATCH", `^/Groups/`) {
				e.body = regexp.MustCompile(`"members\[[^\]]*\]"`).ReplaceAllString(e.body, `"members"`)
			}
			e.ask()
		}, "member.remove member.several"},
		"an empty list of members is nothing to do": {func(e *exchange) {
			if e.is("PATCH", `^/Groups/`) && strings.Contains(e.body, `"value":[]`) {
				e.status = 204
				return
			}
			e.ask()
		}, "member.replace-none"},
		"operations before a bad one are kept": {func(e *exchange) {
			good := regexp.MustCompile(`,\{"op":"replace","path":"id","value":"other"\}`)
			if e.is("PATCH", anyUser) && good.MatchString(e.body) {
				all := e.body
				e.body = good.ReplaceAllString(all, "")
				e.ask()
				e.body = all
			}
			e.ask()
		}, "patch.atomic"},
		"a startIndex of 0 is the second page": {func(e *exchange) {
			if e.r.URL.Query().Get("startIndex") == "0" {
				e.query("startIndex", "3")
			}
			e.ask()
		}, "page.start-zero"},
		"itemsPerPage is the count that was asked for": {func(e *exchange) {
			if e.ask(); e.r.URL.Query().Get("startIndex") == "5" && e.r.URL.Query().Get("count") == "2" {
				e.says(`"itemsPerPage":\d+`, `"itemsPerPage":2`)
			}
		}, "page.items-per-page"},
		"count 0 is the default": {func(e *exchange) {
			if e.r.URL.Query().Get("count") == "0" {
				e.query("count", "")
			}
			e.ask()
		}, "page.count-zero"},
		"the order is always ascending": {func(e *exchange) {
			e.query("sortOrder", "")
			e.ask()
		}, "sort.descending sort.missing-first"},
		"excludedAttributes is ignored on groups": {func(e *exchange) {
			if e.is("GET", `^/Groups/`) {
				e.query("excludedAttributes", "")
			}
			e.ask()
		}, "group.excluded-members"},
		"a cursor of anybody's is the first page": {func(e *exchange) {
			if e.r.URL.Query().Get("cursor") == "no-such-cursor" {
				e.query("cursor", "")
			}
			e.ask()
		}, "cursor.invalid"},
		"failOnErrors is ignored": {func(e *exchange) {
			if e.is("POST", `^/Bulk$`) {
				e.body = regexp.MustCompile(`,"failOnErrors":\d+`).ReplaceAllString(e.body, "")
			}
			e.ask()
		}, "bulk.fail-on-errors"},
		"a search ignores its body": {func(e *exchange) {
			if e.is("POST", `^/Users/\.search$`) {
				e.body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`
			}
			e.ask()
		}, "search.users search.parameters search.schemas"},
		"one schema is found raw alone": {func(e *exchange) {
			if e.ask(); strings.Contains(e.r.URL.EscapedPath(), "%3A") {
				e.status = 404
			}
		}, "discovery.schema"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, d := memory(t, breaking(c.fault))
			report, err := p.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, r := range report.Results {
				if r.Outcome == scimtest.Failed {
					failed = append(failed, r.ID)
					if r.Expected == "" || r.Got == "" {
						t.Errorf("%s does not say what was expected (%q) and what came (%q)", r.ID, r.Expected, r.Got)
					}
				}
			}
			if got := strings.Join(failed, " "); got != c.fails {
				t.Errorf("failed\n%s\nwant\n%s", got, c.fails)
				for _, r := range report.Results {
					if r.Outcome == scimtest.Failed && !slices.Contains(strings.Fields(c.fails), r.ID) {
						t.Logf("%s: expected %s, got %s", r.ID, r.Expected, r.Got)
					}
				}
			}
			if report.OK() {
				t.Error("the report says that all is well")
			}
			empty(t, d)
		})
	}
}
