package settings

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/saml"
)

// Source is where what is known of an IdP comes from: the metadata itself, the URL that publishes it, or single
// values.
type Source struct {
	XML []byte
	// URL is fetched where XML is empty. It is kept, and looked at each day from then on.
	URL string
	// EntityID chooses among several IdPs of one document; "" for the only one.
	EntityID string
	Fields   *Fields
	// Signer is the certificate of the key that must have signed what is at URL, PEM; "" leaves what is set.
	Signer string
}

// kind is what the keys of the source are noted as.
func (from Source) kind() string {
	switch {
	case from.Fields != nil:
		return directory.FromField
	case from.URL != "":
		return directory.FromURL
	}
	return directory.FromFile
}

// MetadataPlan is what taking over an IdP's metadata would change. It is empty where it would change nothing.
type MetadataPlan struct {
	EntityID string           `json:"entity_id"`
	Changes  []MetadataChange `json:"changes"`
	// Remarks are what an operator should know and what stops nothing.
	Remarks []string `json:"remarks,omitempty"`
	// OtherIdP says that it is another IdP than before: everybody who signed in through the connection is signed out.
	OtherIdP bool `json:"other_idp"`
	// Unverified says that the connection counts as verified now, and not after it.
	Unverified bool `json:"unverified"`
	// Word names exactly this plan. ApplyMetadata carries out no other.
	Word string `json:"word"`
	// URL and XML are what ApplyMetadata takes for the same: the document is as short as it can be.
	URL    string `json:"url,omitempty"`
	Signer string `json:"-"`
	XML    []byte `json:"-"`
	// Kind of its source, one of directory.FromURL and its neighbours.
	Kind string `json:"source"`
}

