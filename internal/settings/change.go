package settings

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Change is a change of what decides about people: role mappings, the policy, and where directories differ from it.
// What it does not name stays.
type Change struct {
	// RemoveMappings are ids; a mapping that is removed makes room for one that is added.
	RemoveMappings []string     `json:"remove_mappings,omitempty"`
	AddMappings    []NewMapping `json:"add_mappings,omitempty"`
	// Policy is words by key, as the apply file has them under policy; those of required_attributes stand in one text,
	// with commas.
	Policy map[string]string `json:"policy,omitempty"`
	// Directories is words by key, by name or id of a directory; "inherit" takes back what it has of its own.
	Directories map[string]map[string]string `json:"directories,omitempty"`
}

// Preview is what a change would do.
type Preview struct {
	Effect
	// Settings are the lines that differ; none where the change changes nothing.
	Settings []string `json:"settings"`
	// Later says what is decided from then on and changes nobody by itself.
	Later []string `json:"later,omitempty"`
	// Word names exactly this: the settings and everybody whom they change. ApplyChange carries out no other.
	Word string `json:"word"`
}

// PreviewChange says whom a change would change and how, and changes nothing. Refusals are those of ApplyChange.
func (s *Service) PreviewChange(ctx context.Context, slug string, c Change, page Page, actor audit.Party) (Preview, error) {
	return s.foresee(ctx, slug, actor, page, nil, func(p *plan) error { return p.change(c, actor) })
}

// EachChange is PreviewChange that tells each of everybody, all of one moment. It may be told twice, from the start, and
// is called within a transaction that reads: it waits for nobody.
func (s *Service) EachChange(ctx context.Context, slug string, c Change, actor audit.Party, each func(MemberChange) error) (Preview, error) {
	return s.foresee(ctx, slug, actor, Page{Limit: 1}, each, func(p *plan) error { return p.change(c, actor) })
}

// ApplyChange carries a change out, and returns what it did with the people of page. With a word it is exactly what a
// preview of that word showed, or nothing: a conflict, changed_meanwhile, where it would be something else by now. Refusals are
// invalid for what cannot be set, not found for what is not there, forbidden for what is not the actor's to set.
func (s *Service) ApplyChange(ctx context.Context, slug string, c Change, word string, page Page, actor audit.Party) (Preview, error) {
	return s.editAs(ctx, slug, actor, word, page, func(p *plan) error { return p.change(c, actor) })
}

func (p *plan) change(c Change, actor audit.Party) error {
	for _, id := range c.RemoveMappings {
		if err := p.removeMapping(id); err != nil {
			return err
		}
	}
	if len(c.AddMappings) > maxItems {
		return errs.Invalid("too_many", "add_mappings: expected at most %d, received %d", maxItems, len(c.AddMappings))
	}
	for _, n := range c.AddMappings {
		m, err := p.newMapping(n)
		if err != nil {
			return err
		}
		p.after.Mappings = append(p.after.Mappings, m)
	}
	if err := p.changePolicy(c.Policy, actor); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Directories)) {
		d, err := directoryOf(p.after, name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(p.after.Directories, func(other directory.Directory) bool { return other.ID == d.ID })
		if err := p.changeOverride(&p.after.Directories[i], c.Directories[name]); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) removeMapping(id string) error {
	i := slices.IndexFunc(p.after.Mappings, func(m directory.RoleMapping) bool { return m.ID == id })
	if i < 0 {
		return errs.NotFound("mapping_unknown", "The workspace %q has no role mapping %q.", p.after.Workspace.Slug, clip(id))
	}
	role, _ := p.after.Roles.ByID(p.after.Mappings[i].Role)
	p.after.Mappings = slices.Delete(p.after.Mappings, i, i+1)
	return p.gives(role)
}

const (
	requiredKey = "required_attributes"
	allowedKey  = "scim_allowed" // the operator's switch (K21 of the seeds)
	adoptKey    = "adoption"
)

func (p *plan) changePolicy(words map[string]string, actor audit.Party) error {
	policy := &p.after.Workspace.Policy
	for _, name := range slices.Sorted(maps.Keys(words)) {
		word := words[name]
		if name == requiredKey {
			if list := attributesOf(word); !slices.Equal(list, slices.Sorted(slices.Values(policy.RequiredAttributes))) {
				policy.RequiredAttributes = list
			}
			continue
		}
		k, err := keyNamed(name, "policy."+name, word)
		switch {
		case err != nil:
			return err
		case k.get(*policy) == word:
			continue
		case name == allowedKey && actor.Kind != "operator":
			return errs.Forbidden("operator_only", "policy.%s: only the operator of this service switches SCIM on or off for a workspace.", name)
		case name == adoptKey && !p.byOwner:
			return errAdoption("policy." + name)
		}
		k.set(policy, word)
	}
	if bad := policy.Check(); len(bad) > 0 {
		return errs.Invalid("policy_invalid", "policy.%s", strings.Join(bad, "; policy."))
	}
	return nil
}

func (p *plan) changeOverride(d *directory.Directory, words map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(words)) {
		word, at := words[name], "directories."+d.Name+".policy."+name
		k, err := keyNamed(name, at, word, inherit)
		if word == inherit {
			word = ""
		}
		switch {
		case err != nil:
			return err
		case k.setOver == nil:
			return errs.Invalid("policy_invalid", "%s: a directory cannot differ from its workspace in it", at)
		case k.getOver(d.Override) == word:
			continue
		case name == adoptKey && !p.byOwner:
			return errAdoption(at)
		}
		k.setOver(&d.Override, word)
	}
	return nil
}

