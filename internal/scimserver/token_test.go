package scimserver_test

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// eachAt is each with a clock that stands still until pass is called.
func eachAt(t *testing.T, fn func(t *testing.T, h *house, pass func(time.Duration))) {
	begin := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			db := storetest.Open(t, driver(t), func() time.Time { return begin.Add(time.Duration(passed.Load())) })
			fn(t, newHouse(t, db), func(d time.Duration) { passed.Add(int64(d)) })
		})
	}
}

// write changes a workspace as its administrators do.
func (w *tenant) write(fn func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), w.id, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.TokenRotated})
	}); err != nil {
		w.t.Fatal(err)
	}
}

// rotate gives the tenant's client a new token with an end, zero for none, and returns the old one.
func (w *tenant) rotate(expires time.Time) (old string) {
	w.t.Helper()
	token, hash := keys.NewToken(scimserver.TokenPrefix)
	w.write(func(tx *store.Tx) error {
		tx.InsertToken(store.Token{ID: keys.ID("tok_", tx.Now()), Directory: w.directory, Name: "second", ExpiresAt: expires}, hash)
		return nil
	})
	old, w.token = w.token, token
	return old
}

// V26 of the seeds: the token was regenerated since it was copied.
func TestToken_ThatHasEndedIsRefusedAndTheLogSaysSince(t *testing.T) {
	eachAt(t, func(t *testing.T, h *house, pass func(time.Duration)) {
		w := h.workspace("acme", "default", nil)
		used := func(reason string, note string, fields ...string) {
			t.Helper()
			a := w.do("GET", "/Users", "").want(401)
			if strings.Contains(a.text, "replaced") || strings.Contains(a.text, "expired") {
				t.Errorf("the caller is told: %s", a.text)
			}
			events := w.events()
			e := events[len(events)-1]
			var x audit.Exchange
			if err := json.Unmarshal(e.Payload, &x); err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			var got []string
			for _, c := range e.Changes {
				got = append(got, c.Field+" "+c.To)
			}
			if e.Type != audit.TokenReplacedUsed || e.Outcome != audit.Refused || e.Reason != reason || e.Subject.Name == "" ||
				strings.Join(x.Notes, "") != note || strings.Join(got, ", ") != strings.Join(fields, ", ") {
				t.Errorf("the log says %s for %q, %q, %q", e.Type, e.Reason, x.Notes, got)
			}
		}
		// With an overlap of a day.
		w.write(func(tx *store.Tx) error {
			_, err := tx.RetireTokens(w.directory, tx.Now().Add(24*time.Hour))
			return err
		})
		first := w.rotate(h.db.Now().Add(48 * time.Hour))
		second := w.token
		pass(24*time.Hour - time.Second)
		w.token = first
		w.do("GET", "/Users", "").want(200)
		pass(time.Second)
		used("token_replaced", "This token was replaced on 4 May 2026 at 10:00 UTC and went on working until 5 May 2026 at 10:00 UTC.",
			"replaced_at 2026-05-04T10:00:00Z", "ended_at 2026-05-05T10:00:00Z")

		w.token = second
		w.do("GET", "/Users", "").want(200)
		pass(24 * time.Hour)
		used("token_expired", "This token expired on 6 May 2026 at 10:00 UTC.", "expired_at 2026-05-06T10:00:00Z")

		w.rotate(time.Time{})
		w.write(func(tx *store.Tx) error {
			_, err := tx.RevokeTokens(w.directory, "", store.TokenRevoked)
			return err
		})
		pass(time.Second)
		used("token_revoked", "This token was revoked on 6 May 2026 at 10:00 UTC.", "revoked_at 2026-05-06T10:00:00Z")
	})
}
