package provider_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/signin"
)

// odd are texts that PostgreSQL does not hold.
var odd = []string{"\x00", "app\x00app", "\xff", "app_\xc3("}

func TestTextThatNoDatabaseHolds_IsTheCallersMistake(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser().signIn(acme, ann)
		_, challenge := verifier()
		for _, text := range odd {
			q := request(challenge)
			q.Set("client_id", text)
			if res, body := b.get("/oauth2/authorize?" + q.Encode()); res.StatusCode != 400 || !strings.Contains(body, "client_unknown") {
				t.Errorf("client_id %q: %s", text, res.Status)
			}
			res, _ := b.get("/oauth2/authorize?" + request(challenge, "nonce", text).Encode())
			if got := w.location(res).Query().Get("error"); got != "invalid_request" {
				t.Errorf("nonce %q: %s, %q", text, res.Status, got)
			}
			for _, form := range []url.Values{
				{"grant_type": {"authorization_code"}, "client_id": {text}, "client_secret": {secret}},
				{"grant_type": {"authorization_code"}, "client_id": {app}, "client_secret": {text}},
			} {
				if res, body := b.send(http.MethodPost, "/oauth2/token", form); res.StatusCode != 401 || !strings.Contains(body, "invalid_client") {
					t.Errorf("token, %q: %s %s", form, res.Status, body)
				}
			}
			basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(text)+":"+secret))
			if res, _ := b.send(http.MethodPost, "/oauth2/token", url.Values{}, "Authorization", basic); res.StatusCode != 401 {
				t.Errorf("basic, %q: %s", text, res.Status)
			}
			for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"} {
				status, _ := w.post(path, app, "grant_type", "authorization_code", "code", text, "redirect_uri", text, "code_verifier", text, "token", text)
				if status >= 500 {
					t.Errorf("%s of %q: %d", path, text, status)
				}
			}
			if res, _ := b.get("/oauth2/end-session?" + url.Values{"id_token_hint": {text}}.Encode()); res.StatusCode >= 500 {
				t.Errorf("end-session of %q: %s", text, res.Status)
			}
		}
	})
}

func TestSignIn_LeadsBackToEachRequestThatIsAccepted(t *testing.T) {
	w := onSQLite(t)
	_, challenge := verifier()
	for name, pairs := range map[string][]string{
		"short":                    nil,
		"a long state":             {"state", strings.Repeat("s", 2048)},
		"a long state of symbols":  {"state", strings.Repeat("/+", 1024)},
		"unknown parameters":       {"utm", strings.Repeat("x", 5000)},
		"both, and a long nonce":   {"state", strings.Repeat("%", 2000), "nonce", strings.Repeat("=", 500), "utm", "x"},
		"a login hint out of size": {"login_hint", strings.Repeat("ü", 4000)},
	} {
		t.Run(name, func(t *testing.T) {
			res, _ := w.browser().get("/oauth2/authorize?" + request(challenge, pairs...).Encode())
			at := w.location(res)
			if strings.HasPrefix(at.String(), callback) {
				if at.Query().Get("error") != "invalid_request" {
					t.Errorf("answered %s", at.Query().Get("error"))
				}
				return
			}
			if _, ok := signin.ContinuePath(at.Query().Get("continue")); at.Path != "/signin" || !ok {
				t.Errorf("sign-in would not lead back: %d bytes", len(at.Query().Get("continue")))
			}
		})
	}
}
