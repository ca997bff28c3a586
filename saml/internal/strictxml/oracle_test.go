package strictxml_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/beevik/etree"
	goxmldsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// sample is a document with one element to canonicalise, the one that has an attribute ID.
type sample struct {
	doc        string
	id         string
	prefixList string
}

// Names that samples are made of. The oracle must be told which elements have an ID.
var (
	locals     = []string{"a", "b", "c"}
	namespaces = []string{"urn:one", "urn:two", "http://three.example:80/x?y='1'#z"}
	prefixes   = []string{"", "p", "q", "xs", "p-1"}
)

// maker writes one sample.
type maker struct {
	t      *rapid.T
	out    strings.Builder
	scope  []map[string]string // prefix to namespace, one map for each open element
	target int                 // elements until the one with the ID
	id     string
	modest bool // no more than goxmldsig does by the standard
}

func (m *maker) pick(from ...string) string { return rapid.SampledFrom(from).Draw(m.t, "pick") }
func (m *maker) number(most int) int        { return rapid.IntRange(0, most).Draw(m.t, "number") }

// element writes an element with all that canonicalisation looks at.
func (m *maker) element(depth int) {
	scope := map[string]string{}
	for prefix, uri := range m.scope[len(m.scope)-1] {
		scope[prefix] = uri
	}
	var declared []string
	for range m.number(2) {
		prefix := m.pick(prefixes...)
		uri := m.pick(namespaces...)
		if prefix == "" && !m.modest && m.number(2) == 0 {
			uri = ""
		}
		if strings.Contains(strings.Join(declared, ""), " xmlns"+colon(prefix)+"=") {
			continue
		}
		scope[prefix] = uri
		declared = append(declared, " xmlns"+colon(prefix)+`="`+uri+`"`)
	}
	m.scope = append(m.scope, scope)
	defer func() { m.scope = m.scope[:len(m.scope)-1] }()

	name := m.prefixed(scope) + m.pick(locals...)
	m.out.WriteString("<" + name)
	attributes := declared
	used, only := map[string]bool{}, ""
	for range m.number(3) {
		prefix, local := m.prefixed(scope), m.pick("x", "y", "z")
		if m.modest && only != "" && prefix != "" {
			prefix = only
		}
		only = max(only, prefix)
		expanded := scope[strings.TrimSuffix(prefix, ":")] + local
		if prefix == "" {
			expanded = " " + local
		}
		if !used[expanded] {
			used[expanded] = true
			attributes = append(attributes, " "+prefix+local+m.pick("=", " = ", "=\n")+m.value())
		}
	}
	if m.target--; m.target == 0 {
		attributes = append(attributes, ` ID="`+m.id+`"`)
	}
	if !m.modest && m.number(3) == 0 {
		attributes = append(attributes, m.pick(` xml:lang="en"`, ` xml:space="preserve"`))
	}
	m.out.WriteString(strings.Join(rapid.Permutation(attributes).Draw(m.t, "attributes"), ""))
	children := 0
	if depth > 0 {
		children = m.number(3)
	}
	text := m.text()
	if children == 0 && text == "" && m.number(1) == 0 && m.target != 0 {
		m.out.WriteString(m.pick("/>", " />"))
		return
	}
	m.out.WriteString(m.pick(">", "\n>"))
	m.out.WriteString(text)
	for range children {
		m.element(depth - 1)
		m.out.WriteString(m.text())
	}
	m.out.WriteString("</" + name + m.pick(">", " >"))
}

// prefixed returns a prefix in scope with its colon, or "".
func (m *maker) prefixed(scope map[string]string) string {
	prefix := m.pick(prefixes...)
	if prefix == "" || scope[prefix] == "" {
		return ""
	}
	return prefix + ":"
}

func (m *maker) value() string {
	if m.modest {
		return m.pick(`""`, `'v'`, `"&lt;&amp;&quot;&apos;&gt;"`, `'"Zoë 東"'`, `"  two  "`)
	}
	inside := m.pick("", "v", "  two  ", "&lt;&amp;&quot;&apos;&gt;", "\t\n\r\n\r", "&#9;&#10;&#13;&#x20;", "Zoë 東", ">]]>", "p:x")
	return m.pick(`"`+inside+`"`, `'`+inside+`'`, `'"`+inside+`"'`, `"'`+inside+`'"`)
}

