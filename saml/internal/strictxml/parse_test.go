package strictxml

import (
	"errors"
	"strings"
	"testing"
)

// parse is Parse for documents that are right.
func parse(t *testing.T, doc string) *Element {
	t.Helper()
	root, err := Parse([]byte(doc), Limits{})
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return root
}

// causes are what callers tell apart, by what the reason says; everything else is NotWellFormed.
var causes = map[string]Cause{"comment": Comment, "processing instruction": ProcessingInstruction, "CDATA": CDATA,
	"document type": DocumentType, "another element has too": DuplicateID}

func TestParse_RefusesWhatSAMLDoesNotNeed(t *testing.T) {
	for name, c := range map[string]struct{ doc, reason string }{
		"nothing":                                {``, "no root element"},
		"white space only":                       {" \n", "no root element"},
		"text only":                              {`hello`, "text before the root"},
		"text before the root":                   {`hello <a/>`, "text before the root"},
		"text after the root":                    {`<a/>hello`, "content after the root"},
		"a second root":                          {`<a/><b/>`, "content after the root"},
		"an end tag too many":                    {`<a></a></a>`, "content after the root"},
		"an end tag only":                        {`</a>`, "no element name"},
		"an end tag that does not match":         {`<a></b>`, "does not match"},
		"an end tag that goes on":                {`<a></ab>`, "does not match"},
		"an end tag with an attribute":           {`<a></a b="">`, "does not match"},
		"an end tag with another prefix":         {`<x:a xmlns:x="urn:x" xmlns:y="urn:x"></y:a>`, "does not match"},
		"an end tag without the prefix":          {`<x:a xmlns:x="urn:x"></a>`, "does not match"},
		"no end tag":                             {`<a>`, "ends inside <a>"},
		"a document cut in a tag":                {`<a b="c" `, "ends inside a tag"},
		"a document cut in a value":              {`<a b="c`, "ends inside an attribute value"},
		"a document cut after an attribute name": {`<a b`, "without a value"},
		"a document cut in an end tag":           {`<a></a`, "does not match"},
		"a document cut after <":                 {`<a><`, "no element name"},

		"A13 a comment in text":                    {`<a>admin<!---->.evil</a>`, "comment"},
		"A13 a comment before the root":            {`<!-- x --><a/>`, "comment"},
		"A13 a comment after the root":             {`<a/><!-- x -->`, "comment"},
		"A15 a processing instruction":             {`<a><?p x?></a>`, "processing instruction"},
		"A15 one before the root":                  {`<?p x?><a/>`, "processing instruction"},
		"A15 one after the root":                   {`<a/><?p x?>`, "processing instruction"},
		"A15 a stylesheet":                         {`<?xml-stylesheet href="x"?><a/>`, "processing instruction"},
		"a CDATA section":                          {`<a><![CDATA[x]]></a>`, "CDATA"},
		"A20 a document type":                      {`<!DOCTYPE a><a/>`, "document type"},
		"A20 a document type with an attribute":    {`<!DOCTYPE a [<!ATTLIST a AltID ID #IMPLIED>]><a/>`, "document type"},
		"A20 a document type later":                {`<a/><!DOCTYPE a>`, "document type"},
		"A24 an external entity":                   {`<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>`, "document type"},
		"A24 an entity":                            {`<a>&e;</a>`, "reference"},
		"A21 a directive with a comment":           {`<!x <!-- --> ><a/>`, "declaration"},
		"A21 a name with two colons":               {`<x::a xmlns:x="urn:x"/>`, "element name"},
		"A21 a name of three parts":                {`<x:a:b xmlns:x="urn:x"/>`, "white space before an attribute"},
		"A21 a name that begins with a colon":      {`<:a/>`, "element name"},
		"A21 a name that ends with one":            {`<a:/>`, "element name"},
		"A21 an attribute that begins with one":    {`<a :b=""/>`, "attribute name"},
		"A21 a declaration of xmlns":               {`<a xmlns:xmlns="urn:x"/>`, "declaration of the prefix"},
		"a declaration of xml":                     {`<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`, "declaration of the prefix"},
		"XML's namespace under another prefix":     {`<a xmlns:x="http://www.w3.org/XML/1998/namespace"/>`, "belongs to XML"},
		"XML's namespace as default":               {`<a xmlns="http://www.w3.org/XML/1998/namespace"/>`, "belongs to XML"},
		"the namespace of xmlns":                   {`<a xmlns:x="http://www.w3.org/2000/xmlns/"/>`, "belongs to XML"},
		"an element in XML's namespace":            {`<xml:a/>`, "XML's own namespace"},
		"an element with the prefix xmlns":         {`<xmlns:a/>`, "not declared"},
		"a prefix bound to nothing":                {`<a xmlns:x=""/>`, "bound to no namespace"},
		"A17 a relative namespace name":            {`<a xmlns:q="1"/>`, "absolute URI"},
		"A17 a relative default namespace":         {`<a xmlns="b/c"/>`, "absolute URI"},
		"A17 one that a reference makes":           {`<a xmlns:q="&#x31;"/>`, "absolute URI"},
		"a namespace name with white space":        {"<a xmlns:q='urn:x y'/>", "absolute URI"},
		"a namespace name with a letter off ASCII": {`<a xmlns:q="urn:ä"/>`, "absolute URI"},
		"a namespace name with a broken escape":    {`<a xmlns:q="urn:%4"/>`, "absolute URI"},
		"a namespace name with an ampersand":       {`<a xmlns:q="http://x.example/?a&amp;b"/>`, "absolute URI"},
		"a namespace name with two fragments":      {`<a xmlns:q="urn:x#a#b"/>`, "absolute URI"},
		"a namespace name with an odd port":        {`<a xmlns:q="http://x.example:port/"/>`, "absolute URI"},
		"a namespace name with an empty port":      {`<a xmlns:q="http://x.example:/"/>`, "absolute URI"},
		"a namespace name without a host":          {`<a xmlns:q="http:///x"/>`, "absolute URI"},
		"a namespace name without a scheme":        {`<a xmlns:q=":x"/>`, "absolute URI"},
		"a namespace name that is only a scheme":   {`<a xmlns:q="urn:"/>`, "absolute URI"},
		"an undeclared prefix":                     {`<x:a/>`, "not declared"},
		"an undeclared prefix of an attribute":     {`<a x:b=""/>`, "not declared"},
		"a prefix after its element":               {`<a><b xmlns:x="urn:x"/><x:c/></a>`, "not declared"},
		"two attributes of one name":               {`<a b="" b=""/>`, "two attributes b"},
		"two attributes of one expanded name":      {`<a x:b="" y:b="" xmlns:x="urn:x" xmlns:y="urn:x"/>`, "two attributes b"},
		"two declarations of one prefix":           {`<a xmlns:x="urn:x" xmlns:x="urn:x"/>`, "two declarations"},
		"two default namespaces":                   {`<a xmlns="urn:x" xmlns="urn:y"/>`, "two declarations"},

		"A18 ID in a namespace beside ID":   {`<a ID="1" q:ID="2" xmlns:q="urn:q"/>`, "may be its ID"},
		"A18 id beside ID":                  {`<a ID="1" id="2"/>`, "may be its ID"},
		"A18 xml:id beside Id":              {`<a Id="1" xml:id="2"/>`, "may be its ID"},
		"A19 one ID twice":                  {`<a ID="1"><b ID="1"/></a>`, "another element has too"},
		"A19 one ID in two ways":            {`<a ID="1"><b/><c><d Id="1"/></c></a>`, "another element has too"},
		"A19 one ID through a reference":    {`<a ID="x1"><b xml:id="x&#49;"/></a>`, "another element has too"},
		"A19 one ID in different spellings": {`<a id="1"><b q:iD="1" xmlns:q="urn:q"/></a>`, "another element has too"},

		"an encoding other than UTF-8":          {`<?xml version="1.0" encoding="UTF-16"?><a/>`, "another encoding"},
		"Latin-1":                               {`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "another encoding"},
		"XML 1.1":                               {`<?xml version="1.1"?><a/>`, "another version"},
		"no version":                            {`<?xml encoding="UTF-8"?><a/>`, "without version"},
		"a version without quotes":              {`<?xml version=1.0?><a/>`, "another version"},
		"something else in the XML declaration": {`<?xml version="1.0" x="y"?><a/>`, "does not end as it should"},
		"the XML declaration's parts exchanged": {`<?xml version="1.0" standalone="no" encoding="UTF-8"?><a/>`, "does not end as it should"},
		"standalone maybe":                      {`<?xml version="1.0" standalone="maybe"?><a/>`, "another standalone"},
		"the XML declaration after white space": {` <?xml version="1.0"?><a/>`, "not at the start"},
		"two XML declarations":                  {`<?xml version="1.0"?><?xml version="1.0"?><a/>`, "not at the start"},
		"bytes that are not UTF-8":              {"<a>\xff</a>", "not UTF-8"},
		"an overlong character":                 {"<a>\xc0\xbc</a>", "not UTF-8"},
		"a surrogate":                           {"<a>\xed\xa0\x80</a>", "not UTF-8"},
		"a character cut at the end":            {"<a/>\xe2\x82", "not UTF-8"},
		"UTF-16 with its mark":                  {"\xff\xfe<\x00a\x00/\x00>\x00", "not UTF-8"},
		"two byte order marks":                  {"\uFEFF\uFEFF<a/>", "text before the root"},
		"a null character":                      {"<a>\x00</a>", "control character"},
		"a control character":                   {"<a b='\x01'/>", "control character"},
		"one far from the beginning":            {"<a>" + strings.Repeat("0123456789", 5) + "\x1f</a>", "control character"},
		"U+FFFE":                                {"<a>\uFFFE</a>", "does not allow"},
		"U+FFFF":                                {"<a>\uFFFF</a>", "does not allow"},

		"a reference to a null character":    {`<a>&#0;</a>`, "reference"},
		"a reference to a control character": {`<a b="&#x1;"/>`, "reference"},
		"a reference to a surrogate":         {`<a>&#xD800;</a>`, "reference"},
		"a reference to U+FFFE":              {`<a>&#xFFFE;</a>`, "reference"},
		"a reference beyond Unicode":         {`<a>&#x110000;</a>`, "reference"},
		"a reference beyond all numbers":     {`<a>&#99999999999999999999999;</a>`, "reference"},
		"a reference that comes round to A":  {`<a>&#4294967361;</a>`, "reference"},
		"a reference without digits":         {`<a>&#;</a>`, "reference"},
		"a hexadecimal one without digits":   {`<a>&#x;</a>`, "reference"},
		"a reference with a capital X":       {`<a>&#X41;</a>`, "reference"},
		"a reference with a letter":          {`<a>&#4a;</a>`, "reference"},
		"a reference with a sign":            {`<a>&#+65;</a>`, "reference"},
		"a reference without a semicolon":    {`<a>&amp</a>`, "reference"},
		"an ampersand":                       {`<a>R & D</a>`, "reference"},
		"an ampersand in a value":            {`<a b="R&D"/>`, "reference"},
		"a capital entity":                   {`<a>&AMP;</a>`, "reference"},
		"an entity of HTML":                  {`<a>&nbsp;</a>`, "reference"},

		"]]> in text":                           {`<a>x]]>y</a>`, "]]>"},
		"< in a value":                          {`<a b="<"/>`, "< in an attribute value"},
		"a value without quotes":                {`<a b=c/>`, "without quotes"},
		"an attribute without a value":          {`<a b/>`, "without a value"},
		"attributes without white space":        {`<a b=""c=""/>`, "white space before an attribute"},
		"a slash in a tag":                      {`<a / >`, "attribute name"},
		"a name that begins with a digit":       {`<1/>`, "element name"},
		"a name that begins with a minus":       {`<-a/>`, "element name"},
		"a local name that begins with a digit": {`<x:1 xmlns:x="urn:x"/>`, "element name"},
		"white space before a name":             {`< a/>`, "element name"},
		"a name with a multiplication sign":     {`<a×/>`, "white space before an attribute"},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := Parse([]byte(c.doc), Limits{})
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || root != nil {
				t.Fatalf("%q was accepted", c.doc)
			}
			if !strings.Contains(syntax.Reason, c.reason) {
				t.Errorf("refused for %q, want one with %q", syntax.Reason, c.reason)
			}
			if syntax.Offset < 0 || syntax.Offset > len(c.doc) {
				t.Errorf("offset %d in a document of %d bytes", syntax.Offset, len(c.doc))
			}
			if want := causes[c.reason]; syntax.Cause != want {
				t.Errorf("the cause is %d, want %d", syntax.Cause, want)
			}
		})
	}
}

