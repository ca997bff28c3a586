package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// onSQLite is for what the database has no part in.
func onSQLite(t *testing.T) *world { return newWorld(t, storetest.Open(t, storetest.SQLite(t), nil)) }

func TestRedirectURI_IsOneOfTheRegisteredByteForByte(t *testing.T) { // A51
	w := onSQLite(t)
	b := w.browser().signIn(acme, ann)
	_, challenge := verifier()
	for _, uri := range []string{
		"", "https://evil.test/callback", callback + "/", callback + "/more", callback + "x", callback + "?x=1", callback + "#here", callback + "%20",
		strings.ToUpper(callback), strings.Replace(callback, "http:", "https:", 1), strings.Replace(callback, "callback", "%63allback", 1),
		strings.Replace(callback, "127.0.0.1", "evil.test@127.0.0.1", 1), strings.Replace(callback, "127.0.0.1:9999", "127.0.0.1:9998", 1),
		"javascript:alert(1)", "//evil.test", "/w/acme", callback + "/../evil", " " + callback, callback + "\n", callback + "?tenant=1&x=2",
	} {
		q := request(challenge)
		q.Set("redirect_uri", uri)
		res, body := b.get("/oauth2/authorize?" + q.Encode())
		if res.StatusCode != 400 || res.Header.Get("Location") != "" || !strings.Contains(body, "redirect_uri_unknown") {
			t.Errorf("%q: %s to %q", uri, res.Status, res.Header.Get("Location"))
		}
	}
	for _, uri := range []string{callback, callback + "?tenant=1"} {
		res, _ := b.get("/oauth2/authorize?" + request(challenge, "redirect_uri", uri).Encode())
		back := res.Header.Get("Location")
		if !strings.HasPrefix(back, uri) || w.location(res).Query().Get("code") == "" || strings.Count(back, "?") != 1 {
			t.Errorf("the control %s: %s to %s", uri, res.Status, back)
		}
	}
}

func TestUnknownApplication_LeadsNowhere(t *testing.T) {
	w := onSQLite(t)
	_, challenge := verifier()
	for _, client := range []string{"", "app_unknown", "<script>alert(1)</script>", strings.Repeat("x", 5000)} {
		q := request(challenge)
		q.Set("client_id", client)
		res, body := w.browser().get("/oauth2/authorize?" + q.Encode())
		if res.StatusCode != 400 || res.Header.Get("Location") != "" || strings.Contains(body, "<script>alert") {
			t.Errorf("%.40q: %s to %q", client, res.Status, res.Header.Get("Location"))
		}
	}
}

func TestMistakesOfAnApplication_AreToldToIt(t *testing.T) {
	w := onSQLite(t)
	b := w.browser().signIn(acme, ann)
	_, challenge := verifier()
	for name, c := range map[string]struct {
		want  string
		pairs []string
	}{
		"no response type":       {"invalid_request", []string{"response_type", ""}},
		"an implicit flow":       {"unsupported_response_type", []string{"response_type", "id_token"}},
		"a hybrid flow":          {"unsupported_response_type", []string{"response_type", "code id_token"}},
		"another response mode":  {"invalid_request", []string{"response_mode", "fragment"}},
		"no scope":               {"invalid_scope", []string{"scope", ""}},
		"a scope without openid": {"invalid_scope", []string{"scope", "email"}},
		"A48 no challenge":       {"invalid_request", []string{"code_challenge", ""}},
		"A48 a plain challenge":  {"invalid_request", []string{"code_challenge_method", "plain"}},
		"A48 no method":          {"invalid_request", []string{"code_challenge_method", ""}},
		"A48 a short challenge":  {"invalid_request", []string{"code_challenge", "abc"}},
		"a request object":       {"request_not_supported", []string{"request", "e30."}},
		"a request by reference": {"request_uri_not_supported", []string{"request_uri", "https://evil.test/"}},
		"an unknown prompt":      {"invalid_request", []string{"prompt", "create"}},
		"none and login":         {"invalid_request", []string{"prompt", "none login"}},
		"a negative age":         {"invalid_request", []string{"max_age", "-1"}},
		"a wrong hint":           {"invalid_request", []string{"id_token_hint", "a.b.c"}},
		"a long nonce":           {"invalid_request", []string{"nonce", strings.Repeat("n", 5000)}},
	} {
		res, _ := b.get("/oauth2/authorize?" + request(challenge, c.pairs...).Encode())
		back := w.location(res).Query()
		if back.Get("error") != c.want || back.Get("code") != "" || back.Get("iss") != w.url || back.Get("state") != "a state & more" || back.Get("error_description") == "" {
			t.Errorf("%s: %s to %s", name, res.Status, res.Header.Get("Location"))
		}
	}
	for name, pairs := range map[string][]string{
		"the control":          nil,
		"unknown parameters":   {"foo", "bar", "ui_locales", "de", "acr_values", "x"},
		"consent":              {"prompt", "consent"},
		"a response mode":      {"response_mode", "query"},
		"no state":             {"state", ""},
		"no nonce":             {"nonce", ""},
		"an unknown scope too": {"scope", "openid payroll"},
	} {
		if b.code(request(challenge, pairs...)) == "" {
			t.Errorf("%s: no code", name)
		}
	}
}

