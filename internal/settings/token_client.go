package settings

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// ClientSecretPrefix begins every secret of a directory's client.
const ClientSecretPrefix = "gscs_"

// maxLiveSecrets is how many secrets of a client live at once.
const maxLiveSecrets = 10

// IssuedSecret is a new secret of a directory's OAuth client. ClientSecret is shown once and stored
// nowhere.
type IssuedSecret struct {
	ClientID     string     `json:"client_id"` // the directory's id
	ClientSecret string     `json:"client_secret"`
	TokenURL     string     `json:"token_url"`
	BaseURL      string     `json:"base_url"`
	Workspace    string     `json:"workspace"` // slug
	ID           string     `json:"id"`        // of the secret
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
}

// SecretView is a secret as it may be listed.
type SecretView struct {
	ID         string     `json:"id"`
	Directory  string     `json:"directory"` // id, which is the client's id as well
	Name       string     `json:"name"`
	Hint       string     `json:"hint,omitempty"`       // last four characters of a secret
	Issuer     string     `json:"issuer,omitempty"`     // of a trust, which has no secret
	Subject    string     `json:"subject,omitempty"`    // whom that issuer must vouch for
	JWKSURI    string     `json:"jwks_uri,omitempty"`   // "" where its discovery document says it
	CreatedBy  string     `json:"created_by,omitempty"` // by name
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`   // when it ends by itself
	LastUsedAt *time.Time `json:"last_used_at,omitempty"` // when it was last exchanged for an access token
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`   // when it ended, by an act or by itself
	RevokedWhy string     `json:"revoked_why,omitempty"`  // "revoked" or "expired"
}

// SCIMTokenURL is where a directory's client asks for access tokens.
func (s *Service) SCIMTokenURL() string {
	return strings.TrimSuffix(s.SCIMBaseURL(), "/v2") + "/oauth2/token"
}

// AddClientSecret gives the OAuth client of a directory, named by name or id, one more secret; those that
// it has go on working, so that the client can change over. It is refused as RotateToken is; the eleventh
// living secret is a conflict, too_many_secrets. o.Overlap must be 0.
func (s *Service) AddClientSecret(ctx context.Context, slug, dir string, o TokenOptions, actor audit.Party) (IssuedSecret, error) {
	if err := o.check(); err != nil {
		return IssuedSecret{}, err
	}
	if o.Overlap != 0 {
		return IssuedSecret{}, errs.Invalid("overlap_invalid", "Secrets work beside each other until they are revoked: there is no overlap to choose.")
	}
	plain, hash := keys.NewToken(ClientSecretPrefix)
	c, err := s.addCredential(ctx, slug, dir, o, actor, store.ClientCredential{Hint: keys.Hint(plain)}, hash)
	if err != nil {
		return IssuedSecret{}, err
	}
	return IssuedSecret{ClientID: c.Directory, ClientSecret: plain, TokenURL: s.SCIMTokenURL(), BaseURL: s.SCIMBaseURL(), Workspace: slug, ID: c.ID, ExpiresAt: maybe(c.ExpiresAt)}, nil
}

// addCredential stores one more credential of a directory's client, with the rules that all have.
func (s *Service) addCredential(ctx context.Context, slug, dir string, o TokenOptions, actor audit.Party, c store.ClientCredential, hash string) (store.ClientCredential, error) {
	err := s.onDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) error {
		c.ID, c.Directory, c.Name, c.CreatedBy = keys.ID("sec_", tx.Now()), d.ID, cmp.Or(o.Name, d.Name), cmp.Or(actor.Name, actor.ID)
		c.CreatedAt = tx.Now()
		e := audit.Event{Type: audit.ClientSecretMade, Actor: actor, Directory: d.ID, Subject: secretParty(c)}
		if c.Trust != (store.Trust{}) {
			e.Type = audit.ClientTrustMade
			e.Changes = []audit.Change{{Field: "issuer", To: c.Trust.Issuer}, {Field: "subject", To: c.Trust.Subject}, {Field: "jwks_uri", To: c.Trust.JWKSURI}}
		}
		if err := mayIssue(cfg, d); err != nil {
			e.Outcome, e.Reason, e.Subject = audit.Refused, errs.CodeOf(err), audit.Party{Kind: "directory", ID: d.ID, Name: d.Name}
			return store.Refuse(err, nil, e)
		}
		had, err := tx.ClientCredentials(d.ID)
		if err != nil {
			return err
		}
		living := 0
		for _, h := range had {
			if h.Live() {
				living++
			}
		}
		if living >= maxLiveSecrets {
			return errs.Conflict("too_many_secrets", "The client of the directory %q has %d living secrets. Revoke one first.", d.Name, living)
		}
		if o.Lifetime > 0 {
			c.ExpiresAt = tx.Now().Add(o.Lifetime)
			e.Changes = append(e.Changes, audit.Change{Field: "expires_at", To: c.ExpiresAt.Format(time.RFC3339)})
		}
		tx.InsertClientCredential(c, hash)
		return tx.Record(e)
	})
	return c, err
}

