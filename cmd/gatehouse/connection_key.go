package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// keyArgs ask for one act on a key of a connection.
type keyArgs struct {
	Workspace  string `json:"workspace"`
	Connection string `json:"connection"`
	Act        string `json:"act"`
	Key        string `json:"key,omitempty"` // its fingerprint, or how that begins
}

type connectionIdPKeyCommand struct {
	List    idpKeyListCommand    `cmd:"" help:"List the IdP's signing keys: which signs, which is new, which retires and until when."`
	Promote idpKeyPromoteCommand `cmd:"" help:"Say that the IdP signs with this key now; the others retire."`
	Keep    idpKeyKeepCommand    `cmd:"" help:"Keep a retiring key until it is released."`
	Release idpKeyReleaseCommand `cmd:"" help:"Let a kept key go in its time."`
	Drop    idpKeyDropCommand    `cmd:"" help:"Accept nothing that this key signs any more, from now on."`
}

// keyArg names a key of a connection.
type keyArg struct {
	connectionArg
	Key string `arg:"" help:"The certificate's SHA-256 fingerprint, or its first 8 digits or more."`
}

func runIdPKey(ctx context.Context, p *program, c connectionArg, act, key string) error {
	v, err := call[settings.ConnectionView](ctx, p, "connection.idp-key", keyArgs{c.Workspace, c.Connection, act, key})
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) { showIdPKeys(w, v) })
}

// showIdPKeys writes where the IdP's keys stand.
func showIdPKeys(w io.Writer, c settings.ConnectionView) {
	if c.IdP == nil {
		fmt.Fprintln(w, "Nothing is known of the IdP.")
		return
	}
	fmt.Fprint(w, cells("entity ID", c.IdP.EntityID))
	for _, k := range c.IdP.Certificates {
		words := string(k.State)
		for _, part := range []struct {
			word string
			at   *time.Time
		}{{"seen", k.SeenAt}, {"first used", k.ProvenAt}, {"retiring since", k.RetiredAt}, {"used", k.UsedAt}, {"removed", k.RemoveAt}} {
			if part.at != nil {
				words += ", " + part.word + " " + instant(*part.at)
			}
		}
		if k.Kept {
			words += ", kept"
		}
		if k.Gone {
			words += ", no longer published"
		}
		fmt.Fprint(w, cells("key", "sha256:"+k.Fingerprint, k.Key, "until "+instant(k.NotAfter), words))
	}
}

func actOnIdPKey(ctx context.Context, a *app, by audit.Party, args keyArgs) (v settings.ConnectionView, err error) {
	s := a.settings
	switch args.Act {
	case "list":
		v, err = s.Connection(ctx, args.Workspace, args.Connection)
	case "promote":
		v, err = s.PromoteIdPKey(ctx, args.Workspace, args.Connection, args.Key, by)
	case "keep", "release":
		v, err = s.KeepIdPKey(ctx, args.Workspace, args.Connection, args.Key, args.Act == "keep", by)
	case "drop":
		v, err = s.DropIdPKey(ctx, args.Workspace, args.Connection, args.Key, by)
	default:
		err = errs.NotFound("version_skew", "The server that runs does not know this act on keys. Use the server's own version of gatehouse.")
	}
	return v, a.nearestWorkspace(ctx, args.Workspace, err)
}

type idpKeyListCommand struct{ connectionArg }

func (c *idpKeyListCommand) Run(ctx context.Context, p *program) error {
	return runIdPKey(ctx, p, c.connectionArg, "list", "")
}

type idpKeyPromoteCommand struct{ keyArg }

func (c *idpKeyPromoteCommand) Run(ctx context.Context, p *program) error {
	return runIdPKey(ctx, p, c.connectionArg, "promote", c.Key)
}

type idpKeyKeepCommand struct{ keyArg }

func (c *idpKeyKeepCommand) Run(ctx context.Context, p *program) error {
	return runIdPKey(ctx, p, c.connectionArg, "keep", c.Key)
}

type idpKeyReleaseCommand struct{ keyArg }

func (c *idpKeyReleaseCommand) Run(ctx context.Context, p *program) error {
	return runIdPKey(ctx, p, c.connectionArg, "release", c.Key)
}

type idpKeyDropCommand struct{ keyArg }

func (idpKeyDropCommand) Help() string {
	return `For a key that somebody else may have. What the IdP publishes does not bring it back; an import by hand does. The
only key cannot be dropped, and where single sign-on is enforced the last one that has signed cannot either.`
}

func (c *idpKeyDropCommand) Run(ctx context.Context, p *program) error {
	return runIdPKey(ctx, p, c.connectionArg, "drop", c.Key)
}