// MetadataChange is one line of a plan: what, before and after; "" for nothing.
type MetadataChange struct {
	What string `json:"what"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// foundIdP is an IdP that was read from a source.
type foundIdP struct {
	*saml.IdentityProvider
	url    string
	signer []byte
	kind   string
}

// read reads a source, and fetches it where it is a URL. What cannot be used is invalid, metadata_invalid, and names
// what was expected.
func (s *Service) read(ctx context.Context, from Source, known *directory.SAML) (*foundIdP, error) {
	out := &foundIdP{url: from.URL, kind: from.kind()}
	if known != nil {
		out.signer = known.MetadataSigner
	}
	if strings.TrimSpace(from.Signer) != "" {
		c, err := saml.ParseCertificate([]byte(from.Signer))
		if err != nil {
			return nil, errs.Invalid("metadata_invalid", "The certificate that signs the metadata cannot be used: %s.", clause(err))
		}
		out.signer = c.Raw
	}
	var err error
	switch {
	case from.Fields != nil:
		out.IdentityProvider, err = s.fields(*from.Fields)
	case from.URL != "" && len(from.XML) == 0:
		var text []byte
		if text, err = s.fetch(ctx, from.URL); err == nil {
			out.IdentityProvider, err = s.publishedProvider(text, from.EntityID, out.signer)
		}
	default:
		if from.URL != "" {
			err = s.checkAddress(from.URL)
		}
		if err == nil {
			out.IdentityProvider, err = s.identityProvider(from.XML, from.EntityID)
		}
	}
	if err != nil {
		return nil, metadataRefused(err)
	}
	return out, nil
}

// takeInto makes the SAML side of a connection what was found.
func (f *foundIdP) takeInto(side *directory.SAML, verified, now time.Time) {
	r := &ring{dropped: slices.Clone(side.Dropped)}
	r.takeBack(f.Certificates) // by hand, so somebody wants them
	side.Dropped = noneIfEmpty(r.dropped)
	takeOver(side, verified, f.IdentityProvider, f.kind, now)
	if f.url != "" {
		side.MetadataURL, side.MetadataSigner = f.url, f.signer
	}
}

// planOf compares a connection with what it would be. after is a copy of its SAML side, changed already.
func planOf(c directory.Connection, found *foundIdP, now time.Time) MetadataPlan {
	after := *c.SAML
	found.takeInto(&after, c.VerifiedAt, now)
	then := c
	then.SAML = &after
	p := MetadataPlan{EntityID: after.EntityID, Changes: changesOf(c.SAML, &after, now), Remarks: remarks(found.IdentityProvider, after.SignRequests, now),
		OtherIdP: c.SAML.EntityID != "" && c.SAML.EntityID != after.EntityID, Unverified: !c.VerifiedAt.IsZero() && !directory.ProofHolds(c, then),
		URL: found.url, XML: []byte(metadataOf(onlyOf(found))), Kind: found.kind}
	if signer, err := saml.ParseCertificate(found.signer); err == nil {
		p.Signer = signer.PEM()
	}
	text, _ := json.Marshal([]any{placesOf(c.SAML), placesOf(&after)}) // strings and bytes, which always encode
	p.Word = keys.HashToken(string(text))[:16]
	return p
}

// onlyOf is a side with what was found alone.
func onlyOf(found *foundIdP) *directory.SAML {
	side := &directory.SAML{}
	takeOver(side, time.Time{}, found.IdentityProvider, found.kind, time.Time{})
	return side
}

// placesOf is what of a side metadata says, in a form that can be compared. Where keys stand is no part of it: that
// moves by itself.
func placesOf(s *directory.SAML) []any {
	return []any{s.EntityID, s.SSO, s.SLO, s.ArtifactResolution, s.Certificates, s.NameIDFormats, s.MetadataURL, s.MetadataSigner}
}

// changesOf lists what differs, in the words of metadata.
func changesOf(was, is *directory.SAML, now time.Time) []MetadataChange {
	out := []MetadataChange{}
	line := func(what, from, to string) {
		if from != to {
			out = append(out, MetadataChange{what, from, to})
		}
	}
	line("entity ID", was.EntityID, is.EntityID)
	places := func(list []directory.Endpoint) string { return strings.ReplaceAll(placesText(list), ", ", "\n") }
	line("sign-in addresses", places(was.SSO), places(is.SSO))
	line("logout addresses", places(was.SLO), places(is.SLO))
	line("artifact addresses", places(was.ArtifactResolution), places(is.ArtifactResolution))
	before, after := ringOf(was, time.Time{}), ringOf(is, time.Time{})
	for _, k := range after.keys {
		i := slices.IndexFunc(before.keys, func(b ringKey) bool { return digestOfDER(b.der) == digestOfDER(k.der) })
		switch {
		case i < 0:
			line("key added", "", keyText(k.der, now))
		case before.keys[i].Fingerprint != k.Fingerprint:
			line("certificate of a key", keyText(before.keys[i].der, now), keyText(k.der, now))
		}
	}
	for _, k := range before.keys {
		if !slices.ContainsFunc(after.keys, func(a ringKey) bool { return digestOfDER(a.der) == digestOfDER(k.der) }) {
			line("key removed", keyText(k.der, now), "")
		}
	}
	line("NameID formats", strings.Join(was.NameIDFormats, "\n"), strings.Join(is.NameIDFormats, "\n"))
	line("metadata address", was.MetadataURL, is.MetadataURL)
	signer := func(der []byte) string {
		if der == nil {
			return ""
		}
		return keyText(der, now)
	}
	line("metadata must be signed by", signer(was.MetadataSigner), signer(is.MetadataSigner))
	return out
}

func digestOfDER(der []byte) string {
	if c, err := saml.ParseCertificate(der); err == nil {
		return keyDigest(c)
	}
	return fingerprint(der)
}

// keyText is a certificate as people compare it: fingerprint, kind of key and dates.
func keyText(der []byte, now time.Time) string {
	c, err := saml.ParseCertificate(der)
	if err != nil {
		return "sha256:" + fingerprint(der)
	}
	text := fmt.Sprintf("sha256:%s, %s, valid %s to %s", c.Fingerprint(), keyKind(c), c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	if now.After(c.NotAfter) {
		text += " (expired)"
	}
	return text
}

// PlanMetadata says what taking over a source would change, and changes nothing. Refusals are as of ImportMetadata.
func (s *Service) PlanMetadata(ctx context.Context, slug, connection string, from Source) (MetadataPlan, error) {
	c, err := s.samlConnection(ctx, slug, connection)
	if err != nil {
		return MetadataPlan{}, err
	}
	found, err := s.read(ctx, from, c.SAML)
	if err != nil {
		return MetadataPlan{}, err
	}
	return planOf(c, found, s.DB.Now()), nil
}

// samlConnection finds a SAML connection; another one is a conflict, not_saml.
func (s *Service) samlConnection(ctx context.Context, slug, connection string) (directory.Connection, error) {
	_, cfg, err := s.Workspace(ctx, slug)
	if err != nil {
		return directory.Connection{}, err
	}
	c, err := connectionOf(cfg, connection)
	if err == nil && c.SAML == nil {
		err = errNotSAML(c)
	}
	return c, err
}

func errNotSAML(c directory.Connection) error {
	return errs.Conflict("not_saml", "The connection %q does not speak SAML.", c.Name)
}

// ApplyMetadata carries out the plan of that word. Where it would be another one by now, because somebody changed the
// connection or the IdP its metadata, it is a conflict, changed_meanwhile. Refusals else are as of ImportMetadata.
func (s *Service) ApplyMetadata(ctx context.Context, slug, connection string, from Source, word string, actor audit.Party) (ConnectionView, error) {
	known, err := s.samlConnection(ctx, slug, connection)
	if err != nil {
		return ConnectionView{}, err
	}
	found, err := s.read(ctx, from, known.SAML)
	if err != nil {
		return ConnectionView{}, err
	}
	v, _, err := s.applyFound(ctx, slug, known.ID, found, word, actor)
	return v, err
}

// applyFound is ApplyMetadata for what was read; "" asks for no word.
func (s *Service) applyFound(ctx context.Context, slug, connection string, found *foundIdP, word string, actor audit.Party) (ConnectionView, []string, error) {
	var told []string
	v, err := s.trySAML(ctx, slug, connection, actor, func(p *plan, c *directory.Connection, side *directory.SAML) error {
		plan := planOf(*c, found, p.now)
		if word != "" && plan.Word != word {
			return errs.Conflict("changed_meanwhile", "The connection or the identity provider's metadata was changed after these differences were shown. Look at them as they are now.")
		}
		if c.Status == directory.ConnectionActive && len(found.Certificates) == 0 {
			return errs.Conflict("connection_incomplete", "The connection %q is active, and nobody could sign in through it any more.", c.Name)
		}
		told = plan.Remarks
		found.takeInto(side, c.VerifiedAt, p.now)
		return nil
	})
	return v, told, err
}

// ImportMetadata takes over what an IdP says of itself without showing it first, and returns the connection with remarks
// that stop nothing. What cannot be used is invalid, metadata_invalid, and names what was expected; a URL that does not
// answer is invalid as well. Another IdP must be proven anew, and the sessions of an active connection end; new keys of
// the same IdP are staged beside those that have signed and change neither.
func (s *Service) ImportMetadata(ctx context.Context, slug, connection string, from Source, actor audit.Party) (ConnectionView, []string, error) {
	known, err := s.samlConnection(ctx, slug, connection)
	if err != nil {
		return ConnectionView{}, nil, err
	}
	found, err := s.read(ctx, from, known.SAML)
	if err != nil {
		return ConnectionView{}, nil, err
	}
	return s.applyFound(ctx, slug, known.ID, found, "", actor)
}

// ForgetMetadataURL stops looking at what a connection's IdP publishes. Its keys stay.
func (s *Service) ForgetMetadataURL(ctx context.Context, slug, connection string, actor audit.Party) (ConnectionView, error) {
	return s.editSAML(ctx, slug, connection, actor, func(side *directory.SAML) { side.MetadataURL, side.MetadataSigner = "", nil })
}

// keyKind is a key as people name it: "RSA 2048", "ECDSA P-256".
func keyKind(c saml.Certificate) string {
	return cmp.Or(kindOfKey(c.PublicKey()), "a key that cannot be used")
}
