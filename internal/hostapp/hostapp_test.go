package hostapp

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// product is an App behind a server, and somebody's browser.
type product struct {
	*App
	issuer *fakeIssuer
	url    string
	client *http.Client
	ended  chan Ended
	shown  chan Ended
}

func newProduct(t *testing.T, change func(*Options)) *product {
	t.Helper()
	p := &product{issuer: newIssuer(t), ended: make(chan Ended, 4), shown: make(chan Ended, 4)}
	server := httptest.NewUnstartedServer(nil)
	p.url = "http://" + server.Listener.Addr().String()
	o := Options{Origin: p.url, OnEnded: func(e Ended) { p.ended <- e }, OnShown: func(e Ended, _ time.Time) { p.shown <- e },
		Companies: []Company{{Slug: "acme", Name: "Acme Inc", Issuer: p.issuer.URL, ClientID: "app_acme", ClientSecret: "s"},
			{Slug: "globex", Issuer: p.issuer.URL, ClientID: "app_globex", ClientSecret: "s"}}}
	if change != nil {
		change(&o)
	}
	var err error
	if p.App, err = New(o); err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p.Handler()
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(p.Close)
	p.client = newClient(t)
	return p
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// get asks for a page and returns status and text.
func (p *product) get(t *testing.T, client *http.Client, path string) (int, string) {
	t.Helper()
	res, err := client.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// logout posts a logout token to a company's address.
func (p *product) logout(t *testing.T, company, token string) int {
	t.Helper()
	res, err := http.PostForm(p.url+"/backchannel/"+company, url.Values{"logout_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func TestAProductSignsPeopleInByOIDCAndShowsWhoTheyAre(t *testing.T) {
	p := newProduct(t, nil)
	status, page := p.get(t, p.client, "/signin/acme?hint=zoe%40acme.test")
	for _, want := range []string{"Zoë Müller", "Admin", "Acme Inc", `id="member-groups"><span class="chip">Admins`} {
		if status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("status %d, no %q in\n%s", status, want, page)
		}
	}
	asked := p.issuer.asked
	for name, want := range map[string]string{"response_type": "code", "client_id": "app_acme", "code_challenge_method": "S256", "login_hint": "zoe@acme.test"} {
		if asked.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, asked.Get(name), want)
		}
	}
	p.issuer.set(func() { p.issuer.userinfo["role"] = "Agent" })
	if _, page := p.get(t, p.client, "/"); !strings.Contains(page, `id="member-role">Agent<`) {
		t.Errorf("a role that has changed is not shown:\n%s", page)
	}
	p.issuer.set(func() { p.issuer.over = true })
	if status, body := p.get(t, p.client, "/me"); status != http.StatusUnauthorized || !strings.Contains(body, "has ended") {
		t.Errorf("a session that has ended at the issuer: %d %s", status, body)
	}
	if _, page := p.get(t, p.client, "/"); !strings.Contains(page, `id="sign-in-acme"`) {
		t.Errorf("no way in:\n%s", page)
	}
}

func TestAnAnswerThatIsNotForThisSignInIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(i *fakeIssuer)
		code  string
	}{
		"from another issuer":    {func(i *fakeIssuer) { i.iss = "https://evil.example" }, "issuer_wrong"},
		"for another sign-in":    {func(i *fakeIssuer) { i.spoil = func(c map[string]any) { c["nonce"] = "other" } }, "nonce_wrong"},
		"for another client":     {func(i *fakeIssuer) { i.spoil = func(c map[string]any) { c["aud"] = "app_globex" } }, "sign_in_failed"},
		"with a foreign access":  {func(i *fakeIssuer) { i.spoil = func(c map[string]any) { c["at_hash"] = "AAAA" } }, "sign_in_failed"},
		"that has run out":       {func(i *fakeIssuer) { i.spoil = func(c map[string]any) { c["exp"] = 1 } }, "sign_in_failed"},
		"with another signature": {func(i *fakeIssuer) { i.key, _ = rsa.GenerateKey(rand.Reader, 2048) }, "sign_in_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProduct(t, nil)
			p.issuer.set(func() { c.spoil(p.issuer) })
			if status, page := p.get(t, p.client, "/signin/acme"); status == http.StatusOK || !strings.Contains(page, `id="refused-code">`+c.code) {
				t.Errorf("status %d, no code %s:\n%s", status, c.code, page)
			}
			if status, _ := p.get(t, p.client, "/me"); status != http.StatusUnauthorized {
				t.Errorf("signed in all the same: %d", status)
			}
		})
	}
}