func TestParse_ReadsWhatTheStandardAllows(t *testing.T) {
	for name, c := range map[string]struct{ doc, text string }{
		"an empty element":                    {`<a/>`, ""},
		"white space around the root":         {"\n <a>x</a>\n", "x"},
		"white space in tags":                 {"<a\n\tb = 'c'\n>x</a\n>", "x"},
		"an XML declaration":                  {`<?xml version="1.0"?><a>x</a>`, "x"},
		"all of one, in small letters":        {`<?xml version='1.0' encoding = 'utf-8' standalone="yes" ?><a>x</a>`, "x"},
		"a byte order mark":                   {"\uFEFF<?xml version=\"1.0\"?><a>x</a>", "x"},
		"the five entities":                   {`<a>&lt;&gt;&amp;&quot;&apos;</a>`, `<>&"'`},
		"character references":                {`<a>&#65;&#x42;&#x1F600;&#0067;</a>`, "AB😀C"},
		"what references write is not markup": {`<a>&#60;b/&#62;&#38;amp;]]&gt;</a>`, "<b/>&amp;]]>"},
		"line ends":                           {"<a>1\r\n2\r3\n4\r\r\n5</a>", "1\n2\n3\n4\n\n5"},
		"a carriage return by reference":      {"<a>1&#13;\r\n2</a>", "1\r\n2"},
		"a greater-than sign":                 {`<a>x > ] ]] y</a>`, "x > ] ]] y"},
		"names off ASCII":                     {`<Ärger:größe·9 xmlns:Ärger="urn:x" ñ-.="1">x</Ärger:größe·9>`, "x"},
		"text off ASCII":                      {"<a>Zoë 東京 \u00a0\u0085\uFEFF\U0010FFFF</a>", "Zoë 東京 \u00a0\u0085\uFEFF\U0010FFFF"},
		"xml:lang":                            {`<a xml:lang="en" xml:space="preserve">x</a>`, "x"},
		"IDs that differ":                     {`<a ID="1" AltID="1">x<b/></a>`, "x"},
		"a default namespace taken back":      {`<a xmlns="urn:x">x<b xmlns=""/></a>`, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if root := parse(t, c.doc); root.text != c.text {
				t.Errorf("text %q, want %q", root.text, c.text)
			}
		})
	}
}

