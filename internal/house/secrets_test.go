package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// secretName is what things are called that nobody may find out by guessing piece by piece.
var secretName = regexp.MustCompile(`(?i)(secret|token|verifier|challenge|nonce|passw|digest|hash|mac|signature|assertion)s?$`)

// harmless are comparisons of what only bears such a name: each with what it is.
var harmless = map[string]string{
	"internal/signin Browser hash":        "two hashes of what a browser holds, one of them from the database: who sees them knows the secret already or nothing",
	"internal/signin CodeOf reasonSecret": "a code of a refusal",
	"internal/signin hash hash":           "two stored hashes: has the password changed while it was checked?",
	"internal/web Get hash":               "the hash of a public file, from its address",
}

// A secret, and what is derived from one, in the rooms that hold some (the public saml checks by public keys, and how it opens what is encrypted has tests
// of its own), is compared in constant time or looked up by its hash. Where == stands beside such a name,
// it is against a constant ("" means that there is none), or the table above says what it is.
func TestSecrets_AreNotComparedByteByByte(t *testing.T) { // A52
	for _, folder := range []string{"internal/signin", "internal/relyingparty", "internal/provider", "internal/grants", "internal/keys", "internal/scimserver", "internal/web", "internal/console", "internal/session"} {
		root := filepath.Join("..", "..", filepath.FromSlash(folder))
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				var sides []ast.Expr
				switch e := n.(type) {
				case *ast.BinaryExpr:
					if e.Op == token.EQL || e.Op == token.NEQ {
						sides = []ast.Expr{e.X, e.Y}
					}
				case *ast.CallExpr:
					if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Equal" && len(e.Args) == 2 {
						sides = e.Args
					}
				}
				if len(sides) == 2 && !constant(sides[0]) && !constant(sides[1]) && (secretName.MatchString(nameOf(sides[0])) || secretName.MatchString(nameOf(sides[1]))) {
					at := folder + " " + nameOf(sides[0]) + " " + nameOf(sides[1])
					if harmless[at] == "" {
						t.Errorf("%s: %q compares what may be a secret", set.Position(n.Pos()), at)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// constant reports whether an expression is written out: a literal, nil, a number of bytes, or a name of the standard library's.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "true" || e.Name == "false"
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.Ident)
		return ok && f.Name == "len"
	}
	return false
}

// nameOf is the last name in an expression.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.CallExpr:
		return nameOf(e.Fun)
	case *ast.IndexExpr:
		return nameOf(e.X)
	case *ast.StarExpr:
		return nameOf(e.X)
	case *ast.SliceExpr:
		return nameOf(e.X)
	case *ast.ParenExpr:
		return nameOf(e.X)
	}
	return ""
}