func (m *maker) text() string {
	if m.modest {
		return m.pick("", "text", "\n  ", "&lt;b/&gt;&amp;", "x > \"y'", "&#x1F600;")
	}
	return m.pick("", "", "text", "\n  ", "\r\n\t", "&lt;b/&gt;&amp;", "x > \"y'", "&#13;&#10;", "]] >", "Zoë 東\u0085\U0001F600", "&#x1F600;")
}

func colon(prefix string) string {
	if prefix == "" {
		return ""
	}
	return ":" + prefix
}

// samples makes documents of the grammar that is accepted.
func samples(modest bool) *rapid.Generator[sample] {
	return rapid.Custom(func(t *rapid.T) sample {
		m := &maker{t: t, scope: []map[string]string{{}}, id: "target", modest: modest, target: rapid.IntRange(1, 6).Draw(t, "target")}
		m.element(4)
		names := []string{"p", "q", "xs", "p-1", "nobody", "xml", "#default"}
		if modest {
			names = names[:4]
		}
		list := rapid.SliceOfN(rapid.SampledFrom(names), 0, 4).Draw(t, "list")
		return sample{m.out.String(), "target", strings.Join(list, " ")}
	})
}

// ours is our canonical form of the element with the ID, nil when the document is refused or the
// oracle would not find that element.
func (s sample) ours() []byte {
	if strings.Count(s.doc, ` ID="`+s.id+`"`) != 1 {
		return nil
	}
	root, err := strictxml.Parse([]byte(s.doc), strictxml.Limits{})
	if err != nil {
		return nil
	}
	for e := range root.Descendants() {
		if id, _ := e.Attr("ID"); id == s.id && slices.Contains(locals, e.Local) && (e.Space == "" || slices.Contains(namespaces, e.Space)) {
			return strictxml.AppendCanonical(nil, e, dsigtest.Prefixes(s.prefixList), nil)
		}
	}
	return nil
}

// xmlsec1 asks libxml2, through xmlsec1, for the digests of the canonical forms of all samples: it
// signs one document that holds them all, with a reference to each.
func xmlsec1(t *testing.T, all []sample) ([]string, error) {
	t.Helper()
	key := dsigtest.RSA(t)
	var doc, references strings.Builder
	for i, s := range all {
		id := fmt.Sprintf("target%d", i)
		doc.WriteString("<sample>" + strings.Replace(s.doc, `ID="`+s.id+`"`, `ID="`+id+`"`, 1) + "</sample>\n")
		references.WriteString(strings.Replace(dsigtest.Reference(id, dsigtest.Options{PrefixList: s.prefixList}, ""),
			`<ds:Transform Algorithm="`+dsigtest.Enveloped+`"/>`, "", 1))
	}
	signature := dsigtest.Template(t, "x", key, dsigtest.Options{KeyInfo: dsigtest.WithoutKeyInfo})
	signature = strings.NewReplacer("@value@", "", dsigtest.Reference("x", dsigtest.Options{}, "@digest@"), references.String()).Replace(signature)
	dir := t.TempDir()
	in, keyFile := filepath.Join(dir, "in.xml"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(in, []byte("<all>"+doc.String()+signature+"</all>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, key.PEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--sign", "--pkcs8-pem", keyFile}
	for _, local := range locals {
		args = append(args, "--id-attr:ID", local)
		for _, uri := range namespaces {
			args = append(args, "--id-attr:ID", uri+":"+local)
		}
	}
	out, err := dsigtest.Xmlsec1(t, append(args, in)...)
	if err != nil {
		return nil, err
	}
	var digests []string
	for _, part := range strings.Split(out, "<ds:DigestValue>")[1:] {
		digest, _, _ := strings.Cut(part, "<")
		digests = append(digests, strings.TrimSpace(digest))
	}
	return digests, nil
}

// agree holds our canonical forms against xmlsec1's.
func agree(t *testing.T, all []sample) {
	t.Helper()
	digests, err := xmlsec1(t, all)
	if err != nil {
		if len(all) == 1 {
			t.Errorf("xmlsec1 does not take what we do: %v\n%q %q", err, all[0].doc, all[0].prefixList)
			return
		}
		agree(t, all[:len(all)/2]) // look for the one
		agree(t, all[len(all)/2:])
		return
	}
	if len(digests) != len(all) {
		t.Fatalf("%d digests of %d samples", len(digests), len(all))
	}
	for i, s := range all {
		canonical := strings.Replace(string(s.ours()), `ID="`+s.id+`"`, fmt.Sprintf(`ID="target%d"`, i), 1)
		sum := sha256.Sum256([]byte(canonical))
		if ours := base64.StdEncoding.EncodeToString(sum[:]); ours != digests[i] {
			t.Errorf("%q with %q is to us\n%q\nand something else to xmlsec1", s.doc, s.prefixList, canonical)
		}
	}
}

// TestAppendCanonical_AgreesWithXmlsec1 compares on documents of the accepted grammar and on damaged
// ones that are still accepted.
func TestAppendCanonical_AgreesWithXmlsec1(t *testing.T) {
	const size = 100 // samples for one run of the program
	var whole, damaged []sample
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			s := samples(false).Draw(t, "sample")
			if s.ours() == nil {
				_, err := strictxml.Parse([]byte(s.doc), strictxml.Limits{})
				if err != nil {
					t.Fatalf("refused: %v\n%s", err, s.doc)
				}
				continue // it ended before the element to be chosen
			}
			whole = append(whole, s)
			for range 10 {
				if d := (sample{damage(t, s.doc), s.id, s.prefixList}); d.ours() != nil {
					damaged = append(damaged, d)
				}
			}
		}
	})
	if len(whole) < size || len(damaged) < size {
		t.Fatalf("%d samples and %d damaged ones: too few", len(whole), len(damaged))
	}
	t.Logf("%d samples and %d damaged ones", len(whole), len(damaged))
	for _, all := range [][]sample{whole, damaged} {
		for len(all) > 0 && !t.Failed() {
			n := min(size, len(all))
			agree(t, all[:n])
			all = all[n:]
		}
	}
}

