package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// byUnknownKey reports whether an answer would perhaps be accepted if the IdP's new keys were known: it says that it is
// from the connection's IdP, is signed by a key that is not the connection's, and belongs to a sign-in under way or
// needs none. An IdP that names no key in its signature may have a new one as well.
func (r *received) byUnknownKey(err error) bool {
	var refusal *saml.Refusal
	c := r.side.connection
	return errors.As(err, &refusal) && refusal.Reason == saml.ReasonUnknownKey && refusal.Issuer == c.SAML.EntityID && usable(c) == nil &&
		(r.pending.state != nil || r.pending.found == "none" && unasked(c.SAML))
}

// lookForKey looks at the metadata of the connection's IdP, at the address that an administrator set, and reports whether
// the answer is worth another look. How often that may be, whoever asks, is not for here to say.
func (s *Service) lookForKey(ctx context.Context, r *received) (bool, error) {
	if s.UnknownKey == nil || r.side.connection.SAML.MetadataURL == "" {
		return false, nil
	}
	return s.UnknownKey(ctx, r.side.workspace, r.side.connection.ID)
}

// lookForLogoutKey is lookForKey for a logout message, once for each. The message has to be about something that strangers
// do not know: a sign-out of ours that waits for this answer (awaited), or a live session by the IdP's own name of it.
func (s *Service) lookForLogoutKey(ctx context.Context, r *logoutReceived, err error, awaited bool) (bool, error) {
	var refusal *saml.Refusal
	c := r.side.connection
	if r.looked || !errors.As(err, &refusal) || refusal.Reason != saml.ReasonUnknownKey || refusal.Issuer != c.SAML.EntityID || usable(c) != nil ||
		s.UnknownKey == nil || c.SAML.MetadataURL == "" {
		return false, nil
	}
	if !awaited {
		if err := s.DB.Peek(ctx, r.side.workspace, func(tx *store.Tx) error {
			for _, index := range refusal.SessionIndexes {
				named, err := tx.SessionsOfIdP(c.ID, cut(index, maxShort))
				if err != nil {
					return err
				}
				awaited = awaited || slices.ContainsFunc(named, func(one store.IdPSession) bool { return one.Live })
			}
			return nil
		}); err != nil {
			return false, fmt.Errorf("look for the key of a logout: %w", err)
		}
	}
	if !awaited {
		return false, nil
	}
	r.looked = true
	anew, err := s.UnknownKey(ctx, r.side.workspace, c.ID)
	if err != nil {
		return false, fmt.Errorf("look for the key of a logout: %w", err)
	}
	return anew, nil
}

// withAdvice adds to a refusal what an administrator can do about a key that is not known.
func withAdvice(refusal *saml.Refusal, side *directory.SAML) *saml.Refusal {
	if refusal.Reason != saml.ReasonUnknownKey || side == nil {
		return refusal
	}
	told := *refusal
	if side.MetadataURL == "" {
		told.Detail += " If the identity provider has a new certificate, compare its fingerprint there and import the metadata again; imported by its address, it is looked after by itself."
	} else {
		told.Detail += " The identity provider's metadata at " + cut(side.MetadataURL, maxTyped) + " does not name it, or could not be had, or has a weaker key that an administrator must accept; it is looked at once a minute at the most."
	}
	return &told
}
