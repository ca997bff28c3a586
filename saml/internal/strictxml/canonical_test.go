package strictxml

import (
	"strings"
	"testing"
)

// TestAppendCanonical_WritesTheStandardsExamples has the examples of Exclusive XML Canonicalization
// 1.0 section 2.2 and Canonical XML 1.0 section 3, without the document types, comments, processing
// instructions and CDATA sections that are refused here.
func TestAppendCanonical_WritesTheStandardsExamples(t *testing.T) {
	const startTags = `<doc>
   <e1   />
   <e2   ></e2>
   <e3   name = "elem3"   id="elem3"   />
   <e4   name="elem4"   id="elem4"   ></e4>
   <e5 a:attr="out" b:attr="sorted" attr2="all" attr="I'm"
      xmlns:b="http://www.ietf.org"
      xmlns:a="http://www.w3.org"
      xmlns="http://example.org"/>
   <e6 xmlns="" xmlns:a="http://www.w3.org">
      <e7 xmlns="http://www.ietf.org">
         <e8 xmlns="" xmlns:a="http://www.w3.org">
            <e9 xmlns="" xmlns:a="http://www.ietf.org" attr="default"/>
         </e8>
      </e7>
   </e6>
</doc>`
	elem2 := `<n1:elem2 xmlns:n1="http://example.net" xml:lang="en">
     <n3:stuff xmlns:n3="ftp://example.org"></n3:stuff>
  </n1:elem2>`
	for name, c := range map[string]struct {
		doc, of, prefixes, want string
	}{
		"exclusive 2.2, first context": {`<n0:local xmlns:n0="foo:bar" xmlns:n3="ftp://example.org">
  <n1:elem2 xmlns:n1="http://example.net" xml:lang="en">
     <n3:stuff xmlns:n3="ftp://example.org"/>
  </n1:elem2>
</n0:local>`, "elem2", "", elem2},
		"exclusive 2.2, second context": {`<n2:pdu xmlns:n1="http://example.com" xmlns:n2="http://foo.example" xml:lang="fr" xml:space="retain">
  <n1:elem2 xmlns:n1="http://example.net" xml:lang="en">
     <n3:stuff xmlns:n3="ftp://example.org"/>
  </n1:elem2>
</n2:pdu>`, "elem2", "", elem2},
		"canonical 3.2, white space": {"<doc>\n   <clean>   </clean>\n   <dirty>   A   B   </dirty>\n   <mixed>\n      A\n      <clean>   </clean>\n      B\n      <dirty>   A   B   </dirty>\n      C\n   </mixed>\n</doc>", "doc", "",
			"<doc>\n   <clean>   </clean>\n   <dirty>   A   B   </dirty>\n   <mixed>\n      A\n      <clean>   </clean>\n      B\n      <dirty>   A   B   </dirty>\n      C\n   </mixed>\n</doc>"},
		"canonical 3.3, start tags, exclusive": {startTags, "doc", "", `<doc>
   <e1></e1>
   <e2></e2>
   <e3 id="elem3" name="elem3"></e3>
   <e4 id="elem4" name="elem4"></e4>
   <e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org" attr="I'm" attr2="all" b:attr="sorted" a:attr="out"></e5>
   <e6>
      <e7 xmlns="http://www.ietf.org">
         <e8 xmlns="">
            <e9 attr="default"></e9>
         </e8>
      </e7>
   </e6>
</doc>`},
		"canonical 3.3, start tags, every prefix inclusive": {startTags, "doc", "a b #default", `<doc>
   <e1></e1>
   <e2></e2>
   <e3 id="elem3" name="elem3"></e3>
   <e4 id="elem4" name="elem4"></e4>
   <e5 xmlns="http://example.org" xmlns:a="http://www.w3.org" xmlns:b="http://www.ietf.org" attr="I'm" attr2="all" b:attr="sorted" a:attr="out"></e5>
   <e6 xmlns:a="http://www.w3.org">
      <e7 xmlns="http://www.ietf.org">
         <e8 xmlns="">
            <e9 xmlns:a="http://www.ietf.org" attr="default"></e9>
         </e8>
      </e7>
   </e6>
</doc>`},
		"canonical 3.4, characters": {`<doc>
   <text>First line&#x0d;&#10;Second line</text>
   <value>&#x32;</value>
   <compute expr='value>"0" &amp;&amp; value&lt;"10" ?"valid":"error"'>value&gt;"0" &amp;&amp; value&lt;"10" ?"valid":"error"</compute>
   <norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>
</doc>`, "doc", "", `<doc>
   <text>First line&#xD;
Second line</text>
   <value>2</value>
   <compute expr="value>&quot;0&quot; &amp;&amp; value&lt;&quot;10&quot; ?&quot;valid&quot;:&quot;error&quot;">value&gt;"0" &amp;&amp; value&lt;"10" ?"valid":"error"</compute>
   <norm attr=" '    &#xD;&#xA;&#x9;   ' "></norm>
</doc>`},
		"canonical 3.6, UTF-8": {`<?xml version="1.0" encoding="UTF-8"?><doc>&#169;</doc>`, "doc", "", "<doc>\u00a9</doc>"},

		"a prefix used by an attribute only":          {`<a xmlns:x="urn:x"><b x:c=""/></a>`, "b", "", `<b xmlns:x="urn:x" x:c=""></b>`},
		"a prefix used in content is not used":        {`<a xmlns:xs="urn:x"><b type="xs:string"/></a>`, "b", "", `<b type="xs:string"></b>`},
		"an inclusive prefix from around":             {`<a xmlns:xs="urn:x"><b type="xs:string"><c/></b></a>`, "b", "xs", `<b xmlns:xs="urn:x" type="xs:string"><c></c></b>`},
		"the nearest declaration around wins":         {`<a xmlns:xs="urn:x"><a xmlns:xs="urn:y"><b/></a></a>`, "b", "xs", `<b xmlns:xs="urn:y"></b>`},
		"its own declaration wins":                    {`<a xmlns:xs="urn:x"><b xmlns:xs="urn:y"/></a>`, "b", "xs", `<b xmlns:xs="urn:y"></b>`},
		"an inclusive prefix that changes":            {`<b xmlns:p="urn:x"><c xmlns:p="urn:y"/><d/></b>`, "b", "p", `<b xmlns:p="urn:x"><c xmlns:p="urn:y"></c><d></d></b>`},
		"an inclusive prefix nobody declared":         {`<b/>`, "b", "p xml", `<b></b>`},
		"a prefix is written again beside":            {`<a xmlns:p="urn:x"><p:b/><p:c/></a>`, "a", "", `<a><p:b xmlns:p="urn:x"></p:b><p:c xmlns:p="urn:x"></p:c></a>`},
		"a prefix is not written again below":         {`<p:a xmlns:p="urn:x"><b><p:c xmlns:p="urn:x"/></b></p:a>`, "a", "", `<p:a xmlns:p="urn:x"><b><p:c></p:c></b></p:a>`},
		"a prefix that changed on the way is":         {`<p:a xmlns:p="urn:x"><p:b xmlns:p="urn:y"><p:c xmlns:p="urn:x"/></p:b></p:a>`, "a", "", `<p:a xmlns:p="urn:x"><p:b xmlns:p="urn:y"><p:c xmlns:p="urn:x"></p:c></p:b></p:a>`},
		"no xmlns=\"\" without a default around":      {`<a xmlns="urn:x"><b xmlns=""><c/></b></a>`, "b", "", `<b><c></c></b>`},
		"xmlns=\"\" once where a default was written": {`<a xmlns="urn:x"><b xmlns=""><c/></b></a>`, "a", "", `<a xmlns="urn:x"><b xmlns=""><c></c></b></a>`},
		"xmlns=\"\" below a prefixed one":             {`<a xmlns="urn:x"><p:b xmlns:p="urn:p" xmlns=""><c/></p:b></a>`, "a", "", `<a xmlns="urn:x"><p:b xmlns:p="urn:p"><c xmlns=""></c></p:b></a>`},
		"the same with the default inclusive":         {`<a xmlns="urn:x"><p:b xmlns:p="urn:p" xmlns=""><c/></p:b></a>`, "a", "#default", `<a xmlns="urn:x"><p:b xmlns="" xmlns:p="urn:p"><c></c></p:b></a>`},
		"declarations by prefix, attributes by URI":   {`<z:a xmlns:z="urn:1" xmlns:b="urn:2" xmlns:y="urn:0" b:m="" z:m="" y:n="" m="" xml:lang="x"/>`, "a", "", `<z:a xmlns:b="urn:2" xmlns:y="urn:0" xmlns:z="urn:1" m="" xml:lang="x" y:n="" z:m="" b:m=""></z:a>`},
		"what follows an element is not part of it":   {`<a><b>x</b>tail</a>`, "b", "", `<b>x</b>`},
		"line ends and tabs":                          {"<a b='\t&#9;'>\r\n\t\"'</a>", "a", "", "<a b=\" &#x9;\">\n\t\"'</a>"},
	} {
		t.Run(name, func(t *testing.T) {
			prefixes := strings.Fields(c.prefixes)
			for i := range prefixes {
				prefixes[i] = strings.Replace(prefixes[i], "#default", "", 1)
			}
			for e := range parse(t, c.doc).Descendants() {
				if e.Local != c.of {
					continue
				}
				if got := string(AppendCanonical(nil, e, prefixes, nil)); got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
				return
			}
			t.Fatal("no such element")
		})
	}
}

