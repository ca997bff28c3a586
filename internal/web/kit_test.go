package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// routes is a door made of a function.
type routes func(mux *http.ServeMux)

func (m routes) Mount(mux *http.ServeMux) { m(mux) }

// logged is a site whose log lines the test can read.
type logged struct {
	http.Handler
	lines bytes.Buffer
}

func site(s Site, mount routes) *logged {
	l := &logged{}
	s.Log = slog.New(slog.NewJSONHandler(&l.lines, nil))
	l.Handler = s.Handler(mount)
	return l
}

// line returns the last line with the message, or nil.
func (l *logged) line(t *testing.T, message string) map[string]any {
	t.Helper()
	var found map[string]any
	for text := range strings.Lines(l.lines.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] == message {
			found = line
		}
	}
	return found
}

func do(h http.Handler, method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	return p
}

func TestRequest_LeavesOneLineWithItsRouteAndWhatTheHandlerAdded(t *testing.T) {
	var inside string
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, r *http.Request) {
			Add(r.Context(), "workspace", "acme")
			inside = RequestID(r.Context())
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, "four")
		})
	})
	w := do(s, "GET", "/things/secret-in-path?code=secret-in-query", nil, "X-Request-Id", "planted")

	line := s.line(t, "request")
	for key, want := range map[string]any{
		"method": "GET", "route": "/things/{id}", "status": 202.0, "bytes": 4.0,
		"client_ip": "192.0.2.1", "workspace": "acme", "request_id": inside,
	} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
	if inside == "planted" || !strings.HasPrefix(inside, "req_") || w.Header().Get("X-Request-Id") != inside {
		t.Errorf("request id %q, header %q", inside, w.Header().Get("X-Request-Id"))
	}
	if strings.Contains(s.lines.String(), "secret") {
		t.Errorf("path or query in the log: %s", s.lines.String())
	}
	if got := strings.Count(s.lines.String(), "\n"); got != 1 {
		t.Errorf("%d lines, want 1", got)
	}
}

func TestPanic_IsA500WithItsIdAndAStackInTheLogOnly(t *testing.T) {
	for name, mount := range map[string]routes{
		"in a door": func(mux *http.ServeMux) {
			mux.Handle("GET /boom", JSONDoor().Handle(func(http.ResponseWriter, *http.Request) error { panic("kaboom") }))
		},
		"outside every door": func(mux *http.ServeMux) {
			mux.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("kaboom") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := site(Site{}, mount)
			w := do(s, "GET", "/boom", nil)
			p := problemOf(t, w)
			if w.Code != 500 || p.RequestID != w.Header().Get("X-Request-Id") || p.RequestID == "" || p.Code != "internal" {
				t.Errorf("status %d, problem %+v", w.Code, p)
			}
			if strings.Contains(w.Body.String(), "kaboom") {
				t.Errorf("the answer tells the panic: %s", w.Body)
			}
			if line := s.line(t, "panic"); line["panic"] != "kaboom" || !strings.Contains(line["stack"].(string), "kit_test.go") {
				t.Errorf("log: %v", line)
			}
			if line := s.line(t, "request"); line["status"] != 500.0 {
				t.Errorf("log: %v", line)
			}
		})
	}
}

func TestErrorAfterTheAnswerBegan_CutsTheConnection(t *testing.T) {
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.Handle("GET /half", JSONDoor().Handle(func(w http.ResponseWriter, _ *http.Request) error {
			io.WriteString(w, "half")
			return errors.New("the other half is missing")
		}))
	})
	server := httptest.NewServer(s)
	defer server.Close()
	answer, err := http.Get(server.URL + "/half")
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	if err == nil {
		t.Error("half an answer arrived as a whole one")
	}
}

type patient struct{ error }

func (patient) RetryAfter() time.Duration { return 1500 * time.Millisecond }
func (p patient) Unwrap() error           { return p.error }

