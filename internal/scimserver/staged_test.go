package scimserver_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// become puts the directory where it shall stand in its life.
func (w *tenant) become(status directory.DirectoryStatus) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		tx.SaveDirectory(directory.Directory{ID: w.directory, Name: "okta", Status: status, Mode: directory.ModeLenient}, false)
		return tx.Record(audit.Event{Type: audit.DirectoryChanged})
	})
}

// What is never returned is in nothing that a test sync leaves beside the resource, nor in what is kept of requests that
// are refused before it is known what the workspace hides.
func TestWhatIsNeverReturned_IsNotInAPlanNorInWhatWasRefusedAtTheDoor(t *testing.T) {
	limited(t, func(t *testing.T, h *house, _ *atomic.Int64, pass func(time.Duration)) {
		w := h.workspace("acme", "default", nil).declare(declared()...)
		w.become(directory.DirectoryTesting)
		const secret = "hush-4711"
		filter := "/Users?filter=" + url.QueryEscape(custom+`:pin eq "`+secret+`"`)
		id := w.do("POST", "/Users", withCustom("ann@acme.test", `{"pin":"`+secret+`","badge":"b","cards":[{"value":"v","secretCode":"`+secret+`"}]}`)).want(201).str("id")
		w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"`+custom+`:pin","value":"`+secret+`2"}`)).want(200)
		w.do("POST", "/Users", withCustom("ann@acme.test", `{"pin":"`+secret+`"}`)).want(409)
		var kept []string
		if err := h.db.Read(t.Context(), w.id, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			plan, err := provision.PlanOf(tx, cfg, w.directory, provision.PlanPage{Limit: 10}, false)
			if err != nil {
				return err
			}
			people, err := tx.StagedBehind(w.directory, nil, 10)
			kept = append(kept, fmt.Sprintf("%+v", plan), fmt.Sprintf("%+v", people))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for status, code := range map[directory.DirectoryStatus]int{directory.DirectoryDraft: 403, directory.DirectoryPaused: 403} {
			w.become(status)
			w.do("GET", filter, "").want(code)
			w.do("POST", "/Users", withCustom("bob@acme.test", `{"pin":"`+secret+`"}`)).want(code)
		}
		for range 3 * scimserver.MinRate {
			w.do("GET", filter, "")
		}
		w.do("GET", filter, "").want(429)
		pass(time.Minute)
		w.write(func(tx *store.Tx) error {
			_, err := tx.RevokeTokens(w.directory, "", store.TokenRevoked)
			return err
		})
		w.do("GET", filter, "").want(401)
		pass(2 * time.Hour)
		if err := h.db.FlushMarks(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := h.db.Read(t.Context(), w.id, func(tx *store.Tx) error {
			reads, err := tx.Reads(w.directory, 1000)
			kept = append(kept, fmt.Sprintf("%+v", reads))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		reasons := map[string]bool{}
		for _, e := range w.events() {
			reasons[e.Reason] = true
			kept = append(kept, fmt.Sprintf("%+v %s", e, e.Payload))
		}
		for _, reason := range []string{"staged", "rate_limited", "directory_draft", "directory_paused", "token_revoked"} {
			if !reasons[reason] {
				t.Errorf("no event has the reason %s: %v", reason, reasons)
			}
		}
		for _, text := range kept {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("kept: %.400s", text[max(0, at-200):])
			}
		}
	})
}
