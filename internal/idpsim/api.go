package idpsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// maxInput bounds the body of a request to the simulator itself, in bytes.
const maxInput = 4 << 20

// Handler serves the pages and the JSON interface that the package comment lists. Requests that a
// browser sends on behalf of another site are refused.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.indexPage)
	mux.HandleFunc("GET /assets/idpsim.css", stylesheet)
	mux.HandleFunc("GET /assets/post.js", postScript)
	mux.HandleFunc("GET /api", s.apiIndex)
	protection := http.NewCrossOriginProtection()
	for _, kind := range Kinds() {
		p := s.idps[kind]
		mux.HandleFunc("GET /"+string(kind), p.page)
		mux.HandleFunc("GET /api/"+string(kind), func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, p.State()) })
		mux.HandleFunc("GET /api/"+string(kind)+"/trace", p.apiTrace)
		p.samlRoutes(mux, protection)
		p.oidcRoutes(mux, protection)
		// The POST binding is a form of the application's. It only gets a page to see.
		protection.AddInsecureBypassPattern("POST /" + string(kind) + "/saml/sso")
		for noun, verbs := range verbs {
			for name, v := range verbs {
				path := "/" + string(kind) + routePath(noun, name)
				mux.HandleFunc("POST /api"+path, p.api(v))
				mux.HandleFunc("POST "+path, p.form(v))
			}
		}
	}
	return secured(protection.Handler(mux))
}

// routePath is the part of a route behind the IdP. noun is "", "people" or "groups"; the name ""
// is the collection and "*" the object itself.
func routePath(noun, name string) string {
	switch {
	case noun == "":
		return "/" + name
	case name == "":
		return "/" + noun
	case name == "*":
		return "/" + noun + "/{id}"
	}
	return "/" + noun + "/{id}/" + name
}

// pagePolicy is for pages whose forms stay here and that have no script.
const pagePolicy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxInput)
		next.ServeHTTP(w, r)
	})
}

// input is the arguments of one operation: a JSON object, whatever form it came in.
type input []byte

// into decodes strictly, so that a misspelt key is an error rather than nothing.
func (in input) into(v any) error {
	if len(bytes.TrimSpace(in)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(in))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w input: %w", ErrInvalid, err)
	}
	return nil
}

// verb performs one operation; id is the person or group, where the route has one.
type verb func(ctx context.Context, p *IdP, id string, in input) (any, error)

// with makes a verb from a function of decoded arguments.
func with[T any](fn func(ctx context.Context, p *IdP, id string, v T) (any, error)) verb {
	return func(ctx context.Context, p *IdP, id string, in input) (any, error) {
		var v T
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return fn(ctx, p, id, v)
	}
}

// onPerson makes a verb from an operation that answers with the person.
func onPerson[T any](fn func(ctx context.Context, p *IdP, who string, v T) error) verb {
	return with(func(ctx context.Context, p *IdP, who string, v T) (any, error) {
		x, err := p.person(who) // by id from here on, since the operation may rename
		if err != nil {
			return nil, err
		}
		if err := fn(ctx, p, x.ID, v); err != nil {
			return nil, err
		}
		if now, err := p.person(x.ID); err == nil {
			x = now
		}
		return x, nil
	})
}

// onGroup makes a verb from an operation that answers with the group.
func onGroup[T any](fn func(ctx context.Context, p *IdP, which string, v T) error) verb {
	return with(func(ctx context.Context, p *IdP, which string, v T) (any, error) {
		g, err := p.group(which)
		if err != nil {
			return nil, err
		}
		if err := fn(ctx, p, g.ID, v); err != nil {
			return nil, err
		}
		if now, err := p.group(g.ID); err == nil {
			g = now
		}
		return g, nil
	})
}

// none is the argument of an operation that takes none.
type none struct{}