// damage changes a few bytes of a document.
func damage(t *rapid.T, doc string) string {
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		if doc == "" {
			return doc
		}
		from := rapid.IntRange(0, len(doc)-1).Draw(t, "from")
		to := min(len(doc), from+rapid.IntRange(0, 8).Draw(t, "length"))
		piece := rapid.SampledFrom([]string{"", "", " ", "a", ":", "'", `"`, "<", ">", "&", "&amp;", "&#13;", "\r", "\n", "\t", "=", "/",
			"xmlns", ` xmlns=""`, ` xmlns:p="urn:two"`, "p:", "<a/>", "<!---->", "]]>", "é", "\x85", doc[from:to], doc[from:to] + doc[from:to]}).Draw(t, "piece")
		doc = doc[:from] + piece + doc[to:]
	}
	return doc
}

// TestAppendCanonical_AgreesWithGoxmldsig compares where that library follows the standard. It does
// not normalise line ends and white space of attributes, orders attributes of two namespaces by
// local name, and has its own ideas of #default and xmlns="".
func TestAppendCanonical_AgreesWithGoxmldsig(t *testing.T) {
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		s := samples(true).Draw(t, "sample")
		ours := s.ours()
		if ours == nil {
			return // it ended before the element to be chosen
		}
		tree := etree.NewDocument()
		if err := tree.ReadFromString(s.doc); err != nil {
			t.Fatalf("etree: %v", err)
		}
		target := tree.FindElement("//*[@ID='" + s.id + "']")
		around, err := etreeutils.NSBuildParentContext(target)
		if err != nil {
			t.Fatal(err)
		}
		if target, err = etreeutils.NSDetatch(around, target); err != nil {
			t.Fatal(err)
		}
		theirs, err := goxmldsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(s.prefixList).Canonicalize(target)
		if err != nil {
			t.Fatalf("goxmldsig: %v", err)
		}
		if string(theirs) != string(ours) {
			t.Fatalf("%s with %q\nours   %s\ntheirs %s", s.doc, s.prefixList, ours, theirs)
		}
		compared++
	})
	if compared < 20 {
		t.Errorf("only %d were compared", compared)
	}
}
