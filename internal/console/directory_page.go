package console

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// directoryData is the page of one directory.
type directoryData struct {
	common
	directoryLine
	lifeData
	ConnectionURL string // of the connection beside it, or ""
	// What the IdP calls our base URL and the token.
	BaseURLWord, TokenWord string
	Setup                  *guideData           // nil where no IdP is known
	Issued                 string               // the token that was just made; nowhere else and never again
	Newest                 string               // id of the newest token, for the form's own guard
	Live                   settings.TokenView   // the newest that works
	Living, Old            []settings.TokenView // newest first
	IssuedSecret           string               // as Issued, for the OAuth client
	Secrets                []settings.SecretView
	SignInAgain            string // where to, before a credential can be made; "" for who just did
	Schemas                []directory.Schema
}

func (d *Door) directoryPage(v *visit) error {
	dir, err := v.directory(v.r.PathValue("directory"))
	if err != nil {
		return err
	}
	return d.showDirectory(v, dir, told{}, shown{})
}

// shown is what was just made; nowhere else and never again.
type shown struct{ token, secret string }

func (d *Door) showDirectory(v *visit, dir settings.DirectorySetup, t told, issued shown) error {
	life, err := d.life(v, dir)
	if err != nil {
		return err
	}
	return d.show(v, "directory", dir.Name+" (SCIM)", "/sso", t, func(c common) any {
		data := directoryData{common: c, lifeData: life, directoryLine: lineOf(dir, c.Base), Issued: issued.token, IssuedSecret: issued.secret, Newest: dir.NewestToken()}
		// The marks of tokens are written after the answer; what was counted is a part of the report.
		if last := life.Report.LastRequest; last != nil && (data.LastUsed == nil || last.After(*data.LastUsed)) {
			data.LastUsed = last
		}
		if d.stale(v) {
			data.SignInAgain = "/signin?" + url.Values{"workspace": {v.live.Slug}, "fresh": {"1"}, "continue": {v.url("/sso/directories/" + dir.ID)}}.Encode()
		}
		for _, secret := range slices.Backward(dir.Secrets) {
			if secret.RevokedAt == nil {
				data.Secrets = append(data.Secrets, secret)
			}
		}
		data.Schemas = v.setup.Schemas
		data.BaseURLWord, data.TokenWord = "SCIM base URL", "Bearer token"
		for _, con := range v.setup.Connections {
			if con.ID != dir.Connection {
				continue
			}
			data.ConnectionURL = c.Base + "/sso/connections/" + con.ID
			if dir.Guide == nil {
				continue
			}
			steps := guideOf(*dir.Guide, providerName(con.Provider), map[string]bool{})
			data.Setup = &steps
			if f, ok := dir.Guide.Copy("scim_base_url"); ok {
				data.BaseURLWord = f.Name
			}
			data.TokenWord = dir.Guide.TokenWord()
		}
		data.Live, _ = dir.LiveToken()
		for _, token := range slices.Backward(dir.Tokens) {
			if token.RevokedAt == nil {
				data.Living = append(data.Living, token)
			} else {
				data.Old = append(data.Old, token)
			}
		}
		return data
	})
}

// freshFor is how long ago a person may have proved who they are who makes a credential: a browser left
// open must not be worth a directory.
const freshFor = 10 * time.Minute

func (d *Door) stale(v *visit) bool { return d.DB.Now().Sub(v.live.AuthenticatedAt) > freshFor }

var errStale = errs.Forbidden("sign_in_again", "Making a credential needs a sign-in of the last 10 minutes. Sign in again; you come back here.")

// credentialForm reads what a form asks of a new credential. wrong is what the form is told of: a mistake in it, or
// a sign-in that is too old.
func (d *Door) credentialForm(v *visit) (form url.Values, dir settings.DirectorySetup, o settings.TokenOptions, wrong, err error) {
	if form, err = web.Form(v.r); err != nil {
		return
	}
	if dir, err = v.directory(v.r.PathValue("directory")); err != nil {
		return
	}
	if o, wrong = tokenOptions(form); d.stale(v) {
		wrong = errStale
	}
	return
}

// generateToken makes a token and shows it in this answer only: there is no page to come back to.
func (d *Door) generateToken(v *visit) error {
	form, dir, o, wrong, err := d.credentialForm(v)
	if err != nil {
		return err
	}
	var issued settings.Issued
	if err = wrong; err == nil {
		issued, err = d.Settings.RotateTokenOnce(v.r.Context(), v.live.Slug, dir.ID, form.Get("newest"), o, v.actor)
	}
	if forTheForm(err) {
		field := "generate-token"
		if errs.CodeOf(err) == "token_already_made" {
			field = "scim-token"
		}
		return d.showDirectory(v, dir, told{field: field, err: err}, shown{})
	}
	if err != nil {
		return err
	}
	if v.setup, err = d.Settings.ConnectionSetup(v.r.Context(), v.live.Slug); err != nil {
		return err
	}
	if dir, err = v.directory(dir.ID); err != nil {
		return err
	}
	return d.showDirectory(v, dir, told{}, shown{token: issued.Token})
}

// tokenOptions reads what the form asks of a new token; "" is no end, and no overlap.
func tokenOptions(form url.Values) (o settings.TokenOptions, err error) {
	o.Name = strings.TrimSpace(form.Get("name"))
	for field, d := range map[string]*time.Duration{"lifetime": &o.Lifetime, "overlap": &o.Overlap} {
		text := form.Get(field)
		if text == "" {
			continue
		}
		if *d, err = time.ParseDuration(text); err != nil {
			return o, errs.Invalid(field+"_invalid", "Choose one of the lengths of time that are offered.")
		}
	}
	return o, nil
}

// revokeToken ends one token.
func (d *Door) revokeToken(v *visit) error {
	dir, err := v.directory(v.r.PathValue("directory"))
	if err != nil {
		return err
	}
	if err := d.Settings.RevokeToken(v.r.Context(), v.live.Slug, dir.ID, v.r.PathValue("token"), v.actor); err != nil {
		return err
	}
	return v.to("/sso/directories/" + dir.ID + "?done=token-revoked")
}

// addSecret makes a secret of the directory's OAuth client and shows it in this answer only.
func (d *Door) addSecret(v *visit) error {
	_, dir, o, wrong, err := d.credentialForm(v)
	if err != nil {
		return err
	}
	var issued settings.IssuedSecret
	if err = wrong; err == nil {
		issued, err = d.Settings.AddClientSecret(v.r.Context(), v.live.Slug, dir.ID, o, v.actor)
	}
	if forTheForm(err) {
		return d.showDirectory(v, dir, told{field: "add-secret", err: err}, shown{})
	}
	if err != nil {
		return err
	}
	if v.setup, err = d.Settings.ConnectionSetup(v.r.Context(), v.live.Slug); err != nil {
		return err
	}
	if dir, err = v.directory(dir.ID); err != nil {
		return err
	}
	return d.showDirectory(v, dir, told{}, shown{secret: issued.ClientSecret})
}

// revokeSecret ends one secret.
func (d *Door) revokeSecret(v *visit) error {
	dir, err := v.directory(v.r.PathValue("directory"))
	if err != nil {
		return err
	}
	if err := d.Settings.RevokeClientSecret(v.r.Context(), v.live.Slug, dir.ID, v.r.PathValue("secret"), v.actor); err != nil {
		return err
	}
	return v.to("/sso/directories/" + dir.ID + "?done=secret-revoked")
}
