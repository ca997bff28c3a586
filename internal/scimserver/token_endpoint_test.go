package scimserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// secret gives the tenant's client a secret with an end, zero for none.
func (w *tenant) secret(expires time.Time) (id, plain string) {
	w.t.Helper()
	plain, hash := keys.NewToken("gscs_")
	id = keys.ID("sec_", w.db.Now())
	w.write(func(tx *store.Tx) error {
		tx.InsertClientCredential(store.ClientCredential{ID: id, Directory: w.directory, Name: "blue", ExpiresAt: expires}, hash)
		return nil
	})
	return id, plain
}

// ask posts a form to the token endpoint; from is the client's address.
func (h *house) ask(from string, form url.Values, change func(*http.Request)) *answer {
	h.t.Helper()
	r := httptest.NewRequest("POST", origin+scimserver.TokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = from + ":4000"
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	h.server.TokenEndpoint().ServeHTTP(rec, r)
	a := &answer{t: h.t, status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	if err := json.Unmarshal(rec.Body.Bytes(), &a.body); err != nil {
		h.t.Fatalf("%v: %s", err, a.text)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		h.t.Errorf("headers %v", a.header)
	}
	return a
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// access exchanges a secret for an access token.
func (w *tenant) access(secret string) string {
	w.t.Helper()
	return w.ask("192.0.2.1", form("grant_type", "client_credentials", "client_id", w.directory, "client_secret", secret), nil).want(200).str("access_token")
}

// with is the tenant under another token.
func (w *tenant) with(token string) *tenant {
	c := *w
	c.token = token
	return &c
}

func TestClient_GetsAccessTokensThatOpenItsDirectoryAndNoOther(t *testing.T) {
	eachAt(t, func(t *testing.T, h *house, pass func(time.Duration)) {
		acme, beta := h.workspace("acme", "default", nil), h.workspace("beta", "default", nil)
		_, secret := acme.secret(time.Time{})
		a := h.ask("192.0.2.1", form("grant_type", "client_credentials", "scope", "whatever"), func(r *http.Request) { r.SetBasicAuth(acme.directory, secret) }).want(200)
		if a.str("token_type") != "Bearer" || a.body["expires_in"] != 3600.0 || a.str("scope") != "scim" {
			t.Errorf("%s", a.text)
		}
		for _, token := range []string{a.str("access_token"), acme.access(secret)} {
			client := acme.with(token)
			client.do("POST", "/Users", user("ann"+token[10:15]+"@acme.test")).want(201)
			if n := client.do("GET", "/Users", "").want(200).body["totalResults"].(float64); n == 0 {
				t.Error("it does not see its own directory")
			}
		}
		if n := beta.do("GET", "/Users", "").want(200).body["totalResults"].(float64); n != 0 {
			t.Error("the other directory has people")
		}
		// The secret itself opens nothing, and neither does the client's id.
		for _, token := range []string{secret, acme.directory} {
			acme.with(token).do("GET", "/Users", "").want(401)
		}
		pass(time.Hour)
		n := len(acme.events())
		acme.with(a.str("access_token")).do("GET", "/Users", "").want(401)
		if len(acme.events()) != n {
			t.Error("an access token that expired as it should is an event")
		}
	})
}

func TestClient_ThatCannotProveItselfIsRefusedInOneWay(t *testing.T) {
	eachAt(t, func(t *testing.T, h *house, pass func(time.Duration)) {
		acme, beta := h.workspace("acme", "default", nil), h.workspace("beta", "default", nil)
		_, secret := acme.secret(time.Time{})
		_, theirs := beta.secret(time.Time{})
		dead, revoked := acme.secret(time.Time{})
		acme.write(func(tx *store.Tx) error { _, err := tx.RevokeClientCredentials(acme.directory, dead); return err })
		_, ended := acme.secret(h.db.Now().Add(time.Hour))
		pass(time.Hour)
		basic := func(id, secret string) func(*http.Request) {
			return func(r *http.Request) { r.SetBasicAuth(id, secret) }
		}
		var first string
		for name, c := range map[string]struct {
			form   url.Values
			change func(*http.Request)
		}{
			"nothing":                   {form(), nil},
			"an unknown client":         {form("client_id", "dir_x", "client_secret", secret), nil},
			"a wrong secret":            {form("client_id", acme.directory, "client_secret", "gscs_wrong"), nil},
			"no secret":                 {form("client_id", acme.directory), nil},
			"another's secret":          {form("client_id", acme.directory, "client_secret", theirs), nil},
			"another's id":              {form("client_id", beta.directory, "client_secret", secret), nil},
			"a revoked secret":          {form("client_id", acme.directory, "client_secret", revoked), nil},
			"an expired secret":         {form("client_id", acme.directory, "client_secret", ended), nil},
			"its static token":          {form("client_id", acme.directory, "client_secret", acme.token), nil},
			"a wrong secret, basic":     {form(), basic(acme.directory, "x")},
			"two ids":                   {form("client_id", beta.directory), basic(acme.directory, secret)},
			"a bearer token":            {form(), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+acme.token) }},
			"an id that is not text":    {form("client_id", "\xff\x00", "client_secret", "x"), nil},
			"basic that is not encoded": {form(), basic("%zz", secret)},
		} {
			c.form.Set("grant_type", "client_credentials")
			a := h.ask("192.0.2.1", c.form, c.change)
			if first == "" {
				first = a.text
			}
			if a.status != 401 || a.str("error") != "invalid_client" || a.text != first || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s: %d %s %v", name, a.status, a.text, a.header)
			}
		}
		reasons := map[string]int{}
		for _, e := range acme.events() {
			if e.Type == audit.ClientRefused {
				reasons[e.Reason]++
			}
			if strings.Contains(string(e.Payload), "gsc") {
				t.Errorf("a secret in the log: %s", e.Payload)
			}
		}
		if reasons["secret_unknown"] != 4 || reasons["secret_revoked"] != 1 || reasons["secret_expired"] != 1 || len(reasons) != 3 {
			t.Errorf("the workspace's log has %v", reasons)
		}
	})
}