func TestParse_NormalisesAttributeValues(t *testing.T) {
	root := parse(t, "<a b=' 1\t2\n3\r\n4\r5 ' c=\"&#9;&#10;&#13;&lt;&quot;'\" d='\"&apos;' e=\"\"/>")
	for name, want := range map[string]string{"b": " 1 2 3 4 5 ", "c": "\t\n\r<\"'", "d": `"'`, "e": ""} {
		if got, found := root.Attr(name); got != want || !found {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, found := root.Attr("f"); found {
		t.Error("there is an attribute that was not written")
	}
}

func TestParse_GivesNamesTheirNamespaces(t *testing.T) {
	root := parse(t, `<a xmlns="urn:d" xmlns:x="urn:x" x:p="1" p="2"><x:b xmlns:x="urn:y"><x:c/></x:b><x:d xmlns=""><e/></x:d><e/></a>`)
	var got []string
	for e := range root.Descendants() {
		got = append(got, "{"+e.Space+"}"+e.Local)
	}
	want := "{urn:d}a {urn:y}b {urn:y}c {urn:x}d {}e {urn:d}e"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if value, _ := root.Attr("p"); value != "2" {
		t.Errorf("p is %q: an attribute of a namespace was taken for one without", value)
	}
	if value, _ := root.AttrNS("urn:x", "p"); value != "1" {
		t.Errorf("x:p is %q", value)
	}
}

func TestParse_BindsManyPrefixesRightly(t *testing.T) {
	var doc strings.Builder
	for i := range 50 {
		n := string(rune('a'+i%26)) + strings.Repeat("z", i/26)
		doc.WriteString("<" + n + ":e xmlns:" + n + `="urn:` + n + `">`)
	}
	doc.WriteString(`<a:in xmlns:a="urn:other"/><a:out zz:x=""/>`)
	nested := doc.String()
	_, err := Parse([]byte(nested), Limits{})
	if err == nil || !strings.Contains(err.Error(), "prefix zz of attribute x is not declared") {
		t.Errorf("an undeclared prefix among many: %v", err)
	}
	for i := 49; i >= 0; i-- {
		n := string(rune('a'+i%26)) + strings.Repeat("z", i/26)
		doc.WriteString("</" + n + ":e>")
	}
	root := parse(t, strings.Replace(doc.String(), " zz:x=\"\"", "", 1))
	if in := root.All("urn:other", "in"); len(in) != 1 {
		t.Error("the inner binding does not hold")
	}
	if out := root.All("urn:a", "out"); len(out) != 1 {
		t.Error("the outer binding does not come back")
	}
}

func TestOnlyText_RefusesElements(t *testing.T) {
	root := parse(t, `<a><b>x</b><c>user@corp.example<d/>.evil.example</c></a>`)
	if text, err := root.First().OnlyText(); text != "x" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if text, err := root.First().Next().OnlyText(); err == nil {
		t.Errorf("got %q of an element that has a child", text)
	}
}

func TestStrayText_IsSeenEverywhere(t *testing.T) {
	for doc, want := range map[string]bool{
		`<a/>`:                     false,
		"<a> <b>x</b>\n<c/>\t</a>": false,
		`<a>x<b/></a>`:             true,
		`<a><b/>x</a>`:             true,
		`<a><b/><c/>x<d/></a>`:     true,
		`<a>&#160;</a>`:            true, // no white space to XML
	} {
		if got := parse(t, doc).StrayText(); got != want {
			t.Errorf("%s: %t", doc, got)
		}
	}
}

func TestElement_KnowsItsSurroundings(t *testing.T) {
	const doc = `<a><b><c/></b><d>x</d></a>`
	root := parse(t, doc)
	b, d := root.First(), root.First().Next()
	c := b.First()
	if c.Parent != b || b.Parent != root || root.Parent != nil || d.Next() != nil || c.First() != nil {
		t.Error("the tree is not as written")
	}
	if start, end := d.Extent(); doc[start:end] != `<d>x</d>` {
		t.Errorf("extent of d is %q", doc[start:end])
	}
	var names string
	for e := range b.Descendants() {
		names += e.Local
	}
	if names != "bc" {
		t.Errorf("descendants of b are %s", names)
	}
	for range root.Elements() {
		break // must not go on after that
	}
}
