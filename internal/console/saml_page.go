package console

import (
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// encryptions are the choices for encrypted assertions in words.
var encryptions = []choice{{"off", "Refused"}, {"on", "Accepted (AES-GCM)"}, {"cbc", "Accepted, AES-CBC as well"}}

// Encryptions are for the page.
func (connectionData) Encryptions() []choice { return encryptions }

// SAMLField is what a field of the SAML choices shows: what was typed, else what is kept.
func (d connectionData) SAMLField(name string) string {
	if typed, ok := d.Typed[name]; ok {
		return typed
	}
	s := d.ConnectionView.SAML
	return map[string]string{"encryption": s.Encryption, "sha1-until": s.SHA1Until, "authn-contexts": strings.Join(s.AuthnContexts, "\n"),
		"sign-requests": mark(s.SignRequests), "force-authn": mark(s.ForceAuthn),
		"single-logout": mark(s.SingleLogout), "artifact": mark(s.Artifact)}[name]
}

func mark(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// spKey is a key of ours with its fingerprint in pairs.
type spKey struct {
	settings.SPKeyView
	Shown string
}

// SPKeys are our keys at the connection, the newest first.
func (d connectionData) SPKeys() (out []spKey) {
	for _, k := range d.ConnectionView.SAML.Keys {
		out = append(out, spKey{k, inPairs(k.Fingerprint)})
	}
	return out
}

// setSAML saves the choices of a SAML connection. The first that needs a key makes one, which asks for a sign-in
// of the last minutes.
func (d *Door) setSAML(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	on := func(name string) bool { return form.Get(name) == "1" }
	to := settings.SAMLOptions{SignRequests: on("sign_requests"), Encryption: form.Get("encryption"), SHA1Until: strings.TrimSpace(form.Get("sha1_until")),
		ForceAuthn: on("force_authn"), AuthnContexts: strings.Fields(form.Get("authn_contexts")), CBCUnderstood: on("cbc_understood"),
		SingleLogout: on("single_logout"), Artifact: on("artifact"), Seen: form.Get("seen")}
	typed := map[string]string{"encryption": to.Encryption, "sha1-until": form.Get("sha1_until"), "authn-contexts": form.Get("authn_contexts"),
		"sign-requests": form.Get("sign_requests"), "force-authn": form.Get("force_authn"), "single-logout": form.Get("single_logout"), "artifact": form.Get("artifact")}
	return d.onConnection(v, "saml-options", "options", typed, func(id string) error {
		c, err := v.connection(id)
		if err != nil {
			return err
		}
		if c.SAML != nil && len(c.SAML.Keys) == 0 && to.NeedsKey() && d.stale(v) {
			return errStale
		}
		_, err = d.Settings.SetSAMLOptions(v.r.Context(), v.live.Slug, id, to, v.actor)
		return err
	})
}

// rotateKey publishes a new key of ours.
func (d *Door) rotateKey(v *visit) error {
	return d.onConnection(v, "keys", "key-published", nil, func(id string) error {
		if d.stale(v) {
			return errStale
		}
		_, err := d.Settings.RotateSPKey(v.r.Context(), v.live.Slug, id, v.actor)
		return err
	})
}

// useKey signs with a key that was published.
func (d *Door) useKey(v *visit) error {
	return d.onConnection(v, "keys", "key-used", nil, func(id string) error {
		_, err := d.Settings.UseSPKey(v.r.Context(), v.live.Slug, id, v.r.PathValue("key"), v.actor)
		return err
	})
}

// removeKey forgets a key.
func (d *Door) removeKey(v *visit) error {
	return d.onConnection(v, "keys", "key-removed", nil, func(id string) error {
		_, err := d.Settings.RemoveSPKey(v.r.Context(), v.live.Slug, id, v.r.PathValue("key"), v.actor)
		return err
	})
}

// signInAgain leads to a fresh sign-in and back to a page of the workspace.
func (v *visit) signInAgain(path string) string {
	return "/signin?" + url.Values{"workspace": {v.live.Slug}, "fresh": {"1"}, "continue": {v.url(path)}}.Encode()
}
