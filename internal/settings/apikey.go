package settings

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// APIKeyPrefix begins every API key.
const APIKeyPrefix = "gk_"

// Bounds of what may be asked of an API key.
const (
	// DefaultKeyLifetime is how long a key lives for which nobody says anything else.
	DefaultKeyLifetime = 90 * 24 * time.Hour
	// MaxKeyLifetime is the longest that a key lives: each ends by itself.
	MaxKeyLifetime = 366 * 24 * time.Hour
	// maxLiveKeys is how many keys of one member live at once.
	maxLiveKeys = 25
	// KeyPage is how many keys a list has at the most.
	KeyPage = 100
)

// KeyOptions are what a new API key is to be.
type KeyOptions struct {
	Name string // for people
	// Scopes are names of directory.Permissions, none that the owner's role lacks.
	Scopes []string
	// Lifetime is when the key ends by itself, from now; 0 for DefaultKeyLifetime. MinLifetime to MaxKeyLifetime.
	Lifetime time.Duration
	// Seen, where it is not nil, is the id of the owner's newest key that the sender of a form saw, "" for none. Once
	// there is a newer one the answer is a conflict, api_key_already_made: a form that is sent twice makes one key.
	Seen *string
}

// check refuses options out of bounds and returns them in one spelling.
func (o KeyOptions) check() (KeyOptions, error) {
	o.Name = strings.TrimSpace(o.Name)
	if o.Lifetime == 0 {
		o.Lifetime = DefaultKeyLifetime
	}
	switch {
	case o.Name == "":
		return o, errs.Invalid("name_missing", "An API key needs a name, by which it is found again.")
	case len(o.Name) > maxTokenName || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, unicode.IsControl):
		return o, errs.Invalid("name_invalid", "An API key's name has at most %d bytes, without control characters.", maxTokenName)
	case o.Lifetime < MinLifetime || o.Lifetime > MaxKeyLifetime:
		return o, errs.Invalid("lifetime_invalid", "An API key lives at least an hour and at most %d days.", MaxKeyLifetime/(24*time.Hour))
	case len(o.Scopes) == 0:
		return o, errs.Invalid("scopes_missing", "An API key needs at least one scope: %s.", strings.Join(scopeNames(), ", "))
	}
	for _, scope := range o.Scopes {
		if !slices.Contains(scopeNames(), scope) {
			return o, errs.Invalid("scope_unknown", "There is no scope %s%s The scopes are %s.", quote(scope), orMeant(scope, scopeNames()), strings.Join(scopeNames(), ", "))
		}
	}
	o.Scopes = slices.Compact(slices.Sorted(slices.Values(o.Scopes)))
	return o, nil
}

func scopeNames() (names []string) {
	for _, p := range directory.Permissions() {
		names = append(names, p.Name)
	}
	return names
}

// IssuedKey is a new API key. Key is shown once and stored nowhere.
type IssuedKey struct {
	Key       string `json:"key"`
	BaseURL   string `json:"base_url"`
	Workspace string `json:"workspace"` // slug
	APIKeyView
}

