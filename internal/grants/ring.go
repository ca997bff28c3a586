package grants

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// The life of a signing key.
const (
	// RotateEvery is how long a key signs.
	RotateEvery = 90 * 24 * time.Hour
	// PublishAhead is how long a key is published before it signs, so that whoever keeps the set of
	// keys for a day has it in time (OIDC Core section 10.1.1).
	PublishAhead = 24 * time.Hour
	// keepAfter is how long a key is published after it signed last: as long as a session lives, since
	// its ID token comes back as id_token_hint, and a day.
	keepAfter = session.Absolute + 24*time.Hour
	// listAge is how old the list of keys may be in memory. It may be much older than that without harm:
	// keys come a day before they are needed and go days after.
	listAge = time.Minute

	rsaBits = 2048
)

// algorithm is what new keys sign with: the one that every client must know (OIDC Core section 15.1). A
// key signs with its own algorithm and no other.
const algorithm = jose.RS256

// KeyRing holds the deployment's signing keys. DB and Master are needed. Several processes may have
// one each. It is safe for concurrent use and must not be copied.
type KeyRing struct {
	DB     *store.DB
	Master *keys.Master

	mu     sync.Mutex
	list   []store.SigningKey
	readAt time.Time
	opened map[string]*rsa.PrivateKey // by kid
}

// Tend makes the first key, which signs at once, and rotates when it is time. It is called at the start,
// where it tells a wrong master key, and every hour or so.
func (r *KeyRing) Tend(ctx context.Context) error {
	if _, _, err := r.signer(ctx); err != nil {
		return err
	}
	list, err := r.read(ctx, true)
	if err != nil {
		return err
	}
	if r.DB.Now().Before(list[len(list)-1].ActiveAt.Add(RotateEvery - PublishAhead)) {
		return nil
	}
	return r.Rotate(ctx)
}

// Rotate publishes a key that signs from PublishAhead later on, and lets the others retire. Where
// one is on its way already it does nothing. With a master key that does not open the key that signs now it
// refuses: no server could open the new one when its time has come.
func (r *KeyRing) Rotate(ctx context.Context) error {
	list, err := r.read(ctx, true)
	if err != nil {
		return err
	}
	if i := current(list, r.DB.Now()); i >= 0 {
		if _, err := r.open(list[i]); err != nil {
			return fmt.Errorf("rotate signing keys: %w", err)
		}
	}
	next, err := newKey(r.Master, r.DB.Now())
	if err != nil {
		return fmt.Errorf("rotate signing keys: %w", err)
	}
	now := next.CreatedAt
	if err := r.DB.System().ChangeSigningKeys(ctx, func(have []store.SigningKey) []store.SigningKey {
		if len(have) == 0 {
			return []store.SigningKey{next}
		}
		if have[len(have)-1].ActiveAt.After(now) {
			return nil
		}
		fresh := next
		fresh.ActiveAt = now.Add(PublishAhead)
		changed := []store.SigningKey{fresh}
		for _, k := range have {
			if k.RetireAt.IsZero() {
				k.RetireAt = fresh.ActiveAt.Add(keepAfter)
				changed = append(changed, k)
			}
		}
		return changed
	}); err != nil {
		return fmt.Errorf("rotate signing keys: %w", err)
	}
	_, err = r.read(ctx, true)
	return err
}

