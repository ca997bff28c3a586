package acceptance

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/mailsink"
)

// call sends a request to the REST API with a key and returns the status and, where it is JSON, the answer's fields.
func (w *world) call(key, method, path, body string) (int, map[string]any) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.ctx(), method, w.base+"/api"+path, strings.NewReader(body))
	w.must(err)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(r)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	fields := map[string]any{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &fields); err != nil {
			w.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
		}
	}
	return res.StatusCode, fields
}

// TestStory_a_program_with_an_api_key does by the REST API what people do in the console, and ends with its owner.
func TestStory_a_program_with_an_api_key(t *testing.T) {
	withMail(t, func(t *testing.T, w *world, mail *mailsink.Sink) {
		slug := "api" + w.address[strings.LastIndexByte(w.address, ':')+1:]
		w.mustApply("workspace: " + slug + "\npreset: default\nowners: [{email: root@" + slug + ".test}, {email: ann@" + slug + ".test}]\n")
		var made struct{ Key, ID, BaseURL string }
		w.gatehouse(&made, "api-key", "create", "ann@"+slug+".test", "--workspace", slug, "--name", "sync", "--scope", "members,teams,sessions,audit:read")
		want := func(what string, got, status int) {
			t.Helper()
			if got != status {
				t.Errorf("%s is answered %d, want %d", what, got, status)
			}
		}
		status, me := w.call(made.Key, "GET", "/v1/whoami", "")
		if want("whoami", status, 200); me["workspace"] != slug {
			t.Errorf("%v", me)
		}
		bob := "bob@" + slug + ".test"
		status, invited := w.call(made.Key, "POST", "/v1/members", `{"email":"`+bob+`"}`)
		want("an invitation", status, 201)
		id, _ := invited["id"].(string)
		link := linkInLetter.FindString(w.letter(mail, bob, "invited").Text)
		b := w.newBrowser()
		if status, body := b.visit("POST", link, password()); status != http.StatusOK {
			t.Fatalf("accepting: %d %s", status, body)
		}
		status, team := w.call(made.Key, "POST", "/v1/teams", `{"name":"Support"}`)
		want("a team", status, 201)
		teamID, _ := team["id"].(string)
		status, _ = w.call(made.Key, "PUT", "/v1/teams/"+teamID+"/members/"+id, "")
		want("joining a team", status, 204)
		if s := b.session(); len(s.Member.Groups) != 1 || s.Member.Groups[0] != "Support" {
			t.Errorf("in a team: %+v", s)
		}
		ended := b.events()
		status, answer := w.call(made.Key, "DELETE", "/v1/members/"+id+"/sessions", "")
		if want("signing somebody out", status, 200); answer["ended"] != 1.0 {
			t.Errorf("%v", answer)
		}
		w.wantEnded(b, ended)
		status, answer = w.call(made.Key, "GET", "/v1/policy", "")
		if want("what the key has no scope for", status, 403); answer["code"] != "scope_missing" {
			t.Errorf("%v", answer)
		}
		by := 0
		for _, e := range w.events(slug) {
			if e.Actor.ID != "" && e.Actor.Name == "ann@"+slug+".test" {
				by++
			}
		}
		if by < 4 {
			t.Errorf("%d events are the owner's", by)
		}

		// The owner goes: with the answer the key is dead, and neither a crash nor a return revives it.
		w.gatehouse(nil, "member", "deactivate", "ann@"+slug+".test", "--workspace", slug)
		status, answer = w.call(made.Key, "GET", "/v1/whoami", "")
		if want("the key of somebody who is out", status, 401); answer["code"] != "api_key_invalid" {
			t.Errorf("%v", answer)
		}
		w.kill()
		w.start()
		w.gatehouse(nil, "member", "restore", "ann@"+slug+".test", "--workspace", slug)
		status, _ = w.call(made.Key, "GET", "/v1/whoami", "")
		want("the key after its owner's return", status, 401)
		w.gatehouse(&made, "api-key", "create", "ann@"+slug+".test", "--workspace", slug, "--name", "another", "--scope", "members:read")
		status, _ = w.call(made.Key, "GET", "/v1/members", "")
		want("another key", status, 200)
		w.gatehouse(nil, "api-key", "revoke", made.ID, "--workspace", slug)
		status, _ = w.call(made.Key, "GET", "/v1/members", "")
		want("a revoked key", status, 401)
		status, _ = w.call("", "GET", "/openapi.json", "")
		want("the document", status, 200)
		if strings.Contains(w.log.String(), made.Key) {
			t.Error("the server's log has the key")
		}
	})
}
