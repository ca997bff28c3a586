package console

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
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
	Setup              guideData // what its administrator does there
	Addresses          []copyRow // of ours, that the guide does not ask for
	MetadataWord       string    // where the IdP shows its metadata
	Certificates       []certificate
	Ready              bool // the IdP is known well enough to switch the connection on
	Tile, TileConverts bool
	AttributeFields    []attributeField
	LoginURL           string
	Review             *review                // a difference to decide on
	Watch              settings.MetadataState // how looking after the metadata goes
	Clock              string                 // how far the IdP's clock is off, where it is worth a word
	Directories        []directoryLine
	Proven             []string // domains of the workspace
	OffersSCIM         bool
	ByOwner            bool // who looks is an owner
	// SignInAgain leads to a fresh sign-in, which a new key needs; "" where this one is fresh enough.
	SignInAgain string
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
	clock := ""
	if err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		clock, err = clockOf(tx, con.ID)
		return err
	}); err != nil {
		return err
	}
	return d.show(v, "connection", con.Name, "/sso", t, func(c common) any {
		data := connectionData{common: c, ConnectionView: con, URL: c.Base + "/sso/connections/" + con.ID, ProviderName: providerName(con.Provider),
			SAML: con.Protocol == directory.ProtocolSAML, Certificates: certificates(con, d.DB.Now()), Review: decide, Watch: watch, Clock: clock, Proven: v.setup.Domains,
			OffersSCIM: directory.OffersSCIM(con.Provider), LoginURL: directory.Connection{ID: con.ID, Protocol: con.Protocol}.LoginPath(), ByOwner: v.owner, Ready: con.IdP != nil || con.OIDC != nil && con.OIDC.Complete}
		if d.stale(v) {
			data.SignInAgain = v.signInAgain("/sso/connections/" + con.ID)
		}
		if data.Them = data.ProviderName; con.Provider == "generic" {
			data.Them = "your identity provider"
		}
		given := map[string]bool{}
		data.Setup = guideOf(con.Guide, data.Them, given)
		data.Addresses = addresses(con, given)
		for _, find := range con.Guide.Bring {
			if con.SAML != nil {
				data.MetadataWord = find.Where
			}
		}
		if con.IdPInitiated != nil {
			data.Tile, data.TileConverts = *con.IdPInitiated, con.ConvertUnasked
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

func attributeFields(a directory.Attributes) []attributeField {
	return []attributeField{
		{"email", "E-mail address", a.Email},
		{"name", "Display name", a.Name},
		{"first-name", "First name", a.FirstName},
		{"last-name", "Last name", a.LastName},
		{"groups", "Groups", a.Groups},
		{"groups-delimiter", "Groups in one value are parted by", a.GroupsDelimiter},
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
		LastName: form.Get("last-name"), Groups: form.Get("groups"), GroupsDelimiter: form.Get("groups-delimiter"), Subject: form.Get("subject")}
	typed := map[string]string{}
	for _, f := range attributeFields(names) {
		typed["attribute-"+f.Key] = f.Value
	}
	return d.onConnection(v, "attributes", "attributes", typed, func(id string) error {
		_, err := d.Settings.SetAttributes(v.r.Context(), v.live.Slug, id, names, v.actor)
		return err
	})
}

// setIdPInitiated says what becomes of an answer of the IdP's tile.
func (d *Door) setIdPInitiated(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	tile := form.Get("tile")
	done := map[string]string{settings.TileSignsIn: "tile-on", settings.TileConverted: "tile-convert"}[tile]
	return d.onConnection(v, "idp-initiated", cmp.Or(done, "tile-off"), nil, func(id string) error {
		_, err := d.Settings.SetIdPInitiated(v.r.Context(), v.live.Slug, id, tile, v.actor)
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

// disable switches a connection off. What becomes of the sessions that it made is asked: neither is a matter of course.
func (d *Door) disable(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	choice := form.Get("open_sessions")
	done := map[string]string{"end": "disabled", "keep": "disabled-kept"}[choice]
	return d.onConnection(v, "disable", done, nil, func(id string) error {
		if done == "" {
			return errs.Invalid("open_sessions_unknown", "Choose what becomes of the sessions that came through the connection.")
		}
		_, err := d.Settings.DisableConnection(v.r.Context(), v.live.Slug, id, choice == "keep", v.actor)
		return err
	})
}

// setDomains says whose people the sign-in page leads to the connection.
func (d *Door) setDomains(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	typed := form.Get("domains")
	list := strings.FieldsFunc(typed, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
	return d.onConnection(v, "domains", "domains", map[string]string{"domains": typed}, func(id string) error {
		_, err := d.Settings.SetConnectionDomains(v.r.Context(), v.live.Slug, id, list, v.actor)
		return err
	})
}

// DomainList is what the field of the connection's domains shows: what was typed, else what is kept.
func (d connectionData) DomainList() string {
	if typed, ok := d.Typed["domains"]; ok {
		return typed
	}
	return strings.Join(d.Domains, ", ")
}

// Unproven are those of its domains that the workspace has not proven.
func (d connectionData) Unproven() string {
	var out []string
	for _, domain := range d.Domains {
		if !slices.Contains(d.Proven, domain) {
			out = append(out, domain)
		}
	}
	return strings.Join(out, ", ")
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