// newKey makes a key that signs from now on, sealed under master.
func newKey(master *keys.Master, now time.Time) (store.SigningKey, error) {
	now = now.Truncate(time.Microsecond)
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return store.SigningKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return store.SigningKey{}, err
	}
	k := store.SigningKey{ID: keys.ID("sig_", now), Algorithm: string(algorithm), CreatedAt: now, ActiveAt: now}
	public, err := json.Marshal(jose.JSONWebKey{Key: &private.PublicKey, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"})
	if err != nil {
		return store.SigningKey{}, err
	}
	k.Public = string(public)
	k.Private, err = master.Seal(purpose(k.ID), der)
	return k, err
}

func purpose(kid string) string { return "signing key " + kid }

// JWKS is the set of public keys, as JSON (RFC 7517 section 5): those that sign, will sign, or have signed
// what may still be shown.
func (r *KeyRing) JWKS(ctx context.Context) (json.RawMessage, error) {
	if _, _, err := r.signer(ctx); err != nil {
		return nil, err
	}
	list, err := r.read(ctx, false)
	if err != nil {
		return nil, err
	}
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	now := r.DB.Now()
	for _, k := range list {
		if published(k, now) {
			set.Keys = append(set.Keys, json.RawMessage(k.Public))
		}
	}
	return json.Marshal(set)
}

func published(k store.SigningKey, now time.Time) bool {
	return k.RetireAt.IsZero() || now.Before(k.RetireAt)
}

// read returns the keys, from memory where they were read within listAge.
func (r *KeyRing) read(ctx context.Context, fresh bool) ([]store.SigningKey, error) {
	now := r.DB.Now()
	r.mu.Lock()
	list, age := r.list, now.Sub(r.readAt)
	r.mu.Unlock()
	if !fresh && len(list) > 0 && age >= 0 && age < listAge {
		return list, nil
	}
	list, err := r.DB.System().SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, r.readAt = list, now
	for kid := range r.opened {
		if !slices.ContainsFunc(list, func(k store.SigningKey) bool { return k.ID == kid && published(k, now) }) {
			delete(r.opened, kid)
		}
	}
	return list, nil
}

// signer returns the key that signs now: the newest whose time has come. Where there is none it makes the
// first, or takes the one that another process made meanwhile.
func (r *KeyRing) signer(ctx context.Context) (store.SigningKey, *rsa.PrivateKey, error) {
	for _, fresh := range []bool{false, true} {
		list, err := r.read(ctx, fresh)
		if err != nil {
			return store.SigningKey{}, nil, err
		}
		if i := current(list, r.DB.Now()); i >= 0 {
			private, err := r.open(list[i])
			return list[i], private, err
		}
		first, err := newKey(r.Master, r.DB.Now())
		if err != nil {
			return store.SigningKey{}, nil, fmt.Errorf("make signing key: %w", err)
		}
		if err := r.DB.System().ChangeSigningKeys(ctx, func(have []store.SigningKey) []store.SigningKey {
			if current(have, r.DB.Now()) >= 0 {
				return nil
			}
			return []store.SigningKey{first}
		}); err != nil {
			return store.SigningKey{}, nil, fmt.Errorf("make signing key: %w", err)
		}
	}
	return store.SigningKey{}, nil, errors.New("grants: a signing key was made and is not there")
}

// current is the index of the key that signs at now, -1 for none.
func current(list []store.SigningKey, now time.Time) int {
	for i, k := range slices.Backward(list) {
		if !k.ActiveAt.After(now) && published(k, now) {
			return i
		}
	}
	return -1
}

// open returns the private half of a key.
func (r *KeyRing) open(k store.SigningKey) (*rsa.PrivateKey, error) {
	r.mu.Lock()
	private := r.opened[k.ID]
	r.mu.Unlock()
	if private != nil {
		return private, nil
	}
	der, err := r.Master.Open(purpose(k.ID), k.Private)
	if errors.Is(err, keys.ErrOtherMaster) {
		return nil, errs.Unavailable("master_key_wrong",
			"The signing keys were sealed with another master key than the one given. Start with the master key file that was used before.").With(err)
	}
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", k.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", k.ID, err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || k.Algorithm != string(algorithm) {
		return nil, fmt.Errorf("open signing key %s: expected an RSA key for %s", k.ID, algorithm)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened == nil {
		r.opened = map[string]*rsa.PrivateKey{}
	}
	r.opened[k.ID] = private
	return private, nil
}

// Types of what is signed, in the header typ: one is never taken for another (RFC 8725 section 3.11).
const (
	typeID     = "JWT"
	typeLogout = "logout+jwt"
	// typeClient is that of draft-ietf-oauth-rfc7523bis; nothing of ours is taken in with it.
	typeClient = "client-authentication+jwt"
	typeEvent  = "secevent+jwt"
)

// Assert signs what proves to an IdP that we are its client (private_key_jwt). The key is among those that our own
// discovery publishes.
func (r *KeyRing) Assert(ctx context.Context, claims map[string]any) (string, error) {
	return r.sign(ctx, typeClient, claims)
}

// sign makes a compact JWS of claims. It is the only place that signs.
func (r *KeyRing) sign(ctx context.Context, typ jose.ContentType, claims any) (string, error) {
	k, private, err := r.signer(ctx)
	if err != nil {
		return "", err
	}
	opts := (&jose.SignerOptions{}).WithType(typ)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: private, KeyID: k.ID}}, opts)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// maxTokenBytes bounds a JWT that comes back to us.
const maxTokenBytes = 128 << 10

// verify returns the payload of a JWS of that type which a published key of ours has signed.
func (r *KeyRing) verify(ctx context.Context, typ, token string) ([]byte, error) {
	if len(token) > maxTokenBytes {
		return nil, errors.New("verify: the token is too long")
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	header := signed.Signatures[0].Header
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, fmt.Errorf("verify: expected type %s", typ)
	}
	list, err := r.read(ctx, false)
	if err != nil {
		return nil, err
	}
	now := r.DB.Now()
	for _, k := range list {
		if k.ID != header.KeyID || !published(k, now) {
			continue
		}
		var public jose.JSONWebKey
		if err := public.UnmarshalJSON([]byte(k.Public)); err != nil {
			return nil, fmt.Errorf("public half of %s: %w", k.ID, err)
		}
		return signed.Verify(public)
	}
	return nil, errors.New("verify: signed with a key that is not ours")
}
