package scimserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

const (
	// keysFresh is how long the keys of an issuer are taken for its keys of now.
	keysFresh = 10 * time.Minute
	// keysPause is the least time between two questions to one issuer, whoever causes them.
	keysPause    = time.Minute
	keysPatience = 5 * time.Second
	maxKeySets   = 1000
	maxKeys      = 50
	// MaxKeySet is how many bytes a document of an issuer needs to have at the most.
	MaxKeySet = 256 << 10
)

// keySets fetches and keeps the keys of issuers.
type keySets struct {
	fetch func(ctx context.Context, url string) ([]byte, error)

	mu   sync.Mutex
	sets map[store.Trust]*keySet // without subject
}

// keySet is what one issuer published last.
type keySet struct {
	mu    sync.Mutex // held while the issuer is asked, so that many who come at once ask once
	asked time.Time  // when it was asked last, whatever came of it
	found time.Time  // when keys came of it
	keys  []jose.JSONWebKey
}

func (k *keySets) of(t store.Trust) *keySet {
	t.Subject = ""
	k.mu.Lock()
	defer k.mu.Unlock()
	set := k.sets[t]
	if set == nil {
		if k.sets == nil || len(k.sets) >= maxKeySets {
			k.sets = map[store.Trust]*keySet{}
		}
		set = &keySet{}
		k.sets[t] = set
	}
	return set
}

// errNoKey says that the issuer has no such key, or did not answer.
var errNoKey = errors.New("the issuer has no such key")

// find returns the keys of an issuer that may have signed under id, "" for any. Keys that are old, or an
// id that is not among them, have the issuer asked again, once a minute at the most.
func (k *keySets) find(ctx context.Context, t store.Trust, id string, now time.Time) ([]jose.JSONWebKey, error) {
	set := k.of(t)
	set.mu.Lock()
	defer set.mu.Unlock()
	fresh := !set.found.IsZero() && now.Sub(set.found) < keysFresh
	found := set.named(id)
	if fresh && len(found) > 0 {
		return found, nil
	}
	if !set.asked.IsZero() && now.Sub(set.asked) < keysPause && now.Sub(set.asked) >= 0 {
		if fresh {
			return nil, errNoKey
		}
		return nil, fmt.Errorf("%w: it was asked less than a minute ago", errNoKey)
	}
	set.asked = now
	keys, err := k.get(ctx, t)
	if err != nil {
		return nil, err
	}
	set.keys, set.found = keys, now
	if found = set.named(id); len(found) == 0 {
		return nil, errNoKey
	}
	return found, nil
}

func (s *keySet) named(id string) []jose.JSONWebKey {
	if id == "" {
		return s.keys
	}
	var out []jose.JSONWebKey
	for _, key := range s.keys {
		if key.KeyID == id {
			out = append(out, key)
		}
	}
	return out
}

// get asks an issuer for its keys, by its discovery document where no address is set.
func (k *keySets) get(ctx context.Context, t store.Trust) ([]jose.JSONWebKey, error) {
	if k.fetch == nil {
		return nil, errNoKey
	}
	ctx, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	address := t.JWKSURI
	if address == "" {
		text, err := k.fetch(ctx, strings.TrimSuffix(t.Issuer, "/")+"/.well-known/openid-configuration")
		if err != nil {
			return nil, err
		}
		var document struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(text, &document); err != nil || document.Issuer != t.Issuer || document.JWKSURI == "" {
			return nil, errors.New("the discovery document is not the issuer's")
		}
		address = document.JWKSURI
	}
	text, err := k.fetch(ctx, address)
	if err != nil {
		return nil, err
	}
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list.Keys) > maxKeys {
		return nil, fmt.Errorf("expected a list of at most %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range list.Keys {
		var key jose.JSONWebKey
		// A kind of key that is not known here does not spoil the others (RFC 7517 section 5).
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
