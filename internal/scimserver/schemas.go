package scimserver

import (
	"context"
	"slices"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// resourceTypes are User and Group as one workspace has them, with the extensions that it defines.
type resourceTypes struct {
	users, groups *scim.ResourceType
	// sealed are names of attributes whose values belong into no event.
	sealed []string
	// events says that some application is told of changes.
	events bool
}

func (rt *resourceTypes) list() []*scim.ResourceType {
	return []*scim.ResourceType{rt.users, rt.groups}
}

// typeCache has the resource types of workspaces by the version of their configuration. It may forget at any time.
type typeCache struct {
	plain *resourceTypes // of a workspace that defines none

	mu   sync.Mutex
	have map[string]versionedTypes // by workspace
}

type versionedTypes struct {
	version int64
	types   *resourceTypes
}

// maxTypes is how many workspaces' types are kept. Most have none of their own and cost an entry of the map.
const maxTypes = 10_000

// typesOf returns the resource types of a workspace as of a version of its configuration, or a later one.
func (s *Server) typesOf(ctx context.Context, workspace string, version int64) (*resourceTypes, error) {
	c := &s.types
	c.mu.Lock()
	found, ok := c.have[workspace]
	c.mu.Unlock()
	if ok && found.version >= version {
		return found.types, nil
	}
	made := versionedTypes{types: c.plain}
	err := s.db.Read(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		made.version = cfg.Workspace.Version
		events := slices.ContainsFunc(cfg.Applications, func(a directory.Application) bool { return a.SCIMEventsURI != "" })
		switch {
		case len(cfg.Schemas) > 0:
			made.types = typesFrom(cfg)
			made.types.events = events
		case events:
			made.types = &resourceTypes{users: c.plain.users, groups: c.plain.groups, events: true}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have == nil || len(c.have) >= maxTypes {
		c.have = map[string]versionedTypes{}
	}
	if c.have[workspace].version < made.version {
		c.have[workspace] = made
	}
	return made.types, nil
}

// typesFrom makes the resource types of a workspace that defines extensions.
func typesFrom(cfg *directory.Config) *resourceTypes {
	extensions := map[string][]scim.Extension{}
	for _, s := range cfg.Schemas {
		extensions[s.Resource] = append(extensions[s.Resource], scim.Extension{Required: s.Required,
			Schema: &scim.Schema{ID: s.URN, Name: s.Name, Description: s.Description, Attributes: attributesFrom(s.Attributes)}})
	}
	return &resourceTypes{users: scim.NewUserType(extensions[directory.SchemaUser]...),
		groups: scim.NewGroupType(extensions[directory.SchemaGroup]...), sealed: cfg.SealedNames()}
}

func attributesFrom(list []directory.SchemaAttribute) []*scim.Attribute {
	out := make([]*scim.Attribute, len(list))
	for i, a := range list {
		out[i] = &scim.Attribute{Name: a.Name, Description: a.Description, Type: scim.DataType(a.Type), MultiValued: a.MultiValued,
			Required: a.Required, CaseExact: a.CaseExact, Mutability: scim.Mutability(a.Mutability), Returned: scim.Returned(a.Returned),
			CanonicalValues: a.CanonicalValues, ReferenceTypes: a.ReferenceTypes, SubAttributes: attributesFrom(a.SubAttributes)}
	}
	return out
}
