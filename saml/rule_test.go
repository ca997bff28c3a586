package saml_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The package reads XML by one reader of its own and stands on the standard library alone. With
// encoding/xml there would be a second reading, which does not always agree with itself
// (CVE-2020-29509); what only tests import may do as it likes.
func TestImports_AreTheStandardLibraryWithoutEncodingXML(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		seen++
		forTests := strings.HasPrefix(path, "samltest") || strings.Contains(path, "dsigtest")
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			first, _, _ := strings.Cut(name, "/")
			switch {
			case name == "encoding/xml":
				t.Errorf("%s imports %s", path, name)
			case strings.Contains(first, ".") && !strings.HasPrefix(name, "github.com/gatehouse-id/gatehouse/saml"):
				t.Errorf("%s imports %s", path, name)
			case !forTests && (name == "os" || name == "net" || name == "net/http" || name == "os/exec" || strings.HasSuffix(name, "test") && name != "testing"):
				t.Errorf("%s imports %s: no I/O here", path, name)
			}
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Fatal(seen, err)
	}
}
