package console

import (
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// apiKeysData is the page of API keys.
type apiKeysData struct {
	common
	Own, Others []settings.APIKeyView
	Next        string // address of older ones of others
	Sees        bool   // those of others
	Ends        bool   // those of others
	Makes       bool
	Scopes      []scopeChoice // that the visitor's role allows
	Chosen      string        // lifetime
	Issued      *settings.IssuedKey
	Newest      string // id of the visitor's newest key
	Docs        string
}

// keyRows is what the rows of a table of keys are made of.
type keyRows struct {
	Keys      []settings.APIKeyView
	Base      string
	Ends, Who bool
}

// Rows is for the template.
func (d apiKeysData) Rows(keys []settings.APIKeyView, ends, who bool) keyRows {
	return keyRows{keys, d.Base, ends, who}
}

type scopeChoice struct {
	directory.Permission
	Chosen bool
}

func (d *Door) apiKeysPage(v *visit) error { return d.showAPIKeys(v, told{}, nil, nil) }

// showAPIKeys shows the page; issued is the key that this answer alone shows, chosen what was ticked in a form that comes back.
func (d *Door) showAPIKeys(v *visit, t told, issued *settings.IssuedKey, chosen []string) error {
	ctx, slug, self := v.r.Context(), v.live.Slug, v.live.Member.ID
	_, cfg, err := d.Settings.Workspace(ctx, slug)
	if err != nil {
		return err
	}
	role, _ := cfg.Roles.ByID(v.live.Member.Role)
	data := apiKeysData{Issued: issued, Sees: role.May(directory.PermissionKeysRead), Ends: role.May(directory.PermissionKeys), Makes: role.May(directory.PermissionKeys), Docs: "/api/docs", Chosen: t.typed["key-lifetime"]}
	if data.Own, err = d.Settings.ListAPIKeys(ctx, slug, self, "", v.actor); err != nil {
		return err
	}
	if len(data.Own) > 0 {
		data.Newest = data.Own[0].ID
	}
	next := ""
	if data.Sees {
		all, err := d.Settings.ListAPIKeys(ctx, slug, "", cutText(v.r.URL.Query().Get("after"), 100), v.actor)
		if err != nil {
			return err
		}
		if len(all) == settings.KeyPage {
			next = all[len(all)-1].ID
		}
		data.Others = slices.DeleteFunc(all, func(k settings.APIKeyView) bool { return k.Owner == self })
	}
	for _, p := range directory.Permissions() {
		if role.May(p.Name) {
			data.Scopes = append(data.Scopes, scopeChoice{p, slices.Contains(chosen, p.Name)})
		}
	}
	return d.show(v, "api-keys", "API keys", "/api-keys", t, func(c common) any {
		data.common = c
		if next != "" {
			data.Next = c.Base + "/api-keys?" + url.Values{"after": {next}}.Encode()
		}
		return data
	})
}

// createAPIKey makes a key of the visitor's own and shows it in this answer only: there is no page to come back to.
func (d *Door) createAPIKey(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	seen := form.Get("newest")
	o := settings.KeyOptions{Name: form.Get("name"), Scopes: form["scope"], Seen: &seen}
	typed := map[string]string{"key-name": cutText(o.Name, 200), "key-lifetime": form.Get("lifetime")}
	if o.Lifetime, err = time.ParseDuration(form.Get("lifetime")); err != nil {
		err = errs.Invalid("lifetime_invalid", "Choose one of the lengths of time that are offered.")
	}
	var issued settings.IssuedKey
	if err == nil {
		issued, err = d.Settings.CreateAPIKey(v.r.Context(), v.live.Slug, byID(v.live.Member.ID), o, v.actor)
	}
	if forTheForm(err) {
		field := "create-api-key"
		switch errs.CodeOf(err) {
		case "name_missing", "name_invalid":
			field = "key-name"
		case "scopes_missing", "scope_unknown", "scope_above_role":
			field = "key-scopes"
		case "lifetime_invalid":
			field = "key-lifetime"
		}
		return d.showAPIKeys(v, told{field: field, err: err, typed: typed}, nil, o.Scopes)
	}
	if err != nil {
		return err
	}
	return d.showAPIKeys(v, told{}, &issued, nil)
}

func (d *Door) revokeAPIKey(v *visit) error {
	err := d.Settings.RevokeAPIKey(v.r.Context(), v.live.Slug, v.r.PathValue("key"), v.actor)
	if forTheForm(err) {
		return d.showAPIKeys(v, told{field: "api-keys", err: err}, nil, nil)
	}
	if err != nil {
		return err
	}
	return v.to("/api-keys?done=api-key-revoked")
}
