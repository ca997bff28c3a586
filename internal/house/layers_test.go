package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what go list tells about a package.
type listed struct {
	ImportPath   string
	Name         string
	Dir          string
	Doc          string // first sentence of the package comment
	Imports      []string
	TestImports  []string // of _test.go files
	XTestImports []string // of _test packages
}

// packages lists every package of the module, those that do not compile just now included.
func packages(t *testing.T) []listed {
	t.Helper()
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,Doc,Imports,TestImports,XTestImports", "./...")
	list.Dir = filepath.Join("..", "..")
	var complaint bytes.Buffer
	list.Stderr = &complaint
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports_GoDownwardOnly(t *testing.T) {
	all := packages(t)
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	for _, p := range all {
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

func TestEveryPackage_SaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if _, err := os.Stat(filepath.Join(p.Dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go: write there what the package is for, what it refuses to know and its entry points", name)
			continue
		}
		if p.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Name+" ") {
			t.Errorf("%s: the package comment begins %q, want \"Package %s ...\"", name, p.Doc, p.Name)
		}
		if p.Name == "main" && p.Doc == "" {
			t.Errorf("%s has no package comment", name)
		}
	}
}

// violations holds one package against the table and returns a sentence for each breach.
func violations(p listed) []string {
	name := roomOf(p.ImportPath)
	if name == "" {
		return []string{fmt.Sprintf("%s is in no room: add it on purpose to the table in internal/house/rooms_test.go and in ARCHITECTURE.md, with what it may import", p.ImportPath)}
	}
	var found []string
	for _, path := range p.Imports {
		if v := breach(name, path); v != "" {
			found = append(found, fmt.Sprintf("%s imports %s: %s", p.ImportPath, path, v))
		}
	}
	if name == "scim" || name == "saml" {
		// These are read and used alone, so their tests do not lean on us either.
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			if other := roomOf(path); other != "" && other != name {
				found = append(found, fmt.Sprintf("a test of %s imports %s: %s imports nothing of ours", p.ImportPath, path, name))
			}
		}
	}
	return found
}

// breach says what is wrong with a room's import of path, or "".
func breach(name, path string) string {
	r := rooms[name]
	if slices.ContainsFunc(drivers, func(d string) bool { return within(path, d) }) && !within(name, "internal/store") && !r.testOnly {
		return "only internal/store speaks SQL"
	}
	if path != module && !strings.HasPrefix(path, module+"/") {
		// The first part of a path outside the standard library has a dot in it.
		if first, _, _ := strings.Cut(path, "/"); r.stdOnly && strings.Contains(first, ".") {
			return name + " imports the standard library only"
		}
		return ""
	}
	other := roomOf(path)
	switch {
	case other == name:
		return ""
	case other == "":
		return "that is in no room"
	case rooms[other].testOnly && !r.testOnly:
		return other + " is for tests only"
	case slices.Contains(reserved, other) && !r.anything:
		return "only cmd imports " + other
	case r.anything || slices.Contains(r.imports, other):
		return ""
	case r.testOnly:
		return name + " imports nothing of ours"
	}
	return "the table in internal/house/rooms_test.go does not allow that; imports go downward only"
}

func TestBreaches_AreSeen(t *testing.T) {
	cases := map[string]struct {
		from, to string
		want     string // "" for allowed
	}{
		"a door calls a rule":          {"internal/scimserver", "internal/provision", ""},
		"a door calls a door":          {"internal/scimserver", "internal/api", "downward only"},
		"a rule calls a door":          {"internal/provision", "internal/scimserver", "downward only"},
		"provision calls settings":     {"internal/provision", "internal/settings", "downward only"},
		"settings calls provision":     {"internal/settings", "internal/provision", ""},
		"settings calls grants":        {"internal/settings", "internal/grants", "downward only"},
		"grants calls settings":        {"internal/grants", "internal/settings", "downward only"},
		"signin calls settings":        {"internal/signin", "internal/settings", ""},
		"jobs calls what it runs":      {"internal/jobs", "internal/provision", "downward only"},
		"the kit calls the store":      {"internal/web", "internal/store", "downward only"},
		"a noun calls the store":       {"internal/directory", "internal/store", "downward only"},
		"the engine uses our errors":   {"scim", "internal/errs", "downward only"},
		"the engine uses a library":    {"scim", "github.com/other/thing", "standard library only"},
		"the engine uses net/http":     {"scim", "net/http", ""},
		"a part of the engine":         {"scim/scimtest", "scim", ""},
		"a door speaks SQL":            {"internal/api", "database/sql", "only internal/store speaks SQL"},
		"cmd speaks SQL":               {"cmd/gatehouse", "github.com/jackc/pgx/v5", "only internal/store speaks SQL"},
		"the store speaks SQL":         {"internal/store", "database/sql", ""},
		"a driver speaks SQL":          {"internal/store/postgres", "github.com/jackc/pgx/v5/pgxpool", ""},
		"the store picks a driver":     {"internal/store", "internal/store/sqlite", "only cmd imports"},
		"a rule picks a driver":        {"internal/provision", "internal/store/sqlite", "only cmd imports"},
		"cmd picks a driver":           {"cmd/gatehouse", "internal/store/sqlite", ""},
		"a door reads configuration":   {"internal/console", "internal/config", "only cmd imports"},
		"cmd reads configuration":      {"cmd/gatehouse", "internal/config", ""},
		"the simulator uses our words": {"internal/idpsim", "internal/directory", "downward only"},
		"the simulator uses scim":      {"internal/idpsim/okta", "scim", "downward only"},
		"cmd runs the simulator":       {"cmd/gatehouse", "internal/idpsim", ""},
		"cmd ships the test kit":       {"cmd/gatehouse", "internal/store/pgtest", "for tests only"},
		"the suite uses the test kit":  {"internal/store/storetest", "internal/store/pgtest", ""},
		"the test kit uses the store":  {"internal/store/pgtest", "internal/store", "nothing of ours"},
		"somebody calls a new room":    {"internal/api", "internal/novelty", "in no room"},
		"a new room":                   {"internal/novelty", "fmt", "add it on purpose"},
		"a namesake of a room":         {"internal/apiary", "fmt", "add it on purpose"},
		"a module with a like name":    {"internal/api", module + "-tools/x", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			to := c.to
			if strings.HasPrefix(to, "internal/") || within(to, "scim") {
				to = module + "/" + to
			}
			got := strings.Join(violations(listed{ImportPath: module + "/" + c.from, Imports: []string{to}}), "\n")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	lent := listed{ImportPath: module + "/scim", XTestImports: []string{module + "/internal/store"}}
	if len(violations(lent)) != 1 {
		t.Error("a test of scim leans on the store, unseen")
	}
}
