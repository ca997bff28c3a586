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

var update = flag.Bool("update", false, "write docs/scim-cases.md anew")

// casesDoc is the page that is made of the table in cases_table_test.go.
var casesDoc = filepath.Join("..", "..", "docs", "scim-cases.md")

// shown is a case and the tests that show it, "folder TestName" each; a part behind the name says which subtest or row.
type shown struct {
	id, what string
	by       []string
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
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`).FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// The table says of each bug that others had, and of each case that was agreed, which test shows that it is well here. It can be
// wrong about what a test does, but not about whether there is one.
func TestCases_AreShownByTestsThatExist(t *testing.T) {
	folders := map[string]map[string]bool{}
	seen := map[string]bool{}
	for _, c := range cases {
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
	for n := 1; n <= 51; n++ {
		if id := fmt.Sprintf("B%d", n); !seen[id] {
			t.Errorf("%s is not in the table", id)
		}
	}
}

func TestCasesPage_IsWhatTheTableSays(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# What others got wrong, and which test shows that it is well here

<!-- Made of the table in internal/house/cases_table_test.go. To write it anew: go test ./internal/house -run TestCasesPage -update -->

B are bugs of other SCIM servers, as their own issues and advisories tell them; AC are the acceptance cases that were agreed before the
server was built; P are properties. Tests in ` + "`internal/`" + ` that need a database run on SQLite and on PostgreSQL, stories in ` + "`acceptance/`" + `
with the real binary on both. ` + "`make check`" + ` fails where a test that is named here is not there.

| | what must hold | shown by |
|---|---|---|
`)
	for _, c := range cases {
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
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.id, strings.ReplaceAll(c.what, "|", `\|`), strings.Join(by, "; "))
	}
	if *update {
		if err := os.WriteFile(casesDoc, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(casesDoc)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/scim-cases.md is not what the table says (%v): go test ./internal/house -run TestCasesPage -update", err)
	}
}
