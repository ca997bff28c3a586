package settings

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

func TestParseFile_NamesEveryMistakeWithItsLine(t *testing.T) {
	t.Parallel()
	text := `workspace: acme
polcy: {}
policy:
  reactivation: restor
  reactivation: restore
  roles: [Owner]
  scim_allowed: perhaps
owners:
  - {email: nobody, break_glass: true}
  - {email: a@x.test, break_glass: true, password_env: A, password_file: B}
connections:
  - {name: okta, provider: octa, protocol: saml, issuer: https://idp.test}
  - name: Okta
directories: {name: okta}
role_mappings:
  - {group: 7, rol: Admin}
enforcement: {require_sso: some}
domains: [acme test]
`
	want := []string{
		`line 2: polcy: unknown key; did you mean "policy"?`,
		`line 4: policy.reactivation: expected one of restore, new_identity, received "restor"; did you mean "restore"?`,
		`line 5: policy.reactivation: the key is given twice, first in line 4`,
		`line 6: policy.roles: expected the owner role and at least one more, received 1; everybody would be an owner`,
		`line 7: policy.scim_allowed: expected yes or no, received "perhaps"`,
		`line 9: owners[0].email: expected an address, received "nobody"`,
		`line 10: owners[1]: expected password_env or password_file, received both`,
		`line 10: owners[1].break_glass: expected one break-glass administrator, the first is in line 9`,
		`line 12: connections[0].provider: expected one of okta, entra, google, onelogin, jumpcloud, generic, received "octa"; did you mean "okta"?`,
		`line 13: connections[1].name: "Okta" is given twice, first in line 12`,
		`line 14: directories: expected a list, received keys and values`,
		`line 16: role_mappings[0].rol: unknown key; did you mean "role"?`,
		`line 16: role_mappings[0].group: expected text, received "7"; put it in quotes if it is meant as text`,
		`line 16: role_mappings[0].role: expected text, found none`,
		`line 17: enforcement.require_sso: expected one of none, all, domains, received "some"`,
		`line 18: domains: expected a domain such as acme.test, received "acme test"`,
	}
	_, err := ParseFile([]byte(text), "")
	if !errs.Is(err, errs.KindInvalid) {
		t.Fatalf("%v", err)
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestParseFile_RefusesWhatIsNotAPlainFile(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"":                                     "the file is empty",
		"# nothing\n":                          "the file is empty",
		"- a\n":                                "the file: expected keys and values, received a list",
		"name: x\n":                            "workspace: expected the name",
		"workspace: Acme\n":                    "lower-case",
		"workspace: a\nname:\n":                "line 2: name: expected a value, received nothing",
		"workspace: a\n---\nworkspace: b\n":    "one YAML document",
		"workspace: &x a\nname: *x\n":          "anchors and aliases",
		"workspace: a\ndomains: [&x a.test]\n": "anchors and aliases",
		"workspace: a\n<<: {name: x}\n":        "unknown key",
		"workspace: !!str a\n":                 "YAML tags",
		"workspace: a\nname: \"x\\0y\"\n":      "control characters",
		"workspace: a\nname: {\n":              "line",
		"workspace: a\npolicy: {group_loss: inherit}":                               "expected one of keep, deactivate",
		"workspace: a\nrole_mappings: [{group: A, role: x}, {group: a, role: y}]\n": `the group "a" is mapped twice`,
		"workspace: a\n" + strings.Repeat("#", MaxFileBytes):                        "longer than",
	}
	for text, want := range cases {
		wantMistake(t, text, want)
	}
	var many strings.Builder
	many.WriteString("workspace: a\nrole_mappings:\n")
	for i := range MaxMappings + 1 {
		fmt.Fprintf(&many, "- {group: g%d, role: r}\n", i)
	}
	wantMistake(t, many.String(), "at most 10000 entries, received 10001")
}

func wantMistake(t *testing.T, text, want string) {
	t.Helper()
	_, err := ParseFile([]byte(text), "")
	if !errs.Is(err, errs.KindInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%.100q: got %v, want %q", text, err, want)
	}
}

func FuzzParseFile(f *testing.F) {
	seeds, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds {
		if text, err := os.ReadFile("testdata/" + seed.Name()); err == nil {
			f.Add(text)
		}
	}
	f.Add([]byte(acme))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := ParseFile(text, "")
		if err != nil {
			if !errs.Is(err, errs.KindInvalid) {
				t.Fatalf("%v is no refusal of the file", err)
			}
			return
		}
		if !slugForm.MatchString(file.Workspace) {
			t.Fatalf("accepted the workspace %q", file.Workspace)
		}
		// What was read can be planned, on a workspace that does not exist.
		if _, err := newPlan(&plan{file: file, now: epoch}, "ws_1"); err != nil && !errs.Is(err, errs.KindInvalid) {
			t.Fatal(err)
		}
	})
}