func TestErrors_BecomeTheStatusOfTheirKind(t *testing.T) {
	cases := map[string]struct {
		err          error
		status       int
		code, detail string
		retry        string
	}{
		"invalid":         {errs.Invalid("bad_name", "A name is needed."), 400, "bad_name", "A name is needed.", ""},
		"unauthenticated": {errs.Unauthenticated("no_token", "A token is needed."), 401, "no_token", "A token is needed.", ""},
		"forbidden":       {errs.Forbidden("last_owner", "No."), 403, "last_owner", "No.", ""},
		"not found":       {errs.NotFound("no_member", "No."), 404, "no_member", "No.", ""},
		"conflict":        {errs.Conflict("taken", "No."), 409, "taken", "No.", ""},
		"limited":         {patient{errs.Limited("slow_down", "Wait.")}, 429, "slow_down", "Wait.", "2"},
		"unavailable":     {errs.Unavailable("away", "Later."), 503, "away", "Later.", ""},
		"wrapped, with a cause": {errors.Join(errs.Conflict("taken", "No.").With(errors.New("SECRET"))),
			409, "taken", "No.", ""},
		"without a kind": {errors.New("SECRET"), 500, "internal", "Something went wrong on our side.", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			door, err := PageDoor("https://id.test")
			if err != nil {
				t.Fatal(err)
			}
			give := func(http.ResponseWriter, *http.Request) error { return c.err }
			s := site(Site{}, func(mux *http.ServeMux) {
				mux.Handle("GET /json", JSONDoor().Handle(give))
				mux.Handle("GET /page", door.Handle(give))
			})
			w := do(s, "GET", "/json", nil)
			p := problemOf(t, w)
			want := problem{"about:blank", http.StatusText(c.status), c.status, c.detail, c.code, w.Header().Get("X-Request-Id")}
			if w.Code != c.status || p != want {
				t.Errorf("status %d, problem %+v, want %+v", w.Code, p, want)
			}
			page := do(s, "GET", "/page", nil)
			if page.Code != c.status || !strings.Contains(page.Body.String(), c.detail) || !strings.Contains(page.Body.String(), c.code) {
				t.Errorf("page: status %d\n%s", page.Code, page.Body)
			}
			for _, w := range []*httptest.ResponseRecorder{w, page} {
				if got := w.Header().Get("Retry-After"); got != c.retry {
					t.Errorf("Retry-After = %q, want %q", got, c.retry)
				}
				if strings.Contains(w.Body.String(), "SECRET") {
					t.Errorf("the cause is shown: %s", w.Body)
				}
			}
			if line := s.line(t, "request"); line["error_code"] != c.code || line["error"] != c.err.Error() {
				t.Errorf("log: %v", line)
			}
		})
	}
}

func TestBodyOverTheLimit_Is413(t *testing.T) {
	door, err := PageDoor("https://id.test")
	if err != nil {
		t.Fatal(err)
	}
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.Handle("POST /json", (&Door{Fail: FailJSON, MaxBody: 10}).Handle(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := io.ReadAll(r.Body)
			return err
		}))
		mux.Handle("POST /form", door.Handle(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := Form(r)
			return err
		}))
	})
	if p := problemOf(t, do(s, "POST", "/json", strings.NewReader("12345678901"))); p.Status != 413 || p.Code != "body_too_large" {
		t.Errorf("problem %+v", p)
	}
	if w := do(s, "POST", "/json", strings.NewReader("1234567890")); w.Code != 200 {
		t.Errorf("a body at the limit: %d %s", w.Code, w.Body)
	}
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}
	if w := do(s, "POST", "/form", strings.NewReader("a="+strings.Repeat("x", DefaultMaxFormBody)), form...); w.Code != 413 {
		t.Errorf("a long form: %d", w.Code)
	}
	if w := do(s, "POST", "/form", strings.NewReader("a=%zz"), form...); w.Code != 400 {
		t.Errorf("a broken form: %d", w.Code)
	}
}

