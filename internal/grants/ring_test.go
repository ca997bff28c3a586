package grants

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// published lists the ids of the keys in the set.
func (w *world) published() []string {
	w.t.Helper()
	raw, err := w.Keys.JWKS(bg)
	w.must(err)
	if strings.Contains(string(raw), `"d"`) {
		w.t.Fatalf("the set shows a private key: %s", raw)
	}
	var set jose.JSONWebKeySet
	w.must(json.Unmarshal(raw, &set))
	var ids []string
	for _, k := range set.Keys {
		if !k.Valid() || k.Use != "sig" || k.Algorithm != "RS256" {
			w.t.Errorf("key %+v", k)
		}
		ids = append(ids, k.KeyID)
	}
	return ids
}

// signedBy is the id of the key that signs now.
func (w *world) signedBy() string {
	w.t.Helper()
	token, err := w.Keys.sign(bg, typeID, Claims{})
	w.must(err)
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	w.must(err)
	return signed.Signatures[0].Header.KeyID
}

func TestKeys_ArePublishedADayBeforeTheySignAndKeptAfter(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.Keys.Tend(bg))
		first := w.signedBy()
		if got := w.published(); len(got) != 1 || got[0] != first {
			t.Fatalf("published %q, signed by %s", got, first)
		}
		w.must(w.Keys.Rotate(bg))
		w.must(w.Keys.Rotate(bg)) // one is on its way
		if got := w.published(); len(got) != 2 {
			t.Fatalf("published %q", got)
		}
		old, err := w.Keys.sign(bg, typeID, Claims{"iss": issuer, "sub": "s", "aud": "a"})
		w.must(err)
		w.turn(PublishAhead - time.Second)
		if got := w.signedBy(); got != first {
			t.Errorf("a second before its time %s signs", got)
		}
		w.turn(time.Second)
		second := w.signedBy()
		if second == first {
			t.Error("the new key does not sign when its time has come")
		}
		w.turn(keepAfter - time.Second)
		if _, err := w.ReadHint(bg, old); err != nil || len(w.published()) != 2 {
			t.Errorf("the old key went early: %v", err)
		}
		w.turn(2 * time.Second)
		if got := w.published(); len(got) != 1 || got[0] != second {
			t.Errorf("published %q, want %s", got, second)
		}
		if _, err := w.ReadHint(bg, old); errs.CodeOf(err) != "hint_invalid" {
			t.Errorf("a token of a retired key is read: %v", err)
		}
		w.turn(2 * listAge)
		w.must(w.DB.Sweep(bg, time.Hour, time.Hour))
		w.turn(48 * time.Hour)
		w.must(w.DB.Sweep(bg, time.Hour, time.Hour))
		left, err := w.DB.System().SigningKeys(bg)
		w.must(err)
		if len(left) != 1 || left[0].ID != second {
			t.Errorf("swept to %d keys", len(left))
		}
	})
}

func TestKeys_RotateByThemselves(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.Keys.Tend(bg))
		first := w.signedBy()
		w.turn(RotateEvery - PublishAhead - time.Minute)
		w.must(w.Keys.Tend(bg))
		if got := w.published(); len(got) != 1 {
			t.Fatalf("rotated early: %q", got)
		}
		w.turn(time.Minute)
		w.must(w.Keys.Tend(bg))
		w.must(w.Keys.Tend(bg))
		if got := w.published(); len(got) != 2 || w.signedBy() != first {
			t.Fatalf("published %q, signed by %s", got, w.signedBy())
		}
		w.turn(PublishAhead)
		if w.signedBy() == first {
			t.Error("the old key still signs")
		}
		w.turn(2 * RotateEvery) // nobody tended: the newest goes on
		if len(w.published()) != 1 {
			t.Errorf("published %q", w.published())
		}
	})
}

