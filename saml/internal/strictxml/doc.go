// Package strictxml reads the XML of SAML messages and writes its exclusive canonical form.
//
// # What it is for
//
// A signature is checked over canonical bytes and an identity is read from a tree. Where the two
// come from different readings of a document, accounts have been taken over. So there is one
// reading here: Parse makes a tree in one pass, AppendCanonical writes any element of that tree,
// and nothing is ever parsed again.
//
// # What it refuses
//
// Everything that SAML does not need and attacks do: comments, processing instructions, CDATA
// sections, document types and every entity but the five of XML itself; duplicate attributes by
// expanded name, undeclared prefixes, namespace names that are not absolute URIs, two identifiers
// with one value, text outside the root element, encodings other than UTF-8. Sizes are bounded by
// Limits. An accepted tree can always be canonicalised: AppendCanonical has no error.
//
// # What it refuses to know
//
// SAML and signatures. It reads no file and follows no address.
//
// # Where to start
//
// Parse, Element, AppendCanonical. AppendText and AppendAttr are for those who write XML.
package strictxml