func TestBodyThatSaysItIsTooLong_IsNotRead(t *testing.T) {
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.Handle("POST /json", (&Door{Fail: FailJSON, MaxBody: 10}).Handle(func(_ http.ResponseWriter, r *http.Request) error {
			_, err := io.ReadAll(r.Body)
			return err
		}))
	})
	for said, read := range map[int64]int{11: 0, -1: 11} {
		body := &counted{Reader: strings.NewReader(strings.Repeat("x", 1000))}
		r := httptest.NewRequest("POST", "/json", body)
		r.ContentLength = said
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || body.bytes != read {
			t.Errorf("a body that says it has %d bytes: %d after %d were read, want 413 after %d", said, w.Code, body.bytes, read)
		}
	}
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	bytes int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += n
	return n, err
}

func TestUnknownPath_AnswersInTheShapeTheCallerReads(t *testing.T) {
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /there", func(http.ResponseWriter, *http.Request) {})
	})
	if p := problemOf(t, do(s, "GET", "/nowhere", nil)); p.Status != 404 || p.Code != "no_such_page" {
		t.Errorf("problem %+v", p)
	}
	w := do(s, "GET", "/nowhere", nil, "Accept", "text/html,*/*")
	if w.Code != 404 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	w = do(s, "POST", "/there", nil)
	if p := problemOf(t, w); p.Status != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("problem %+v, Allow %q", p, w.Header().Get("Allow"))
	}
}

func TestRepeatedSlashes_CountAsOneWhereTolerated(t *testing.T) {
	var got string
	s := site(Site{Tolerant: []string{"/scim/"}}, func(mux *http.ServeMux) {
		mux.HandleFunc("/scim/v2/", func(_ http.ResponseWriter, r *http.Request) { got = r.URL.EscapedPath() })
		mux.HandleFunc("/other/", func(_ http.ResponseWriter, r *http.Request) { got = "other" })
	})
	for in, want := range map[string]string{
		"/scim/v2//Users":      "/scim/v2/Users",
		"//scim//v2/Users///":  "/scim/v2/Users/",
		"/scim/v2//Users/a%2F": "/scim/v2/Users/a%2F",
		"/scim/v2/Users":       "/scim/v2/Users",
	} {
		got = ""
		if w := do(s, "GET", "http://id.test"+in, nil); w.Code != 200 || got != want {
			t.Errorf("%s: status %d, path %q, want %q", in, w.Code, got, want)
		}
	}
	if w := do(s, "GET", "http://id.test/other//x", nil); w.Code/100 != 3 {
		t.Errorf("elsewhere: status %d, want the mux's redirect", w.Code)
	}
}

func TestPages_CarryTheSecurityHeaders(t *testing.T) {
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	for public, hsts := range map[string]string{"https://id.test": "max-age=31536000", "http://127.0.0.1:8080": ""} {
		door, err := PageDoor(public)
		if err != nil {
			t.Fatal(err)
		}
		h := door.Handle(func(w http.ResponseWriter, _ *http.Request) error { return errs.NotFound("x", "No.") })
		for name, want := range map[string]string{
			"Content-Security-Policy":   policy,
			"X-Content-Type-Options":    "nosniff",
			"Referrer-Policy":           "same-origin",
			"X-Frame-Options":           "DENY",
			"Cache-Control":             "no-store",
			"Strict-Transport-Security": hsts,
		} {
			// X-Forwarded-Proto must not switch HSTS on or off.
			if got := do(h, "GET", "/", nil, "X-Forwarded-Proto", "https").Header().Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", public, name, got, want)
			}
		}
	}
}