type connectionSPKeyCommand struct {
	List   spKeyListCommand   `cmd:"" help:"List our keys at a connection, the newest first, and which one signs."`
	Next   spKeyNextCommand   `cmd:"" help:"Publish a new key beside the present one; it opens what is encrypted for it and signs nothing yet."`
	Switch spKeySwitchCommand `cmd:"" help:"Sign requests with a key that was published."`
	Drop   spKeyDropCommand   `cmd:"" help:"Forget a key that signs no more: what is encrypted for it opens no more."`
}

func runSPKey(ctx context.Context, p *program, c connectionArg, act, key string) error {
	v, err := call[settings.ConnectionView](ctx, p, "connection.sp-key", keyArgs{c.Workspace, c.Connection, act, key})
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		if v.SAML == nil || len(v.SAML.Keys) == 0 {
			fmt.Fprintln(w, "No key. Signed requests or encryption make the first one; so does gatehouse connection sp-key next.")
			return
		}
		for _, k := range v.SAML.Keys {
			state := "published"
			if k.Signs {
				state = "signs"
			}
			fmt.Fprint(w, cells("sha256:"+k.Fingerprint, state, "until "+instant(k.NotAfter)))
		}
		switch {
		case act == "next" && len(v.SAML.Keys) > 1:
			fmt.Fprintf(w, "Give the new certificate to the IdP (it is in %s), then switch.\n", v.MetadataURL)
		case len(v.SAML.Keys) > 1:
			fmt.Fprintln(w, "All of them open what is encrypted for them, so that no sign-in fails meanwhile.")
		}
	})
}

func actOnSPKey(ctx context.Context, a *app, by audit.Party, args keyArgs) (settings.ConnectionView, error) {
	s := a.settings
	v, err := s.Connection(ctx, args.Workspace, args.Connection)
	if err == nil && v.SAML == nil {
		err = errs.Conflict("not_saml", "The connection %q does not speak SAML.", v.Name)
	}
	if err != nil {
		return v, a.nearestWorkspace(ctx, args.Workspace, err)
	}
	if args.Key, err = ourKey(v, args.Key); err != nil {
		return v, err
	}
	switch args.Act {
	case "list":
	case "next":
		v, err = s.RotateSPKey(ctx, args.Workspace, args.Connection, by)
	case "switch":
		v, err = s.UseSPKey(ctx, args.Workspace, args.Connection, args.Key, by)
	case "drop":
		v, err = s.RemoveSPKey(ctx, args.Workspace, args.Connection, args.Key, by)
	default:
		err = errs.NotFound("version_skew", "The server that runs does not know this act on keys. Use the server's own version of gatehouse.")
	}
	return v, err
}

// leastDigits is how much of a fingerprint names a key at the least.
const leastDigits = 8

// ourKey returns the fingerprint of the key of ours that begins so; others stay as they are, for the refusal.
func ourKey(v settings.ConnectionView, begins string) (string, error) {
	begins = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(begins, "sha256:"), ":", ""))
	found := begins
	n := 0
	for _, k := range v.SAML.Keys {
		if len(begins) >= leastDigits && strings.HasPrefix(k.Fingerprint, begins) {
			found, n = k.Fingerprint, n+1
		}
	}
	if n > 1 {
		return "", errs.Conflict("key_ambiguous", "Several keys have a fingerprint that begins like that. Give more of it.")
	}
	return found, nil
}

type spKeyListCommand struct{ connectionArg }

func (c *spKeyListCommand) Run(ctx context.Context, p *program) error {
	return runSPKey(ctx, p, c.connectionArg, "list", "")
}

type spKeyNextCommand struct{ connectionArg }

func (spKeyNextCommand) Help() string {
	return `To replace our key without a gap: publish the next one, give its certificate to the IdP, switch, and drop the old
one once nothing is encrypted for it any more.

Examples:

  gatehouse connection sp-key next acme okta
  gatehouse connection sp-key switch acme okta 3f0c9a2b
  gatehouse connection sp-key drop acme okta 91ab44c0`
}

func (c *spKeyNextCommand) Run(ctx context.Context, p *program) error {
	return runSPKey(ctx, p, c.connectionArg, "next", "")
}

type spKeySwitchCommand struct{ keyArg }

func (c *spKeySwitchCommand) Run(ctx context.Context, p *program) error {
	return runSPKey(ctx, p, c.connectionArg, "switch", c.Key)
}

type spKeyDropCommand struct{ keyArg }

func (c *spKeyDropCommand) Run(ctx context.Context, p *program) error {
	return runSPKey(ctx, p, c.connectionArg, "drop", c.Key)
}
