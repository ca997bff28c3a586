package house

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the pages of docs that are made of tables here anew")

// shown is a case and the tests that show it, "folder TestName" each; a part behind the name says which subtest or row.
type shown struct {
	id, what string
	by       []string
}

// casesPage is a page of docs that is made of a table.
type casesPage struct {
	file   string
	header string // up to the table
	column string // what the table's second column says
	cases  []shown
	// counted are rows that there must be: so many for each prefix, from 1 without a gap.
	counted map[string]int
	// only lists the rows of which there may be no others, where they have gaps.
	only string
}

var casesPages = []casesPage{
	{file: "scim-cases.md", column: "what must hold", cases: cases, counted: map[string]int{"B": 51}, header: `# What others got wrong, and which test shows that it is well here

<!-- Made of the table in internal/house/cases_table_test.go. To write it anew: go test ./internal/house -run TestCasesPages -update -->

B are bugs of other SCIM servers, as their own issues and advisories tell them; AC are the acceptance cases that were agreed before the
server was built; P are properties. Tests in ` + "`internal/`" + ` that need a database run on SQLite and on PostgreSQL, stories in ` + "`acceptance/`" + `
with the real binary on both. ` + "`make check`" + ` fails where a test that is named here is not there.
`},
	{file: "attacks.md", column: "attack, and where it was real", cases: attacks, counted: map[string]int{"A": 53}, header: `# Attacks on single sign-on, and which test shows that each is refused

<!-- Made of the table in internal/house/attacks_table_test.go. To write it anew: go test ./internal/house -run TestCasesPages -update -->

Each attack is a test, and each test has its control: the same message without the change is accepted, so that nothing is refused for another
reason than the one that the row is about. Tests assert the coded reason of the refusal, which the event has; before a signature was verified the person
is told nothing of it. "Refused" means no session, no change of anybody, an answer of 4xx and one event. Tests in ` + "`internal/`" + ` that need a
database run on SQLite and on PostgreSQL, stories in ` + "`acceptance/`" + ` with the real binary. ` + "`make check`" + ` fails where a test that is named here
is not there, and where a row of the catalogue has none.

Those for which an IdP's own key is enough are switches of the simulated IdPs (` + "`gatehouse demo`" + `, "Break something"), and the stories play them through
the real doors; the names in brackets there are the switches'.
`},
	{file: "sso-cases.md", column: "what is put in, and what comes of it", cases: ssoCases, only: acceptanceCases, header: `# Acceptance cases of single sign-on, and which test shows each

<!-- Made of the table in internal/house/sso_table_test.go. To write it anew: go test ./internal/house -run TestCasesPages -update -->

SA are cases of SAML, OI of OpenID Connect towards an IdP, OP of the OpenID provider for the product behind; they were agreed before any of it was built, and
their numbers have gaps. The attacks of [attacks.md](attacks.md) stand beside them. ` + "`make check`" + ` fails where a test that is named here is not there.
`},
}

// testsIn are the names of the tests in a folder.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", folder, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example|Benchmark)\w*)\(`).FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// The tables say of each bug that others had, of each attack and of each case that was agreed which test shows that it is well here.
// They can be wrong about what a test does, but not about whether there is one.
func TestCases_AreShownByTestsThatExist(t *testing.T) {
	folders := map[string]map[string]bool{}
	for _, page := range casesPages {
		seen := map[string]bool{}
		for _, c := range page.cases {
			if seen[c.id] || c.what == "" || len(c.by) == 0 {
				t.Errorf("%s is there twice, or says nothing, or nothing shows it", c.id)
			}
			seen[c.id] = true
			for _, by := range c.by {
				folder, name, _ := strings.Cut(by, " ")
				name, _, _ = strings.Cut(name, " ")
				if folders[folder] == nil {
					folders[folder] = testsIn(t, folder)
				}
				if !folders[folder][name] {
					t.Errorf("%s: %s has no test %s", c.id, folder, name)
				}
			}
		}
		for prefix, last := range page.counted {
			for n := 1; n <= last; n++ {
				if id := fmt.Sprintf("%s%d", prefix, n); !seen[id] {
					t.Errorf("%s is not in the table", id)
				}
			}
		}
		for _, id := range strings.Fields(page.only) {
			if !seen[id] {
				t.Errorf("%s is not in the table", id)
			}
			delete(seen, id)
		}
		if page.only != "" && len(seen) > 0 {
			t.Errorf("%s has rows that nobody agreed: %v", page.file, seen)
		}
	}
}

func TestCasesPages_AreWhatTheTablesSay(t *testing.T) {
	for _, page := range casesPages {
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n| | %s | shown by |\n|---|---|---|\n", page.header, page.column)
		for _, c := range page.cases {
			var by []string
			for _, s := range c.by {
				folder, name, _ := strings.Cut(s, " ")
				name, part, _ := strings.Cut(name, " ")
				text := "`" + folder + "` " + name
				if part != "" {
					text += " (" + part + ")"
				}
				by = append(by, text)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.id, strings.ReplaceAll(c.what, "|", `\|`), strings.ReplaceAll(strings.Join(by, "; "), "|", `\|`))
		}
		path := filepath.Join("..", "..", "docs", page.file)
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != b.String() {
			t.Errorf("docs/%s is not what the table says (%v): go test ./internal/house -run TestCasesPages -update", page.file, err)
		}
	}
}
