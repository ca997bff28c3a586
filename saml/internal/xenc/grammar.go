package xenc

import (
	"crypto"
	"crypto/rsa"
	"slices"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// sealed is what an element with something encrypted in it says, its grammar checked.
type sealed struct {
	data   *strictxml.Element // EncryptedData
	block  block
	cipher *strictxml.Element // CipherValue
	keys   []wrapped
}

// wrapped is an EncryptedKey of an accepted algorithm.
type wrapped struct {
	name      string
	options   rsa.OAEPOptions
	cipher    *strictxml.Element
	recipient string // "" when it does not say
}

// read reads the EncryptedData that holder begins with and the EncryptedKeys, which Okta and ADFS
// put into its KeyInfo and Shibboleth and others beside it, with or without a RetrievalMethod that
// points from one to the other. All are tried, so nothing points anywhere.
func read(holder *strictxml.Element) (sealed, *Error) {
	var s sealed
	c, err := children(holder)
	if err != nil {
		return s, err
	}
	if s.data, err = c.take(Namespace, "EncryptedData"); err != nil {
		return s, err
	}
	var found []*strictxml.Element
	if found, err = s.readData(); err != nil {
		return s, err
	}
	for c.next != nil {
		key, err := c.take(Namespace, "EncryptedKey")
		if err != nil {
			return s, err
		}
		found = append(found, key)
	}
	if len(found) == 0 {
		return s, refuse(ReasonStructure, "<%s> has no EncryptedKey", holder.Local)
	}
	var unfit *Error
	for _, element := range found {
		w, err := readKey(element)
		switch {
		case err == nil:
			s.keys = append(s.keys, w)
		case err.Reason == ReasonAlgorithm:
			unfit = err
		default:
			return s, err
		}
	}
	if len(s.keys) == 0 {
		return s, unfit
	}
	return s, nil
}

// readData reads EncryptedData and returns the EncryptedKeys of its KeyInfo.
func (s *sealed) readData() ([]*strictxml.Element, *Error) {
	c, err := children(s.data, "Id", "Type", "MimeType", "Encoding")
	if err != nil {
		return nil, err
	}
	if kind, has := s.data.Attr("Type"); has && kind != Namespace+"Element" {
		return nil, refuse(ReasonStructure, "EncryptedData of the type %s, expected %sElement", quoted(kind), Namespace)
	}
	method, err := c.take(Namespace, "EncryptionMethod")
	if err != nil {
		return nil, err
	}
	var known bool
	if s.block, known = blockOf(algorithm(method)); !known {
		return nil, refuse(ReasonAlgorithm, "encryption method %s is not accepted", quoted(algorithm(method)))
	}
	var found []*strictxml.Element
	if c.next != nil && c.next.Is(signature, "KeyInfo") {
		for e := range c.next.Elements() {
			if e.Is(Namespace, "EncryptedKey") {
				found = append(found, e)
			}
		}
		c.next = c.next.Next()
	}
	if s.cipher, err = cipherValue(&c); err != nil {
		return nil, err
	}
	return found, c.done("EncryptionProperties")
}

// readKey reads an EncryptedKey. Its own KeyInfo only says which of our keys it is for; all are tried.
func readKey(e *strictxml.Element) (wrapped, *Error) {
	var w wrapped
	c, err := children(e, "Id", "Type", "MimeType", "Encoding", "Recipient")
	if err != nil {
		return w, err
	}
	w.recipient, _ = e.Attr("Recipient")
	method, err := c.take(Namespace, "EncryptionMethod")
	if err != nil {
		return w, err
	}
	if c.next != nil && c.next.Is(signature, "KeyInfo") {
		c.next = c.next.Next()
	}
	if w.cipher, err = cipherValue(&c); err != nil {
		return w, err
	}
	if err := c.done("EncryptionProperties", "ReferenceList", "CarriedKeyName"); err != nil {
		return w, err
	}
	return w, w.readMethod(method)
}

// readMethod reads the EncryptionMethod of an EncryptedKey: RSA-OAEP with its parameters, which may
// come in any order (XML Encryption 1.1 section 5.5.2). Both digests are SHA-1 unless it says else.
func (w *wrapped) readMethod(method *strictxml.Element) *Error {
	identifier := algorithm(method)
	if identifier != OAEP && identifier != OAEPMGF1P {
		return refuse(ReasonAlgorithm, "key transport %s is not accepted", quoted(identifier))
	}
	w.name, w.options = "rsa-oaep", rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	if identifier == OAEPMGF1P {
		w.name = "rsa-oaep-mgf1p"
	}
	seen := make(map[string]bool, 2)
	for parameter := range method.Elements() {
		if seen[parameter.Local] {
			return refuse(ReasonStructure, "two elements %s inside EncryptionMethod", short(parameter.Local))
		}
		seen[parameter.Local] = true
		known := true
		switch {
		case parameter.Is(signature, "DigestMethod"):
			w.options.Hash, known = digestOf(algorithm(parameter))
		case parameter.Is(Namespace11, "MGF"):
			w.options.MGFHash, known = maskOf(algorithm(parameter))
			known = known && (identifier == OAEP || w.options.MGFHash == crypto.SHA1)
		case parameter.Is(Namespace, "KeySize"):
		case parameter.Is(Namespace, "OAEPparams"):
			label, err := parameter.OnlyText()
			known = err == nil && label == ""
		default:
			known = false
		}
		if !known {
			return refuse(ReasonAlgorithm, "%s %s of %s is not accepted", short(parameter.Local), quoted(algorithm(parameter)), w.name)
		}
	}
	return nil
}

// cipherValue takes CipherData, which must hold a CipherValue: a CipherReference points elsewhere.
func cipherValue(c *cursor) (*strictxml.Element, *Error) {
	data, err := c.take(Namespace, "CipherData")
	if err != nil {
		return nil, err
	}
	inside, err := children(data)
	if err != nil {
		return nil, err
	}
	value, err := inside.take(Namespace, "CipherValue")
	if err != nil {
		return nil, err
	}
	return value, inside.done()
}

func algorithm(e *strictxml.Element) string {
	value, _ := e.Attr("Algorithm")
	return value
}

// cursor goes through the child elements of an element.
type cursor struct {
	parent, next *strictxml.Element
}

// children begins to read an element that takes elements only, with no attributes but those allowed.
func children(e *strictxml.Element, allowed ...string) (cursor, *Error) {
	for i := range e.Attrs {
		if a := &e.Attrs[i]; a.Space != "" || !slices.Contains(allowed, a.Local) {
			return cursor{}, refuse(ReasonStructure, "attribute %s on <%s>", short(a.Local), e.Local)
		}
	}
	if e.StrayText() {
		return cursor{}, refuse(ReasonStructure, "text directly inside <%s>", e.Local)
	}
	return cursor{e, e.First()}, nil
}

// take returns the next child, which must have this name.
func (c *cursor) take(space, local string) (*strictxml.Element, *Error) {
	found := c.next
	if found == nil {
		return nil, refuse(ReasonStructure, "<%s> without %s", c.parent.Local, local)
	}
	if !found.Is(space, local) {
		return nil, refuse(ReasonStructure, "<%s> where <%s> expects %s", short(found.Local), c.parent.Local, local)
	}
	c.next = found.Next()
	return found, nil
}

// done refuses what is left but elements of XML Encryption with those names, which are passed over.
func (c *cursor) done(passed ...string) *Error {
	for ; c.next != nil; c.next = c.next.Next() {
		if c.next.Space != Namespace || !slices.Contains(passed, c.next.Local) {
			return refuse(ReasonStructure, "<%s> inside <%s>", short(c.next.Local), c.parent.Local)
		}
	}
	return nil
}