func TestTokenRequest_ThatIsWrongIsNamed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		_, secret := w.secret(time.Time{})
		own := []string{"client_id", w.directory, "client_secret", secret}
		for name, c := range map[string]struct {
			form   url.Values
			change func(*http.Request)
			status int
			code   string
		}{
			"no grant_type":     {form(own...), nil, 400, "invalid_request"},
			"another grant":     {form(append(own, "grant_type", "password")...), nil, 400, "unsupported_grant_type"},
			"a parameter twice": {form(append(own, "grant_type", "client_credentials", "grant_type", "client_credentials")...), nil, 400, "invalid_request"},
			"two ways":          {form(append(own, "grant_type", "client_credentials")...), func(r *http.Request) { r.SetBasicAuth(w.directory, secret) }, 400, "invalid_request"},
			"a secret in the address": {form("grant_type", "client_credentials"), func(r *http.Request) {
				r.URL.RawQuery = url.Values{"client_id": {w.directory}, "client_secret": {secret}}.Encode()
			}, 400, "invalid_request"},
			"GET":             {form(own...), func(r *http.Request) { r.Method = "GET" }, 405, "invalid_request"},
			"a body too long": {form("x", strings.Repeat("x", 20_000)), nil, 413, "invalid_request"},
			"an odd escape":   {form(), func(r *http.Request) { r.Body = http.NoBody; r.URL.RawQuery = "a=%zz" }, 400, "invalid_request"},
		} {
			a := h.ask("192.0.2.1", c.form, c.change)
			if a.status != c.status || a.str("error") != c.code || a.str("access_token") != "" || strings.Contains(a.text, secret) {
				t.Errorf("%s: %d %s", name, a.status, a.text)
			}
		}
		w.write(func(tx *store.Tx) error {
			tx.SaveDirectory(directory.Directory{ID: w.directory, Name: "okta", Status: directory.DirectoryPaused, Mode: directory.ModeLenient}, false)
			return nil
		})
		a := h.ask("192.0.2.1", form(append(own, "grant_type", "client_credentials")...), nil)
		if a.status != 400 || a.str("error") != "unauthorized_client" {
			t.Errorf("a directory that is switched off: %d %s", a.status, a.text)
		}
		if err := h.db.FlushMarks(t.Context()); err != nil {
			t.Fatal(err)
		}
		sums, err := h.db.System().Strangers(t.Context(), h.db.Now().Add(-2*time.Hour))
		if err != nil || len(sums) == 0 {
			t.Fatal(sums, err)
		}
		for _, s := range sums {
			if strings.Contains(string(s.Sample), secret[5:]) {
				t.Errorf("a secret in the sum of strangers: %s", s.Sample)
			}
		}
	})
}

