package strictxml

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// allocated returns how many bytes f allocates, the least of a few runs: other tests may run beside.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// many returns f(0) ... f(n-1) joined.
func many(n int, f func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

// TestParse_RefusesFloodsCheaply has the attacks on the reader's patience (A24, A25): what decides
// is the memory spent until the refusal, beyond the copy of the document. Those that are refused for
// their structure get a limit of bytes that does not save them.
func TestParse_RefusesFloodsCheaply(t *testing.T) {
	const most = 8 << 20
	declare := func(i int) string { return fmt.Sprintf(` xmlns:n%d="urn:n"`, i) }
	documents := map[string]struct {
		doc      string
		bytes    int // limit; 0 for the default
		tooLarge bool
	}{
		"100,000 nested elements":                  {strings.Repeat("<a>", 100_000), 32 << 20, true},
		"a million siblings":                       {"<a>" + strings.Repeat("<b/>", 1_000_000) + "</a>", 32 << 20, true},
		"200,000 siblings":                         {"<a>" + strings.Repeat("<b/>", 200_000) + "</a>", 32 << 20, true},
		"100,000 attributes":                       {"<a" + many(100_000, func(i int) string { return fmt.Sprintf(` a%d=""`, i) }) + "/>", 32 << 20, true},
		"100,000 attributes of many elements":      {"<a>" + strings.Repeat("<b"+many(50, func(i int) string { return fmt.Sprintf(` a%d=""`, i) })+"/>", 2000) + "</a>", 32 << 20, true},
		"100,000 declarations":                     {"<a" + many(100_000, declare) + "/>", 32 << 20, true},
		"100,000 declarations in a depth":          {many(2000, func(i int) string { return "<a" + many(50, func(j int) string { return declare(50*i + j) }) + ">" }), 32 << 20, true},
		"one megabyte and one byte":                {"<a>" + strings.Repeat("x", 1<<20-6) + "</a>", 0, true},
		"five megabytes of text":                   {"<a>" + strings.Repeat("x", 5<<20) + "</a>", 0, true},
		"five megabytes of one name":               {"<" + strings.Repeat("a", 5<<20) + "/>", 0, true},
		"nested entities":                          {`<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("&c;", 100_000) + `">]><a>&b;</a>`, 32 << 20, false},
		"a million opening angles":                 {"<a>" + strings.Repeat("<", 1_000_000), 32 << 20, false},
		"a million equals signs":                   {"<a " + strings.Repeat("=", 1_000_000), 32 << 20, false},
		"a megabyte of one reference":              {"<a>&" + strings.Repeat("#", 1_000_000) + "</a>", 0, false},
		"a megabyte of a number":                   {"<a>&#" + strings.Repeat("0", 1_000_000) + ";</a>", 0, false},
		"a megabyte without an end tag's bracket":  {"<a></a" + strings.Repeat(" ", 1_000_000), 0, false},
		"a megabyte of an attribute without quote": {"<a b='" + strings.Repeat("x", 1_000_000), 0, false},
	}
	for name, c := range documents {
		t.Run(name, func(t *testing.T) {
			raw := []byte(c.doc)
			var err error
			spent := allocated(func() { _, err = Parse(raw, Limits{Bytes: c.bytes}) })
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatal("the document was accepted")
			}
			if (syntax.Cause == TooLarge) != c.tooLarge {
				t.Errorf("refused for %q; because of its size: %t, want %t", syntax.Reason, syntax.Cause == TooLarge, c.tooLarge)
			}
			if len(syntax.Reason) > 200 {
				t.Errorf("a reason of %d bytes", len(syntax.Reason))
			}
			if spent > most+uint64(len(raw)) {
				t.Errorf("%d bytes allocated for one of %d, at most %d more are meant", spent, len(raw), most)
			}
		})
	}
}

// floods are the documents of A25, and how far each may be read. They are given a limit of bytes that does not
// save them; with the default one, most are refused before the first byte is read.
var floods = []struct {
	name              string
	doc               func() string
	bytes, nodes      int // that may be read
	attrs, depth, own int // attributes in all, elements that are open, allocations
}{
	{"100,000 nested elements", func() string { return strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 100_000) }, 64 * 3, 65, 0, 65, 40},
	{"a million siblings", func() string { return "<a>" + strings.Repeat("<b/>", 1_000_000) + "</a>" }, 3 + 20_000*4, 20_001, 0, 2, 300},
	{"100,000 attributes", func() string {
		return "<a" + many(100_000, func(i int) string { return fmt.Sprintf(` a%d=""`, i) }) + "/>"
	}, 1024, 1, 65, 1, 40},
	{"100,000 namespace declarations", func() string {
		return "<a" + many(100_000, func(i int) string { return fmt.Sprintf(` xmlns:n%d="urn:n"`, i) }) + "/>"
	}, 2048, 1, 65, 1, 100},
	{"100,000 namespace declarations, sixty at each depth", func() string {
		return many(1_700, func(i int) string {
			return "<a" + many(60, func(j int) string { return fmt.Sprintf(` xmlns:n%d="urn:n"`, 60*i+j) }) + ">"
		})
	}, 64 * 60 * 24, 65, 64 * 60, 65, 400},
}