// maxTrustText bounds issuer, subject and address of a trust, in bytes.
const maxTrustText = 500

// TrustIssuer lets an issuer vouch for the OAuth client of a directory, by JWTs of one subject that are
// addressed to SCIMTokenURL (RFC 7523): a workload's identity in the place of a secret. It is refused as
// AddClientSecret is, and for an issuer or an address that is not https as invalid, trust_invalid.
func (s *Service) TrustIssuer(ctx context.Context, slug, dir string, trust store.Trust, o TokenOptions, actor audit.Party) (SecretView, error) {
	if err := o.check(); err != nil {
		return SecretView{}, err
	}
	if o.Overlap != 0 {
		return SecretView{}, errs.Invalid("overlap_invalid", "Trusts work beside each other until they are revoked: there is no overlap to choose.")
	}
	for field, text := range map[string]string{"issuer": trust.Issuer, "jwks_uri": trust.JWKSURI} {
		if (field == "issuer" || text != "") && !s.mayFetch(text) {
			return SecretView{}, errs.Invalid("trust_invalid", "%s: expected an https address without query of at most %d bytes, received %s", field, maxTrustText, quote(text))
		}
	}
	if trust.Subject == "" || len(trust.Subject) > maxTrustText || checkText("subject", trust.Subject) != nil {
		return SecretView{}, errs.Invalid("trust_invalid", "subject: expected 1 to %d bytes without control characters, received %s", maxTrustText, quote(trust.Subject))
	}
	c, err := s.addCredential(ctx, slug, dir, o, actor, store.ClientCredential{Trust: trust}, "")
	if err != nil {
		return SecretView{}, err
	}
	return viewSecret(c), nil
}

// mayFetch reports whether an address may name an issuer or its keys. http is for tests on one machine.
func (s *Service) mayFetch(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= maxTrustText && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && s.AllowPrivate) && checkText("address", address) == nil
}

// ListClientSecrets lists the secrets of a directory's client, dead ones included, oldest first.
func (s *Service) ListClientSecrets(ctx context.Context, slug, dir string) ([]SecretView, error) {
	id, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return nil, err
	}
	d, err := directoryOf(cfg, dir)
	if err != nil {
		return nil, err
	}
	var out []SecretView
	err = s.DB.Read(ctx, id, func(tx *store.Tx) error {
		out = []SecretView{}
		list, err := tx.ClientCredentials(d.ID)
		for _, c := range list {
			out = append(out, viewSecret(c))
		}
		return err
	})
	return out, err
}

// RevokeClientSecret ends the living secret with that id, with every access token that it gave. Where
// there is none the answer is not found.
func (s *Service) RevokeClientSecret(ctx context.Context, slug, dir, id string, actor audit.Party) error {
	return s.onDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) error {
		list, err := tx.ClientCredentials(d.ID)
		if err != nil {
			return err
		}
		for _, c := range list {
			if c.ID != id || !c.Live() {
				continue
			}
			if _, err := tx.RevokeClientCredentials(d.ID, id); err != nil {
				return err
			}
			if err := tx.Record(audit.Event{Type: audit.ClientSecretRevoked, Actor: actor, Directory: d.ID, Subject: secretParty(c)}); err != nil {
				return err
			}
			return shortenUnheard(tx, cfg, d, actor)
		}
		return errs.NotFound("secret_unknown", "The directory %q has no such living secret.", d.Name)
	})
}

func secretParty(c store.ClientCredential) audit.Party {
	return audit.Party{Kind: "token", ID: c.ID, Name: c.Name}
}

func viewSecret(c store.ClientCredential) SecretView {
	return SecretView{ID: c.ID, Directory: c.Directory, Name: c.Name, Hint: c.Hint, Issuer: c.Trust.Issuer, Subject: c.Trust.Subject, JWKSURI: c.Trust.JWKSURI,
		CreatedBy: c.CreatedBy, CreatedAt: c.CreatedAt, ExpiresAt: maybe(c.ExpiresAt),
		LastUsedAt: maybe(c.LastUsedAt), RevokedAt: maybe(c.RevokedAt), RevokedWhy: c.RevokedWhy}
}