func TestParameterThatComesTwice_IsRefused(t *testing.T) {
	w := onSQLite(t)
	b := w.browser().signIn(acme, ann)
	_, challenge := verifier()
	for _, name := range []string{"client_id", "redirect_uri", "state", "scope", "code_challenge"} {
		q := request(challenge)
		q.Add(name, q.Get(name))
		if res, _ := b.get("/oauth2/authorize?" + q.Encode()); res.StatusCode != 400 || res.Header.Get("Location") != "" {
			t.Errorf("%s: %s to %s", name, res.Status, res.Header.Get("Location"))
		}
	}
	res, _ := w.browser().send(http.MethodPost, "/oauth2/token", url.Values{"client_id": {app}, "client_secret": {secret}, "grant_type": {"authorization_code"}, "code": {"a", "b"}})
	if res.StatusCode != 400 {
		t.Errorf("code: %s", res.Status)
	}
}

func TestAuthorizeByPost_BecomesAGet(t *testing.T) {
	w := onSQLite(t)
	b := w.browser().signIn(acme, ann)
	_, challenge := verifier()
	res, _ := b.send(http.MethodPost, "/oauth2/authorize", request(challenge), "Origin", "https://app.test", "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != http.StatusSeeOther || w.location(res).Path != "/oauth2/authorize" {
		t.Fatalf("%s to %s", res.Status, res.Header.Get("Location"))
	}
	if res, _ = b.get(res.Header.Get("Location")); w.location(res).Query().Get("code") == "" {
		t.Errorf("%s to %s", res.Status, res.Header.Get("Location"))
	}
}

