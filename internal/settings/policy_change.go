package settings

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// NewPolicy is what a policy is to say from now on; what is left out stays.
type NewPolicy struct {
	// Words are the values by the names that an apply file has under policy: "group_loss": "keep".
	Words map[string]string
	// Required are the attributes without which a directory's people are refused; nil keeps them.
	Required *[]string
	// If, where it is set, is asked about the version of the workspace's configuration before anything is changed.
	If func(version int64) error
}

// ChangePolicy changes the policy of a workspace; roles are decided again where it has a say in them. What is no word of a key is
// errs.KindInvalid, policy_invalid. Only an operator switches scim_allowed (K21 of the seeds), and only an owner, or an
// operator, changes adoption: errs.KindForbidden, operator_only and owner_only.
func (s *Service) ChangePolicy(ctx context.Context, slug string, to NewPolicy, actor audit.Party) error {
	return s.edit(ctx, slug, actor, func(p *plan) error {
		if to.If != nil {
			if err := to.If(p.before.Workspace.Version); err != nil {
				return err
			}
		}
		policy := &p.after.Workspace.Policy
		for _, name := range slices.Sorted(maps.Keys(to.Words)) {
			word, known := to.Words[name], policyKeys()
			i := slices.IndexFunc(known, func(k policyKey) bool { return k.name == name })
			switch {
			case i < 0:
				return errs.Invalid("policy_invalid", "policy: unknown key %s", quote(name))
			case known[i].get(*policy) == word:
				continue
			case !slices.Contains(known[i].words, word):
				return errs.Invalid("policy_invalid", "policy.%s: expected one of %s, received %s", name, strings.Join(known[i].words, ", "), quote(word))
			case name == "scim_allowed" && actor.Kind != "operator":
				return errs.Forbidden("operator_only", "policy.%s: only the operator of this service switches SCIM on or off for a workspace.", name)
			case name == "adoption" && !p.byOwner:
				return errs.Forbidden("owner_only", "policy.%s: only an owner decides how people who are members already become a directory's.", name)
			}
			known[i].set(policy, word)
		}
		if to.Required != nil {
			policy.RequiredAttributes = slices.Compact(slices.Sorted(slices.Values(*to.Required)))
		}
		if bad := policy.Check(); len(bad) > 0 {
			return errs.Invalid("policy_invalid", "policy.%s", strings.Join(bad, "; policy."))
		}
		return nil
	})
}
