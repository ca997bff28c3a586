package console

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// review is a difference that an administrator decides on.
type review struct {
	settings.MetadataPlan
	Document string // what is carried out
	Found    bool   // by looking at what the IdP publishes, not by a form
}

// Lines are the texts of a change, one below the other.
func (review) Lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// keyStates are where a key stands in the words of the page.
var keyStates = map[directory.KeyState]struct{ Word, Badge, Hint string }{
	directory.KeyStaged:   {"new", "badge", "It counts, and nothing was signed by it yet. The first sign-in that it signs makes it the one in use."},
	directory.KeyActive:   {"in use", "badge ok", ""},
	directory.KeyRetiring: {"retiring", "badge warn", "Another key has signed since. It still counts for a time."},
}

// StateWord, StateBadge and StateHint are for the page.
func (c certificate) StateWord() string  { return keyStates[c.State].Word }
func (c certificate) StateBadge() string { return keyStates[c.State].Badge }
func (c certificate) StateHint() string  { return keyStates[c.State].Hint }

// SourceWord says where a key was found.
func (c certificate) SourceWord() string {
	switch c.Source {
	case directory.FromURL:
		return "published by the identity provider"
	case directory.FromField:
		return "entered by itself"
	}
	return "from metadata that was brought"
}

// fieldNames are those of the form for single values, with the ids that errors and typed values have.
var fieldNames = []string{"entity_id", "sso_url", "binding", "certificate"}

// importMetadata reads the IdP's metadata, from its XML, the address that publishes it or single values, and shows what
// taking it over would change.
func (d *Door) importMetadata(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	field, from := "metadata-xml", settings.Source{XML: []byte(form.Get("xml")), EntityID: strings.TrimSpace(form.Get("choose"))}
	typed := map[string]string{"metadata-xml": form.Get("xml"), "metadata-choose": form.Get("choose")}
	switch {
	case form.Has("url"):
		field, from.URL, from.XML, from.Signer = "metadata-url", strings.TrimSpace(form.Get("url")), nil, form.Get("signer")
		typed = map[string]string{"metadata-url": form.Get("url"), "metadata-url-choose": form.Get("choose"), "metadata-signer": form.Get("signer")}
	case form.Has("entity_id"):
		field, typed = "metadata-fields", map[string]string{}
		for _, name := range fieldNames {
			typed["fields-"+name] = form.Get(name)
		}
		from = settings.Source{Fields: &settings.Fields{EntityID: form.Get("entity_id"), SSO: form.Get("sso_url"), Binding: form.Get("binding"), Certificates: form.Get("certificate")}}
	}
	c, err := v.connection(v.r.PathValue("connection"))
	if err != nil {
		return err
	}
	var plan settings.MetadataPlan
	if field == "metadata-url" && from.URL == "" {
		err = errs.Invalid("url_missing", "Expected the address of the identity provider's metadata, received nothing.")
	} else {
		plan, err = d.Settings.PlanMetadata(v.r.Context(), v.live.Slug, c.ID, from)
	}
	if field == "metadata-url" {
		// Who answered may have taken long over it.
		again, e := d.again(v, directory.PermissionSettings)
		if again == nil || e != nil {
			return e
		}
		v = again
	}
	switch {
	case forTheForm(err), errs.Is(err, errs.KindUnavailable) && field == "metadata-url":
		return d.showConnection(v, c, told{field: field, err: err, typed: typed}, nil)
	case err != nil:
		return err
	case len(plan.Changes) == 0:
		return d.showConnection(v, c, told{notice: &web.Notice{Kind: "ok", Text: "All of it is known already. Nothing is to be changed."}}, nil)
	}
	return d.showConnection(v, c, told{}, &review{MetadataPlan: plan, Document: string(plan.XML)})
}

// applyMetadata carries out the difference that was shown.
func (d *Door) applyMetadata(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	from := settings.Source{XML: []byte(form.Get("xml")), URL: form.Get("url"), Signer: form.Get("signer")}
	return d.onConnection(v, "metadata", "imported", nil, func(id string) error {
		if form.Get("seen") == "" {
			return errs.Invalid("seen_missing", "Look at the differences first.")
		}
		_, err := d.Settings.ApplyMetadata(v.r.Context(), v.live.Slug, id, from, form.Get("seen"), v.actor)
		return err
	})
}

// refreshMetadata looks at what the IdP publishes now.
func (d *Door) refreshMetadata(v *visit) error {
	return d.onConnection(v, "metadata", "looked", nil, func(id string) error {
		_, err := d.Settings.RefreshNow(v.r.Context(), v.live.Slug, id)
		return err
	})
}

// forgetMetadata stops looking there.
func (d *Door) forgetMetadata(v *visit) error {
	return d.onConnection(v, "metadata", "metadata-forgotten", nil, func(id string) error {
		_, err := d.Settings.ForgetMetadataURL(v.r.Context(), v.live.Slug, id, v.actor)
		return err
	})
}

// decideMetadata accepts or declines what the IdP publishes.
func (d *Door) decideMetadata(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	done := "imported"
	if form.Get("decision") != "accept" {
		done = "metadata-declined"
	}
	return d.onConnection(v, "metadata", done, nil, func(id string) error {
		switch form.Get("decision") {
		case "accept":
			_, err := d.Settings.AcceptProposal(v.r.Context(), v.live.Slug, id, form.Get("seen"), v.actor)
			return err
		case "decline":
			return d.Settings.DeclineProposal(v.r.Context(), v.live.Slug, id, form.Get("seen"), v.actor)
		}
		return errs.Invalid("decision_unknown", "Expected accept or decline.")
	})
}

// idpKey does what a button beside a key of the IdP says.
func (d *Door) idpKey(v *visit) error {
	act, key := v.r.PathValue("act"), v.r.PathValue("key")
	done := map[string]string{"promote": "idp-key-promoted", "keep": "idp-key-kept", "release": "idp-key-released", "drop": "idp-key-dropped"}[act]
	return d.onConnection(v, "idp-keys", done, nil, func(id string) (err error) {
		ctx, slug := v.r.Context(), v.live.Slug
		switch act {
		case "promote":
			_, err = d.Settings.PromoteIdPKey(ctx, slug, id, key, v.actor)
		case "keep", "release":
			_, err = d.Settings.KeepIdPKey(ctx, slug, id, key, act == "keep", v.actor)
		case "drop":
			_, err = d.Settings.DropIdPKey(ctx, slug, id, key, v.actor)
		default:
			err = errs.NotFound("page_unknown", "There is no such page.")
		}
		if errs.Is(err, errs.KindNotFound) && done != "" {
			err = errs.Conflict("key_unknown", "The connection has no such key of its identity provider any more.")
		}
		return err
	})
}
