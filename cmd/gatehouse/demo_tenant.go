package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/hostapp"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// tenant is one workspace, with the IdP that fills it.
type tenant struct {
	slug, name string
	kind       idpsim.Kind // "" for the neighbour
	signsIn    bool        // by SAML too, and to the product
	invites    bool        // tells new people by mail
	idp        *idpsim.IdP
	directory  string // id
	token      string
	connection string // id
	client     string // id and secret of the product's client
	secret     string
}

// newTenants are the workspaces of the four clients. Two of them sign in as well.
func newTenants() []*tenant {
	return []*tenant{
		{slug: "acme", name: "Acme Inc", kind: idpsim.Okta, signsIn: true},
		{slug: "initech", name: "Initech", kind: idpsim.OktaCustom},
		{slug: "globex", name: "Globex Corporation", kind: idpsim.Entra, signsIn: true, invites: true},
		{slug: "umbrella", name: "Umbrella Corporation", kind: idpsim.EntraFlag},
	}
}

// idpTitle is the IdP for people.
func (t *tenant) idpTitle() string { return t.name + "'s IdP" }

// connect makes a workspace by an apply file, and tells its IdP what an administrator would enter
// there: base URL and token for provisioning, our metadata for sign-in.
func (w *world) connect(ctx context.Context, t *tenant) error {
	if t.kind != "" {
		t.idp = w.idps.IdP(t.kind)
	}
	text, err := t.file(w.hostOrigin)
	if err != nil {
		return err
	}
	out, err := call[applied](ctx, w.operator, "apply", applyArgs{Text: text})
	if err != nil {
		return fmt.Errorf("make workspace %s: %w", t.slug, err)
	}
	issued, err := call[settings.Issued](ctx, w.operator, "scim-token.rotate", tokenArgs{Workspace: t.slug, Directory: out.Result.Directories[0].ID})
	if err != nil {
		return fmt.Errorf("make a token for %s: %w", t.slug, err)
	}
	t.directory, t.token = issued.Directory, w.wire.secret(issued.Token)
	if t.kind == "" {
		return nil
	}
	w.wire.sender(t.token, t.kind)
	if err := t.idp.Connect(ctx, idpsim.Connection{BaseURL: issued.BaseURL, Token: issued.Token, ImportPastEnd: true}); err != nil {
		return err
	}
	return w.connectSignIn(ctx, t, out.Result)
}

// connectSignIn gives the IdP our metadata, and notes the product's client.
func (w *world) connectSignIn(ctx context.Context, t *tenant, made settings.Result) error {
	if !t.signsIn {
		return nil
	}
	if len(made.Connections) != 1 || len(made.Applications) != 1 || made.Applications[0].ClientSecret == "" {
		return fmt.Errorf("workspace %s has no connection or no application after its apply", t.slug)
	}
	t.connection = made.Connections[0].ID
	t.client, t.secret = made.Applications[0].ClientID, w.wire.secret(made.Applications[0].ClientSecret)
	if err := t.idp.ImportSAML(ctx, made.Connections[0].MetadataURL); err != nil {
		return fmt.Errorf("give our metadata to %s: %w", t.kind, err)
	}
	return nil
}

// file is the workspace as an operator writes it down.
func (t *tenant) file(hostOrigin string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "workspace: %s\nname: %s\npreset: omniflow\nowners:\n  - {email: root@%s.test, name: Root, break_glass: true}\n", t.slug, t.name, t.slug)
	if t.invites {
		fmt.Fprint(&b, "policy: {invite_on_create: true}\n")
	}
	if !t.signsIn {
		fmt.Fprint(&b, "directories:\n  - {name: idp}\n")
	} else {
		metadata, err := t.idp.SAMLMetadata()
		if err != nil {
			return "", fmt.Errorf("get metadata of %s: %w", t.kind, err)
		}
		quoted, err := json.Marshal(string(metadata)) // a JSON string is a YAML string
		if err != nil {
			return "", fmt.Errorf("quote metadata of %s: %w", t.kind, err)
		}
		fmt.Fprintf(&b, "connections:\n  - {name: %s, provider: %[1]s, protocol: saml, status: active, metadata: %s}\n", t.kind, quoted)
		fmt.Fprintf(&b, "directories:\n  - {name: idp, connection: %s}\n", t.kind)
		fmt.Fprintf(&b, "applications:\n  - name: omniflow\n    redirect_uris: [%q]\n    post_logout_redirect_uris: [%q]\n    backchannel_logout_uri: %q\n",
			hostapp.RedirectURI(hostOrigin), hostapp.SignedOutURI(hostOrigin), hostapp.BackchannelURI(hostOrigin, t.slug))
	}
	fmt.Fprint(&b, "role_mappings:\n")
	for _, m := range demoRoles {
		fmt.Fprintf(&b, "  - {group: %s, role: %s}\n", m.group, m.role)
	}
	return b.String(), nil
}
