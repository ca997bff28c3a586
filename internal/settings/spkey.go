package settings

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const (
	spKeyBits = 2048
	// spKeyYears is how long a certificate of ours names itself valid. IdPs that heed it would refuse an
	// expired one; its key is replaced by RotateSPKey long before.
	spKeyYears = 10
	// maxSPKeys is how many a connection may have: each is tried on what is encrypted.
	maxSPKeys = 4
)

// spKey is a key pair that no connection has yet. It takes long to make and is made before a transaction.
type spKey struct {
	certificate, private []byte // DER, the latter PKCS #8
	master               *keys.Master
}

// newSPKey makes a key pair with a certificate that it signs itself.
func (s *Service) newSPKey(ctx context.Context) (*spKey, error) {
	master, err := s.master(ctx)
	if err != nil {
		return nil, err
	}
	pair, err := rsa.GenerateKey(rand.Reader, spKeyBits)
	if err != nil {
		return nil, fmt.Errorf("make service provider key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make service provider key: %w", err)
	}
	now := s.DB.Now().UTC().Truncate(time.Second)
	about := x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "Gatehouse service provider"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(spKeyYears, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	out := &spKey{master: master}
	if out.certificate, err = x509.CreateCertificate(rand.Reader, &about, &about, pair.Public(), pair); err != nil {
		return nil, fmt.Errorf("certify service provider key: %w", err)
	}
	if out.private, err = x509.MarshalPKCS8PrivateKey(pair); err != nil {
		return nil, fmt.Errorf("encode service provider key: %w", err)
	}
	return out, nil
}

// sealed is the key as the connection keeps it.
func (k *spKey) sealed(connection string) (directory.SPKey, error) {
	private, err := k.master.Seal(directory.SPKeyPurpose(connection), k.private)
	if err != nil {
		return directory.SPKey{}, fmt.Errorf("seal service provider key: %w", err)
	}
	return directory.SPKey{Certificate: k.certificate, Private: private}, nil
}

// needsSPKey reports whether a switch is on that a key is missing for.
func needsSPKey(side *directory.SAML) bool {
	return usesSPKey(side) && len(side.Keys) == 0
}

// usesSPKey reports whether a switch is on that works with a key of ours only.
func usesSPKey(side *directory.SAML) bool {
	return side.SignRequests || side.Encrypts() || side.SingleLogout || side.Artifact
}

// choiceRemarks are what an operator should know of choices that the IdP's metadata does not go with.
func choiceRemarks(side *directory.SAML) (out []string) {
	if side.SingleLogout && side.EntityID != "" && len(side.SLO) == 0 {
		out = append(out, "the IdP's metadata names no single logout service, so it is not told of sign-outs (single_logout)")
	}
	if side.Artifact && side.EntityID != "" && len(side.ArtifactResolution) == 0 {
		out = append(out, "the IdP's metadata names no service that resolves artifacts, so answers by artifact are refused (artifact)")
	}
	return out
}

// firstKey gives a side its first key.
func firstKey(connection string, side *directory.SAML, made *spKey) error {
	key, err := made.sealed(connection)
	if err != nil {
		return err
	}
	key.Signs = true
	side.Keys = []directory.SPKey{key}
	return nil
}

// spKeys makes a key for each connection of the file that it says needs one and that has none, by folded name.
func (s *Service) spKeys(ctx context.Context, id string, fresh bool, f *File, made map[string]*spKey) error {
	if f.connections == nil {
		return nil
	}
	have := &directory.Config{}
	if !fresh {
		if err := s.DB.Read(ctx, id, func(tx *store.Tx) (err error) {
			have, err = tx.Config()
			return err
		}); err != nil {
			return err
		}
	}
	for _, part := range *f.connections {
		asks := part.signRequests != nil && *part.signRequests || part.encryption != nil && *part.encryption != "off" ||
			part.singleLogout != nil && *part.singleLogout || part.artifact != nil && *part.artifact
		c, _ := findConnection(have, part.name)
		if !asks || made[directory.Fold(part.name)] != nil || c.SAML != nil && len(c.SAML.Keys) > 0 {
			continue
		}
		key, err := s.newSPKey(ctx)
		if err != nil {
			return err
		}
		made[directory.Fold(part.name)] = key
	}
	return nil
}

// RotateSPKey publishes a new key of ours at a SAML connection beside the one that there is. It opens what is
// encrypted for it at once and signs nothing before UseSPKey. More than a few are a conflict, too_many.
func (s *Service) RotateSPKey(ctx context.Context, slug, connection string, actor audit.Party) (ConnectionView, error) {
	made, err := s.newSPKey(ctx)
	if err != nil {
		return ConnectionView{}, err
	}
	return s.editSPKeys(ctx, slug, connection, actor, func(id string, side *directory.SAML) error {
		if len(side.Keys) == 0 {
			return firstKey(id, side, made)
		}
		if err := enough("keys", len(side.Keys), maxSPKeys); err != nil {
			return err
		}
		key, err := made.sealed(id)
		if err != nil {
			return err
		}
		side.Keys = append([]directory.SPKey{key}, side.Keys...)
		return nil
	})
}

// UseSPKey has requests signed with the key of that fingerprint (SPKeyView.Fingerprint). The others go on opening what is
// encrypted for them. A fingerprint that is not there is not found, key_unknown.
func (s *Service) UseSPKey(ctx context.Context, slug, connection, fingerprint string, actor audit.Party) (ConnectionView, error) {
	return s.editSPKeys(ctx, slug, connection, actor, func(_ string, side *directory.SAML) error {
		at, err := spKeyAt(side, fingerprint)
		if err != nil {
			return err
		}
		for i := range side.Keys {
			side.Keys[i].Signs = i == at
		}
		return nil
	})
}

// RemoveSPKey forgets a key: what the IdP encrypts for it opens no more. The one that signs is a conflict,
// key_in_use, while there is another one or a switch needs it.
func (s *Service) RemoveSPKey(ctx context.Context, slug, connection, fingerprint string, actor audit.Party) (ConnectionView, error) {
	return s.editSPKeys(ctx, slug, connection, actor, func(_ string, side *directory.SAML) error {
		at, err := spKeyAt(side, fingerprint)
		switch {
		case err != nil:
			return err
		case len(side.Keys) > 1 && side.Keys[at].Signs:
			return errs.Conflict("key_in_use", "This is the key that requests are signed with. Sign with another one first.")
		case len(side.Keys) == 1 && usesSPKey(side):
			return errs.Conflict("key_in_use", "This is the only key. Publish another one first, or switch off what needs it: signed requests, encryption, single logout, artifacts.")
		}
		side.Keys = slices.Delete(side.Keys, at, at+1)
		return nil
	})
}

func spKeyAt(side *directory.SAML, print string) (int, error) {
	at := slices.IndexFunc(side.Keys, func(k directory.SPKey) bool { return fingerprint(k.Certificate) == print })
	if at < 0 {
		return 0, errs.NotFound("key_unknown", "The connection has no such key any more.")
	}
	return at, nil
}

// editSPKeys is editSAML for a copy of the keys.
func (s *Service) editSPKeys(ctx context.Context, slug, connection string, actor audit.Party, fn func(id string, side *directory.SAML) error) (ConnectionView, error) {
	return s.trySAML(ctx, slug, connection, actor, func(p *plan, c *directory.Connection, side *directory.SAML) error {
		side.Keys = slices.Clone(side.Keys)
		return fn(c.ID, side)
	})
}

// SAMLOptions are the choices of a SAML connection beyond its IdP.
type SAMLOptions struct {
	SignRequests  bool
	Encryption    string // one of directory.Encryptions
	SHA1Until     string // a day, "2026-12-31", at most a year ahead; "" for never
	ForceAuthn    bool
	AuthnContexts []string
	SingleLogout  bool // the IdP is told of sign-outs here
	Artifact      bool // answers by the Artifact binding are asked for
	// CBCUnderstood says that who switches AES-CBC on knows that the IdP must sign the whole response then.
	CBCUnderstood bool
	// Seen is ConnectionView.OptionsWord as it was shown; "" asks for none.
	Seen string
}

// NeedsKey reports whether one of the choices works with a key of ours only.
func (o SAMLOptions) NeedsKey() bool {
	return o.SignRequests || o.Encryption != "off" || o.SingleLogout || o.Artifact
}

// SetSAMLOptions sets all of them, and makes the connection's first key where they need one. Refusals are invalid:
// encryption_unknown, sha1_until_invalid, authn_contexts_invalid, and cbc_not_understood, which explains what AES-CBC
// asks for; or a conflict, changed_meanwhile.
func (s *Service) SetSAMLOptions(ctx context.Context, slug, connection string, to SAMLOptions, actor audit.Party) (ConnectionView, error) {
	if !slices.Contains(directory.Encryptions(), to.Encryption) {
		return ConnectionView{}, errs.Invalid("encryption_unknown", "encryption: expected one of %s, received %s.", strings.Join(directory.Encryptions(), ", "), quote(to.Encryption))
	}
	if err := checkContexts(to.AuthnContexts); err != nil {
		return ConnectionView{}, errs.Invalid("authn_contexts_invalid", "%s.", clause(err))
	}
	view, err := s.Connection(ctx, slug, connection)
	if err != nil {
		return ConnectionView{}, err
	}
	var made *spKey
	if to.NeedsKey() && view.SAML != nil && len(view.SAML.Keys) == 0 {
		if made, err = s.newSPKey(ctx); err != nil {
			return ConnectionView{}, err
		}
	}
	return s.trySAML(ctx, slug, connection, actor, func(p *plan, c *directory.Connection, side *directory.SAML) error {
		if to.Seen != "" && to.Seen != optionsWordOf(side) {
			return errs.Conflict("changed_meanwhile", "Somebody changed these choices after this page was shown. Look at them as they are now, and save again.")
		}
		if to.Encryption == "cbc" && side.Encryption != "cbc" && !to.CBCUnderstood {
			return errs.Invalid("cbc_not_understood", "%s", cbcSentence)
		}
		if err := checkSHA1Until(side.SHA1Until, to.SHA1Until, p.now); err != nil {
			return errs.Invalid("sha1_until_invalid", "%s.", clause(err))
		}
		side.SignRequests, side.Encryption, side.SHA1Until, side.ForceAuthn = to.SignRequests, encryptionOf(to.Encryption), to.SHA1Until, to.ForceAuthn
		side.AuthnContexts = noneIfEmpty(to.AuthnContexts)
		side.SingleLogout, side.Artifact = to.SingleLogout, to.Artifact
		if !needsSPKey(side) {
			return nil
		}
		if made == nil {
			return errs.Conflict("changed_meanwhile", "Somebody removed the key of this connection meanwhile. Try again.")
		}
		return firstKey(c.ID, side, made)
	})
}

// cbcSentence is what AES-CBC asks for.
const cbcSentence = "AES-CBC does not show that what it encrypts was changed on its way, so such an answer counts only if the response as a whole is signed. " +
	"Switch response signing on at the identity provider, and say here that you did. AES-GCM needs none of this."

// encryptionOf is how a choice is kept: "off" as nothing, so that a connection from before there was one is the same.
func encryptionOf(word string) string {
	if word == "off" {
		return ""
	}
	return word
}

// optionsWordOf tells the choices of a SAML side from others.
func optionsWordOf(side *directory.SAML) string {
	return keys.HashToken(strings.Join(append([]string{yesNo(side.SignRequests), encryptionOf(side.Encryption), side.SHA1Until, yesNo(side.ForceAuthn),
		yesNo(side.SingleLogout), yesNo(side.Artifact)}, side.AuthnContexts...), "\n"))
}

// maxContexts is how many classes of authentication may be asked for.
const maxContexts = 20

func checkContexts(list []string) error {
	if len(list) > maxContexts {
		return fmt.Errorf("authn_contexts: expected at most %d, received %d", maxContexts, len(list))
	}
	for _, class := range list {
		if err := checkText("authn_contexts", class); err != nil || class == "" || strings.ContainsAny(class, " \t") {
			return fmt.Errorf("authn_contexts: expected the URIs of classes of authentication, received %s", quote(class))
		}
	}
	return nil
}

// checkSHA1Until refuses what is no day, and a new one more than a year ahead: a grace has an end.
func checkSHA1Until(was, until string, now time.Time) error {
	if until == was || until == "" {
		return nil
	}
	day, err := time.Parse(time.DateOnly, until)
	switch {
	case err != nil:
		return fmt.Errorf("sha1_until: expected a day such as %s, or none, received %s", now.UTC().AddDate(0, 3, 0).Format(time.DateOnly), quote(until))
	case day.After(now.AddDate(1, 0, 0)):
		return fmt.Errorf("sha1_until: expected a day within a year, received %s; SHA-1 is a grace while the IdP is mended", quote(until))
	}
	return nil
}