func TestAnAnswerCountsOnceAndInTheBrowserThatBegan(t *testing.T) {
	p := newProduct(t, nil)
	p.get(t, p.client, "/signin/acme")
	again := "/callback?code=c1&iss=" + url.QueryEscape(p.issuer.URL) + "&state=" + p.issuer.asked.Get("state")
	if status, _ := p.get(t, p.client, again); status != http.StatusBadRequest {
		t.Errorf("a second use of an answer: %d", status)
	}
	stop := &http.Client{Jar: newClient(t).Jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == callbackPath {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := stop.Get(p.url + "/signin/acme")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := p.get(t, newClient(t), strings.TrimPrefix(back.String(), p.url)); status != http.StatusBadRequest {
		t.Errorf("an answer in somebody else's browser: %d", status)
	}
	if status, _ := p.get(t, stop, strings.TrimPrefix(back.String(), p.url)); status != http.StatusOK {
		t.Errorf("the same answer in the browser that began: %d", status)
	}
}

// listen opens the page's stream and returns what it says when the session ends.
func (p *product) listen(t *testing.T) <-chan signedOut {
	t.Helper()
	res, err := p.client.Get(p.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "event: signed-in" {
	}
	told := make(chan signedOut, 1)
	go func() {
		defer close(told)
		event := ""
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			if name == "event" {
				event = value
			}
			var m signedOut
			if name == "data" && event == "signed-out" && json.Unmarshal([]byte(value), &m) == nil {
				told <- m
				return
			}
		}
	}()
	return told
}

func TestAnOpenPageIsToldWhenItsSessionEnds(t *testing.T) {
	decided := time.Now()
	p := newProduct(t, func(o *Options) {
		o.Cause = func(e Ended) (Cause, bool) {
			return Cause{What: "Acme's IdP said so", At: decided}, e.Session == "ses_1"
		}
	})
	p.get(t, p.client, "/signin/acme")
	told := p.listen(t)
	if status := p.logout(t, "acme", p.issuer.logoutToken(nil)); status != http.StatusOK {
		t.Fatalf("a good logout token: %d", status)
	}
	m := <-told
	if !strings.HasPrefix(m.Sentence, "You were signed out: your company ended your access (") || !strings.HasSuffix(m.Sentence, " ms after Acme's IdP said so).") || m.SinceMS == nil {
		t.Errorf("the page is told %+v", m)
	}
	if e := <-p.ended; e.Session != "ses_1" || e.Company != "acme" || e.Received.Before(decided) {
		t.Errorf("OnEnded is told %+v", e)
	}
	for range 2 { // a ticket is good for one report
		res, err := p.client.PostForm(p.url+"/seen", url.Values{"ticket": {m.Ticket}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if n := len(p.shown); n != 1 {
		t.Errorf("OnShown was called %d times", n)
	}
	if status, _ := p.get(t, p.client, "/me"); status != http.StatusUnauthorized {
		t.Errorf("the session lives on: %d", status)
	}
	if _, page := p.get(t, p.client, "/"); !strings.Contains(page, `id="notice" role="status">You were signed out: your company ended your access`) {
		t.Errorf("the page after a reload does not say so:\n%s", page)
	}
}

func TestALogoutTokenThatIsNotOneEndsNothing(t *testing.T) {
	p := newProduct(t, nil)
	p.get(t, p.client, "/signin/acme")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := p.issuer.logoutToken(func(c map[string]any) { c["sid"] = "ses_of_another" })
	if status := p.logout(t, "acme", good); status != http.StatusOK {
		t.Errorf("a logout token of a session that is not here: %d", status)
	}
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{"iss": p.issuer.URL, "aud": "app_acme", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
			"jti": rand.Text(), "sub": "mbr_1", "sid": "ses_1", "events": map[string]any{logoutEvent: map[string]any{}}}
		change(c)
		return c
	}
	for name, token := range map[string]string{
		"nothing":                "",
		"not a token":            "a.b.c",
		"with a nonce":           p.issuer.logoutToken(func(c map[string]any) { c["nonce"] = "n" }),
		"without events":         p.issuer.logoutToken(func(c map[string]any) { delete(c, "events") }),
		"with another event":     p.issuer.logoutToken(func(c map[string]any) { c["events"] = map[string]any{"urn:x": map[string]any{}} }),
		"with an event of text":  p.issuer.logoutToken(func(c map[string]any) { c["events"] = map[string]any{logoutEvent: "yes"} }),
		"without sid and sub":    p.issuer.logoutToken(func(c map[string]any) { delete(c, "sid"); delete(c, "sub") }),
		"without jti":            p.issuer.logoutToken(func(c map[string]any) { delete(c, "jti") }),
		"of an hour ago":         p.issuer.logoutToken(func(c map[string]any) { c["iat"] = time.Now().Add(-time.Hour).Unix() }),
		"that has run out":       p.issuer.logoutToken(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"for another client":     p.issuer.logoutToken(func(c map[string]any) { c["aud"] = "app_globex" }),
		"of another issuer":      p.issuer.logoutToken(func(c map[string]any) { c["iss"] = "https://evil.example" }),
		"of another key":         sign(other, "logout+jwt", claims(func(map[string]any) {})),
		"that is an ID token":    sign(p.issuer.key, "JWT", claims(func(map[string]any) {})),
		"that came before":       good,
		"with a type of its own": sign(p.issuer.key, "at+jwt", claims(func(map[string]any) {})),
		"without a type":         sign(p.issuer.key, "", claims(func(map[string]any) {})),
	} {
		if status := p.logout(t, "acme", token); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := p.get(t, p.client, "/me"); status != http.StatusOK {
		t.Errorf("the session ended: %d", status)
	}
	if status := p.logout(t, "acme", p.issuer.logoutToken(func(c map[string]any) { delete(c, "sid") })); status != http.StatusOK {
		t.Errorf("a logout token of a subject alone: %d", status)
	}
	if status, _ := p.get(t, p.client, "/me"); status != http.StatusUnauthorized {
		t.Errorf("the session lives on: %d", status)
	}
}

func TestASessionThatEndedDuringTheSignInNeverBegins(t *testing.T) {
	p := newProduct(t, nil)
	if status := p.logout(t, "acme", p.issuer.logoutToken(nil)); status != http.StatusOK {
		t.Fatal(status)
	}
	if status, page := p.get(t, p.client, "/signin/acme"); status != http.StatusBadGateway {
		t.Errorf("status %d:\n%s", status, page)
	}
	if status, _ := p.get(t, p.client, "/me"); status != http.StatusUnauthorized {
		t.Errorf("signed in: %d", status)
	}
}

func TestSigningOutLeadsToTheIssuerAndNoOtherSiteCanDoIt(t *testing.T) {
	p := newProduct(t, nil)
	p.get(t, p.client, "/signin/acme")
	r, err := http.NewRequest(http.MethodPost, p.url+"/signout", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if status, _ := p.get(t, p.client, "/me"); res.StatusCode != http.StatusForbidden || status != http.StatusOK {
		t.Errorf("another site's form: %d, then %d", res.StatusCode, status)
	}
	told := p.listen(t)
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if res, err = p.client.Do(r); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	to, err := res.Location()
	if err != nil || to.Path != "/end" || to.Query().Get("post_logout_redirect_uri") != p.url+"/signed-out" || to.Query().Get("id_token_hint") == "" {
		t.Errorf("led to %v %v", to, err)
	}
	if m := <-told; m.Sentence != "You signed out." {
		t.Errorf("the open page is told %+v", m)
	}
	if status, _ := p.get(t, p.client, "/me"); status != http.StatusUnauthorized {
		t.Errorf("the session lives on: %d", status)
	}
}

func TestPagesAreStrictAndEscaped(t *testing.T) {
	p := newProduct(t, nil)
	p.issuer.set(func() { p.issuer.userinfo["name"] = `<img src=x onerror=alert(1)>` })
	res, err := p.client.Get(p.url + "/signin/acme")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || strings.Contains(string(body), "<img src=x") {
		t.Errorf("a name is markup: %v\n%s", err, body)
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	for _, c := range p.client.Jar.Cookies(res.Request.URL) {
		if !strings.HasPrefix(c.Name, "omniflow_") {
			t.Errorf("cookie %s", c.Name)
		}
	}
}
