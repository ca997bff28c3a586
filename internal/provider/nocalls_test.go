package provider_test

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// An address in a request is compared, shown or refused, and never called: request objects, keys that a token names, and
// where to go afterwards.
func TestNoRequest_MakesUsCallAnybody(t *testing.T) { // A46, A51, P9
	w := onSQLite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	var calls atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			_ = c.Close()
		}
	}()
	trap := "http://" + l.Addr().String() + "/trap"
	b := w.browser().signIn(acme, ann)
	plain, challenge := verifier()
	jwt := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+trap+`","sub":"`+app+`","aud":"`+trap+`","redirect_uris":["`+trap+`"]}`)) + ".e30"
	}
	token := jwt(`{"alg":"RS256","jku":"` + trap + `","x5u":"` + trap + `","kid":"` + trap + `"}`)
	for name, value := range map[string]string{
		"request_uri": trap, "request": token, "id_token_hint": token, "redirect_uri": trap, "client_id": trap, "login_hint": trap, "acr_values": trap,
		"claims": `{"id_token":{"x":{"value":"` + trap + `"}}}`, "registration": `{"jwks_uri":"` + trap + `","logo_uri":"` + trap + `"}`, "resource": trap, "target_link_uri": trap, "ui_locales": trap,
	} {
		if res, _ := b.get("/oauth2/authorize?" + request(challenge, name, value).Encode()); res.StatusCode >= 500 || strings.HasPrefix(res.Header.Get("Location"), trap) {
			t.Errorf("%s: %s to %q", name, res.Status, res.Header.Get("Location"))
		}
	}
	for name, value := range map[string]string{"id_token_hint": token, "post_logout_redirect_uri": trap, "client_id": trap, "state": trap} {
		if res, _ := b.get("/oauth2/logout?" + url.Values{name: {value}}.Encode()); res.StatusCode >= 500 || strings.HasPrefix(res.Header.Get("Location"), trap) {
			t.Errorf("logout, %s: %s to %q", name, res.Status, res.Header.Get("Location"))
		}
	}
	for _, pairs := range [][]string{
		{"client_assertion", token, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		{"redirect_uri", trap}, {"resource", trap}, {"token", token},
	} {
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {app}, "client_secret": {secret}, "code": {"x"}, "redirect_uri": {callback}, "code_verifier": {plain}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
			if res, body := b.send(http.MethodPost, path, form); res.StatusCode >= 500 {
				t.Errorf("%s, %s: %s %s", path, pairs[0], res.Status, body)
			}
		}
	}
	for _, headers := range [][]string{{"Authorization", "Bearer " + token}, {"Authorization", "DPoP " + token, "DPoP", token}, {"X-Forwarded-Host", l.Addr().String()}} {
		if res, _ := b.send(http.MethodGet, "/oauth2/userinfo", nil, headers...); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("userinfo with %s: %s", headers[0], res.Status)
		}
	}
	if b.code(request(challenge)) == "" { // the control
		t.Error("no code")
	}
	_ = l.Close()
	<-done
	if n := calls.Load(); n != 0 {
		t.Errorf("an address that a request named was called %d times", n)
	}
}
