package settings

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/guide"
)

// BlankGuide is a guide where no connection is known: an id stands in it as CONNECTION.
func (s *Service) BlankGuide(g guide.Guide) guide.Guide {
	return g.With(guide.Blank(s.PublicURL, s.SCIMBaseURL()))
}

// guideOf is the guide of a connection with its own values. There is one for each connection.
func (s *Service) guideOf(c directory.Connection) guide.Guide {
	g, err := guide.Lookup(c.Provider, string(c.Protocol))
	if err != nil {
		return guide.Guide{}
	}
	return g.With(guide.Connection(s.PublicURL, s.SCIMBaseURL(), c))
}

// scimGuideOf is the guide of a directory beside a connection; ok is false where its provider offers no SCIM, or it
// stands alone.
func (s *Service) scimGuideOf(c directory.Connection) (g guide.Guide, ok bool) {
	g, err := guide.Lookup(c.Provider, guide.SCIM)
	if err != nil {
		return guide.Guide{}, false
	}
	return g.With(guide.Connection(s.PublicURL, s.SCIMBaseURL(), c)), true
}

// Guide is the guide of a connection, by name or id, with its own values; with provisioning it is that of a directory
// beside it.
func (s *Service) Guide(ctx context.Context, slug, connection string, provisioning bool) (guide.Guide, error) {
	_, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return guide.Guide{}, err
	}
	c, err := connectionOf(cfg, connection)
	if err != nil {
		return guide.Guide{}, err
	}
	if !provisioning {
		return s.guideOf(c), nil
	}
	g, ok := s.scimGuideOf(c)
	if !ok {
		return g, errs.Invalid("not_offered", "The connection %q is %s, which offers no SCIM.", c.Name, genericRow(c.Protocol))
	}
	return g, nil
}
