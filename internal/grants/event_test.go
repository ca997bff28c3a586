package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// receiver hears of changes (RFC 8935) and answers as told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(token string, n int) (status int, body string) // of the nth token
	heard  chan string
	n      int
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{heard: make(chan string, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost || req.URL.Path != "/events" || req.Header.Get("Content-Type") != "application/secevent+jwt" || req.Header.Get("Accept") != "application/json" {
			t.Errorf("%s %s with %v: %v", req.Method, req.URL, req.Header, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		status, text := http.StatusAccepted, ""
		if r.answer != nil {
			status, text = r.answer(string(body), r.n)
		}
		r.n++
		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		if text != "" {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		r.heard <- string(body)
	}))
	t.Cleanup(r.Close)
	return r
}

// set is a security event token as a receiver reads it.
type set struct {
	Issuer   string                         `json:"iss"`
	Audience string                         `json:"aud"`
	ID       string                         `json:"jti"`
	Txn      string                         `json:"txn"`
	IssuedAt int64                          `json:"iat"`
	Subject  map[string]string              `json:"sub_id"`
	Events   map[string]map[string][]string `json:"events"`
}

// kind is the one event of the token, without what all have in common.
func (s set) kind() string {
	for event := range s.Events {
		return strings.TrimPrefix(event, "urn:ietf:params:scim:event:")
	}
	return ""
}

// read verifies a token against the published keys.
func (w *world) read(token string) (s set, payload string) {
	w.t.Helper()
	raw, err := w.Keys.JWKS(bg)
	w.must(err)
	text, err := keySet{raw}.VerifySignature(bg, token)
	w.must(err)
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	w.must(err)
	if typ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ != "secevent+jwt" {
		w.t.Errorf("type %v", typ)
	}
	w.must(json.Unmarshal(text, &s))
	return s, string(text)
}

// hears makes the receiver the one that app_one is told at.
func (w *world) hears(r *receiver, audience string) {
	w.write(acme, func(tx *store.Tx) error {
		tx.UpdateApplication(directory.Application{ID: "app_one", Name: "App", RedirectURIs: []string{callback}, SCIMEventsURI: r.URL + "/events", SCIMEventsAudience: audience})
		return nil
	})
}

// works runs the outbox until the test ends.
func (w *world) works() {
	ctx, stop := context.WithCancel(bg)
	ended := make(chan error, 1)
	runner := &jobs.Runner{DB: w.DB, Log: slog.New(slog.DiscardHandler), Handlers: map[string]jobs.Handler{provision.JobSCIMEvent: w.SCIMEventHandler(),
		store.JobLogout: {Do: func(context.Context, store.Job) error { return nil }}}}
	go func() { ended <- runner.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

func TestSCIMEvents_ReachTheReceiverSignedAndInOrderWithoutAValue(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		w.hears(r, "")
		w.works()
		id, _ := w.create("eve", "Eve Hush")
		document := `{"name":{"givenName":"Hush"},"urn:acme:2.0:User":{"badge":"hush"},"~sealed":{"urn:acme:2.0:User":{"pin":"hush"}}}`
		put := w.feed
		put.Put = true
		for i, scope := range []provision.Scope{w.feed, put} {
			_, err := w.people.UpdateUser(bg, scope, id, false, func(u provision.User) (provision.Person, error) {
				off := false
				p := provision.Person{UserName: u.UserName, ExternalID: u.ExternalID, Email: "eve@acme.test", Emails: u.Emails, DisplayName: "Eve", Document: document}
				if i == 1 {
					p.Active, p.Document = &off, "{}"
				}
				return p, nil
			})
			w.must(err)
		}
		w.must(w.people.DeleteUser(bg, w.feed, id))
		want := []string{
			"prov:create:notice map[attributes:[id userName active externalId]]",
			"prov:patch:notice map[attributes:[name urn:acme:2.0:User:badge urn:acme:2.0:User:pin]]",
			"prov:put:notice map[attributes:[name urn:acme:2.0:User:badge urn:acme:2.0:User:pin active]]",
			"prov:deactivate map[]", "prov:delete map[]",
		}
		var sets []set
		for i, want := range want {
			s, payload := w.read(<-r.heard)
			sets = append(sets, s)
			if got := fmt.Sprint(s.kind(), " ", s.Events["urn:ietf:params:scim:event:"+s.kind()]); got != want || len(s.Events) != 1 {
				t.Errorf("event %d is %s, want %s", i, got, want)
			}
			if s.Issuer != issuer || s.Audience != "app_one" || s.IssuedAt != w.now().Unix() || s.ID == "" || fmt.Sprint(s.Subject) != "map[externalId:ext-eve format:scim id:"+id+" uri:/Users/"+id+"]" {
				t.Errorf("claims %s", payload)
			}
			if strings.Contains(strings.ToLower(payload), "hush") || strings.Contains(payload, `"sub":`) || strings.Contains(payload, `"exp"`) {
				t.Errorf("the token has what it must not: %s", payload)
			}
		}
		if sets[2].Txn != sets[3].Txn || sets[2].ID == sets[3].ID || sets[1].Txn == sets[2].Txn || sets[0].Txn == "" {
			t.Errorf("transactions and ids: %+v", sets)
		}
	})
}

func TestSCIMEvent_ThatWasNotTakenComesAgainAsTheSame(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		r.answer = func(_ string, n int) (int, string) { return []int{500, 200, 307, 202}[min(n, 3)], "" }
		w.hears(r, "https://app.test/feed")
		w.say(false)
		jobs := w.queued()
		if len(jobs) != 1 {
			t.Fatalf("%d jobs", len(jobs))
		}
		var first string
		for try := range 4 {
			err := w.SendSCIMEvent(bg, jobs[0])
			if (err == nil) != (try == 3) || try < 3 && isPermanent(err) {
				t.Errorf("try %d: %v", try, err)
			}
			s, payload := w.read(<-r.heard)
			if first == "" {
				first = payload
			}
			if payload != first || s.Audience != "https://app.test/feed" {
				t.Errorf("try %d: %s, before %s", try, payload, first)
			}
			w.turn(time.Hour)
		}
		// The switch, and whose application it is, are asked at each try.
		foreign := jobs[0]
		foreign.Workspace = beta
		w.must(w.SendSCIMEvent(bg, foreign))
		w.write(acme, func(tx *store.Tx) error {
			tx.UpdateApplication(directory.Application{ID: "app_one", Name: "App", RedirectURIs: []string{callback}})
			return nil
		})
		w.must(w.SendSCIMEvent(bg, jobs[0]))
		w.write(acme, func(tx *store.Tx) error { tx.DeleteApplication("app_one"); return nil })
		w.must(w.SendSCIMEvent(bg, jobs[0]))
		if len(r.heard) != 0 {
			t.Error("who does not want events was told")
		}
	})
}

