package scimserver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// slowly is a body during whose sending something happens.
type slowly struct {
	io.Reader
	meanwhile func()
}

func (s *slowly) Read(p []byte) (int, error) {
	s.meanwhile()
	s.meanwhile = func() {}
	return s.Reader.Read(p)
}

func TestToken_ReplacedWhileABodyIsOnItsWayIsDead(t *testing.T) {
	var passed atomic.Int64
	begin := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	db := storetest.Open(t, storetest.SQLite(t), func() time.Time { return begin.Add(time.Duration(passed.Load())) })
	h := newHouse(t, db)
	for slug, announced := range map[string]bool{"announced": true, "chunked": false} {
		t.Run(slug, func(t *testing.T) {
			w := h.workspace(slug, "default", nil)
			send := func(name string, meanwhile func()) *answer {
				body := user(name)
				r := httptest.NewRequest(http.MethodPost, origin+"/scim/v2/Users", &slowly{strings.NewReader(body), func() {
					passed.Add(int64(5 * time.Second))
					meanwhile()
				}})
				if r.ContentLength = -1; announced {
					r.ContentLength = int64(len(body))
				}
				r.Header.Set("Content-Type", "application/scim+json")
				r.Header.Set("Authorization", "Bearer "+w.token)
				return w.send(r)
			}
			send("slow@acme.test", func() {}).want(201)
			n := len(w.events())
			send("late@acme.test", func() {
				if err := db.Write(t.Context(), w.id, func(tx *store.Tx) error {
					if _, err := tx.RevokeTokens(w.directory, "", "replaced"); err != nil {
						return err
					}
					return tx.Record(audit.Event{Type: audit.TokenRotated})
				}); err != nil {
					t.Error(err)
				}
			}).want(401)
			refused := 0
			for _, e := range w.events()[n:] {
				switch {
				case e.Type == audit.SCIMRefused && e.Reason == "token_replaced":
					refused++
				case e.Type != audit.TokenRotated:
					t.Errorf("%s for %s", e.Type, e.Reason)
				}
			}
			if refused != 1 {
				t.Errorf("%d refusals in the log", refused)
			}
		})
	}
}
