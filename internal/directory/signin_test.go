package directory_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

func TestMaySignIn_TheWholeMatrix(t *testing.T) {
	enforcements := map[string]directory.Enforcement{
		"unset":         {},
		"none":          {RequireSSO: directory.RequireNone, Domains: []string{"acme.test"}},
		"all":           {RequireSSO: directory.RequireAll},
		"their domain":  {RequireSSO: directory.RequireDomains, Domains: []string{"other.test", "acme.test"}},
		"other domains": {RequireSSO: directory.RequireDomains, Domains: []string{"other.test", "sub.acme.test", "me.test"}},
	}
	covers := map[string]bool{"all": true, "their domain": true}
	for name, e := range enforcements {
		for _, stage := range []directory.Stage{directory.StagePending, directory.StageInvited, directory.StageActive, directory.StageErased} {
			for _, sources := range []directory.Sources{0, 1, 2, 4, 8, 5} {
				for _, method := range []directory.Method{directory.MethodPassword, directory.MethodLink, directory.MethodSAML, directory.MethodOIDC} {
					for _, breakGlass := range []bool{false, true} {
						want := ""
						switch {
						case stage == directory.StageErased:
							want = "account_erased"
						case sources != 0:
							want = "account_deactivated"
						case method == directory.MethodPassword && covers[name] && !breakGlass:
							want = "sso_required"
						}
						m := &directory.Member{Email: "Ada@ACME.test", Stage: stage, Sources: sources, BreakGlass: breakGlass}
						err := directory.MaySignIn(&directory.Config{Workspace: directory.Workspace{Enforcement: e}}, m, method)
						at := fmt.Sprintf("SSO required of %s, %s, out by %q, by %s, break-glass %v", name, stage, sources, method, breakGlass)
						if (err == nil) != (want == "") || err != nil && (errs.CodeOf(err) != want || !errs.Is(err, errs.KindForbidden)) {
							t.Errorf("%s: got %v, want %q", at, err, want)
						}
						if want == "account_deactivated" && err.Error() != m.OutSentence() {
							t.Errorf("%s: told %q", at, err)
						}
					}
				}
			}
		}
	}
}

func TestCheckEnforcement_NeedsAConnectionAndAProvenBreakGlass(t *testing.T) {
	all := directory.Enforcement{RequireSSO: directory.RequireAll}
	ready := directory.EnforcementFacts{VerifiedConnection: true, BreakGlass: true, PasswordProvenAt: noon.Add(-90 * 24 * time.Hour)}
	cases := []struct {
		why   string
		e     directory.Enforcement
		facts func(*directory.EnforcementFacts)
		want  []string // words of the sentences, one each
	}{
		{"everything is there", all, nil, nil},
		{"nothing is asked for", directory.Enforcement{RequireSSO: directory.RequireNone}, func(f *directory.EnforcementFacts) { *f = directory.EnforcementFacts{} }, nil},
		{"unset asks for nothing", directory.Enforcement{}, func(f *directory.EnforcementFacts) { *f = directory.EnforcementFacts{} }, nil},
		{"no connection", all, func(f *directory.EnforcementFacts) { f.VerifiedConnection = false }, []string{"verified connection"}},
		{"no break-glass", all, func(f *directory.EnforcementFacts) { f.BreakGlass = false }, []string{"break-glass administrator"}},
		{"proven a moment too long ago", all, func(f *directory.EnforcementFacts) { f.PasswordProvenAt = f.PasswordProvenAt.Add(-time.Microsecond) }, []string{"90 days"}},
		{"never proven", all, func(f *directory.EnforcementFacts) { f.PasswordProvenAt = time.Time{} }, []string{"90 days"}},
		{"nothing at all", all, func(f *directory.EnforcementFacts) { *f = directory.EnforcementFacts{} }, []string{"verified connection", "break-glass administrator"}},
		{"domains without a domain", directory.Enforcement{RequireSSO: directory.RequireDomains}, nil, []string{"at least one domain"}},
		{"domains with one", directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{"acme.test"}}, nil, nil},
	}
	for _, c := range cases {
		facts := ready
		if c.facts != nil {
			c.facts(&facts)
		}
		got := directory.CheckEnforcement(c.e, facts, noon)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %q", c.why, got)
			continue
		}
		for i, word := range c.want {
			if !strings.Contains(got[i], word) {
				t.Errorf("%s: %q does not speak of %q", c.why, got[i], word)
			}
		}
	}
}

func TestConnection_IsVerifiedOnlyWhileActiveAndProven(t *testing.T) {
	for status, want := range map[directory.ConnectionStatus]bool{directory.ConnectionDraft: false, directory.ConnectionActive: true, directory.ConnectionDisabled: false} {
		if got := (directory.Connection{Status: status, VerifiedAt: noon}).Verified(); got != want {
			t.Errorf("%s and proven: %v", status, got)
		}
		if (directory.Connection{Status: status}).Verified() {
			t.Errorf("%s and never proven counts as verified", status)
		}
	}
}