// Law 2 in spirit: the next request after a credential's end is refused.
func TestAccessToken_DiesAtOnceWithItsSecretItsClientAndItsDirectory(t *testing.T) {
	eachAt(t, func(t *testing.T, h *house, pass func(time.Duration)) {
		for slug, end := range map[string]func(tx *store.Tx, w *tenant, secret string) error{
			"secret": func(tx *store.Tx, w *tenant, secret string) error {
				_, err := tx.RevokeClientCredentials(w.directory, secret)
				return err
			},
			"client": func(tx *store.Tx, w *tenant, _ string) error {
				_, err := tx.RevokeClientCredentials(w.directory, "")
				return err
			},
			"directory": func(tx *store.Tx, w *tenant, _ string) error { tx.DeleteDirectory(w.directory); return nil },
		} {
			w := h.workspace(slug, "default", nil)
			id, secret := w.secret(time.Time{})
			other, second := w.secret(time.Time{})
			client, neighbour := w.with(w.access(secret)), w.with(w.access(second))
			client.do("GET", "/Users", "").want(200)
			pass(time.Second)
			w.write(func(tx *store.Tx) error { return end(tx, w, id) })
			pass(time.Second)
			client.do("GET", "/Users", "").want(401)
			if slug == "secret" {
				neighbour.do("GET", "/Users", "").want(200)
				events := w.events()
				if e := events[len(events)-1]; e.Type != audit.TokenReplacedUsed || e.Reason != "token_revoked" || e.Subject.ID != id || other == id {
					t.Errorf("%+v", e)
				}
			} else {
				neighbour.do("GET", "/Users", "").want(401)
			}
		}
		// A secret's own end is that of what it gave.
		w := h.workspace("expiry", "default", nil)
		_, secret := w.secret(h.db.Now().Add(time.Minute))
		client := w.with(w.access(secret))
		pass(time.Minute)
		client.do("GET", "/Users", "").want(401)
		// Static tokens and clients do not touch each other.
		w.do("GET", "/Users", "").want(200)
	})
}

func TestTokenEndpoint_IsLimitedForStrangersAndForClients(t *testing.T) {
	eachAt(t, func(t *testing.T, h *house, pass func(time.Duration)) {
		w := h.workspace("acme", "default", nil)
		_, secret := w.secret(time.Time{})
		wrong := form("grant_type", "client_credentials", "client_id", w.directory, "client_secret", "gscs_wrong")
		right := form("grant_type", "client_credentials", "client_id", w.directory, "client_secret", secret)
		var refused, limited atomic.Int64
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 20 {
					switch a := h.ask("192.0.2.66", wrong, nil); {
					case a.status == 401:
						refused.Add(1)
					case a.status == 429 && a.header.Get("Retry-After") != "":
						limited.Add(1)
					default:
						t.Errorf("%d %s", a.status, a.text)
					}
				}
			})
		}
		all.Wait()
		if refused.Load() < 30 || refused.Load() > 45 {
			t.Errorf("%d of a stranger's 200 attempts were looked at, want about 30", refused.Load())
		}
		h.ask("192.0.2.66", right, nil).want(429)
		h.ask("192.0.2.67", right, nil).want(200) // the client elsewhere is not held up
		count := map[audit.Type]int{}
		for _, e := range w.events() {
			count[e.Type]++
		}
		if count[audit.ClientRefused] == 0 || count[audit.ClientRefused] > 20 {
			t.Errorf("%d refusals in the log", count[audit.ClientRefused])
		}
		given := 1
		for range 100 {
			if h.ask("192.0.2.67", right, nil).status == 200 {
				given++
			}
		}
		if given != 60 {
			t.Errorf("%d access tokens at once, want 60", given)
		}
		count = map[audit.Type]int{}
		for _, e := range w.events() {
			count[e.Type]++
		}
		if count[audit.ClientTokenGiven] != 20 {
			t.Errorf("60 access tokens are %d events, want 20", count[audit.ClientTokenGiven])
		}
		pass(time.Minute)
		h.ask("192.0.2.66", right, nil).want(200)
	})
}

func TestServiceProviderConfig_StatesTheCredentialsThatThereAre(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w, other := h.workspace("acme", "default", nil), h.workspace("beta", "default", nil)
		states := func(w *tenant, want string) {
			t.Helper()
			for _, path := range []string{"/ServiceProviderConfig", "/serviceproviderconfig/"} {
				var got []string
				for _, s := range w.do("GET", path, "").want(200).body["authenticationSchemes"].([]any) {
					scheme := s.(map[string]any)
					text := scheme["type"].(string)
					if scheme["primary"] == true {
						text += "!"
					}
					got = append(got, text)
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s states %v, want %s", path, got, want)
				}
			}
		}
		states(w, "oauthbearertoken!")
		_, secret := w.secret(time.Time{})
		states(w, "oauthbearertoken! oauth2")
		states(other, "oauthbearertoken!")
		client := w.with(w.access(secret))
		w.write(func(tx *store.Tx) error { _, err := tx.RevokeTokens(w.directory, "", store.TokenRevoked); return err })
		states(client, "oauth2!")
		w.do("GET", "/ServiceProviderConfig", "").want(401)
	})
}
