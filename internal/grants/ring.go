package grants

import (
	"context"
	"encoding/json"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// KeyRing holds the deployment's signing keys.
type KeyRing struct {
	DB     *store.DB
	Master *keys.Master
}

// JWKS is the set of public keys, as JSON.
func (r *KeyRing) JWKS(ctx context.Context) (json.RawMessage, error) { return nil, errNotYet }

// Rotate publishes a key that signs from a day later on.
func (r *KeyRing) Rotate(ctx context.Context) error { return errNotYet }

// Tend makes the first key and rotates when it is time. It is called at the start and now and then.
func (r *KeyRing) Tend(ctx context.Context) error { return errNotYet }
