package settings

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const (
	// keyWarning is how long before its end a key's owner is warned, once. Keys that live no longer than twice that are
	// not: whoever made one for so short a time knows.
	keyWarning = 14 * 24 * time.Hour
	// maxKeysWarned is how many keys of one workspace are looked at in one turn.
	maxKeysWarned = 500
)

// TendAPIKeys warns the owners of API keys that end soon, by an event and a letter. It is called now and then, by any number of
// processes: each key is told of once.
func (s *Service) TendAPIKeys(ctx context.Context) error {
	return s.eachConfig(ctx, func(workspace string, cfg *directory.Config) error {
		var ending []store.APIKey
		if err := s.DB.Peek(ctx, workspace, func(tx *store.Tx) (err error) {
			ending, err = tx.APIKeysEnding(tx.Now().Add(keyWarning), maxKeysWarned)
			return err
		}); err != nil {
			return err
		}
		for _, k := range ending {
			if k.ExpiresAt.Sub(k.CreatedAt) <= 2*keyWarning {
				continue
			}
			if err := s.warnOfKey(ctx, workspace, cfg, k.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// errWarned ends the transaction of a warning that was given before.
var errWarned = errors.New("warned before")

func (s *Service) warnOfKey(ctx context.Context, workspace string, cfg *directory.Config, id string) error {
	err := s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		k, err := tx.APIKey(id)
		if err != nil || !k.Live() {
			return err
		}
		if first, err := tx.OnceMail("api key " + k.ID); err != nil || !first {
			return errors.Join(err, errWarned)
		}
		days := int(k.ExpiresAt.Sub(tx.Now()).Hours() / 24)
		if err := tx.Record(audit.Event{Type: audit.APIKeyExpiring, Reason: strconv.Itoa(days), Actor: audit.Party{Kind: "system"}, Subject: keyParty(k),
			Changes: []audit.Change{{Field: "owner", To: k.Member}, {Field: "expires_at", To: k.ExpiresAt.Format(time.RFC3339)}}}); err != nil {
			return err
		}
		owner, err := tx.Member(k.Member)
		if err != nil || !s.Mail || !owner.In() || owner.Email == "" {
			return err
		}
		w := cfg.Workspace
		return jobs.EnqueueLetter(tx, owner.ID, "", letter.APIKeyEnding(letter.To{Workspace: w.Name, Name: owner.Name}, k.Name, k.Hint, strings.TrimRight(s.PublicURL, "/")+"/console/"+w.Slug+"/api-keys", k.ExpiresAt))
	})
	if errors.Is(err, errWarned) || errs.Is(err, errs.KindNotFound) {
		return nil
	}
	return err
}
