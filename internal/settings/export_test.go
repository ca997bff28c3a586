package settings

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// drawFile writes an apply file with some of everything. Not every one can be applied.
func drawFile(t *rapid.T, slug string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "workspace: %s\n", slug)
	some := func(label string) bool { return rapid.Bool().Draw(t, label) }
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 -_:#'\"[]{}&*!|>%@`,?\\~.é\U0001F600")), 1, 12, -1)
	quoted := func(label string) string { return "'" + strings.ReplaceAll(text.Draw(t, label), "'", "''") + "'" }
	if some("preset?") {
		fmt.Fprintf(&b, "preset: %s\n", rapid.SampledFrom([]string{"default", "omniflow", "omni", "omnivoo"}).Draw(t, "preset"))
	}
	if some("name?") {
		fmt.Fprintf(&b, "name: %s\n", quoted("name"))
	}
	b.WriteString("policy:\n  required_attributes: [email]\n")
	for _, k := range policyKeys() {
		if some(k.name + "?") {
			fmt.Fprintf(&b, "  %s: %s\n", k.name, rapid.SampledFrom(k.words).Draw(t, k.name))
		}
	}
	if some("roles?") {
		fmt.Fprintf(&b, "  roles: [Chief, Admin, %s, Member]\n", quoted("role"))
	}
	if some("domains?") {
		// A domain has one owner.
		fmt.Fprintf(&b, "domains: %s\n", strings.ReplaceAll(rapid.SampledFrom([]string{"[]", "[a.SLUG]", "[B.SLUG, a.SLUG]", "[ü.SLUG]"}).Draw(t, "domains"), "SLUG", slug+".test"))
	}
	if some("connections?") {
		b.WriteString("connections:\n")
		for i := range rapid.IntRange(1, 3).Draw(t, "connections") {
			if some("oidc?") {
				fmt.Fprintf(&b, "  - {name: con%d, provider: okta, protocol: oidc, status: %s}\n", i, rapid.SampledFrom([]string{"draft", "disabled"}).Draw(t, "status"))
				continue
			}
			fmt.Fprintf(&b, "  - {name: con%d, provider: %s, protocol: saml%s", i, rapid.SampledFrom([]string{"okta", "entra"}).Draw(t, "provider"),
				rapid.SampledFrom([]string{"", ", metadata_file: okta.xml", ", metadata_file: okta.xml, status: active", ", status: disabled"}).Draw(t, "status"))
			if some("attributes?") {
				fmt.Fprintf(&b, ", idp_initiated: %v, attributes: {%s: %s, name: ''}", some("initiated"),
					rapid.SampledFrom([]string{"email", "firstName", "groups", "subject"}).Draw(t, "attribute"), rapid.SampledFrom([]string{"''", "uid", "'urn:x: #y'"}).Draw(t, "attribute's name"))
			}
			b.WriteString("}\n")
		}
	}
	if some("directories?") {
		b.WriteString("directories:\n")
		for i := range rapid.IntRange(1, 3).Draw(t, "directories") {
			fmt.Fprintf(&b, "  - {name: 'dir %d', connection: %s, enabled: %v, mode: %s, policy: {group_loss: %s, invite_on_create: %s}}\n", i,
				rapid.SampledFrom([]string{"con0", "''"}).Draw(t, "connection"), some("enabled"), rapid.SampledFrom([]string{"lenient", "strict"}).Draw(t, "mode"),
				rapid.SampledFrom([]string{"keep", "deactivate", "inherit"}).Draw(t, "loss"), rapid.SampledFrom([]string{"yes", "no", "inherit"}).Draw(t, "invite"))
		}
	}
	if some("schemas?") {
		fmt.Fprintf(&b, "schemas:\n  - urn: 'urn:example:x:2.0:User'\n    required: %v\n    attributes:\n", some("required schema"))
		for i := range rapid.IntRange(1, 3).Draw(t, "attributes") {
			fmt.Fprintf(&b, "      - {name: a%d, type: %s, multi_valued: %v, required: %v, mutability: %s, description: %s}\n", i,
				rapid.SampledFrom([]string{"string", "integer", "string, canonical_values: ['1', A, a]", "reference, reference_types: [Group]", "complex, sub_attributes: [{name: b, returned: never}]"}).Draw(t, "type"), some("multi"), some("needed"),
				rapid.SampledFrom([]string{"readWrite", "immutable", "writeOnly"}).Draw(t, "mutability"), quoted("description"))
		}
	}
	if some("mappings?") {
		b.WriteString("role_mappings:\n")
		for range rapid.IntRange(1, 4).Draw(t, "mappings") {
			fmt.Fprintf(&b, "  - {group: %s, role: Admin%s}\n", quoted("group"), rapid.SampledFrom([]string{"", ", directory: dir 0", ", connection: con0"}).Draw(t, "directory"))
		}
	}
	if some("owners?") {
		fmt.Fprintf(&b, "owners: [{email: a@a.test, break_glass: %v, password_env: ROOT_PASSWORD}, {email: b@a.test, name: %s}]\n", some("glass"), quoted("owner"))
	}
	if some("applications?") {
		b.WriteString("applications:\n")
		for i := range rapid.IntRange(1, 2).Draw(t, "applications") {
			fmt.Fprintf(&b, "  - {name: App %d, public: %v, redirect_uris: ['https://a%d.test/cb?x=%%23'], post_logout_redirect_uris: %s, scim_events_uri: %s, scim_events_audience: %s}\n", i, some("public"),
				rapid.IntRange(0, 2).Draw(t, "redirect"), rapid.SampledFrom([]string{"[]", "['http://localhost/']"}).Draw(t, "logout"),
				rapid.SampledFrom([]string{"''", "'https://a.test/events'"}).Draw(t, "events"), rapid.SampledFrom([]string{"''", "'urn:x'"}).Draw(t, "audience"))
		}
	}
	if some("enforcement?") {
		fmt.Fprintf(&b, "enforcement: %s\n", rapid.SampledFrom([]string{"{require_sso: none}", "{require_sso: all}", "{require_sso: domains, domains: [a.test]}"}).Draw(t, "enforcement"))
	}
	return b.String()
}

