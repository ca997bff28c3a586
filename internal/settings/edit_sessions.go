package settings

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// SetSessionTimes says how long the sessions of a workspace live without use and altogether, each a word of
// directory.SessionIdles and SessionLives. Sessions that live already keep to it at once.
func (s *Service) SetSessionTimes(ctx context.Context, slug, idle, life string, actor audit.Party) error {
	if !slices.Contains(directory.SessionIdles(), idle) || !slices.Contains(directory.SessionLives(), life) {
		return errs.Invalid("session_time_unknown", "Expected how long sessions live as one of the times that are offered.")
	}
	return s.edit(ctx, slug, actor, func(p *plan) error {
		p.after.Workspace.Policy.SessionIdle, p.after.Workspace.Policy.SessionLife = idle, life
		return nil
	})
}
