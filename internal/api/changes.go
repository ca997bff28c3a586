package api

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type changeInput struct {
	DryRun bool   `query:"dry_run" doc:"Say whom it would change, and change nothing"`
	Word   string `query:"word" maxLength:"100" doc:"The word of a dry run: carry out exactly what that one said, or nothing"`
	Skip   int    `query:"skip" minimum:"0" maximum:"1000000000" doc:"How many of the people to leave out of the answer, from the start"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many of the people the answer has"`
	Body   struct {
		RemoveMappings []string                     `json:"remove_mappings,omitempty" maxItems:"1000" doc:"Ids of role mappings"`
		AddMappings    []settings.NewMapping        `json:"add_mappings,omitempty" maxItems:"1000" doc:"Role mappings, added once the others have gone"`
		Policy         map[string]string            `json:"policy,omitempty" doc:"Words by key, as the apply file has them under policy"`
		Directories    map[string]map[string]string `json:"directories,omitempty" doc:"Words by key, by name or id of a directory; inherit takes back what it has of its own"`
	}
}

type changeAnswer struct{ Body settings.Preview }

func (d *Door) addChanges() {
	add(d, route{method: http.MethodPost, path: "/changes", id: "change-rules", tag: "Policy", summary: "Change role mappings and the policy together, or say first whom that would change", needs: directory.PermissionSettings,
		says: "The answer counts everybody who gets another role or status and lists some of them; a dry run's is the same, and its word names exactly that. " +
			"Where the workspace or somebody in it was changed since, the word is refused: 409 changed_meanwhile. The key must have all that an added mapping's role allows.",
		twice: "the same answer with nobody in it, unless it adds or removes mappings: 409 mapping_taken, 404 mapping_unknown."}, d.change)
}

func (d *Door) change(ctx context.Context, c *caller, in *changeInput) (*changeAnswer, error) {
	for _, m := range in.Body.AddMappings {
		role, ok := c.cfg.Roles.ByName(m.Role)
		if !ok {
			role, ok = c.cfg.Roles.ByID(m.Role)
		}
		if ok && !role.IsOwner() { // that one the room refuses
			if err := c.gives(role); err != nil {
				return nil, err
			}
		}
	}
	if err := c.givesSource(in.Body.Policy["role_source"]); err != nil {
		return nil, err
	}
	change := settings.Change{RemoveMappings: in.Body.RemoveMappings, AddMappings: in.Body.AddMappings, Policy: in.Body.Policy, Directories: in.Body.Directories}
	page := settings.Page{Skip: in.Skip, Limit: in.Limit}
	if in.DryRun {
		p, err := d.Settings.PreviewChange(ctx, c.Slug, change, page, c.actor())
		return &changeAnswer{p}, err
	}
	p, err := d.Settings.ApplyChange(ctx, c.Slug, change, in.Word, page, c.actor())
	return &changeAnswer{p}, err
}
