package console

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// policyData is the page of the policy.
type policyData struct {
	common
	Preset     string
	Rows       []policyLine
	Required   []requiredLine
	RequiredIs string
	Owner      bool
}

type policyLine struct {
	ID, Key     string
	Title, Hint string
	Word        string
	Choices     []choice
	Fixed       string // why it cannot be changed here; "" where it can
	Directories []overrideLine
}

// overrideLine is what one directory has of its own.
type overrideLine struct {
	ID, Directory, Name string
	Word                string // "inherit" for nothing
	Choices             []choice
}

type requiredLine struct {
	Name string
	On   bool
}

// policyTexts are the keys of the policy in the words of the page, and what each of their words means.
var policyTexts = []struct {
	key, title, hint string
	words            []choice
}{
	{"provision_on", "When somebody becomes a member", "Pending people take no seat.", []choice{
		{"scim", "When a directory names them"}, {"first_login", "At their first sign-in; until then they are pending"}, {"both", "Whichever comes first"}}},
	{"reactivation", "When somebody comes back", "", []choice{
		{"restore", "They are the same member, with role and data"}, {"new_identity", "They are a new member; the old one stays as history"}}},
	{"group_loss", "When somebody loses their last mapped group", "", []choice{
		{"keep", "They stay, with the lowest role"}, {"deactivate", "They are deactivated"}}},
	{"role_source", "Where roles come from", "A role that was given by hand comes before either.", []choice{
		{"mapping", "From role mappings; the highest wins"}, {"default_role", "Everybody has the lowest role, and others are given by hand"}}},
	{"scim_requires_sso", "Provisioning needs single sign-on", "Without a verified connection provisioned people have no way to sign in.", []choice{
		{"yes", "A verified connection is required"}, {"no", "A directory may come first"}}},
	{"invite_on_create", "Invitation by e-mail", "", []choice{
		{"yes", "People whom a directory names are invited once"}, {"no", "Nobody is written to"}}},
	{"adoption", "When a directory names somebody who is a member already", "", []choice{
		{"link", "They are linked where an address in a proven domain shows that it is them; an owner is asked about others"},
		{"ask_owner", "An owner is asked"}, {"ask_admin", "An owner or an administrator is asked"}, {"refuse", "The directory is refused"}}},
}

const inheritWord = "inherit"

func (d *Door) policyPage(v *visit) error { return d.showPolicy(v, told{}) }

func (d *Door) showPolicy(v *visit, t told) error {
	policy, err := d.Settings.Policy(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	return d.show(v, "policy", "Policy", "/policy", t, func(c common) any {
		data := policyData{common: c, Preset: policy.Preset, Owner: v.owner}
		var required []string
		for _, name := range policy.Requirable {
			on := slices.Contains(policy.Required, name)
			if data.Required = append(data.Required, requiredLine{name, on}); on {
				required = append(required, name)
			}
		}
		data.RequiredIs = strings.Join(required, ",")
		for _, text := range policyTexts {
			i := slices.IndexFunc(policy.Rows, func(r settings.PolicyRow) bool { return r.Key == text.key })
			if i < 0 {
				continue
			}
			row := policy.Rows[i]
			line := policyLine{ID: "policy-" + text.key, Key: text.key, Title: text.title, Hint: text.hint, Word: row.Word, Choices: text.words}
			if text.key == "adoption" && !v.owner {
				line.Fixed = "Only an owner decides this."
			}
			for _, dir := range v.setup.Directories {
				if !row.Overridable {
					break
				}
				word := row.Overrides[dir.ID]
				if word == "" {
					word = inheritWord
				}
				line.Directories = append(line.Directories, overrideLine{ID: "directory-" + dir.ID + "-" + text.key, Directory: dir.ID, Name: dir.Name, Word: word,
					Choices: append([]choice{{inheritWord, "As the workspace"}}, text.words...)})
			}
			data.Rows = append(data.Rows, line)
		}
		return data
	})
}

// savePolicy leads to what the changes would do. Only what the sender changed is a change: what somebody else did to the
// rest meanwhile stays.
func (d *Door) savePolicy(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	var c settings.Change
	changed := func(key string) (string, bool) {
		word := form.Get(key)
		return word, word != "" && word != form.Get("was."+key)
	}
	for _, text := range policyTexts {
		if word, ok := changed("policy." + text.key); ok {
			if c.Policy == nil {
				c.Policy = map[string]string{}
			}
			c.Policy[text.key] = word
		}
		for _, dir := range v.setup.Directories {
			if word, ok := changed("directory." + dir.ID + "." + text.key); ok {
				if c.Directories == nil {
					c.Directories = map[string]map[string]string{}
				}
				if c.Directories[dir.ID] == nil {
					c.Directories[dir.ID] = map[string]string{}
				}
				c.Directories[dir.ID][text.key] = word
			}
		}
	}
	if required := strings.Join(form["required"], ","); form.Has("was.required") && required != form.Get("was.required") {
		if c.Policy == nil {
			c.Policy = map[string]string{}
		}
		c.Policy["required_attributes"] = required
	}
	if c.Policy == nil && c.Directories == nil {
		return v.to("/policy")
	}
	err = d.reviewed(v, c, "policy-saved")
	if forTheForm(err) {
		return d.showPolicy(v, told{field: "save-policy", err: err})
	}
	return err
}
