package settings

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// system is who acts where nobody does.
var system = audit.Party{Kind: "system"}

// ConnectionProven notes, in the transaction of a sign-in or test that went well through it, that an active connection
// works as it is. It does nothing where that is known. The transaction holds the workspace's policy, shared or
// exclusively, so that nobody else changes the connection meanwhile but by this function and KeyProven.
func ConnectionProven(tx *store.Tx, cfg *directory.Config, connection string) error {
	return KeyProven(tx, cfg, connection, nil)
}

// KeyProven is ConnectionProven for an answer that the key of a certificate, DER, has signed: a staged key becomes the
// active one, and those that were active retire. cfg is the configuration that the answer was verified for.
func KeyProven(tx *store.Tx, cfg *directory.Config, connection string, certificate []byte) error {
	return prove(tx, cfg, connection, certificate, directory.ConnectionActive)
}

// TestProven is KeyProven for a test that would have let somebody in. It proves a draft as well, which nobody signs in
// through yet: whoever activates it as it is activates what was seen to work.
func TestProven(tx *store.Tx, cfg *directory.Config, connection string, certificate []byte) error {
	return prove(tx, cfg, connection, certificate, directory.ConnectionActive, directory.ConnectionDraft)
}

func prove(tx *store.Tx, cfg *directory.Config, connection string, certificate []byte, in ...directory.ConnectionStatus) error {
	if c, ok := cfg.Connection(connection); !ok || !provable(c, certificate, tx.Now(), in) {
		return nil
	}
	// Several sign-ins prove the same at once; cfg may have been read before this lock.
	if err := tx.LockConnection(connection); err != nil {
		return err
	}
	cfg, err := tx.Config()
	if err != nil {
		return err
	}
	c, ok := cfg.Connection(connection)
	if !ok || !provable(c, certificate, tx.Now(), in) {
		return nil
	}
	var events []audit.Event
	if c.SAML != nil && certificate != nil {
		events = proveKey(&c, fingerprint(certificate), tx.Now())
	}
	if c.VerifiedAt.IsZero() {
		c.VerifiedAt = tx.Now()
		events = append(events, connectionEvent(c, audit.ConnectionVerified, "", audit.Change{Field: "connections." + c.Name + ".verified", From: "no", To: "yes"}))
	}
	tx.SaveConnection(c, false)
	return recordAll(tx, events)
}

// provable reports whether an accepted answer says something new of a connection.
func provable(c directory.Connection, certificate []byte, now time.Time, in []directory.ConnectionStatus) bool {
	if !slices.Contains(in, c.Status) {
		return false
	}
	if c.VerifiedAt.IsZero() {
		return true
	}
	if c.SAML == nil || certificate == nil || len(c.SAML.IdPKeys) == 0 {
		return false
	}
	_, changes := ringOf(c.SAML, c.VerifiedAt).prove(fingerprint(certificate), now)
	return changes
}

// proveKey notes on a copy of a connection's SAML side that a key has signed, and says what is to be told. The first
// key of a connection is told of by the connection's own event.
func proveKey(c *directory.Connection, print string, now time.Time) (events []audit.Event) {
	side := *c.SAML
	r := ringOf(&side, c.VerifiedAt)
	first := !r.proven()
	was, changed := r.prove(print, now)
	if !changed {
		return nil
	}
	r.into(&side)
	changes := keyChanges(c.Name, c.SAML, &side)
	c.SAML = &side
	switch {
	case was == directory.KeyRetiring:
		return []audit.Event{connectionEvent(*c, audit.IdPKeyRetiredUsed, "", changes...)}
	case first && c.VerifiedAt.IsZero():
		return nil
	}
	return []audit.Event{connectionEvent(*c, audit.IdPKeyPromoted, "signed_in", changes...)}
}

