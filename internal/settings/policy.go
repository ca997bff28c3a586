package settings

import "github.com/gatehouse-id/gatehouse/internal/directory"

// policyKey is one row of the policy whose value is a word: how the file spells it, how a Policy
// and a directory's Override hold it.
type policyKey struct {
	name  string
	words []string
	get   func(directory.Policy) string
	set   func(*directory.Policy, string)
	// getOver and setOver are nil where a directory cannot differ from its workspace. The word is
	// "" where it does not.
	getOver func(directory.Override) string
	setOver func(*directory.Override, string)
}

// inherit is the word by which a directory takes an override back. Leaving the key out would keep it.
const inherit = "inherit"

// policyKeys are the rows of DESIGN section 3 that are single words, in its order.
func policyKeys() []policyKey {
	return []policyKey{
		overridable(wordKey("provision_on", func(p *directory.Policy) *directory.ProvisionOn { return &p.ProvisionOn },
			directory.ProvisionSCIM, directory.ProvisionFirstLogin, directory.ProvisionBoth),
			func(o *directory.Override) **directory.ProvisionOn { return &o.ProvisionOn }),
		overridable(wordKey("reactivation", func(p *directory.Policy) *directory.Reactivation { return &p.Reactivation },
			directory.ReactivationRestore, directory.ReactivationNewIdentity),
			func(o *directory.Override) **directory.Reactivation { return &o.Reactivation }),
		overridable(wordKey("group_loss", func(p *directory.Policy) *directory.GroupLoss { return &p.GroupLoss },
			directory.GroupLossKeep, directory.GroupLossDeactivate),
			func(o *directory.Override) **directory.GroupLoss { return &o.GroupLoss }),
		wordKey("role_source", func(p *directory.Policy) *directory.RoleSource { return &p.RoleSource },
			directory.RoleSourceMapping, directory.RoleSourceDefault),
		switchKey("scim_requires_sso", func(p *directory.Policy) *bool { return &p.SCIMRequiresSSO }),
		switchKey("scim_allowed", func(p *directory.Policy) *bool { return &p.SCIMAllowed }),
		inviteKey(),
		adoptionKey(),
		timeKey("session_idle", func(p *directory.Policy) *string { return &p.SessionIdle }, directory.SessionIdles()),
		timeKey("session_life", func(p *directory.Policy) *string { return &p.SessionLife }, directory.SessionLives()),
	}
}

// timeKey is a key for how long sessions live.
func timeKey(name string, at func(*directory.Policy) *string, words []string) policyKey {
	return policyKey{name: name, words: words,
		get: func(p directory.Policy) string {
			p.SessionIdle, p.SessionLife = p.SessionWords()
			return *at(&p)
		},
		set: func(p *directory.Policy, word string) { *at(p) = word },
	}
}

func adoptionKey() policyKey {
	k := overridable(wordKey("adoption", func(p *directory.Policy) *directory.Adoption { return &p.Adoption },
		directory.AdoptionLink, directory.AdoptionAskOwner, directory.AdoptionAskAdmin, directory.AdoptionRefuse),
		func(o *directory.Override) **directory.Adoption { return &o.Adoption })
	k.get = func(p directory.Policy) string { return string(p.AdoptionMode()) }
	return k
}

func wordKey[T ~string](name string, at func(*directory.Policy) *T, words ...T) policyKey {
	k := policyKey{name: name,
		get: func(p directory.Policy) string { return string(*at(&p)) },
		set: func(p *directory.Policy, word string) { *at(p) = T(word) },
	}
	for _, w := range words {
		k.words = append(k.words, string(w))
	}
	return k
}

func overridable[T ~string](k policyKey, at func(*directory.Override) **T) policyKey {
	k.getOver = func(o directory.Override) string {
		if p := *at(&o); p != nil {
			return string(*p)
		}
		return ""
	}
	k.setOver = func(o *directory.Override, word string) {
		*at(o) = nil
		if word != "" {
			value := T(word)
			*at(o) = &value
		}
	}
	return k
}

func switchKey(name string, at func(*directory.Policy) *bool) policyKey {
	return policyKey{name: name, words: []string{"yes", "no"},
		get: func(p directory.Policy) string { return yesNo(*at(&p)) },
		set: func(p *directory.Policy, word string) { *at(p) = word == "yes" },
	}
}

func inviteKey() policyKey {
	k := switchKey("invite_on_create", func(p *directory.Policy) *bool { return &p.InviteOnCreate })
	k.getOver = func(o directory.Override) string {
		if o.InviteOnCreate == nil {
			return ""
		}
		return yesNo(*o.InviteOnCreate)
	}
	k.setOver = func(o *directory.Override, word string) {
		o.InviteOnCreate = nil
		if word != "" {
			value := word == "yes"
			o.InviteOnCreate = &value
		}
	}
	return k
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
