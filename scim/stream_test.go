package scim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

// reader gives rows in parts of some, then err.
type reader struct {
	rows   scim.Rows
	part   int
	err    error
	closed int
}

func (r *reader) Next() (scim.Rows, error) {
	if len(r.rows) == 0 {
		return nil, r.err
	}
	n := min(r.part, len(r.rows))
	part := r.rows[:n]
	r.rows = r.rows[n:]
	return part, nil
}

func (r *reader) Close() { r.closed++ }

// crowded answers with the members of a group as rows, or as a reader of them.
type crowded struct {
	scim.Backend
	members any
}

func (c *crowded) group() (scim.Resource, error) {
	return scim.Resource{"id": "grp_1", "displayName": "Everybody", "members": c.members, "urn:acme:x": map[string]any{"a": "b"},
		"meta": map[string]any{"version": `W/"7"`, "created": "2026-01-02T03:04:05Z"}}, nil
}

func (c *crowded) Get(context.Context, *scim.ResourceType, string, scim.Projection) (scim.Resource, error) {
	return c.group()
}

func (c *crowded) Replace(context.Context, *scim.ResourceType, string, scim.Resource) (scim.Resource, error) {
	return c.group()
}

func (c *crowded) Patch(context.Context, *scim.ResourceType, string, scim.Patch) (scim.Resource, error) {
	return c.group()
}

func rowsOf(n int) scim.Rows {
	rows := make(scim.Rows, n)
	for i := range rows {
		rows[i] = scim.Row{Value: fmt.Sprintf("usr_%d", i), Display: "<Some>\x00body", Type: "User"}
	}
	return rows
}

func crowdedHandler(members any) *scim.Handler {
	return &scim.Handler{BaseURL: "https://api.acme.test", Types: []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()}, Bulk: &scim.BulkLimits{},
		Offers: scim.Offers{ETag: true}, Backend: func(*http.Request) (scim.Backend, error) { return &crowded{members: members}, nil }}
}

func TestRowsThatAreRead_AreShownAsThoseThatWereThere(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 3, 7} {
		for _, path := range []string{"/Groups/g", "/Groups/g?attributes=members.value", "/Groups/g?excludedAttributes=members.$ref,meta", "/Groups/g?excludedAttributes=members", "/Groups/g?attributes=displayName"} {
			r := &reader{rows: rowsOf(n), part: 3, err: io.EOF}
			got, want := httptest.NewRecorder(), httptest.NewRecorder()
			crowdedHandler(r).ServeHTTP(got, httptest.NewRequest("GET", path, nil))
			crowdedHandler(rowsOf(n)).ServeHTTP(want, httptest.NewRequest("GET", path, nil))
			if got.Body.String() != want.Body.String() || got.Code != 200 || r.closed != 1 {
				t.Errorf("%d, %s: %d, closed %d times\ngot  %s\nwant %s", n, path, got.Code, r.closed, got.Body, want.Body)
			}
			if got.Header().Get("ETag") != `W/"7"` || strings.Contains(want.Body.String(), "usr_") && got.Header().Get("Content-Length") != "" {
				t.Errorf("%d, %s: %v", n, path, got.Header())
			}
		}
	}
}

func TestRowsThatAreRead_AreClosedWhereNobodyIsShownThem(t *testing.T) {
	t.Parallel()
	send := func(method, path, body, header, value string) (*reader, *httptest.ResponseRecorder) {
		r, w := &reader{rows: rowsOf(5), part: 2, err: io.EOF}, httptest.NewRecorder()
		q := httptest.NewRequest(method, path, strings.NewReader(body))
		if header != "" {
			q.Header.Set(header, value)
		}
		crowdedHandler(r).ServeHTTP(w, q)
		return r, w
	}
	const put = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Everybody"}`
	for name, c := range map[string]struct {
		method, path, body, header, value string
		status                            int
	}{
		"not modified":     {"GET", "/Groups/g", "", "If-None-Match", `W/"7"`, 304},
		"another version":  {"GET", "/Groups/g", "", "If-Match", `W/"6"`, 412},
		"a PATCH":          {"PATCH", "/Groups/g", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"usr_1"}]}]}`, "", "", 204},
		"a PUT":            {"PUT", "/Groups/g", put, "", "", 200},
		"a bulk operation": {"POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PUT","path":"/Groups/g","data":` + put + `}]}`, "", "", 200},
	} {
		r, w := send(c.method, c.path, c.body, c.header, c.value)
		if w.Code != c.status || r.closed != 1 || c.method == "POST" && (!strings.Contains(w.Body.String(), `"status":"200"`) || strings.Contains(w.Body.String(), "usr_")) {
			t.Errorf("%s: %d, closed %d times: %s", name, w.Code, r.closed, w.Body)
		}
	}
	r := &reader{rows: rowsOf(5), part: 2, err: io.EOF}
	h := crowdedHandler(r)
	h.Observe = func(context.Context, scim.Exchange) { panic("observer") }
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/Groups/g", nil))
	}()
	if r.closed != 1 {
		t.Errorf("closed %d times where the observer panics", r.closed)
	}
}

func TestAReadingThatFails_IsNeverTakenForAWholeAnswer(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 5000} {
		r := &reader{rows: rowsOf(rows), part: 100, err: errors.New("the database is gone")}
		server := httptest.NewServer(crowdedHandler(r))
		res, err := http.Get(server.URL + "/Groups/g")
		if err == nil {
			var text []byte
			if text, err = io.ReadAll(res.Body); err == nil {
				t.Errorf("%d rows, then an error: the answer looks whole: %d %.100s", rows, res.StatusCode, text)
			}
			_ = res.Body.Close()
		}
		server.Close()
		if r.closed != 1 {
			t.Errorf("closed %d times", r.closed)
		}
	}
}

// gone is a client that takes some parts and is gone.
type gone struct {
	http.ResponseWriter
	takes int
}

func (g *gone) Write(b []byte) (int, error) {
	if g.takes--; g.takes < 0 {
		return 0, errors.New("connection reset")
	}
	return len(b), nil
}

func TestAClientThatIsGone_EndsTheReading(t *testing.T) {
	t.Parallel()
	r := &reader{rows: rowsOf(1000), part: 10, err: io.EOF}
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("recovered %v", p)
			}
		}()
		crowdedHandler(r).ServeHTTP(&gone{httptest.NewRecorder(), 3}, httptest.NewRequest("GET", "/Groups/g", nil))
	}()
	if r.closed != 1 || len(r.rows) != 960 {
		t.Errorf("closed %d times with %d rows left", r.closed, len(r.rows))
	}
}