// keyChanges tells of each key where it stood and stands.
func keyChanges(name string, was, is *directory.SAML) (out []audit.Change) {
	words := func(s *directory.SAML, print string) string {
		if k, ok := s.IdPKey(print); ok {
			return keyWords(k)
		}
		if s.Believes(print) {
			return "in use"
		}
		return ""
	}
	for _, der := range slices.Concat(was.Certificates, is.Certificates) {
		print := fingerprint(der)
		change := audit.Change{Field: "connections." + name + keyStatesKey + ".sha256:" + print, From: words(was, print), To: words(is, print)}
		if (change.From != change.To || was.Believes(print) != is.Believes(print)) && !slices.Contains(out, change) {
			out = append(out, change)
		}
	}
	if len(out) == 0 { // a mark of use
		for _, k := range is.IdPKeys {
			if before, ok := was.IdPKey(k.Fingerprint); ok && !before.UsedAt.Equal(k.UsedAt) {
				out = append(out, audit.Change{Field: "connections." + name + keyStatesKey + ".sha256:" + k.Fingerprint, To: keyWords(k) + ", used"})
			}
		}
	}
	return out
}

func connectionEvent(c directory.Connection, what audit.Type, reason string, changes ...audit.Change) audit.Event {
	return audit.Event{Type: what, Reason: reason, Actor: system, Connection: c.ID, Changes: changes,
		Subject: audit.Party{Kind: "connection", ID: c.ID, Name: c.Name}}
}

func recordAll(tx *store.Tx, events []audit.Event) error {
	for _, e := range events {
		if err := tx.Record(e); err != nil {
			return err
		}
	}
	return nil
}

// PromoteIdPKey says that a key of the IdP is the one that it signs with now: the others retire, as they do when an
// answer shows it. It proves nothing. An unknown key is not found, key_unknown.
func (s *Service) PromoteIdPKey(ctx context.Context, slug, connection, print string, actor audit.Party) (ConnectionView, error) {
	return s.editIdPKeys(ctx, slug, connection, print, actor, func(r *ring, i int, now time.Time) error {
		r.promote(i, now)
		return nil
	})
}

// KeepIdPKey keeps a key though another one has signed since, or lets it go in its time.
func (s *Service) KeepIdPKey(ctx context.Context, slug, connection, print string, keep bool, actor audit.Party) (ConnectionView, error) {
	return s.editIdPKeys(ctx, slug, connection, print, actor, func(r *ring, i int, now time.Time) error {
		r.keys[i].Kept = keep
		return nil
	})
}

// DropIdPKey removes a key at once: no answer that it signed is accepted from now on, and what is published by the IdP
// does not bring it back. The only one is a conflict, key_in_use. Where no key that has signed is left the connection
// is not verified any more.
func (s *Service) DropIdPKey(ctx context.Context, slug, connection, print string, actor audit.Party) (ConnectionView, error) {
	return s.editIdPKeys(ctx, slug, connection, print, actor, func(r *ring, i int, now time.Time) error {
		if len(r.keys) == 1 {
			return errs.Conflict("key_in_use", "This is the only key of the identity provider: without it nobody could sign in. Import another one first, or disable the connection.")
		}
		r.drop(r.keys[i].Fingerprint)
		return nil
	})
}

// editIdPKeys changes the keys of an IdP, of which one is named by its fingerprint or by how that begins.
func (s *Service) editIdPKeys(ctx context.Context, slug, connection, print string, actor audit.Party, fn func(r *ring, i int, now time.Time) error) (ConnectionView, error) {
	return s.trySAML(ctx, slug, connection, actor, func(p *plan, c *directory.Connection, side *directory.SAML) error {
		r := ringOf(side, c.VerifiedAt)
		i, err := r.named(print)
		if err != nil {
			return err
		}
		if err := fn(r, i, p.now); err != nil {
			return err
		}
		r.into(side)
		return nil
	})
}

// leastPrint is how many digits of a fingerprint name a key at the least.
const leastPrint = 8

// named finds the key that a fingerprint, or the first digits of one, names. Colons and letter case do not count.
func (r *ring) named(print string) (int, error) {
	print = foldPrint(print)
	found := -1
	for i, k := range r.keys {
		if len(print) < leastPrint || !strings.HasPrefix(k.Fingerprint, print) {
			continue
		}
		if found >= 0 {
			return 0, errs.Conflict("key_ambiguous", "Several keys have a fingerprint that begins like that. Give more of it.")
		}
		found = i
	}
	if found < 0 {
		return 0, errs.NotFound("key_unknown", "The connection has no such key of its identity provider any more.")
	}
	return found, nil
}

// foldPrint is a fingerprint as it is kept.
func foldPrint(print string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(print), "sha256:"), ":", ""))
}