func TestProcesses_ThatStartOrRotateAtOnceAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	at := &clock{at: start}
	check := func(t *testing.T, dbs ...*store.DB) {
		var rings []*KeyRing
		for i := range 8 {
			rings = append(rings, &KeyRing{DB: dbs[i%len(dbs)], Master: testMaster(t, 1)})
		}
		for n, act := range []func(r *KeyRing) error{
			func(r *KeyRing) error { return r.Tend(bg) },
			func(r *KeyRing) error { return r.Rotate(bg) },
		} {
			var all sync.WaitGroup
			for _, r := range rings {
				all.Go(func() {
					if err := act(r); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			list, err := dbs[0].System().SigningKeys(bg)
			if err != nil || len(list) != n+1 {
				t.Fatalf("%d keys, %v, want %d", len(list), err, n+1)
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		check(t, storetest.Open(t, storetest.SQLite(t), at.read))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.DSN(t)
		var dbs []*store.DB
		for range 2 {
			d, err := postgres.Open(bg, dsn)
			if err != nil {
				t.Fatal(err)
			}
			dbs = append(dbs, storetest.Open(t, d, at.read))
		}
		check(t, dbs...)
		// Many times over, with keys that take no time to make: each round may add one.
		for round := 2; round < 12; round++ {
			var all sync.WaitGroup
			gate := make(chan struct{})
			for i := range 16 {
				all.Go(func() {
					<-gate
					if err := dbs[i%2].System().ChangeSigningKeys(bg, func(have []store.SigningKey) []store.SigningKey {
						if len(have) > round {
							return nil
						}
						return []store.SigningKey{{ID: fmt.Sprintf("sig_%d_%d", round, i), CreatedAt: start, ActiveAt: start}}
					}); err != nil {
						t.Error(err)
					}
				})
			}
			close(gate)
			all.Wait()
			list, err := dbs[0].System().SigningKeys(bg)
			if err != nil || len(list) != round+1 {
				t.Fatalf("%d keys, %v, want %d", len(list), err, round+1)
			}
		}
	})
}

func TestWrongMasterKey_IsToldAtTheStartAndUsesUpNoCode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.Keys.Tend(bg))
		p := newProof()
		code := w.authorize(w.annIn(), p)
		right := w.Keys
		w.Keys = &KeyRing{DB: w.DB, Master: testMaster(t, 2)}
		if err := w.Keys.Tend(bg); errs.CodeOf(err) != "master_key_wrong" || !strings.Contains(err.Error(), "another master key") {
			t.Errorf("Tend: %v", err)
		}
		if _, err := w.Redeem(bg, w.client("app_one"), code, callback, p.verifier); errs.CodeOf(err) != "master_key_wrong" {
			t.Errorf("Redeem: %v", err)
		}
		w.Keys = right
		_, err := w.Redeem(bg, w.client("app_one"), code, callback, p.verifier)
		w.must(err)
		// What a rotated master key file still opens goes on.
		w.Keys = &KeyRing{DB: w.DB}
		w.Keys.Master, err = keys.NewMaster(make([]byte, keys.MasterBytes), append([]byte{}, bytesOf(1)...))
		w.must(err)
		w.must(w.Keys.Tend(bg))
	})
}

func TestRotate_PublishesNoKeyThatNoServerCouldOpen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.Keys.Tend(bg))
		// A verb on another machine, with another file in its data dir.
		elsewhere := &KeyRing{DB: w.DB, Master: testMaster(t, 2)}
		if err := elsewhere.Rotate(bg); errs.CodeOf(err) != "master_key_wrong" {
			t.Errorf("rotating under another master key: %v", err)
		}
		w.turn(PublishAhead)
		if _, err := w.Keys.sign(bg, typeID, Claims{}); err != nil {
			t.Errorf("a day later the servers cannot sign: %v", err)
		}
		if got := w.published(); len(got) != 1 {
			t.Errorf("published %q", got)
		}
	})
}

func bytesOf(fill byte) []byte {
	out := make([]byte, keys.MasterBytes)
	for i := range out {
		out[i] = fill
	}
	return out
}

// keySet lets go-oidc verify with the published set.
type keySet struct{ raw json.RawMessage }

func (k keySet) VerifySignature(_ context.Context, token string) ([]byte, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(k.raw, &set); err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	found := set.Key(signed.Signatures[0].Header.KeyID)
	if len(found) != 1 {
		return nil, context.Canceled
	}
	return signed.Verify(found[0])
}

// verified is an ID token as a relying party written by others reads it.
func (w *world) verified(token, client string) (*oidc.IDToken, Claims) {
	w.t.Helper()
	raw, err := w.Keys.JWKS(bg)
	w.must(err)
	id, err := oidc.NewVerifier(issuer, keySet{raw}, &oidc.Config{ClientID: client, Now: w.now, SupportedSigningAlgs: []string{"RS256"}}).Verify(bg, token)
	w.must(err)
	claims := Claims{}
	w.must(id.Claims(&claims))
	return id, claims
}
