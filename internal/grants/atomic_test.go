package grants

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// failing is a database that breaks at the statement whose text holds at, while it is set.
type failing struct {
	store.Driver
	at atomic.Pointer[string]
}

var errBroken = errors.New("the database broke")

func (f *failing) Write(ctx context.Context, fn func(store.Conn) error) error {
	return f.Driver.Write(ctx, func(c store.Conn) error {
		b := &breaking{Conn: c, f: f}
		if err := fn(b); err != nil {
			return err
		}
		return b.broken
	})
}

type breaking struct {
	store.Conn
	f      *failing
	broken error
}

func (b *breaking) meets(query string) bool {
	if at := b.f.at.Load(); at != nil && strings.Contains(query, *at) {
		b.broken = errBroken
	}
	return b.broken != nil
}

func (b *breaking) Defer(query string, args ...any) {
	if !b.meets(query) {
		b.Conn.Defer(query, args...)
	}
}

func (b *breaking) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	if b.meets(query) {
		return nil, errBroken
	}
	return b.Conn.Query(ctx, query, args...)
}

func TestRedemptionCutInBetween_LeavesCodeAndTokensAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &failing{Driver: driver(t)}
			w := newWorld(t, d)
			live, p, client := w.annIn(), newProof(), w.client("app_one")
			w.must(w.Keys.Tend(bg))
			code := w.authorize(live, p)
			for _, at := range []string{"SET redeemed_at", "FROM   oidc_grant g", "INTO access_handle", "INTO refresh_handle", "INTO event"} {
				d.at.Store(&at)
				if _, err := w.Redeem(bg, client, code, callback, p.verifier); err == nil {
					t.Fatalf("%s broke and tokens were given", at)
				}
			}
			d.at.Store(nil)
			given, err := w.Redeem(bg, client, code, callback, p.verifier)
			w.must(err)
			for _, at := range []string{"SET redeemed_at", "INTO access_handle", "INTO refresh_handle"} {
				d.at.Store(&at)
				if _, err := w.Refresh(bg, client, given.Refresh); err == nil {
					t.Fatalf("%s broke and tokens were given", at)
				}
			}
			d.at.Store(nil)
			_, err = w.Refresh(bg, client, given.Refresh)
			w.must(err)
			if got := w.events(acme, audit.ApplicationSignedIn); len(got) != 1 {
				t.Errorf("events %q", got)
			}
		})
	}
}

// A session's end and a redemption race: whichever is first, an application that was given something is
// told, and one that was refused holds nothing.
func TestRedemptionRacingASignOut_IsRefusedOrTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		client := w.client("app_one")
		w.must(w.Keys.Tend(bg))
		for range 30 {
			live, p := w.annIn(), newProof()
			code := w.authorize(live, p)
			gate, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				<-gate
				ended <- w.DB.Write(bg, acme, func(tx *store.Tx) error {
					if err := tx.EndSession(live.ID, "signed_out"); err != nil {
						return err
					}
					return tx.Record(audit.Event{Type: audit.SessionEnded})
				})
			}()
			close(gate)
			given, err := w.Redeem(bg, client, code, callback, p.verifier)
			w.must(<-ended)
			told := len(w.logouts())
			if err != nil {
				refused(t, err, "invalid_grant", "session_ended")
				if told != 0 {
					t.Errorf("refused, and told %d times", told)
				}
				continue
			}
			w.dead(given.Access)
			if told != 1 {
				t.Errorf("given tokens, and told %d times", told)
			}
		}
	})
}