// verbs is the route table of operations, for scripts and for forms alike.
var verbs = map[string]map[string]verb{
	"": {
		"connect": with(func(ctx context.Context, p *IdP, _ string, c Connection) (any, error) {
			return p.State().Connection, p.Connect(ctx, c)
		}),
		"test":       with(func(ctx context.Context, p *IdP, _ string, _ none) (any, error) { return "ok", p.TestCredentials(ctx) }),
		"seed":       with(func(ctx context.Context, p *IdP, _ string, c Company) (any, error) { return "ok", p.Seed(ctx, c) }),
		"assign-all": with(func(ctx context.Context, p *IdP, _ string, _ none) (any, error) { return p.AssignEverybody(ctx) }),
		"sync":       with(func(ctx context.Context, p *IdP, _ string, _ none) (any, error) { return p.Sync(ctx) }),
		"retry":      with(func(ctx context.Context, p *IdP, _ string, _ none) (any, error) { return p.Retry(ctx) }),
		"load":       with(runLoad),
		"restart":    with(func(ctx context.Context, p *IdP, _ string, _ none) (any, error) { return p.Restart(ctx) }),
		"trace/clear": with(func(_ context.Context, p *IdP, _ string, _ none) (any, error) {
			p.trace.Clear()
			return "ok", nil
		}),
	},
	"people": {
		"":           with(addPerson),
		"*":          onPerson(func(ctx context.Context, p *IdP, who string, a Attributes) error { return p.Change(ctx, who, a) }),
		"assign":     onPerson(func(ctx context.Context, p *IdP, who string, _ none) error { return p.Assign(ctx, who) }),
		"unassign":   onPerson(func(ctx context.Context, p *IdP, who string, _ none) error { return p.Unassign(ctx, who) }),
		"deactivate": onPerson(func(ctx context.Context, p *IdP, who string, _ none) error { return p.Deactivate(ctx, who) }),
		"reactivate": onPerson(func(ctx context.Context, p *IdP, who string, _ none) error { return p.Reactivate(ctx, who) }),
		"delete":     onPerson(func(ctx context.Context, p *IdP, who string, _ none) error { return p.Delete(ctx, who) }),
		"provision":  onPerson(func(ctx context.Context, p *IdP, who string, _ none) error { return p.Provision(ctx, who) }),
		"manager": onPerson(func(ctx context.Context, p *IdP, who string, v struct {
			Manager string `json:"manager"`
		}) error {
			return p.SetManager(ctx, who, v.Manager)
		}),
		"password": onPerson(func(ctx context.Context, p *IdP, who string, v struct {
			Password string `json:"password"`
		}) error {
			return p.ResetPassword(ctx, who, v.Password)
		}),
		"roles": onPerson(func(ctx context.Context, p *IdP, who string, v struct {
			Roles []AppRole `json:"roles"`
		}) error {
			return p.SetRoles(ctx, who, v.Roles)
		}),
		"move": onPerson(func(ctx context.Context, p *IdP, who string, v struct {
			From string `json:"from"`
			To   string `json:"to"`
		}) error {
			return p.Move(ctx, who, v.From, v.To)
		}),
	},
	"groups": {
		"":         with(addGroup),
		"push":     onGroup(func(ctx context.Context, p *IdP, g string, _ none) error { return p.PushGroup(ctx, g) }),
		"push-now": onGroup(func(ctx context.Context, p *IdP, g string, _ none) error { return p.PushNow(ctx, g) }),
		"delete":   onGroup(func(ctx context.Context, p *IdP, g string, _ none) error { return p.DeleteGroup(ctx, g) }),
		"rename": onGroup(func(ctx context.Context, p *IdP, g string, v struct {
			Name string `json:"name"`
		}) error {
			return p.RenameGroup(ctx, g, v.Name)
		}),
		"members": onGroup(func(ctx context.Context, p *IdP, g string, v struct {
			Add    []string `json:"add"`
			Remove []string `json:"remove"`
		}) error {
			return p.ChangeMembers(ctx, g, v.Add, v.Remove)
		}),
		"unlink": onGroup(func(ctx context.Context, p *IdP, g string, v struct {
			Delete bool `json:"delete"`
		}) error {
			return p.UnlinkGroup(ctx, g, v.Delete)
		}),
	},
}

// newPerson is what scripts may say of somebody new.
type newPerson struct {
	ID          string            `json:"id"`
	UserName    string            `json:"userName"`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	DisplayName string            `json:"displayName"`
	Email       string            `json:"email"`
	Title       string            `json:"title"`
	Department  string            `json:"department"`
	Phone       string            `json:"phone"`
	PostalCode  string            `json:"postalCode"`
	Custom      map[string]string `json:"custom"`
}