func TestApplication_ProvesWhoItIs(t *testing.T) {
	w := onSQLite(t)
	b := w.browser().signIn(acme, ann)
	plain, challenge := verifier()
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	try := func(client, authorization string, pairs ...string) (*http.Response, string) {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {b.code(request(challenge, "client_id", client))}, "redirect_uri": {callback}, "code_verifier": {plain}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		if authorization == "" {
			return w.browser().send(http.MethodPost, "/oauth2/token", form)
		}
		return w.browser().send(http.MethodPost, "/oauth2/token", form, "Authorization", authorization)
	}
	for name, c := range map[string]struct {
		client, authorization string
		pairs                 []string
		status                int
	}{
		"basic":                       {app, basic(app, secret), nil, 200},
		"basic and the same id":       {app, basic(app, secret), []string{"client_id", app}, 200},
		"post":                        {app, "", []string{"client_id", app, "client_secret", secret}, 200},
		"public":                      {native, "", []string{"client_id", native}, 200},
		"nothing":                     {app, "", nil, 401},
		"a wrong secret":              {app, basic(app, secret+"x"), nil, 401},
		"an empty secret":             {app, basic(app, ""), nil, 401},
		"no secret":                   {app, "", []string{"client_id", app}, 401},
		"the hash of the secret":      {app, basic(app, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"), nil, 401},
		"two ways":                    {app, basic(app, secret), []string{"client_secret", secret}, 400},
		"another id beside":           {app, basic(app, secret), []string{"client_id", other}, 401},
		"a public one with a secret":  {native, "", []string{"client_id", native, "client_secret", "x"}, 401},
		"an unknown one":              {app, basic("app_unknown", secret), nil, 401},
		"an unreadable escape":        {app, basic("%zz", secret), nil, 401},
		"another scheme":              {app, "Bearer " + secret, nil, 401},
		"an assertion that is no way": {app, "", []string{"client_id", app, "client_assertion", "e30.e30.", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, 401},
	} {
		res, body := try(c.client, c.authorization, c.pairs...)
		if res.StatusCode != c.status {
			t.Errorf("%s: %s, want %d: %s", name, res.Status, c.status, body)
		}
		if c.status == 401 && (!strings.Contains(body, `"invalid_client"`) || res.Header.Get("WWW-Authenticate") == "") {
			t.Errorf("%s: %s", name, body)
		}
		if res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, res.Header.Get("Cache-Control"))
		}
	}
	res, _ := w.browser().send(http.MethodPost, "/oauth2/token?client_secret="+secret, url.Values{"client_id": {app}, "grant_type": {"refresh_token"}})
	if res.StatusCode != 400 {
		t.Errorf("a secret in the address: %s", res.Status)
	}
	if status, got := w.token(app, "grant_type", "password", "username", "ann", "password", "x"); status != 400 || got["error"] != "unsupported_grant_type" {
		t.Errorf("another grant: %d %v", status, got)
	}
}

func TestUserinfo_NeedsABearer(t *testing.T) {
	w := onSQLite(t)
	b := w.browser().signIn(acme, ann)
	for name, headers := range map[string][]string{"nothing": nil, "basic": {"Authorization", "Basic eDp5"}, "an unknown token": {"Authorization", "Bearer gat_x"}} {
		res, _ := b.send(http.MethodGet, "/oauth2/userinfo", nil, headers...)
		if res.StatusCode != 401 || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	plain, challenge := verifier()
	_, given := w.token(app, "grant_type", "authorization_code", "code", b.code(request(challenge)), "redirect_uri", callback, "code_verifier", plain)
	access := given["access_token"].(string)
	for name, send := range map[string]func() (*http.Response, string){
		"header": func() (*http.Response, string) {
			return w.browser().send(http.MethodGet, "/oauth2/userinfo", nil, "Authorization", "bearer "+access)
		},
		"body": func() (*http.Response, string) {
			return w.browser().send(http.MethodPost, "/oauth2/userinfo", url.Values{"access_token": {access}})
		},
	} {
		if res, body := send(); res.StatusCode != 200 || !strings.Contains(body, `"sub":"mem_ann"`) {
			t.Errorf("%s: %s %s", name, res.Status, body)
		}
	}
	// Not in the address: it would stand in logs.
	if res, _ := w.browser().get("/oauth2/userinfo?access_token=" + access); res.StatusCode != 401 {
		t.Errorf("in the address: %s", res.Status)
	}
}

func TestFormThatIsTooLong_IsRefusedAsThat(t *testing.T) {
	w := onSQLite(t)
	long := strings.Repeat("x", 2<<20)
	for path, form := range map[string]url.Values{
		"/oauth2/token":      {"client_id": {app}, "client_secret": {secret}, "grant_type": {"authorization_code"}, "code": {long}},
		"/oauth2/introspect": {"client_id": {app}, "client_secret": {secret}, "token": {long}},
		"/oauth2/userinfo":   {"access_token": {long}},
	} {
		if res, body := w.browser().send(http.MethodPost, path, form); res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %s %s", path, res.Status, body)
		}
	}
}