func TestExport_OfWhateverWasAppliedChangesNothingWhenAppliedBack(t *testing.T) {
	t.Parallel()
	s := service(storetest.Open(t, storetest.SQLite(t), nil))
	applied, workspaces := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		workspaces++
		slug := fmt.Sprintf("w%d", workspaces)
		for range rapid.IntRange(1, 3).Draw(t, "files") {
			text := drawFile(t, slug)
			f, err := ParseFile([]byte(text), "/etc/acme")
			if err == nil {
				_, err = s.Apply(ctx, f, ApplyOptions{Prune: true, Actor: operator})
			}
			if errs.Is(err, errs.KindInvalid) || errs.Is(err, errs.KindForbidden) {
				continue
			}
			if err != nil {
				t.Fatalf("apply: %v\n%s", err, text)
			}
			applied++
			out, err := s.Export(ctx, slug)
			if err != nil {
				t.Fatal(err)
			}
			if f, err = ParseFile(out, ""); err != nil {
				t.Fatalf("the export cannot be read: %v\n%s", err, out)
			}
			version := s.version(t, slug)
			r, err := s.Apply(ctx, f, ApplyOptions{Prune: true, Actor: operator})
			if err != nil || len(r.Changes) > 0 || s.version(t, slug) != version {
				t.Fatalf("applied back: %v, changes %q, of\n%s\nafter\n%s", err, r.Changes, out, text)
			}
		}
	})
	if applied < 20 {
		t.Errorf("only %d of the files could be applied: the test shows little", applied)
	}
}

func (s *Service) version(t *rapid.T, slug string) int64 {
	_, cfg, err := s.Workspace(context.Background(), slug)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Workspace.Version
}
