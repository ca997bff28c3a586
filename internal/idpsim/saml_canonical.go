package idpsim

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

// node is an element of a message of the application's, with its names as they were written.
type node struct {
	prefix, local string
	attributes    []xml.Attr // Name.Space is the prefix
	parent        *node
	children      []any // *node or string
}

// parseTree reads a message that plainXML has let pass and returns its root.
func parseTree(raw []byte) (*node, error) {
	if err := plainXML(raw); err != nil {
		return nil, err
	}
	dec := xml.NewDecoder(bytes.NewReader(raw))
	var root, at *node
	for {
		token, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return nil, mistake("%v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			n := &node{prefix: token.Name.Space, local: token.Name.Local, attributes: token.Copy().Attr, parent: at}
			if at == nil {
				root = n
			} else {
				at.children = append(at.children, n)
			}
			at = n
		case xml.EndElement:
			at = at.parent
		case xml.CharData:
			if at != nil {
				at.children = append(at.children, string(token))
			}
		}
	}
}

// namespace resolves a prefix where the element stands.
func (n *node) namespace(prefix string) string {
	for at := n; at != nil; at = at.parent {
		for _, a := range at.attributes {
			if prefix == "" && a.Name.Space == "" && a.Name.Local == "xmlns" || prefix != "" && a.Name.Space == "xmlns" && a.Name.Local == prefix {
				return a.Value
			}
		}
	}
	return ""
}

func (n *node) is(ns, local string) bool {
	return n != nil && n.local == local && n.namespace(n.prefix) == ns
}

// child is the first child of that name, nil for none.
func (n *node) child(ns, local string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if e, ok := c.(*node); ok && e.is(ns, local) {
			return e
		}
	}
	return nil
}

func (n *node) attr(name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.attributes {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (n *node) text() string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for _, c := range n.children {
		if s, ok := c.(string); ok {
			b.WriteString(s)
		}
	}
	return b.String()
}

// canonical is exclusive canonical XML (section 3 of that recommendation) of an element, without one of its descendants.
func (n *node) canonical(without *node) string {
	var b strings.Builder
	n.write(&b, map[string]string{}, nil, without)
	return b.String()
}

// write has prefixes whose declarations stay although no name uses them (InclusiveNamespaces).
func (n *node) write(b *strings.Builder, rendered map[string]string, inclusive []string, without *node) {
	name := n.local
	if n.prefix != "" {
		name = n.prefix + ":" + n.local
	}
	used, plain := []string{n.prefix}, []xml.Attr{}
	for _, a := range n.attributes {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		plain = append(plain, a)
		if a.Name.Space != "" && a.Name.Space != "xml" {
			used = append(used, a.Name.Space)
		}
	}
	for _, prefix := range inclusive {
		if n.namespace(prefix) != "" {
			used = append(used, prefix)
		}
	}
	slices.Sort(used)
	below := map[string]string{}
	for k, v := range rendered {
		below[k] = v
	}
	b.WriteString("<" + name)
	for _, prefix := range slices.Compact(used) {
		uri := n.namespace(prefix)
		if before, there := below[prefix]; there && before == uri || !there && prefix == "" && uri == "" {
			continue
		}
		below[prefix] = uri
		if prefix == "" {
			b.WriteString(` xmlns="` + attrEscaper.Replace(uri) + `"`)
		} else {
			b.WriteString(" xmlns:" + prefix + `="` + attrEscaper.Replace(uri) + `"`)
		}
	}
	key := func(a xml.Attr) string {
		if a.Name.Space == "" {
			return "\x00" + a.Name.Local
		}
		return n.namespace(a.Name.Space) + "\x00" + a.Name.Local
	}
	slices.SortFunc(plain, func(x, y xml.Attr) int { return strings.Compare(key(x), key(y)) })
	for _, a := range plain {
		full := a.Name.Local
		if a.Name.Space != "" {
			full = a.Name.Space + ":" + full
		}
		b.WriteString(" " + full + `="` + attrEscaper.Replace(a.Value) + `"`)
	}
	b.WriteString(">")
	for _, c := range n.children {
		switch c := c.(type) {
		case string:
			b.WriteString(textEscaper.Replace(c))
		case *node:
			if c != without {
				c.write(b, below, inclusive, without)
			}
		}
	}
	b.WriteString("</" + name + ">")
}

// verifyElement checks the signature inside an element of the application's, which is by RSA with SHA-256 or not read here.
func verifyElement(n *node, keys []*rsa.PublicKey) error {
	signature := n.child(nsSignature, "Signature")
	info := signature.child(nsSignature, "SignedInfo")
	reference := info.child(nsSignature, "Reference")
	rsa256 := algorithms["rsa-sha256"]
	switch {
	case signature == nil:
		return mistake("%s is not signed", n.local)
	case info == nil || reference == nil:
		return mistake("the signature of %s has no SignedInfo with a Reference", n.local)
	case info.child(nsSignature, "CanonicalizationMethod").attr("Algorithm") != exclusive:
		return mistake("the signature is not over exclusive canonical XML")
	case info.child(nsSignature, "SignatureMethod").attr("Algorithm") != rsa256.signature || reference.child(nsSignature, "DigestMethod").attr("Algorithm") != rsa256.digest:
		return mistake("the signature is not by RSA with SHA-256")
	case reference.attr("URI") != "#"+n.attr("ID") || n.attr("ID") == "":
		return mistake("the signature is of %q, expected %q", reference.attr("URI"), "#"+n.attr("ID"))
	}
	digest := sha256.Sum256([]byte(n.canonical(signature)))
	if strings.TrimSpace(reference.child(nsSignature, "DigestValue").text()) != base64.StdEncoding.EncodeToString(digest[:]) {
		return mistake("%s was changed after it was signed", n.local)
	}
	value, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(signature.child(nsSignature, "SignatureValue").text()), ""))
	if err != nil {
		return mistake("the signature value is not base64")
	}
	return verifyText(info.canonical(nil), value, keys)
}

// verifyText checks a signature by RSA with SHA-256 of one of the keys.
func verifyText(text string, value []byte, keys []*rsa.PublicKey) error {
	sum := sha256.Sum256([]byte(text))
	for _, key := range keys {
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], value) == nil {
			return nil
		}
	}
	return mistake("the signature is by none of the %d keys in the application's metadata", len(keys))
}

// publicKeys are those in certificates, DER in base64.
func publicKeys(certificates []string) ([]*rsa.PublicKey, error) {
	var out []*rsa.PublicKey
	for _, text := range certificates {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, mistake("a certificate of the application is not base64")
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, mistake("a certificate of the application cannot be read: %v", err)
		}
		if key, ok := certificate.PublicKey.(*rsa.PublicKey); ok {
			out = append(out, key)
		}
	}
	return out, nil
}