func TestFormFromAnotherSite_IsRefusedExceptWhereOthersPostByDesign(t *testing.T) {
	door, err := PageDoor("https://id.test", "POST /acs/{connection}")
	if err != nil {
		t.Fatal(err)
	}
	fine := door.Handle(func(w http.ResponseWriter, _ *http.Request) error { return nil })
	s := site(Site{}, func(mux *http.ServeMux) {
		mux.Handle("POST /form", fine)
		mux.Handle("POST /acs/{connection}", fine)
	})
	cases := map[string]struct {
		path    string
		headers []string
		want    int
	}{
		"same origin":               {"/form", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"another site":              {"/form", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a neighbour of the site":   {"/form", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"another origin":            {"/form", []string{"Origin", "https://evil.test"}, 403},
		"a forged forwarded host":   {"/form", []string{"Origin", "https://evil.test", "X-Forwarded-Host", "evil.test"}, 403},
		"behind a rewriting proxy":  {"/form", []string{"Origin", "https://id.test"}, 200},
		"not a browser":             {"/form", nil, 200},
		"another site, by design":   {"/acs/con_1", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		"another site, next to it":  {"/acs/", []string{"Sec-Fetch-Site", "cross-site"}, 404},
		"opaque origin of a iframe": {"/form", []string{"Origin", "null"}, 403},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if w := do(s, "POST", "http://10.0.0.7:8080"+c.path, nil, c.headers...); w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
		})
	}
	for _, bad := range []string{"", "id.test", "://"} {
		if _, err := PageDoor(bad); err == nil {
			t.Errorf("PageDoor(%q) is accepted", bad)
		}
	}
}

func TestPage_EscapesAndKeepsItsForms(t *testing.T) {
	files := fstest.MapFS{"hello.html": {Data: []byte(`{{define "content"}}<h1>{{.Data.Name}}</h1>{{when .Data.At}}{{end}}`)}}
	if _, err := Template(files, "missing.html"); err == nil {
		t.Error("a missing template is accepted")
	}
	tmpl, err := Template(files, "hello.html")
	if err != nil {
		t.Fatal(err)
	}
	type data struct {
		Name string
		At   time.Time
	}
	w := httptest.NewRecorder()
	err = Render(w, 422, tmpl, Page{
		Title: "Hello", Workspace: "Acme & Co", Wide: true,
		Nav:         []Link{{"Home", "/w/acme", true}, {"Out", "javascript:alert(1)", false}},
		Notice:      &Notice{"warn", "Careful <b>"},
		FormActions: []string{"https://idp.test"},
		Data:        data{"<script>", time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))},
	})
	if err != nil || w.Code != 422 {
		t.Fatalf("status %d, %v", w.Code, err)
	}
	for _, want := range []string{
		"<title>Hello · Acme &amp; Co · Gatehouse</title>", `<body class="wide">`, "<h1>&lt;script&gt;</h1>",
		`<time datetime="2026-03-01T11:00:00Z">1 Mar 2026, 11:00 UTC</time>`, `class="notice warn"`, "Careful &lt;b&gt;",
		`href="/w/acme" aria-current="page"`, `name="viewport"`, assetURL("gatehouse.css"),
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is not in\n%s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "javascript:") || strings.Contains(w.Body.String(), " style=") {
		t.Errorf("script or inline style in\n%s", w.Body)
	}
	if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self' https://idp.test;") {
		t.Errorf("policy %q", got)
	}

	broken := httptest.NewRecorder()
	if err := Render(broken, 200, tmpl, Page{Data: 1}); err == nil || broken.Body.Len() > 0 {
		t.Errorf("a template that fails: %v, wrote %q", err, broken.Body)
	}
}

func TestAssets_AreKeptForGoodUnderTheirHashOnly(t *testing.T) {
	s := site(Site{}, Assets{}.Mount)
	w := do(s, "GET", assetURL("gatehouse.css"), nil)
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || w.Body.Len() < 1000 ||
		!strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("status %d, headers %v, %d bytes", w.Code, w.Header(), w.Body.Len())
	}
	if w := do(s, "GET", "/assets/gatehouse.css?v=old", nil); w.Code != 200 || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	if w := do(s, "GET", assetURL("gatehouse.svg"), nil); w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
	for _, path := range []string{"/assets/layout.html", "/assets/..%2fpage.go", "/assets/"} {
		if w := do(s, "GET", path, nil); w.Code != 404 {
			t.Errorf("%s: status %d, want 404", path, w.Code)
		}
	}
}

func TestWriteJSON_WritesNothingWhenTheValueCannotBeEncoded(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteJSON(w, 200, func() {}); err == nil || w.Body.Len() > 0 {
		t.Errorf("error %v, wrote %q", err, w.Body)
	}
	if err := WriteJSON(w, 201, map[string]int{"a": 1}); err != nil || w.Code != 201 || w.Body.String() != "{\"a\":1}\n" {
		t.Errorf("error %v, status %d, wrote %q", err, w.Code, w.Body)
	}
}