// errAdoption keeps who may decide about people from making it easier for themselves.
func errAdoption(at string) error {
	return errs.Forbidden("owner_only", "%s: only an owner decides how people who are members already become a directory's.", at)
}

// keyNamed finds a key of the policy and checks that word is one of its own or of also.
func keyNamed(name, at, word string, also ...string) (policyKey, error) {
	keys := policyKeys()
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
		if k.name != name {
			continue
		}
		if words := slices.Concat(k.words, also); !slices.Contains(words, word) {
			return k, errs.Invalid("policy_invalid", "%s: expected one of %s, received %s%s", at, strings.Join(words, ", "), quote(word), didYouMean(word, words))
		}
		return k, nil
	}
	return policyKey{}, errs.Invalid("policy_invalid", "%s: unknown key%s", clip(at), didYouMean(name, names))
}

// attributesOf reads a list of required attributes; their names are checked with the policy.
func attributesOf(text string) []string {
	list := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(list)
	return slices.Compact(list)
}

// PolicyView is the policy of a workspace, and where its directories differ from it, as words by key.
type PolicyView struct {
	Preset string      `json:"preset"`
	Rows   []PolicyRow `json:"rows"`
	// Required are the attributes without which a directory's people are refused.
	Required   []string `json:"required_attributes"`
	Requirable []string `json:"requirable"`
}

// PolicyRow is one key of the policy.
type PolicyRow struct {
	Key   string   `json:"key"`
	Word  string   `json:"word"`
	Words []string `json:"words"`
	// Overridable says that a directory may differ; Overrides are the words of those that do, by id.
	Overridable bool              `json:"overridable"`
	Overrides   map[string]string `json:"overrides,omitempty"`
}

// Policy returns the policy of a workspace.
func (s *Service) Policy(ctx context.Context, slug string) (PolicyView, error) {
	_, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return PolicyView{}, err
	}
	view := PolicyView{Preset: cfg.Workspace.Preset, Required: orEmpty(cfg.Workspace.Policy.RequiredAttributes), Requirable: directory.Requirable()}
	for _, k := range policyKeys() {
		row := PolicyRow{Key: k.name, Word: k.get(cfg.Workspace.Policy), Words: k.words, Overridable: k.getOver != nil, Overrides: map[string]string{}}
		for _, d := range cfg.Directories {
			if row.Overridable && k.getOver(d.Override) != "" {
				row.Overrides[d.ID] = k.getOver(d.Override)
			}
		}
		view.Rows = append(view.Rows, row)
	}
	return view, nil
}

// laterTexts are what a key of the policy decides from its change on.
var laterTexts = map[string]string{
	"provision_on":        "It decides about people who are named by a directory or sign in for the first time from then on. Whoever is pending stays so until they sign in.",
	"reactivation":        "It decides about people who come back from then on.",
	"group_loss":          "It decides about people who lose their last mapped group from then on. Nobody goes out or comes back by the change.",
	"scim_requires_sso":   "It decides about tokens that are made, and people who are brought in, from then on.",
	"scim_allowed":        "It decides about every SCIM request from then on.",
	"invite_on_create":    "It decides about people who are made from then on. Nobody who is there is sent a letter.",
	"adoption":            "It decides about people whom a directory names from then on. What waits for a decision goes on waiting.",
	"required_attributes": "It is asked of people when a directory names or changes them from then on. Nobody who is there goes out.",
}

// laterOf is what differences decide from then on.
func laterOf(diffs []difference) (lines []string) {
	for _, d := range diffs {
		if i := strings.LastIndex(d.key, "policy."); i >= 0 {
			if text := laterTexts[d.key[i+len("policy."):]]; text != "" {
				lines = append(lines, d.key+": "+text)
			}
		}
	}
	return lines
}
