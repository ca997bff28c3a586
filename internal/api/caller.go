package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// caller is who asks: a key, and the member it acts as, as both are now.
type caller struct {
	*store.KeyHolder
	role directory.Role // of the owner
	cfg  *directory.Config
	r    *http.Request
}

// maxKeyLength is longer than any key.
const maxKeyLength = 100

// bearer returns the API key that a request carries, "" for none (RFC 6750 section 2.1). No cookie and no parameter is one.
func bearer(header string) string {
	scheme, key, found := strings.Cut(header, " ")
	key = strings.TrimSpace(key)
	if !found || !strings.EqualFold(scheme, "Bearer") || len(key) > maxKeyLength || !strings.HasPrefix(key, settings.APIKeyPrefix) {
		return ""
	}
	return key
}

// errNoKey is the one answer for a key that does not work, whatever the cause.
func errNoKey() error {
	return errs.Unauthenticated("api_key_invalid", "The API key is missing or not valid. Send a living key as Authorization: Bearer gk_...")
}

// authenticate finds out whose key a request carries.
func (d *Door) authenticate(ctx context.Context, r *http.Request) (*caller, error) {
	key := bearer(r.Header.Get("Authorization"))
	if key == "" {
		return nil, errNoKey()
	}
	now := d.DB.Now()
	holder, err := d.DB.System().APIKeyByHash(ctx, keys.HashToken(key), now)
	if errs.Is(err, errs.KindUnauthenticated) {
		d.stranger(r, errs.CodeOf(err))
		return nil, errNoKey()
	}
	if err != nil {
		return nil, err
	}
	if !holder.Live() {
		d.stranger(r, "api_key_"+holder.RevokedWhy)
		return nil, cmpErr(d.noteDead(ctx, r, holder), errNoKey())
	}
	if wait := d.limits.take(holder.Owner.ID, now); wait > 0 {
		return nil, tooMany(wait)
	}
	c := &caller{KeyHolder: holder, r: r}
	err = d.DB.Peek(ctx, holder.Workspace, func(tx *store.Tx) error {
		c.cfg, err = tx.Config()
		return err
	})
	if err != nil {
		return nil, err
	}
	c.role, _ = c.cfg.Roles.ByID(holder.Owner.Role)
	web.Add(ctx, "workspace", holder.Slug)
	web.Add(ctx, "api_key", holder.ID)
	return c, nil
}

func cmpErr(first, otherwise error) error {
	if first != nil {
		return first
	}
	return otherwise
}

func (d *Door) stranger(r *http.Request, reason string) {
	d.DB.System().RecordStranger(web.Bucket(web.ClientIP(r)), "api."+reason, nil)
}

// A key that was revoked because it leaked is in strangers' hands: the first uses of a window are events.
const (
	deadWindow = time.Hour
	deadLimit  = 20
)

func (d *Door) noteDead(ctx context.Context, r *http.Request, h *store.KeyHolder) error {
	// The count that all nodes share is a write; a flood does not get that far.
	if d.dead.take(h.ID, d.DB.Now()) > 0 {
		return nil
	}
	wait, err := d.DB.System().Attempt(ctx, deadWindow, []string{"api dead key " + h.ID}, []int{deadLimit})
	if err != nil || wait > 0 {
		return err
	}
	return d.DB.Write(ctx, h.Workspace, func(tx *store.Tx) error {
		return tx.Record(audit.Event{Type: audit.APIKeyRefused, Outcome: audit.Refused, Reason: h.RevokedWhy, Actor: audit.Party{Kind: "stranger", Name: web.ClientIP(r).String()},
			Subject: audit.Party{Kind: "api_key", ID: h.ID, Name: h.Name}, Changes: []audit.Change{{Field: "owner", To: h.APIKey.Member}, {Field: "ended_at", To: h.RevokedAt.Format(time.RFC3339)}}})
	})
}

// may reports whether both the key's scopes and its owner's role allow what needs a permission; "" needs none.
func (c *caller) may(permission string) bool {
	return permission == "" || c.holds(permission) && c.role.May(permission)
}

func (c *caller) holds(permission string) bool {
	return slices.ContainsFunc(c.Scopes, func(scope string) bool { return directory.Grants(scope, permission) })
}

// permit refuses what the key may not do, and says whose fault it is.
func (c *caller) permit(permission string) error {
	switch {
	case c.may(permission):
		return nil
	case !c.holds(permission):
		return errs.Forbidden("scope_missing", "This needs the scope %s, which the API key %q does not have.", permission, c.Name)
	default:
		return errs.Forbidden("permission_missing", "This needs the permission %s, which the role of the key's owner, %s, does not give.", permission, c.role.Name)
	}
}

// covers reports whether the key may do everything that a role allows.
func (c *caller) covers(role directory.Role) bool {
	permissions := role.Permissions
	if role.IsOwner() {
		permissions = []string{directory.PermissionAll}
	}
	return !slices.ContainsFunc(permissions, func(p string) bool { return !c.may(p) })
}

// gives refuses to give somebody, by whatever act, a role that allows what the key does not: who holds the key would
// have more by it than the key.
func (c *caller) gives(role directory.Role) error {
	if c.covers(role) {
		return nil
	}
	return errs.Forbidden("beyond_key", "The role %s allows what this API key does not, so the key cannot give it. Do it in the console, or with a key of more scopes.", role.Name)
}

// givesNamed is gives for a role by name; one that there is not is for the room to refuse.
func (c *caller) givesNamed(name string) error {
	if role, ok := c.cfg.Roles.ByName(strings.Join(strings.Fields(name), " ")); ok {
		return c.gives(role)
	}
	return nil
}

// givesSource is gives for every role that a mapping gives, where a change of the policy switches mappings on or off.
func (c *caller) givesSource(word string) error {
	if word == "" || word == string(c.cfg.Workspace.Policy.RoleSource) {
		return nil
	}
	for _, m := range c.cfg.Mappings {
		if role, ok := c.cfg.Roles.ByID(m.Role); ok {
			if err := c.gives(role); err != nil {
				return err
			}
		}
	}
	return nil
}

// actor is who acts, as events have it.
func (c *caller) actor() audit.Party {
	return audit.Party{Kind: "member", ID: c.Owner.ID, Name: c.Owner.Email, Via: c.ID}
}

// scope is on whose behalf people are changed.
func (c *caller) scope() provision.Scope {
	return provision.Scope{Workspace: c.Workspace, Actor: c.actor(), Gives: c.gives}
}

type callerKey struct{}

// recheck is how old the check of a key may be when a body has come in: whoever is put out gains no time by sending slowly.
const recheck = time.Second

// admit lets a request of a route in that needs a permission. Its body is read here, within its bound.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, permission string) (*caller, error) {
	ctx := r.Context()
	began := d.DB.Now()
	c, err := d.authenticate(ctx, r)
	if err == nil {
		err = c.permit(permission)
	}
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if d.DB.Now().Sub(began) > recheck {
		if c, err = d.authenticate(ctx, r); err == nil {
			err = c.permit(permission)
		}
	}
	return c, err
}