// APIKeyView is an API key as it may be listed.
type APIKeyView struct {
	ID         string     `json:"id"`
	Owner      string     `json:"owner"`       // id of the member
	OwnerEmail string     `json:"owner_email"` // "" once the member was erased
	Name       string     `json:"name"`
	Hint       string     `json:"hint"` // last four characters
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`  // when it ended, by an act or by itself
	RevokedWhy string     `json:"revoked_why,omitempty"` // "revoked", "expired" or "owner_deactivated"
}

func viewKey(k store.APIKey, owner *directory.Member) APIKeyView {
	v := APIKeyView{ID: k.ID, Owner: k.Member, Name: k.Name, Hint: k.Hint, Scopes: orEmpty(k.Scopes), CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
		LastUsedAt: maybe(k.LastUsedAt), RevokedAt: maybe(k.RevokedAt), RevokedWhy: k.RevokedWhy}
	if owner != nil {
		v.OwnerEmail = owner.Email
	}
	return v
}

func keyParty(k store.APIKey) audit.Party {
	return audit.Party{Kind: "api_key", ID: k.ID, Name: k.Name}
}

// APIBaseURL is where the routes of the REST API begin.
func (s *Service) APIBaseURL() string { return strings.TrimRight(s.PublicURL, "/") + "/api/v1" }

// CreateAPIKey makes an API key that acts as its owner, whom find finds: it can do what its scopes and the owner's role
// both allow, at each use. An operator makes one for anybody who is an active member (else errs.KindConflict,
// owner_not_active); a member, whose role must allow api_keys, for themselves alone. A scope that the owner's role lacks
// is errs.KindForbidden, scope_above_role.
func (s *Service) CreateAPIKey(ctx context.Context, slug string, find func(*store.Tx) (*directory.Member, error), o KeyOptions, actor audit.Party) (IssuedKey, error) {
	o, err := o.check()
	if err != nil {
		return IssuedKey{}, err
	}
	plain, hash := keys.NewToken(APIKeyPrefix)
	var issued IssuedKey
	err = s.onKeys(ctx, slug, actor, find, func(tx *store.Tx, cfg *directory.Config, by keyHand, owner *directory.Member) error {
		k := store.APIKey{ID: keys.ID("key_", tx.Now()), Member: owner.ID, Name: o.Name, Hint: keys.Hint(plain), Scopes: o.Scopes,
			CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(o.Lifetime).Truncate(time.Microsecond)}
		e := audit.Event{Type: audit.APIKeyCreated, Actor: actor, Subject: keyParty(k), Changes: []audit.Change{
			{Field: "owner", To: owner.ID}, {Field: "scopes", To: strings.Join(k.Scopes, " ")}, {Field: "expires_at", To: k.ExpiresAt.Format(time.RFC3339)}}}
		if err := by.mayCreate(cfg, owner, o.Scopes); err != nil {
			if !errs.Is(err, errs.KindForbidden) {
				return err
			}
			e.Outcome, e.Reason, e.Subject = audit.Refused, errs.CodeOf(err), audit.Party{Kind: "member", ID: owner.ID, Name: owner.Email}
			return store.Refuse(err, nil, e)
		}
		if err := roomForKey(tx, owner.ID, o.Seen); err != nil {
			return err
		}
		tx.InsertAPIKey(k, hash)
		issued = IssuedKey{Key: plain, BaseURL: s.APIBaseURL(), Workspace: slug, APIKeyView: viewKey(k, owner)}
		return tx.Record(e)
	})
	if err != nil {
		return IssuedKey{}, err
	}
	return issued, nil
}

// roomForKey refuses a form that was sent before, and one key too many.
func roomForKey(tx *store.Tx, owner string, seen *string) error {
	if seen != nil {
		newest, err := tx.APIKeysOf(owner, 1)
		if err != nil {
			return err
		}
		if len(newest) == 0 && *seen != "" || len(newest) == 1 && newest[0].ID != *seen {
			return errs.Conflict("api_key_already_made", "This form was sent before, or you made a key elsewhere meanwhile; a key is shown once. If you did not copy it, revoke it and make another.")
		}
	}
	n, err := tx.CountAPIKeys(owner)
	if err == nil && n >= maxLiveKeys {
		err = errs.Conflict("too_many_api_keys", "There are %d living API keys of this member already. Revoke one first.", n)
	}
	return err
}

// keyHand is who acts on API keys: an operator, or a member as they are now.
type keyHand struct {
	member string // id, "" for an operator
	role   directory.Role
	viaKey bool
}

func keyHandOf(tx *store.Tx, cfg *directory.Config, actor audit.Party) (keyHand, error) {
	if actor.Kind != "member" {
		return keyHand{}, nil
	}
	m, err := tx.Member(actor.ID)
	if err != nil && !errs.Is(err, errs.KindNotFound) {
		return keyHand{}, err
	}
	if m == nil || !m.In() {
		return keyHand{}, errs.Forbidden("not_a_member", "You have no access to this workspace any more.")
	}
	role, _ := cfg.Roles.ByID(m.Role)
	return keyHand{member: m.ID, role: role, viaKey: actor.Via != ""}, nil
}

func (h keyHand) may(permission string) bool { return h.member == "" || h.role.May(permission) }

func (h keyHand) mayCreate(cfg *directory.Config, owner *directory.Member, scopes []string) error {
	switch {
	case h.viaKey:
		return errs.Forbidden("made_by_people", "An API key makes no API keys. Sign in to make one.")
	case h.member != "" && h.member != owner.ID:
		return errs.Forbidden("not_your_key", "You can make API keys for yourself alone: a key acts as its owner.")
	case !h.may(directory.PermissionKeys):
		return errs.Forbidden("permission_missing", "Your role, %s, does not let you make API keys (%s).", h.role.Name, directory.PermissionKeys)
	case !owner.In() || owner.Stage != directory.StageActive:
		return errs.Conflict("owner_not_active", "%s is no active member: the status is %s.", owner.Email, owner.Status())
	}
	role, _ := cfg.Roles.ByID(owner.Role)
	for _, scope := range scopes {
		if !role.May(scope) {
			return errs.Forbidden("scope_above_role", "The role %s does not allow %s, and a key can do no more than its owner.", role.Name, scope)
		}
	}
	return nil
}

// onKeys runs fn in one transaction that holds the member found by find, and the policy against changes of roles.
func (s *Service) onKeys(ctx context.Context, slug string, actor audit.Party, find func(*store.Tx) (*directory.Member, error), fn func(*store.Tx, *directory.Config, keyHand, *directory.Member) error) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		found, err := find(tx)
		if err != nil {
			return err
		}
		// Who is being put out at this moment is put out first, or finds the key and ends it.
		if err := tx.LockPeople([]string{found.ID}, false); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		owner, err := tx.Member(found.ID)
		if err != nil {
			return err
		}
		by, err := keyHandOf(tx, cfg, actor)
		if err != nil {
			return err
		}
		return fn(tx, cfg, by, owner)
	})
}

// ListAPIKeys lists keys, the newest first, ended ones included, KeyPage at most: those of the member owner, or with "" of
// everybody, behind the id after. A member sees their own; those of others with the permission api_keys:read (else
// errs.KindForbidden, permission_missing).
func (s *Service) ListAPIKeys(ctx context.Context, slug, owner, after string, actor audit.Party) (out []APIKeyView, err error) {
	err = s.readWorkspace(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error {
		by, err := keyHandOf(tx, cfg, actor)
		if err != nil {
			return err
		}
		if (owner == "" || owner != by.member) && !by.may(directory.PermissionKeysRead) {
			return errs.Forbidden("permission_missing", "Your role, %s, does not let you see the API keys of others (%s).", by.role.Name, directory.PermissionKeysRead)
		}
		var found []store.APIKey
		if owner != "" {
			if _, err := tx.Member(owner); err != nil {
				return err
			}
			found, err = tx.APIKeysOf(owner, KeyPage)
		} else {
			found, err = tx.APIKeysBehind(after, KeyPage)
		}
		if err != nil {
			return err
		}
		out, err = viewKeys(tx, found)
		return err
	})
	return out, err
}

func viewKeys(tx *store.Tx, found []store.APIKey) ([]APIKeyView, error) {
	var ids []string
	for _, k := range found {
		ids = append(ids, k.Member)
	}
	owners, err := tx.Members(slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return nil, err
	}
	byID := map[string]*directory.Member{}
	for i := range owners {
		byID[owners[i].ID] = &owners[i]
	}
	out := []APIKeyView{}
	for _, k := range found {
		out = append(out, viewKey(k, byID[k.Member]))
	}
	return out, nil
}

// RevokeAPIKey ends a key by id. A member ends their own; those of others with the permission api_keys, where the owner's
// role is not above their own. One that is another member's and may not be seen is as unknown as one that never was
// (errs.KindNotFound, api_key_unknown); one that has ended is errs.KindConflict, api_key_ended.
func (s *Service) RevokeAPIKey(ctx context.Context, slug, id string, actor audit.Party) error {
	unknown := errs.NotFound("api_key_unknown", "There is no API key %s.", clip(id))
	var k store.APIKey
	find := func(tx *store.Tx) (m *directory.Member, err error) {
		if k, err = tx.APIKey(id); err != nil {
			return nil, err
		}
		return tx.Member(k.Member)
	}
	return s.onKeys(ctx, slug, actor, find, func(tx *store.Tx, cfg *directory.Config, by keyHand, owner *directory.Member) error {
		if by.member != "" && by.member != owner.ID {
			if !by.may(directory.PermissionKeysRead) {
				return unknown
			}
			err := by.mayRevoke(cfg, owner)
			if err != nil {
				return store.Refuse(err, nil, audit.Event{Type: audit.APIKeyRevoked, Outcome: audit.Refused, Reason: errs.CodeOf(err), Actor: actor, Subject: keyParty(k)})
			}
		}
		ended, err := tx.RevokeAPIKey(id, store.TokenRevoked)
		if err != nil {
			return err
		}
		if !ended {
			return errs.Conflict("api_key_ended", "The API key %q has ended already.", k.Name)
		}
		return tx.Record(audit.Event{Type: audit.APIKeyRevoked, Reason: store.TokenRevoked, Actor: actor, Subject: keyParty(k), Changes: []audit.Change{{Field: "owner", To: owner.ID}}})
	})
}

func (h keyHand) mayRevoke(cfg *directory.Config, owner *directory.Member) error {
	if !h.may(directory.PermissionKeys) {
		return errs.Forbidden("permission_missing", "Your role, %s, does not let you revoke the API keys of others (%s).", h.role.Name, directory.PermissionKeys)
	}
	if r, ok := cfg.Roles.ByID(owner.Role); ok && r.Rank < h.role.Rank {
		return errs.Forbidden("rank_too_high", "The role %s is above your own, %s: only somebody who has it can do this.", r.Name, h.role.Name)
	}
	return nil
}
