package dsig_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

const exclusive = dsigtest.ExclusiveC14

// put returns a function that inserts added before the first mark, or after it.
func put(added, where, mark string) func(string) string {
	return func(s string) string {
		if where == "before" {
			return strings.Replace(s, mark, added+mark, 1)
		}
		return strings.Replace(s, mark, mark+added, 1)
	}
}

// swap returns a function that replaces the first old.
func swap(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

// TestVerify_RefusesOtherSignaturesThanSAMLs has signatures that a known key really made over what
// the signature says, and which say something that they must not.
func TestVerify_RefusesOtherSignaturesThanSAMLs(t *testing.T) {
	key := dsigtest.RSA(t)
	reference := dsigtest.Reference("_s", dsigtest.Options{}, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	transform := func(algorithm string) string { return `<ds:Transform Algorithm="` + algorithm + `"/>` }
	envelopedTransform, exclusiveTransform := transform(dsigtest.Enveloped), `<ds:Transform Algorithm="`+exclusive+`"></ds:Transform>`
	empty := sha256.Sum256(nil)
	for name, c := range map[string]struct {
		template func(string) string
		reason   string
	}{
		"A22 a reference to another element before": {put(reference, "before", "<ds:Reference"), dsig.ReasonReference},
		"A22 a reference to another element after":  {put(reference, "after", "</ds:Reference>"), dsig.ReasonReference},
		"no reference":                          {func(s string) string { s, _ = cut(t, s, "<ds:Reference", "</ds:Reference>"); return s }, dsig.ReasonStructure},
		"a reference to an element around":      {swap(`"#_a"`, `"#_r"`), dsig.ReasonReference},
		"a reference to an element inside":      {swap(`"#_a"`, `"#_s"`), dsig.ReasonReference},
		"a reference to nobody":                 {swap(`"#_a"`, `"#_x"`), dsig.ReasonReference},
		"a reference in another case":           {swap(`"#_a"`, `"#_A"`), dsig.ReasonReference},
		"a reference without #":                 {swap(`"#_a"`, `"_a"`), dsig.ReasonReference},
		"a reference with white space":          {swap(`"#_a"`, `"#_a "`), dsig.ReasonReference},
		"A31 a reference to the document":       {swap(`"#_a"`, `""`), dsig.ReasonReference},
		"A31 a reference to an address":         {swap(`"#_a"`, `"http://127.0.0.1/x"`), dsig.ReasonReference},
		"A31 a reference to a file":             {swap(`"#_a"`, `"file:///etc/passwd"`), dsig.ReasonReference},
		"A31 an XPointer":                       {swap(`"#_a"`, `"#xpointer(/)"`), dsig.ReasonReference},
		"A31 an XPointer to the ID":             {swap(`"#_a"`, `"#xpointer(id('_a'))"`), dsig.ReasonReference},
		"a reference without URI":               {swap(` URI="#_a"`, ``), dsig.ReasonReference},
		"a reference with a URI in a namespace": {swap(` URI="#_a"`, ` ds:URI="#_a"`), dsig.ReasonStructure},
		"A17 the digest of nothing": {func(s string) string {
			return strings.Replace(s, textOf(t, s, "DigestValue"), base64.StdEncoding.EncodeToString(empty[:]), 1)
		}, dsig.ReasonReference},

		"no transforms":                        {func(s string) string { s, _ = cut(t, s, "<ds:Transforms>", "</ds:Transforms>"); return s }, dsig.ReasonStructure},
		"an empty list of transforms":          {swap(envelopedTransform+exclusiveTransform, ""), dsig.ReasonTransform},
		"enveloped-signature only":             {swap(exclusiveTransform, ""), dsig.ReasonTransform},
		"canonicalisation only":                {swap(envelopedTransform, ""), dsig.ReasonTransform},
		"the transforms exchanged":             {swap(envelopedTransform+exclusiveTransform, exclusiveTransform+envelopedTransform), dsig.ReasonTransform},
		"enveloped-signature twice":            {swap(envelopedTransform, envelopedTransform+envelopedTransform), dsig.ReasonTransform},
		"canonicalisation twice":               {swap(exclusiveTransform, exclusiveTransform+exclusiveTransform), dsig.ReasonTransform},
		"inclusive canonicalisation":           {swap(exclusiveTransform, transform("http://www.w3.org/TR/2001/REC-xml-c14n-20010315")), dsig.ReasonTransform},
		"canonicalisation with comments":       {swap(exclusiveTransform, transform(exclusive+"WithComments")), dsig.ReasonTransform},
		"A31 XSLT":                             {swap(envelopedTransform, transform("http://www.w3.org/TR/1999/REC-xslt-19991116")), dsig.ReasonTransform},
		"A31 XSLT beside":                      {swap(exclusiveTransform, exclusiveTransform+transform("http://www.w3.org/TR/1999/REC-xslt-19991116")), dsig.ReasonTransform},
		"A31 XPath":                            {swap(envelopedTransform, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>self::text()</ds:XPath></ds:Transform>`), dsig.ReasonTransform},
		"A31 base64":                           {swap(envelopedTransform, transform(dsig.Namespace+"base64")), dsig.ReasonTransform},
		"XPath inside enveloped-signature":     {swap(envelopedTransform, `<ds:Transform Algorithm="`+dsigtest.Enveloped+`"><ds:XPath>1</ds:XPath></ds:Transform>`), dsig.ReasonStructure},
		"text inside enveloped-signature":      {swap(envelopedTransform, `<ds:Transform Algorithm="`+dsigtest.Enveloped+`">x</ds:Transform>`), dsig.ReasonStructure},
		"a transform of another namespace":     {swap(envelopedTransform, `<Transform Algorithm="`+dsigtest.Enveloped+`"/>`), dsig.ReasonTransform},
		"XPath inside canonicalisation":        {swap(exclusiveTransform, `<ds:Transform Algorithm="`+exclusive+`"><ds:XPath>1</ds:XPath></ds:Transform>`), dsig.ReasonStructure},
		"two lists of prefixes":                {swap(exclusiveTransform, `<ds:Transform Algorithm="`+exclusive+`">`+prefixes(`PrefixList="a"`)+prefixes(`PrefixList="b"`)+`</ds:Transform>`), dsig.ReasonStructure},
		"a list of prefixes that is not there": {swap(exclusiveTransform, `<ds:Transform Algorithm="`+exclusive+`">`+prefixes(``)+`</ds:Transform>`), dsig.ReasonStructure},
		"a list of prefixes with something":    {swap(exclusiveTransform, `<ds:Transform Algorithm="`+exclusive+`">`+prefixes(`PrefixList="a" x="y"`)+`</ds:Transform>`), dsig.ReasonStructure},
		"text beside a list of prefixes":       {swap(exclusiveTransform, `<ds:Transform Algorithm="`+exclusive+`">x`+prefixes(`PrefixList="a"`)+`</ds:Transform>`), dsig.ReasonStructure},
		"a list of prefixes of XML Signature":  {swap(exclusiveTransform, `<ds:Transform Algorithm="`+exclusive+`"><ds:InclusiveNamespaces PrefixList="a"/></ds:Transform>`), dsig.ReasonStructure},

		"inclusive canonicalisation of SignedInfo":     {swap(`Method Algorithm="`+exclusive, `Method Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315`), dsig.ReasonAlgorithm},
		"canonicalisation of SignedInfo with comments": {swap(`Method Algorithm="`+exclusive, `Method Algorithm="`+exclusive+`WithComments`), dsig.ReasonAlgorithm},
		"no canonicalisation of SignedInfo":            {swap(`<ds:CanonicalizationMethod Algorithm="`+exclusive+`"></ds:CanonicalizationMethod>`, ""), dsig.ReasonStructure},
		"a canonicalisation without an algorithm":      {swap(`<ds:CanonicalizationMethod Algorithm="`+exclusive+`">`, "<ds:CanonicalizationMethod>"), dsig.ReasonAlgorithm},
		"A30 rsa-md5":                                {swap(dsigtest.RSASHA256, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"), dsig.ReasonAlgorithm},
		"A30 dsa-sha1":                               {swap(dsigtest.RSASHA256, dsig.Namespace+"dsa-sha1"), dsig.ReasonAlgorithm},
		"A30 rsa-sha1":                               {swap(dsigtest.RSASHA256, dsigtest.RSASHA1), dsig.ReasonAlgorithm},
		"A30 an MD5 digest":                          {swap(dsigtest.SHA256, "http://www.w3.org/2001/04/xmldsig-more#md5"), dsig.ReasonAlgorithm},
		"an algorithm nobody knows":                  {swap(dsigtest.RSASHA256, "urn:rot13"), dsig.ReasonAlgorithm},
		"an algorithm of a kilobyte":                 {swap(dsigtest.RSASHA256, strings.Repeat("ü", 999)), dsig.ReasonAlgorithm},
		"no algorithm":                               {swap(` Algorithm="`+dsigtest.RSASHA256+`"`, ""), dsig.ReasonAlgorithm},
		"a length to which HMAC is cut":              {swap(dsigtest.RSASHA256+`"/>`, dsigtest.RSASHA256+`"><ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>`), dsig.ReasonStructure},
		"the parameters of PSS":                      {swap(dsigtest.RSASHA256+`"/>`, `http://www.w3.org/2007/05/xmldsig-more#rsa-pss"><p:RSAPSSParams xmlns:p="http://www.w3.org/2007/05/xmldsig-more#"/></ds:SignatureMethod>`), dsig.ReasonStructure},
		"the parameters of PSS and none":             {swap(dsigtest.RSASHA256, `http://www.w3.org/2007/05/xmldsig-more#rsa-pss`), dsig.ReasonAlgorithm},
		"a key's name as an attribute of the method": {swap(dsigtest.RSASHA256+`"`, dsigtest.RSASHA256+`" KeyName="x"`), dsig.ReasonStructure},
		"no signature method":                        {swap(`<ds:SignatureMethod Algorithm="`+dsigtest.RSASHA256+`"/>`, ""), dsig.ReasonStructure},
		"two signature methods":                      {put(`<ds:SignatureMethod Algorithm="`+dsigtest.RSASHA256+`"/>`, "before", "<ds:SignatureMethod"), dsig.ReasonStructure},
		"a digest method with something inside":      {swap(dsigtest.SHA256+`"/>`, dsigtest.SHA256+`"><x/></ds:DigestMethod>`), dsig.ReasonStructure},
		"no digest method":                           {swap(`<ds:DigestMethod Algorithm="`+dsigtest.SHA256+`"/>`, ""), dsig.ReasonStructure},

		"no digest":       {func(s string) string { s, _ = cut(t, s, "<ds:DigestValue>", "</ds:DigestValue>"); return s }, dsig.ReasonStructure},
		"two digests":     {put("<ds:DigestValue>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ds:DigestValue>", "after", "</ds:DigestValue>"), dsig.ReasonStructure},
		"an empty digest": {func(s string) string { return strings.Replace(s, textOf(t, s, "DigestValue"), "", 1) }, dsig.ReasonStructure},
		"a digest that is shorter": {func(s string) string {
			return strings.Replace(s, textOf(t, s, "DigestValue"), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", 1)
		}, dsig.ReasonStructure},
		"a digest with a child": {put("<x/>", "after", "<ds:DigestValue>"), dsig.ReasonStructure},
		"a digest of something else": {func(s string) string {
			return strings.Replace(s, textOf(t, s, "DigestValue"), strings.Repeat("A", 43)+"=", 1)
		}, dsig.ReasonDigest},
		"a digest in another alphabet": {func(s string) string {
			return strings.Replace(s, textOf(t, s, "DigestValue"), strings.Repeat("_", 43)+"=", 1)
		}, dsig.ReasonStructure},
		"a digest without padding": {swap("=</ds:DigestValue>", "</ds:DigestValue>"), dsig.ReasonStructure},
		"a digest with other bits behind": {func(s string) string {
			return strings.Replace(s, textOf(t, s, "DigestValue"), strings.Repeat("A", 42)+"B=", 1)
		}, dsig.ReasonStructure},
		"a digest with an attribute": {swap("<ds:DigestValue>", `<ds:DigestValue Id="x">`), dsig.ReasonStructure},

		"A23 two SignedInfo": {func(s string) string {
			_, info := cut(t, s, "<ds:SignedInfo>", "</ds:SignedInfo>")
			return strings.Replace(s, info, info+info, 1)
		}, dsig.ReasonStructure},
		"A23 two signature values":             {put("<ds:SignatureValue>AAAA</ds:SignatureValue>", "after", "</ds:SignatureValue>"), dsig.ReasonStructure},
		"two KeyInfo":                          {put("<ds:KeyInfo/>", "before", "</ds:Signature>"), dsig.ReasonStructure},
		"KeyInfo first":                        {put("<ds:KeyInfo/>", "before", "<ds:SignedInfo>"), dsig.ReasonStructure},
		"A8 an Object":                         {put("<ds:Object><x/></ds:Object>", "before", "</ds:Signature>"), dsig.ReasonStructure},
		"A9 a Manifest":                        {put("<ds:Object><ds:Manifest>"+reference+"</ds:Manifest></ds:Object>", "before", "</ds:Signature>"), dsig.ReasonStructure},
		"A6 an element of another namespace":   {put(`<a:Assertion ID="_x"/>`, "before", "</ds:Signature>"), dsig.ReasonStructure},
		"A9 an assertion inside KeyInfo":       {put(`<a:Assertion ID="_x"/>`, "before", "</ds:KeyInfo>"), dsig.ReasonStructure},
		"A9 a reference inside KeyInfo":        {put(reference, "before", "</ds:KeyInfo>"), dsig.ReasonStructure},
		"A9 an assertion inside a certificate": {put(`<a:Assertion ID="_x"/>`, "before", "</ds:X509Certificate>"), dsig.ReasonStructure},
		"a key to be fetched":                  {put(`<ds:RetrievalMethod URI="http://127.0.0.1/key"/>`, "before", "</ds:KeyInfo>"), dsig.ReasonStructure},
		"text inside Signature":                {put("x", "before", "</ds:Signature>"), dsig.ReasonStructure},
		"text inside SignedInfo":               {put("x", "before", "</ds:SignedInfo>"), dsig.ReasonStructure},
		"text inside Reference":                {put("x", "before", "<ds:DigestMethod"), dsig.ReasonStructure},
		"an attribute of Signature":            {swap("<ds:Signature ", `<ds:Signature ID="_x" `), dsig.ReasonStructure},
		"an attribute of SignedInfo":           {swap("<ds:SignedInfo>", `<ds:SignedInfo xml:space="preserve">`), dsig.ReasonStructure},
		"an attribute of Reference":            {swap("<ds:Reference ", `<ds:Reference Digest="x" `), dsig.ReasonStructure},
		"an attribute of Transforms":           {swap("<ds:Transforms>", `<ds:Transforms Id="x">`), dsig.ReasonStructure},
		"something after the reference":        {put("<ds:Transforms/>", "before", "</ds:SignedInfo>"), dsig.ReasonStructure},
		"something after the digest":           {put("<ds:Transforms/>", "before", "</ds:Reference>"), dsig.ReasonStructure},
	} {
		t.Run(name, func(t *testing.T) {
			same := true
			doc := small(t, key, dsigtest.Options{Template: func(s string) string {
				to := c.template(s)
				same = to == s
				return to
			}})
			if same {
				t.Fatal("the test changes nothing")
			}
			_, err := check(t, doc, "_a", dsig.Policy{}, key.Public())
			if got := reason(t, err); got != c.reason {
				t.Errorf("got %v, want %s", err, c.reason)
			}
		})
	}
	if _, err := check(t, small(t, key, dsigtest.Options{}), "_a", dsig.Policy{}, key.Public()); err != nil {
		t.Errorf("the same without a change: %v", err)
	}
}

// prefixes returns an InclusiveNamespaces.
func prefixes(attributes string) string {
	return `<ec:InclusiveNamespaces xmlns:ec="` + exclusive + `" ` + attributes + `/>`
}

// TestVerify_RefusesWhatWasChangedLater has good signatures in documents that were changed afterwards.
func TestVerify_RefusesWhatWasChangedLater(t *testing.T) {
	key := dsigtest.RSA(t)
	signed := small(t, key, dsigtest.Options{})
	without, signature := cut(t, signed, "<ds:Signature ", "</ds:Signature>")
	value := textOf(t, signed, "SignatureValue")
	for name, c := range map[string]struct{ doc, reason string }{
		"A12 no signature":                  {without, dsig.ReasonMissing},
		"a signature of another namespace":  {strings.Replace(signed, dsig.Namespace+`">`, `http://www.w3.org/2000/09/xmldsig">`, 1), dsig.ReasonMissing},
		"two signatures":                    {strings.Replace(signed, signature, signature+signature, 1), dsig.ReasonStructure},
		"A9 the signature further down":     {strings.Replace(without, "alice", "alice<a:x>"+signature+"</a:x>", 1), dsig.ReasonMissing},
		"A9 the signature further up":       {strings.Replace(without, "</p:Response>", signature+"</p:Response>", 1), dsig.ReasonMissing},
		"the text changed":                  {strings.Replace(signed, "alice", "mallory", 1), dsig.ReasonDigest},
		"an element more":                   {strings.Replace(signed, "</a:Assertion>", "<a:Subject>mallory</a:Subject></a:Assertion>", 1), dsig.ReasonDigest},
		"an attribute more":                 {strings.Replace(signed, "<a:Subject ", `<a:Subject x="" `, 1), dsig.ReasonDigest},
		"white space more":                  {strings.Replace(signed, "<a:Subject ", "\n<a:Subject ", 1), dsig.ReasonDigest},
		"another namespace":                 {strings.Replace(signed, `"urn:a"`, `"urn:b"`, 1), dsig.ReasonDigest},
		"another prefix":                    {strings.NewReplacer("a:", "b:", ":a=", ":b=").Replace(signed), dsig.ReasonDigest},
		"the digest changed":                {strings.Replace(signed, textOf(t, signed, "DigestValue"), strings.Repeat("A", 43)+"=", 1), dsig.ReasonSignature},
		"the algorithm changed":             {strings.Replace(signed, dsigtest.RSASHA256, dsigtest.RSASHA512, 1), dsig.ReasonSignature},
		"another ID":                        {strings.Replace(signed, `ID="_a"`, `ID="_b"`, 1), dsig.ReasonReference},
		"no ID":                             {strings.Replace(signed, ` ID="_a"`, ``, 1), dsig.ReasonReference},
		"A18 an ID in another case":         {strings.Replace(signed, `ID="_a"`, `Id="_a"`, 1), dsig.ReasonReference},
		"A18 an ID in a namespace":          {strings.Replace(signed, `ID="_a"`, `a:ID="_a"`, 1), dsig.ReasonReference},
		"no signature value":                {strings.Replace(signed, value, "", 1), dsig.ReasonStructure},
		"a signature value of blanks":       {strings.Replace(signed, value, " \n", 1), dsig.ReasonStructure},
		"another signature value":           {strings.Replace(signed, value, flip(value), 1), dsig.ReasonSignature},
		"a shorter signature value":         {strings.Replace(signed, value, "AAAA", 1), dsig.ReasonSignature},
		"a signature value that goes on":    {strings.Replace(signed, value, value+value, 1), dsig.ReasonStructure},
		"a signature value without padding": {strings.Replace(signed, value, strings.TrimRight(value, "="), 1), dsig.ReasonStructure},
		"a signature value of a megabyte":   {strings.Replace(signed, value, strings.Repeat("A", 1_000_000), 1), dsig.ReasonStructure},
		"a signature value with a child":    {strings.Replace(signed, value, value+"<x/>", 1), dsig.ReasonStructure},
		"a signature value that is not":     {strings.Replace(signed, value, "?", 1), dsig.ReasonStructure},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			for e := range dsigtest.Parse(t, c.doc).Descendants() {
				if e.Local == "Assertion" {
					_, err = dsig.Verify(e, publics(key), dsig.Policy{})
				}
			}
			if got := reason(t, err); got != c.reason {
				t.Errorf("got %v, want %s", err, c.reason)
			}
		})
	}
}

// flip changes the first digit of base64.
func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func TestVerify_AllowsSHA1OnlyWhenToldTo(t *testing.T) {
	key, curve := dsigtest.RSA(t), dsigtest.EC(t, elliptic.P256())
	for name, c := range map[string]struct {
		key dsigtest.Key
		o   dsigtest.Options
	}{
		"signature":          {key, dsigtest.Options{Method: dsigtest.RSASHA1}},
		"digest":             {key, dsigtest.Options{Digest: dsigtest.SHA1}},
		"both":               {key, dsigtest.Options{Method: dsigtest.RSASHA1, Digest: dsigtest.SHA1}},
		"digest, on a curve": {curve, dsigtest.Options{Digest: dsigtest.SHA1}},
	} {
		doc := small(t, c.key, c.o)
		if _, err := check(t, doc, "_a", dsig.Policy{}, c.key.Public()); reason(t, err) != dsig.ReasonAlgorithm {
			t.Errorf("%s: %v", name, err)
		}
		if v, err := check(t, doc, "_a", dsig.Policy{AllowSHA1: true}, c.key.Public()); err != nil || !v.SHA1() {
			t.Errorf("%s, allowed: %t, %v", name, v.SHA1(), err)
		}
	}
}

// TestVerify_TakesIDsThatIdentityProvidersWrite: names, and also digits first; nothing that reads
// as an XPointer.
func TestVerify_TakesIDsThatIdentityProvidersWrite(t *testing.T) {
	key := dsigtest.RSA(t)
	for id, accepted := range map[string]bool{
		"_7f3c": true, "id321-4.x_": true, "2f0b6c1e-9d": true, "Zoë": true,
		"xpointer(/)": false, "a b": false, "a/b": false, "a:b": false, "": false,
	} {
		doc := dsigtest.Sign(t, strings.ReplaceAll(smallDocument, "_a", id), id, key, dsigtest.Options{})
		if _, err := check(t, doc, id, dsig.Policy{}, key.Public()); (err == nil) != accepted {
			t.Errorf("%q: %v", id, err)
		}
	}
}
