package console

import (
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// connectionData is the page of one connection.
type connectionData struct {
	common
	settings.ConnectionView
	URL string
	// ProviderName is what the provider calls itself, Them its name within a sentence.
	ProviderName, Them string
	SAML               bool
	Copies             []copyRow // what goes into the IdP
	MetadataWord       string    // where the IdP shows its metadata
	Certificates       []certificate
	Ready              bool // the IdP is known well enough to switch the connection on
	Tile               bool
	AttributeFields    []attributeField
	LoginURL           string
	Review             *review                // a difference to decide on
	Watch              settings.MetadataState // how looking after the metadata goes
	Directories        []directoryLine
	OffersSCIM         bool
	ByOwner            bool // who looks is an owner
	// SignInAgain leads to a fresh sign-in, which a new key needs; "" where this one is fresh enough.
	SignInAgain string
}

// copyRow is one line of the IdP's console, in its words: a value to paste, a choice to make, or
// neither.
type copyRow struct {
	ID, Word, Value, Choice, Hint string
}

// attributeField is one name of the attribute mapping.
type attributeField struct{ Key, Label, Value string }

// certificate is a signing certificate with what is to be said of its age.
type certificate struct {
	settings.IdPKeyView
	Shown   string // the fingerprint in pairs
	Warning string
	Expired bool
}

// soon is how long before its end a certificate is shown with a warning.
const soon = 60 * 24 * time.Hour

func certificates(c settings.ConnectionView, now time.Time) []certificate {
	if c.IdP == nil {
		return nil
	}
	var out []certificate
	for _, view := range c.IdP.Certificates {
		cert := certificate{IdPKeyView: view, Shown: inPairs(view.Fingerprint)}
		day := view.NotAfter.UTC().Format("2 Jan 2006")
		switch {
		case now.After(view.NotAfter):
			cert.Expired, cert.Warning = true, "A signing certificate expired on "+day+". Its key is still accepted; import the metadata again once the identity provider has a new one."
		case now.Add(soon).After(view.NotAfter):
			cert.Warning = "A signing certificate expires on " + day + ". Import the metadata again once the identity provider has a new one."
		}
		out = append(out, cert)
	}
	return out
}

func inPairs(hex string) string {
	var b strings.Builder
	for i := range len(hex) {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteByte(hex[i])
	}
	return strings.ToUpper(b.String())
}

func (d *Door) connectionPage(v *visit) error {
	c, err := v.connection(v.r.PathValue("connection"))
	if err != nil {
		return err
	}
	return d.showConnection(v, c, told{}, nil)
}

// showConnection shows the page of a connection, with a difference to decide on; nil for what the IdP itself proposes.
func (d *Door) showConnection(v *visit, con settings.ConnectionView, t told, decide *review) error {
	var watch settings.MetadataState
	if con.SAML != nil {
		var err error
		if watch, err = d.Settings.MetadataState(v.r.Context(), v.live.Slug, con.ID); err != nil {
			return err
		}
	}
	if decide == nil && watch.Proposal != nil {
		decide = &review{MetadataPlan: *watch.Proposal, Found: true}
	}
	return d.show(v, "connection", con.Name, "/sso", t, func(c common) any {
		data := connectionData{common: c, ConnectionView: con, URL: c.Base + "/sso/connections/" + con.ID, ProviderName: providerName(con.Provider),
			SAML: con.Protocol == directory.ProtocolSAML, Certificates: certificates(con, d.DB.Now()), Review: decide, Watch: watch,
			// A generic IdP speaks SAML and nothing else (F8 of the seeds).
			OffersSCIM: con.Provider != "generic", LoginURL: directory.Connection{ID: con.ID, Protocol: con.Protocol}.LoginPath(), ByOwner: v.owner, Ready: con.IdP != nil || con.OIDC != nil && con.OIDC.Complete}
		if d.stale(v) {
			data.SignInAgain = v.signInAgain("/sso/connections/" + con.ID)
		}
		if data.Them = data.ProviderName; con.Provider == "generic" {
			data.Them = "your identity provider"
		}
		if con.OIDC != nil {
			data.Copies = oidcRows(con)
		} else {
			data.Copies, data.MetadataWord = copyRows(con)
		}
		if con.IdPInitiated != nil {
			data.Tile = *con.IdPInitiated
		}
		if con.Attributes != nil {
			data.AttributeFields = attributeFields(*con.Attributes)
			if con.OIDC != nil {
				data.AttributeFields[len(data.AttributeFields)-1].Label = "Identity, instead of sub"
			}
		}
		for i, f := range data.AttributeFields {
			if typed, ok := c.Typed["attribute-"+f.Key]; ok {
				data.AttributeFields[i].Value = typed
			}
		}
		for _, dir := range v.setup.Directories {
			if dir.Connection == con.ID {
				data.Directories = append(data.Directories, lineOf(dir, c.Base))
			}
		}
		return data
	})
}

// copyRows are what the IdP's administrator enters there, in the order of the IdP's own pages; the
// metadata URL comes first where those pages do not ask for it.
func copyRows(con settings.ConnectionView) (rows []copyRow, metadataWord string) {
	ids := map[string]string{"metadata_url": "metadata-url-value", "acs_url": "acs-url", "entity_id": "entity-id"}
	hasMetadata := false
	for _, word := range con.Words() {
		switch {
		case strings.HasPrefix(word.Field, "scim_"):
			continue
		case word.Field == "idp_metadata":
			metadataWord = word.TheirWord
			continue
		case word.Field == "metadata_url":
			hasMetadata = true
		}
		row := copyRow{ID: ids[word.Field], Word: word.TheirWord, Value: word.Value, Hint: word.Help}
		if row.ID == "" && !strings.HasPrefix(word.Value, "user.") { // said to people, not to paste
			row.Value, row.Choice = "", word.Value
		}
		rows = append(rows, row)
	}
	if !hasMetadata && con.MetadataURL != "" {
		rows = append([]copyRow{{ID: ids["metadata_url"], Word: "Metadata URL", Value: con.MetadataURL,
			Hint: "For identity providers and tools that read a service provider's metadata; it fills in the addresses below."}}, rows...)
	}
	return rows, metadataWord
}

func attributeFields(a directory.Attributes) []attributeField {
	return []attributeField{
		{"email", "E-mail address", a.Email},
		{"name", "Display name", a.Name},
		{"first-name", "First name", a.FirstName},
		{"last-name", "Last name", a.LastName},
		{"groups", "Groups", a.Groups},
		{"subject", "Identity, instead of the NameID", a.Subject},
	}
}

// onConnection runs one act on the connection of the path. What settings refuses is shown beside
// field; after a success the browser is led to the page with the sentence done.
func (d *Door) onConnection(v *visit, field, done string, typed map[string]string, act func(id string) error) error {
	c, err := v.connection(v.r.PathValue("connection"))
	if err != nil {
		return err
	}
	err = act(c.ID)
	if forTheForm(err) {
		return d.showConnection(v, c, told{field: field, err: err, typed: typed}, nil)
	}
	if err != nil {
		return err
	}
	return v.to("/sso/connections/" + c.ID + "?done=" + done)
}

// setAttributes saves the names of the assertion's attributes.
func (d *Door) setAttributes(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	names := directory.Attributes{Email: form.Get("email"), Name: form.Get("name"), FirstName: form.Get("first-name"),
		LastName: form.Get("last-name"), Groups: form.Get("groups"), Subject: form.Get("subject")}
	typed := map[string]string{}
	for _, f := range attributeFields(names) {
		typed["attribute-"+f.Key] = f.Value
	}
	return d.onConnection(v, "attributes", "attributes", typed, func(id string) error {
		_, err := d.Settings.SetAttributes(v.r.Context(), v.live.Slug, id, names, v.actor)
		return err
	})
}

// setIdPInitiated switches the IdP's tile on or off.
func (d *Door) setIdPInitiated(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	on, done := form.Get("on") == "1", "tile-off"
	if on {
		done = "tile-on"
	}
	return d.onConnection(v, "idp-initiated", done, nil, func(id string) error {
		_, err := d.Settings.SetIdPInitiated(v.r.Context(), v.live.Slug, id, on, v.actor)
		return err
	})
}

// confirm is an owner's word that what is known of the IdP is right.
func (d *Door) confirm(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	return d.onConnection(v, "confirm", "confirmed", nil, func(id string) error {
		_, err := d.Settings.ConfirmConnection(v.r.Context(), v.live.Slug, id, form.Get("seen"), v.actor)
		return err
	})
}

func (d *Door) activate(v *visit) error {
	return d.onConnection(v, "activate", "activated", nil, func(id string) error {
		_, err := d.Settings.ActivateConnection(v.r.Context(), v.live.Slug, id, v.actor)
		return err
	})
}

func (d *Door) disable(v *visit) error {
	return d.onConnection(v, "disable", "disabled", nil, func(id string) error {
		_, err := d.Settings.DisableConnection(v.r.Context(), v.live.Slug, id, v.actor)
		return err
	})
}

// remove deletes a connection for good.
func (d *Door) remove(v *visit) error {
	c, err := v.connection(v.r.PathValue("connection"))
	if err != nil {
		return err
	}
	err = d.Settings.DeleteConnection(v.r.Context(), v.live.Slug, c.ID, v.actor)
	if forTheForm(err) {
		return d.showConnection(v, c, told{field: "remove", err: err}, nil)
	}
	if err != nil {
		return err
	}
	return v.to("/sso?done=connection-removed")
}