// TestParse_StopsReadingFloodsAtItsLimits holds A25's bound of 20 ms of CPU by what there is to do in that time:
// how far the parser comes, what it has kept by then and how often it has allocated. None of it depends on
// the machine; BenchmarkParse_Floods has the time.
func TestParse_StopsReadingFloodsAtItsLimits(t *testing.T) {
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			raw := []byte(f.doc())
			p, err := newParser(raw, Limits{Bytes: 32 << 20}.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.document()
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Cause != TooLarge {
				t.Fatalf("got %v", err)
			}
			if p.pos > f.bytes || p.nodes > f.nodes || p.attrs > f.attrs || p.depth > f.depth {
				t.Errorf("read %d bytes, %d elements, %d attributes, %d deep; want at most %d, %d, %d, %d",
					p.pos, p.nodes, p.attrs, p.depth, f.bytes, f.nodes, f.attrs, f.depth)
			}
			allocations := testing.AllocsPerRun(3, func() { _, err = Parse(raw, Limits{Bytes: 32 << 20}) })
			if allocations > float64(f.own) {
				t.Errorf("%v allocations, want at most %d", allocations, f.own)
			}
			t.Logf("%d bytes, %d elements, %d attributes, %d deep, %v allocations", p.pos, p.nodes, p.attrs, p.depth, allocations)
		})
	}
}

// BenchmarkParse_Floods says how long a refusal takes, for A25's 20 ms of CPU.
func BenchmarkParse_Floods(b *testing.B) {
	for _, f := range floods {
		b.Run(f.name, func(b *testing.B) {
			raw := []byte(f.doc())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw, Limits{Bytes: 32 << 20}); err == nil {
					b.Fatal("the document was accepted")
				}
			}
		})
	}
}

// TestParse_TakesTheLargestDocumentCheaply has documents just inside the limits, made to cost most.
func TestParse_TakesTheLargestDocumentCheaply(t *testing.T) {
	const most = 16 << 20
	level := func(i int) string {
		return "<a" + many(64, func(j int) string { return fmt.Sprintf(` xmlns:n%d="urn:n%d"`, 64*i+j, i) }) + ">"
	}
	prefixes := strings.Fields(many(4000, func(i int) string { return fmt.Sprintf("n%d ", i) }))
	for name, doc := range map[string]string{
		"20,000 elements":                           "<a>" + strings.Repeat("<b/>", 19_999) + "</a>",
		"10,000 elements with 40,000 attributes":    "<a>" + strings.Repeat(`<b a="" b="" c="" d=""/>`, 9_999) + "</a>",
		"2,000 declarations around 10,000 elements": many(31, level) + strings.Repeat("<n7:b n100:c=''/>", 10_000) + strings.Repeat("</a>", 31),
		"the same declarations over and over":       "<a>" + strings.Repeat("<b xmlns:n1='urn:1'><b xmlns:n1='urn:2'><n1:c/></b></b>", 6_000) + "</a>",
		"as many IDs as possible":                   "<a>" + many(19_999, func(i int) string { return fmt.Sprintf(`<b ID="%d"/>`, i) }) + "</a>",
		"a megabyte of references":                  "<a>" + strings.Repeat("&lt;", 260_000) + "</a>",
		"a megabyte of carriage returns":            "<a>" + strings.Repeat("\r", 1_000_000) + "</a>",
	} {
		t.Run(name, func(t *testing.T) {
			raw := []byte(doc)
			var out []byte
			spent := allocated(func() {
				root, err := Parse(raw, Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				out = AppendCanonical(make([]byte, 0, 2*len(raw)), root, prefixes, nil)
			})
			if len(out) == 0 || len(out) > 8*len(raw) {
				t.Errorf("%d canonical bytes of %d", len(out), len(raw))
			}
			if spent > most+uint64(2*len(raw)) {
				t.Errorf("%d bytes allocated", spent)
			}
		})
	}
}

func TestParse_HoldsItsLimitsExactly(t *testing.T) {
	limits := Limits{Bytes: 200, Depth: 3, Nodes: 6, Attributes: 4}
	for name, c := range map[string]struct {
		doc      string
		accepted bool
	}{
		"as deep as allowed":       {`<a><b><c/></b></a>`, true},
		"deeper":                   {`<a><b><c><d/></c></b></a>`, false},
		"as deep again beside":     {`<a><b><c/></b><b><c/></b></a>`, true},
		"as many nodes as allowed": {`<a>1<b/>2<c/>3</a>`, true},
		"more":                     {`<a>1<b/>2<c/>3<d/></a>`, false},
		"more by text":             {`<a>1<b/>2<c>x</c>3</a>`, false},
		"as many attributes":       {`<a xmlns="urn:x" xmlns:x="urn:x" a="" b=""/>`, true},
		"more on one element":      {`<a xmlns="urn:x" xmlns:x="urn:x" a="" b="" c=""/>`, false},
		"as many on all elements":  {`<a a="" b="" c="" d=""><b a="" b="" c="" d=""/><c a="" b="" c="" d=""/></a>`, true},
		"more on all elements":     {`<a a="" b="" c="" d=""><b a="" b="" c="" d=""/><c a="" b="" c="" d=""/><d a=""/></a>`, false},
		"as many bytes":            {`<a>` + strings.Repeat("x", 193) + `</a>`, true},
		"more bytes":               {`<a>` + strings.Repeat("x", 194) + `</a>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.doc), limits)
			var syntax *SyntaxError
			if (err == nil) != c.accepted || err != nil && (!errors.As(err, &syntax) || syntax.Cause != TooLarge) {
				t.Errorf("got %v", err)
			}
		})
	}
}
