package store

import (
	"context"
	"time"
)

// SigningKey is one key pair of the deployment.
type SigningKey struct {
	ID        string // the kid
	Algorithm string // JWA name: "RS256"
	Public    string // JWK, JSON
	Private   string // sealed
	CreatedAt time.Time
	// ActiveAt is when it signs from on, RetireAt when it is no longer published; zero: not decided.
	ActiveAt time.Time
	RetireAt time.Time
}

const signingKeys = `SELECT id, algorithm, public, private, created_at, active_at, retire_at FROM signing_key ORDER BY active_at, id`

func readSigningKeys(ctx context.Context, q querier) ([]SigningKey, error) {
	var out []SigningKey
	err := each(ctx, q, func(r Rows) error {
		var k SigningKey
		var created, active int64
		var retire *int64
		if err := r.Scan(&k.ID, &k.Algorithm, &k.Public, &k.Private, &created, &active, &retire); err != nil {
			return err
		}
		k.CreatedAt, k.ActiveAt, k.RetireAt = instant(created), instant(active), maybeInstant(retire)
		out = append(out, k)
		return nil
	}, signingKeys)
	return out, err
}

// SigningKeys lists the signing keys in the order in which they begin to sign, retired ones included.
func (s System) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	out, err := readSigningKeys(ctx, s.db.driver)
	return out, s.db.translate(err)
}

const saveSigningKey = `
	INSERT INTO signing_key (id, algorithm, public, private, created_at, active_at, retire_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (id) DO UPDATE SET retire_at = excluded.retire_at`

// ChangeSigningKeys shows change the signing keys and saves those that it returns: new ones as they are, of
// others when they retire. No other process changes them meanwhile. change may run twice.
func (s System) ChangeSigningKeys(ctx context.Context, change func(have []SigningKey) []SigningKey) error {
	return s.db.translate(s.db.driver.Write(ctx, func(c Conn) error {
		if err := s.db.driver.Lock(ctx, c, lockKey("", "signing keys"), false); err != nil {
			return err
		}
		have, err := readSigningKeys(ctx, c)
		if err != nil {
			return err
		}
		for _, k := range change(have) {
			c.Defer(saveSigningKey, k.ID, k.Algorithm, k.Public, k.Private, micros(k.CreatedAt), micros(k.ActiveAt), maybeMicros(k.RetireAt))
		}
		return nil
	}))
}
