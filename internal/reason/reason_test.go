package reason_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/reason"
)

var update = flag.Bool("update", false, "write docs/sign-in-reasons.md anew")

// reasonsDoc is where the page stands.
const reasonsDoc = "../../docs/sign-in-reasons.md"

func TestReasons_AreWhole(t *testing.T) {
	codes, precise := map[string]bool{}, map[string]string{}
	for _, r := range reason.All() {
		if codes[r.Code] || !regexp.MustCompile(`^[a-z_]+$`).MatchString(r.Code) {
			t.Errorf("the code %q comes twice, or is none", r.Code)
		}
		codes[r.Code] = true
		for name, text := range map[string]string{"sentence": r.Sentence, "why": r.Why, "expected": r.Expected, "received": r.Received, "do": r.Do, "cause": string(r.Cause)} {
			if text == "" {
				t.Errorf("%s has no %s", r.Code, name)
			}
		}
		for _, of := range r.Of {
			if precise[of] != "" {
				t.Errorf("the reason %s belongs to %s and to %s", of, precise[of], r.Code)
			}
			precise[of] = r.Code
			if got := reason.Diagnose(reason.Facts{Reason: of}); got.Code != r.Code {
				t.Errorf("%s is diagnosed as %s, want %s", of, got.Code, r.Code)
			}
		}
		places := 0
		for _, p := range reason.Providers() {
			if r.Where.For(p[0]) != "" {
				places++
			}
		}
		if places != 0 && places != len(reason.Providers()) {
			t.Errorf("%s says for some providers where, and for others not", r.Code)
		}
	}
	if n := len(codes); n < 40 || n > 60 {
		t.Errorf("%d codes", n)
	}
}

func TestEveryReasonOfTheProtocols_IsOnTheList(t *testing.T) {
	for file, apart := range map[string]string{
		"../../saml/refusal.go": "",
		// Of logout tokens, which sign nobody in.
		"../relyingparty/refusal.go": "logout_",
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
				return true
			}
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			n++
			if apart != "" && strings.HasPrefix(value, apart) {
				return true
			}
			if got := reason.Diagnose(reason.Facts{Reason: value}); got.Code == "unexplained" {
				t.Errorf("%s: %s (%q) belongs to no coded reason", file, spec.Names[0].Name, value)
			}
			return true
		})
		if n < 25 {
			t.Errorf("%s: %d reasons were found", file, n)
		}
	}
	if got := reason.Diagnose(reason.Facts{Reason: "never heard of"}); got.Code != "unexplained" || got.Sentence == "" || got.Do == "" {
		t.Errorf("what is not on the list is %+v", got)
	}
}

func TestDiagnose_LooksAtWhatCameWithTheRefusal(t *testing.T) {
	for want, f := range map[string]reason.Facts{
		"not_this_sign_in":   {Reason: "in_response_to", Request: "unknown"},
		"too_slow":           {Reason: "in_response_to", Request: "expired"},
		"other_browser":      {Reason: "in_response_to", Request: "other_browser"},
		"idp_said_no":        {Reason: "status", IdPSaid: "AuthnFailed"},
		"idp_refused_access": {Reason: "idp_error", IdPSaid: "access_denied"},
	} {
		if got := reason.Diagnose(f); got.Code != want {
			t.Errorf("%+v is %s, want %s", f, got.Code, want)
		}
	}
	if got := reason.Diagnose(reason.Facts{Reason: "status", IdPSaid: "RequestDenied"}); got.Code != "idp_refused_access" {
		t.Errorf("RequestDenied is %s", got.Code)
	}
	if got := reason.Diagnose(reason.Facts{Reason: "expired", IdPSaid: "access_denied"}); got.Code != "answer_expired" {
		t.Errorf("an expired answer is %s", got.Code)
	}
}

func TestReasonsPage_IsTheOneInDocs(t *testing.T) {
	want := page()
	if *update {
		if err := os.WriteFile(reasonsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reasonsDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/sign-in-reasons.md is not what the list says. Run go test ./internal/reason -run TestReasonsPage -update")
	}
}

// page is docs/sign-in-reasons.md.
func page() string {
	var b strings.Builder
	b.WriteString(`# Why a sign-in failed

<!-- Made of internal/reason. To write it anew: go test ./internal/reason -run TestReasonsPage -update -->

Each refused sign-in has one coded reason. The console shows it under *Sign-ins*, with the checks that the answer passed and the one that it
did not; ` + "`gatehouse explain --workspace SLUG WHO`" + ` tells the same. The event has a more precise reason beside it. Before the signature
of the identity provider was verified, the person is told nothing but that the answer was not accepted: whoever posts rubbish learns nothing.

| Code | Who mends it | What the person is told |
|---|---|---|
`)
	for _, r := range reason.All() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", r.Code, r.Code, r.Cause.Name(), r.Sentence)
	}
	for _, r := range reason.All() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n- **Expected**: %s\n- **Received**: %s\n- **Who**: %s\n- **What to do**: %s\n", r.Code, r.Why, r.Expected, r.Received, r.Cause.Name(), r.Do)
		if len(r.Of) > 0 {
			fmt.Fprintf(&b, "- **Reasons of events**: `%s`\n", strings.Join(r.Of, "`, `"))
		}
		if r.Where.Generic == "" {
			continue
		}
		b.WriteString("\n| Where | |\n|---|---|\n")
		for _, p := range reason.Providers() {
			fmt.Fprintf(&b, "| %s | %s |\n", p[1], r.Where.For(p[0]))
		}
	}
	return b.String()
}
