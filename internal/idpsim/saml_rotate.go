package idpsim

import (
	"context"
	"fmt"
)

// The steps in which an IdP's administrator replaces a signing key.
const (
	RotateAnnounce = "announce" // a new key is published beside the one that signs
	RotateSwitch   = "switch"   // the published one signs; the old one stays published
	RotateWithdraw = "withdraw" // the one that signs is the only one that is published
	RotateReplace  = "replace"  // a new key signs at once and is the only one that is published, with no notice
)

// rotating returns the keys as they are after the last rotation; first makes those before any.
func (a *samlApp) rotating(first func() (*samlKeys, error)) func() (*samlKeys, error) {
	return func() (*samlKeys, error) {
		a.mu.Lock()
		rotated := a.rotated
		a.mu.Unlock()
		if rotated != nil {
			return rotated, nil
		}
		return first()
	}
}

// RotateSAMLKey takes one step of a rotation of the key that signs responses.
func (p *IdP) RotateSAMLKey(step string) error {
	now, err := p.saml.keys()
	if err != nil {
		return p.samlOutcome("Rotate key", "", err)
	}
	next := &samlKeys{own: now.own, impostor: now.impostor, beside: now.beside}
	switch step {
	case RotateAnnounce, RotateReplace:
		made, err := newSAMLKeys(p.kind.Title(), p.opts.Clock())
		if err != nil {
			return p.samlOutcome("Rotate key", "", err)
		}
		if next.beside = []samlKey{made.own}; step == RotateReplace {
			next = made
		}
	case RotateSwitch:
		if len(now.beside) == 0 {
			return p.samlOutcome("Rotate key", "", fmt.Errorf("%w: no key was announced", ErrInvalid))
		}
		next.own, next.beside = now.beside[0], []samlKey{now.own}
	case RotateWithdraw:
		next.beside = nil
	default:
		return p.samlOutcome("Rotate key", "", fmt.Errorf("%w: step must be announce, switch, withdraw or replace, got %q", ErrInvalid, step))
	}
	p.saml.mu.Lock()
	p.saml.rotated = next
	p.saml.mu.Unlock()
	return p.samlOutcome("Rotate key", fmt.Sprintf("The key %s signs, and %d are published.", next.own.fingerprint(), 1+len(next.beside)), nil)
}

// samlRotate is RotateSAMLKey for a script.
func samlRotate(_ context.Context, p *IdP, base string, in input) (any, error) {
	var v struct {
		Step string `json:"step"`
	}
	if err := in.into(&v); err != nil {
		return nil, err
	}
	if err := p.RotateSAMLKey(v.Step); err != nil {
		return nil, err
	}
	return p.samlState(base)
}