func TestSCIMEvent_ThatIsRefusedIsAnEventAndMakesWay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := newReceiver(t)
		r.answer = func(_ string, n int) (int, string) {
			if n == 0 {
				return 400, `{"err":"invalid_audience","description":"Not ours.` + strings.Repeat("x", 5000) + `"}`
			}
			return 202, ""
		}
		w.hears(r, "")
		w.works()
		w.say(false) // a PATCH is of "active" and "document": two events
		w.say(true)
		var kinds []string
		for range 4 {
			s, _ := w.read(<-r.heard)
			kinds = append(kinds, s.kind())
		}
		if want := []string{"prov:patch:notice", "prov:deactivate", "prov:patch:notice", "prov:activate"}; !slices.Equal(kinds, want) {
			t.Errorf("heard %v", kinds)
		}
		told := w.wantEventOf(acme, audit.ApplicationEventUnsent)
		if told.Outcome != audit.Refused || told.Reason != "refused_by_receiver" || told.Subject.ID != "app_one" || len(told.Changes) != 4 ||
			!strings.HasPrefix(told.Changes[3].To, "invalid_audience Not ours.") || len(told.Changes[3].To) > 300 {
			t.Errorf("%+v", told)
		}
	})
}

func TestNobodyIsTold_WithoutTheSwitch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.say(false)
		w.inGroup(scim.MemberRemove)
		if n := len(w.queued()); n != 0 {
			t.Errorf("%d events for nobody", n)
		}
	})
}

// queued are the events that wait, claimed.
func (w *world) queued() []store.Job {
	w.t.Helper()
	list, err := w.DB.System().ClaimJobs(bg, "test", time.Hour, 1000)
	w.must(err)
	return slices.DeleteFunc(list, func(j store.Job) bool { return j.Kind != provision.JobSCIMEvent })
}

func isPermanent(err error) bool {
	return err != nil && errorOf(err) == errorOf(jobs.Permanent(errors.New("x")))
}

// wantEventOf waits for the newest event of a type.
func (w *world) wantEventOf(workspace string, typ audit.Type) audit.Event {
	w.t.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		var found *audit.Event
		_, err := w.DB.Sequence(bg)
		w.must(err)
		w.must(w.DB.Read(bg, workspace, func(tx *store.Tx) error {
			list, err := tx.EventsAfter(0, 1000)
			for i := range list {
				if list[i].Type == typ {
					found = &list[i]
				}
			}
			return err
		}))
		if found != nil {
			return *found
		}
		<-time.After(5 * time.Millisecond)
	}
	w.t.Fatalf("no event %s", typ)
	return audit.Event{}
}
