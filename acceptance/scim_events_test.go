package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// eventReceiver is who is told of changes of SCIM resources (RFC 8935), with the keys of the server alone.
type eventReceiver struct {
	w      *world
	url    string
	down   atomic.Bool
	turned chan struct{} // one for each 503
	heard  chan securityEvent
}

// securityEvent is a token that was verified.
type securityEvent struct {
	Issuer   string                                       `json:"iss"`
	Audience string                                       `json:"aud"`
	ID       string                                       `json:"jti"`
	Txn      string                                       `json:"txn"`
	Subject  struct{ Format, URI, ID, ExternalID string } `json:"sub_id"`
	Events   map[string]struct{ Attributes []string }     `json:"events"`
	payload  string
}

func (w *world) newEventReceiver() *eventReceiver {
	e := &eventReceiver{w: w, turned: make(chan struct{}, 1000), heard: make(chan securityEvent, 1000)}
	s := httptest.NewServer(http.HandlerFunc(e.receive))
	w.t.Cleanup(s.Close)
	e.url = s.URL + "/events"
	return e
}

func (e *eventReceiver) receive(w http.ResponseWriter, r *http.Request) {
	if e.down.Load() {
		e.turned <- struct{}{}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	token, err := io.ReadAll(r.Body)
	var payload []byte
	if err == nil {
		payload, err = oidc.NewRemoteKeySet(r.Context(), e.w.base+"/oauth2/jwks").VerifySignature(r.Context(), string(token))
	}
	got := securityEvent{payload: string(payload)}
	if err == nil {
		err = json.Unmarshal(payload, &got)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/secevent+jwt" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"err":"invalid_request","description":%q}`, fmt.Sprint(err))
		return
	}
	e.heard <- got
	w.WriteHeader(http.StatusAccepted)
}

// next waits for the next event that was not heard before.
func (e *eventReceiver) next(seen map[string]bool) securityEvent {
	e.w.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case got := <-e.heard:
			if !seen[got.ID] {
				seen[got.ID] = true
				return got
			}
		case <-late:
			e.w.t.Fatal("no further event within a minute")
		}
	}
}

func TestStory_scim_events_reach_who_listens(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		e := w.newEventReceiver()
		file := func(uri string) string {
			return workspace("acme", "omniflow", "") +
				"schemas: [{urn: 'urn:example:acme:2.0:User', attributes: [{name: badge}, {name: pin, mutability: writeOnly}]}]\n" +
				fmt.Sprintf("applications: [{name: app, redirect_uris: ['https://app.acme.test/'], scim_events_uri: %q, scim_events_audience: 'https://app.acme.test'}]\n", uri)
		}
		w.mustApply(file(e.url))
		_, token := w.token("acme")
		spc := func() any {
			_, body := w.scim(token, "GET", "/ServiceProviderConfig", "")
			return body["securityEvents"]
		}
		if got, _ := spc().(map[string]any); got["asyncRequest"] != "none" || len(got["eventUris"].([]any)) != 6 {
			t.Errorf("discovery says %v", got)
		}

		// The receiver is away, and then the server is killed: what was acknowledged is told all the same.
		e.down.Store(true)
		const pin = "hush-4711"
		status, made := w.scim(token, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@acme.test","externalId":"e-ann",
			"emails":[{"value":"ann@acme.test","primary":true}],"urn:example:acme:2.0:User":{"badge":"hush-1","pin":"`+pin+`"}}`)
		id, _ := made["id"].(string)
		if status != http.StatusCreated || strings.Contains(fmt.Sprint(made), pin) {
			t.Fatalf("%d %v", status, made)
		}
		patch := func(operation string) {
			t.Helper()
			if status, body := w.scim(token, "PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operation+`]}`); status != http.StatusOK {
				t.Fatalf("%d %v", status, body)
			}
		}
		patch(`{"op":"replace","path":"urn:example:acme:2.0:User:badge","value":"hush-2"}`)
		patch(`{"op":"Replace","path":"active","value":"False"}`)
		<-e.turned
		w.kill()
		e.down.Store(false)
		w.start()

		seen := map[string]bool{}
		for i, want := range []string{"prov:create:notice [", "prov:patch:notice [urn:example:acme:2.0:User:badge]", "prov:patch:notice [active]", "prov:deactivate []"} {
			got := e.next(seen)
			said := ""
			for event, what := range got.Events {
				said += strings.TrimPrefix(event, "urn:ietf:params:scim:event:") + " " + fmt.Sprint(what.Attributes)
			}
			if !strings.HasPrefix(said, want) || got.Issuer != w.base || got.Audience != "https://app.acme.test" || got.Txn == "" ||
				got.Subject.Format != "scim" || got.Subject.URI != "/Users/"+id || got.Subject.ExternalID != "e-ann" || strings.Contains(got.payload, "hush") {
				t.Errorf("event %d is %s", i, got.payload)
			}
		}
		for _, e := range w.events("acme") {
			if text := fmt.Sprintf("%+v", e); strings.Contains(text, pin) {
				t.Errorf("an event has what is never returned: %s", text)
			}
		}

		w.mustApply(file(""))
		patch(`{"op":"replace","path":"title","value":"x"}`)
		if got := spc(); got != nil {
			t.Errorf("switched off, discovery says %v", got)
		}
		w.mustApply(file(e.url))
		patch(`{"op":"replace","path":"title","value":"y"}`)
		if got := e.next(seen); !strings.Contains(got.payload, `"title"`) {
			t.Errorf("heard %s", got.payload)
		}
		if len(e.heard) > 0 {
			t.Errorf("what happened while it was off was told: %+v", <-e.heard)
		}
	}, "--allow-private-networks")
}
