package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// end is when and why a token ended, as both ways of asking for it tell.
type end struct {
	Replaced, At time.Time
	Why          string
}

// endOf asks for the end of a token by its hash and by the list, which must agree.
func endOf(t testing.TB, db *store.DB, h house, hash, id string) end {
	t.Helper()
	holder, err := db.System().TokenByHash(context.Background(), hash, db.Now())
	must(t, err)
	out := end{holder.ReplacedAt, holder.RevokedAt, holder.Why}
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		list, err := tx.Tokens(h.Directory)
		for _, token := range list {
			if token.ID == id {
				same(t, "the end of "+id+" in the list", end{token.ReplacedAt, token.RevokedAt, token.RevokedWhy}, out)
			}
		}
		return err
	})
	return out
}

func testTokenEnds(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	t.Run("a token with an end works until then and not a moment longer", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		ends := c.now().Add(time.Hour).Truncate(time.Microsecond)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertToken(store.Token{ID: "tok_end", Directory: h.Directory, Name: "n", CreatedBy: "root", ExpiresAt: ends}, "end")
			return nil
		})
		c.pass(time.Hour - time.Second)
		same(t, "a second before", endOf(t, db, h, "end", "tok_end"), end{})
		c.pass(time.Second)
		same(t, "at its end", endOf(t, db, h, "end", "tok_end"), end{At: ends, Why: store.TokenExpired})
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			n, err := tx.RevokeTokens(h.Directory, "", store.TokenReplaced)
			same(t, "tokens revoked, of which one had ended", n, int64(1))
			return err
		})
		same(t, "after all were replaced", endOf(t, db, h, "end", "tok_end"), end{At: ends, Why: store.TokenExpired})
	})
	t.Run("an overlap lets the one before live on and no longer than it would have", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		d := open(t)
		db := Open(t, d, c.now)
		h := furnish(t, db, "a")
		replaced := c.now().Truncate(time.Microsecond)
		short, overlap := replaced.Add(time.Hour), replaced.Add(24*time.Hour)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertToken(store.Token{ID: "tok_short", Directory: h.Directory, ExpiresAt: short}, "short")
			n, err := tx.RetireTokens(h.Directory, overlap)
			same(t, "tokens retired", n, int64(2))
			return err
		})
		same(t, "in the overlap", endOf(t, db, h, h.TokenHash, h.Token), end{Replaced: replaced})
		c.pass(time.Hour)
		same(t, "the one with an end of its own", endOf(t, db, h, "short", "tok_short"), end{replaced, short, store.TokenReplaced})
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			n, err := tx.RetireTokens(h.Directory, tx.Now().Add(48*time.Hour))
			same(t, "tokens retired again", n, int64(1))
			return err
		})
		c.pass(23 * time.Hour)
		gone := end{replaced, overlap, store.TokenReplaced}
		same(t, "after the overlap", endOf(t, db, h, h.TokenHash, h.Token), gone)

		asOld := `SELECT COUNT(*) FROM token_handle WHERE revoked_at IS NULL`
		same(t, "live for a binary that knows no ends", number(t, d, asOld), 2)
		must(t, db.Sweep(ctx, time.Hour, time.Hour))
		same(t, "live for it once swept", number(t, d, asOld), 0)
		same(t, "after the sweep", endOf(t, db, h, h.TokenHash, h.Token), gone)
	})
	t.Run("a binary of schema level 2 still writes tokens", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		db := Open(t, d, nil)
		h := furnish(t, db, "a")
		must(t, d.Write(ctx, func(c store.Conn) error {
			if _, err := c.Exec(ctx, `INSERT INTO token_handle (hash, workspace_id, directory_id, id, name, hint, created_at, revoked_why)
				VALUES ('old', $1, $2, 'tok_old', 'n', 'h', 1, '')`, h.Workspace, h.Directory); err != nil {
				return err
			}
			_, err := c.Exec(ctx, `UPDATE token_handle SET revoked_at = 7, revoked_why = 'replaced' WHERE id = $1`, h.Token)
			return err
		}))
		same(t, "its token", endOf(t, db, h, "old", "tok_old"), end{})
		same(t, "what it replaced", endOf(t, db, h, h.TokenHash, h.Token), end{At: time.UnixMicro(7).UTC(), Why: store.TokenReplaced})
	})
}
