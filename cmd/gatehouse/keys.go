package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type keysCommand struct {
	Rotate keysRotateCommand `cmd:"" help:"Publish a new signing key. It signs from a day later on."`
}

type keysRotateCommand struct{}

func (keysRotateCommand) Help() string {
	return `Applications keep the set of public keys for a day at the most; so a new key is published a day
before it signs, and the one before stays published for as long as what it signed is used. The
server rotates by itself every 90 days.

Example:

  gatehouse keys rotate`
}

// rotated is what is shown of a signing key.
type rotated struct {
	ID       string    `json:"id"`
	ActiveAt time.Time `json:"active_at"`
}

func (keysRotateCommand) Run(ctx context.Context, p *program) error {
	r, err := call[rotated](ctx, p, "keys.rotate", struct{}{})
	if err != nil {
		return err
	}
	return p.show(r, func(w io.Writer) {
		fmt.Fprint(w, cells("key", r.ID), cells("signs from", r.ActiveAt.Format(time.RFC3339)))
	})
}

func rotateKeys(ctx context.Context, a *app, _ audit.Party, _ struct{}) (rotated, error) {
	ring, err := a.signingKeys(ctx)
	if err != nil {
		return rotated{}, err
	}
	if err := ring.Rotate(ctx); err != nil {
		return rotated{}, err
	}
	list, err := a.db.System().SigningKeys(ctx)
	if err != nil || len(list) == 0 {
		return rotated{}, err
	}
	newest := list[len(list)-1]
	return rotated{newest.ID, newest.ActiveAt}, nil
}

// signingKeys returns the deployment's signing keys: the server's, or, in a verb of its own, what the
// master key file opens.
func (a *app) signingKeys(ctx context.Context) (*grants.KeyRing, error) {
	if a.grants != nil {
		return a.grants.Keys, nil
	}
	master, err := openMaster(ctx, a.db, a.cfg)
	if err != nil {
		return nil, err
	}
	return &grants.KeyRing{DB: a.db, Master: master}, nil
}

// openMaster reads the master key file. It is made when it is missing and nothing in the database is
// sealed yet; later a missing one is a mistake, and a new one would open nothing.
func openMaster(ctx context.Context, db *store.DB, cfg config.Config) (*keys.Master, error) {
	sealed, err := db.System().SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	if len(sealed) == 0 && filepath.Dir(cfg.MasterKeyFile) == filepath.Clean(cfg.DataDir) {
		// With PostgreSQL a verb may be the first to need the folder.
		if err := makeDataDir(cfg.DataDir); err != nil {
			return nil, err
		}
	}
	master, err := keys.LoadMaster(cfg.MasterKeyFile, len(sealed) == 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errs.Invalid("master_key_missing",
			"There is no master key file %s, and the database holds secrets that were sealed with one. Bring the file, or name it with --master-key-file.", cfg.MasterKeyFile).With(err)
	case err != nil:
		return nil, errs.Invalid("master_key_unusable", "The master key file %s cannot be used: %s.", cfg.MasterKeyFile, innermost(err)).With(err)
	}
	return master, nil
}