func TestAppendCanonical_LeavesTheOmittedElementOut(t *testing.T) {
	root := parse(t, `<a>1<b>2<c/></b>3<d/></a>`)
	if got := string(AppendCanonical([]byte(">"), root, nil, root.First())); got != `><a>13<d></d></a>` {
		t.Errorf("got %s", got)
	}
	if got := AppendCanonical(nil, root, nil, root); len(got) != 0 {
		t.Errorf("an element without itself is %s", got)
	}
}

// TestAppendCanonical_IsItsOwnCanonicalForm reads what was written and writes it again.
func TestAppendCanonical_IsItsOwnCanonicalForm(t *testing.T) {
	root := parse(t, "<p:a xmlns:p='urn:p' xmlns='urn:d' z='&#13;&#10;\"' p:y='&lt;'>x &gt; y&#13;<b xmlns=''/><p:c/></p:a>")
	once := AppendCanonical(nil, root, nil, nil)
	if twice := AppendCanonical(nil, parse(t, string(once)), nil, nil); string(twice) != string(once) {
		t.Errorf("first\n%s\nthen\n%s", once, twice)
	}
}

func TestEscaping_SurvivesReading(t *testing.T) {
	const all = "a<b>&amp;\"'\r\n\t]]> ü\u00a0"
	doc := append([]byte(`<a b="`), AppendAttr(nil, all)...)
	doc = append(doc, `">`...)
	doc = append(AppendText(doc, all), `</a>`...)
	root := parse(t, string(doc))
	if value, _ := root.Attr("b"); value != all {
		t.Errorf("the attribute became %q", value)
	}
	if text, _ := root.OnlyText(); text != all {
		t.Errorf("the text became %q", text)
	}
}