func addPerson(ctx context.Context, p *IdP, _ string, v newPerson) (any, error) {
	return p.AddPerson(ctx, Person{ID: v.ID, UserName: v.UserName, GivenName: v.GivenName, FamilyName: v.FamilyName,
		DisplayName: v.DisplayName, Email: v.Email, Title: v.Title, Department: v.Department, Phone: v.Phone,
		PostalCode: v.PostalCode, Custom: v.Custom})
}

// runLoad measures the application to which p is connected, unless another one is named. The load's
// people are its own: p keeps what it has.
func runLoad(ctx context.Context, p *IdP, _ string, l Load) (any, error) {
	if l.Connection.BaseURL == "" {
		conn, err := p.settings()
		if err != nil {
			return nil, err
		}
		conn.Parallel, conn.Attempts = l.Connection.Parallel, l.Connection.Attempts
		l.Connection = conn
	}
	return l.Run(ctx, p.kind)
}

func addGroup(ctx context.Context, p *IdP, _ string, v struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Members []string `json:"members"`
}) (any, error) {
	return p.AddGroup(ctx, v.ID, v.Name, v.Members...)
}

// api runs a verb for a script.
func (p *IdP) api(v verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, fmt.Errorf("%w input: %w", ErrInvalid, err), nil)
			return
		}
		result, err := v(r.Context(), p, r.PathValue("id"), in)
		if err != nil {
			refuse(w, err, result)
			return
		}
		respond(w, http.StatusOK, map[string]any{"result": result})
	}
}

// problem is an error as scripts see it.
type problem struct {
	Message  string     `json:"message"`
	Step     *StepError `json:"step,omitempty"`
	Failures []Failure  `json:"failures,omitempty"`
}

// refuse maps an error to a status; a report of what was done all the same goes along.
func refuse(w http.ResponseWriter, err error, result any) {
	body := map[string]any{}
	pr := problem{Message: err.Error()}
	status := http.StatusInternalServerError
	var se *StepError
	var sync *SyncError
	switch {
	case errors.Is(err, ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, ErrDenied):
		status = http.StatusForbidden
	case errors.Is(err, ErrNotConnected), errors.Is(err, ErrQuarantined), errors.Is(err, ErrNotOffered):
		status = http.StatusConflict
	case errors.As(err, &se):
		pr.Step, status = se, http.StatusBadGateway
		if se.Unreachable() {
			status = http.StatusServiceUnavailable
		}
	case errors.As(err, &sync):
		status = http.StatusBadGateway
	}
	if errors.As(err, &sync) {
		pr.Failures = sync.Failed
	}
	if report, ok := result.(Report); ok {
		body["result"] = report
	}
	body["error"] = pr
	respond(w, status, body)
}

func respond(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client has gone away: nobody to tell
}

func (s *Server) apiIndex(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		Kind      Kind   `json:"kind"`
		Title     string `json:"title"`
		Connected bool   `json:"connected"`
		People    int    `json:"people"`
		Groups    int    `json:"groups"`
	}
	var out []entry
	for _, k := range Kinds() {
		st := s.idps[k].State()
		out = append(out, entry{k, st.Title, st.Connection.Connected, len(st.People), len(st.Groups)})
	}
	respond(w, http.StatusOK, out)
}

func (p *IdP) apiTrace(w http.ResponseWriter, r *http.Request) {
	limit := 0
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			refuse(w, fmt.Errorf("%w: limit must be a number", ErrInvalid), nil)
			return
		}
		limit = n
	}
	respond(w, http.StatusOK, p.trace.Last(limit))
}

// The types of form fields that are not texts; names as in the JSON.
var (
	formNumbers  = []string{"people", "groups", "parallel", "attempts", "member_batch"}
	formSwitches = []string{"raw_authorization", "without_groups", "password_sync", "import_past_end", "create_inactive", "nest_core", "delete"}
	formLists    = []string{"add", "remove", "members"}
)

// formInput turns a form into the JSON object that a script would send.
func formInput(form url.Values) (input, error) {
	o := object{}
	for key, values := range form {
		switch {
		case slices.Contains(formLists, key):
			list := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
			o = append(o, field{key, list})
		case slices.Contains(formSwitches, key):
			o = append(o, field{key, true})
		case slices.Contains(formNumbers, key):
			if values[0] == "" {
				continue
			}
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return nil, fmt.Errorf("%w: %s must be a number", ErrInvalid, key)
			}
			o = append(o, field{key, n})
		default:
			o = append(o, field{key, values[0]})
		}
	}
	return encode(o), nil
}
