package guide_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/guide"
)

var update = flag.Bool("update", false, "write docs/guides anew")

const docs = "../../docs/guides"

// blank are the values of the documentation.
func blank() guide.Values {
	return guide.Blank("https://id.example.com", "https://id.example.com/scim/v2")
}

func TestGuides_ThereIsOneForEachOfTheSeventeenYesCellsAndNoOther(t *testing.T) {
	yes, ids := 0, map[string]bool{}
	for _, row := range guide.IdPs() {
		for _, protocol := range guide.Protocols() {
			g, err := guide.Lookup(row.Name, protocol)
			if slices.Contains(row.Protocols, protocol) {
				yes++
				if err != nil || g.IdP != row.Name || g.Protocol != protocol || ids[g.ID()] {
					t.Errorf("%s by %s: %v %s", row.Name, protocol, err, g.ID())
				}
				ids[g.ID()] = true
				continue
			}
			if errs.CodeOf(err) != "not_offered" || !strings.Contains(err.Error(), row.Title) {
				t.Errorf("%s by %s: %v", row.Name, protocol, err)
			}
		}
	}
	if yes != 17 || len(guide.All()) != 17 {
		t.Errorf("%d cells, %d guides", yes, len(guide.All()))
	}
	for _, p := range directory.Providers() {
		scim := slices.ContainsFunc(guide.IdPs(), func(row guide.IdP) bool { return row.Provider == p && slices.Contains(row.Protocols, guide.SCIM) })
		if scim != directory.OffersSCIM(p) {
			t.Errorf("%s: the table and the rule differ about SCIM", p)
		}
	}
}

func TestLookup_TakesAProviderAndRefusesWhatIsNotThereByName(t *testing.T) {
	for _, c := range [][3]string{{"generic", "saml", "generic-saml"}, {" Generic ", "OIDC", "generic-oidc"}, {"okta", "SCIM", "okta-scim"}} {
		if g, err := guide.Lookup(c[0], c[1]); err != nil || g.ID() != c[2] {
			t.Errorf("%v: %s %v", c, g.ID(), err)
		}
	}
	for _, c := range []struct{ idp, protocol, code, says string }{
		{"generic", "scim", "not_offered", "Neither generic SAML"}, {"generic-saml", "oidc", "not_offered", "Generic SAML 2.0 does not offer OIDC; it offers SAML."},
		{"octa", "saml", "guide_unknown", `"octa"`}, {"okta", "ldap", "protocol_unknown", `"ldap"`},
	} {
		if _, err := guide.Lookup(c.idp, c.protocol); errs.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s by %s: %v", c.idp, c.protocol, err)
		}
	}
}

func TestGuides_HaveAllTheirPlacesFilledAndNothingEmpty(t *testing.T) {
	places := map[string][]string{guide.SAML: {"acs_url", "entity_id"}, guide.OIDC: {"callback_url"}, guide.SCIM: {"scim_base_url"}}
	for _, raw := range guide.All() {
		for _, place := range places[raw.Protocol] {
			if _, ok := raw.Copy(place); !ok {
				t.Errorf("%s: nothing to copy of %s", raw.ID(), place)
			}
		}
		g := raw.With(blank())
		text := g.Markdown()
		if strings.ContainsAny(text, "{}") || strings.Contains(strings.ReplaceAll(text, "http://schemas.", ""), "http://") || strings.Contains(text, "  - **: ") {
			t.Errorf("%s: %s", g.ID(), text)
		}
		if g.Title == "" || len(g.Needs) == 0 || len(g.Steps) < 2 || g.Groups == "" || len(g.Warnings) == 0 || len(g.Bring) == 0 && g.Protocol != guide.SCIM {
			t.Errorf("%s is not complete: %+v", g.ID(), g)
		}
		for _, s := range g.Steps {
			if !strings.HasSuffix(s.Do, ".") {
				t.Errorf("%s: %q is no sentence", g.ID(), s.Do)
			}
			for _, f := range s.Fields {
				if f.Name == "" || f.Choose && f.Value == "" {
					t.Errorf("%s: %+v", g.ID(), f)
				}
			}
		}
	}
}

func TestGuides_SayWhatAdministratorsStumbleOver(t *testing.T) {
	for id, wants := range map[string][]string{
		"okta-saml":      {"takes no metadata URL", "Single sign-on URL", "Audience URI (SP Entity ID)", "Application username**: Email", "Application Administrator", "test user", "user.firstName"},
		"okta-scim":      {"Application username format**: Email", "Pushing a group creates nobody", "Test API Credentials", "Create Users", "Deactivate Users", "test user"},
		"okta-oidc":      {"/auth/oidc/callback"},
		"entra-saml":     {"AADSTS75011", "150 groups", "Application Administrator", "test user"},
		"entra-oidc":     {"xms_edov", "Secret ID", "200 groups"},
		"entra-scim":     {"cycles of 20 to 40 minutes", "Provision on demand", "Tenant URL", "Secret Token", "e-mail and display name have to be mapped", "quarantine"},
		"google-saml":    {"under no address", "no single logout", "24 hours"},
		"google-oidc":    {"Google sends no groups", "hd"},
		"google-scim":    {"catalogue", "no autoprovisioning", "12 hours"},
		"onelogin-saml":  {`^https://id\.example\.com/auth/saml/CONNECTION/acs$`, "SHA-256"},
		"onelogin-scim":  {"approval"},
		"jumpcloud-saml": {"two organisations may have typed the same"},
		"jumpcloud-oidc": {"slash at its end", "shown that once"},
		"jumpcloud-scim": {"test user and a test group"},
		"generic-saml":   {"transient", "12 hours"},
		"generic-oidc":   {"HS256", "12 hours"},
		"onelogin-oidc":  {"invalid_client"},
	} {
		i := slices.IndexFunc(guide.All(), func(g guide.Guide) bool { return g.ID() == id })
		if i < 0 {
			t.Errorf("there is no guide %s", id)
			continue
		}
		text := guide.All()[i].With(blank()).Markdown()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", id, want)
			}
		}
	}
}

func TestWith_SpeaksTheAttributeNamesOfTheConnection(t *testing.T) {
	side := directory.DefaultSAML("okta")
	side.Attributes.Email, side.Attributes.Groups = "mail", ""
	c := directory.Connection{ID: "con_1", Provider: "okta", Protocol: directory.ProtocolSAML, SAML: &side}
	g, err := guide.Lookup("okta", "saml")
	if err != nil {
		t.Fatal(err)
	}
	text := g.With(guide.Connection("https://id.example.com", "", c)).Markdown()
	for _, want := range []string{"https://id.example.com/auth/saml/con_1/acs", "Attribute Statements: mail**", "Attribute Statements: firstName**"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Group Attribute Statements: ") {
		t.Error("groups are to be sent to a connection that reads none")
	}
	oidc := directory.DefaultOIDC("entra")
	oidc.OwnCallback = true
	g, _ = guide.Lookup("entra", "oidc")
	f, _ := g.With(guide.Connection("https://id.example.com/", "", directory.Connection{ID: "con_2", OIDC: &oidc})).Copy("callback_url")
	if f.Value != "https://id.example.com/auth/oidc/con_2/callback" {
		t.Errorf("%+v", f)
	}
}

func TestIndex_ListsEachGuideWithItsAddress(t *testing.T) {
	text := guide.Index(func(g guide.Guide) string { return "https://id.example.com/llms/" + g.ID() + ".txt" })
	if !strings.HasPrefix(text, "# Gatehouse\n\n> ") || strings.Count(text, "\n- [") != 17 || !strings.Contains(text, "(https://id.example.com/llms/entra-scim.txt)") {
		t.Error(text)
	}
}

func TestDocumentation_IsWhatTheGuidesSay(t *testing.T) {
	note := "<!-- Made of internal/guide. To write it anew: go test ./internal/guide -run TestDocumentation -update -->\n\n"
	pages := map[string]string{"README.md": "# Setting an identity provider up\n\n" + note +
		"An address with CONNECTION in it is that of one connection: the console shows the real one, and so does `gatehouse guide --workspace SLUG --connection NAME`.\n\n" + guide.Table()}
	for _, g := range guide.All() {
		title, rest, _ := strings.Cut(g.With(blank()).Markdown(), "\n\n")
		pages[g.ID()+".md"] = title + "\n\n" + note + rest
	}
	if *update {
		if err := os.RemoveAll(docs); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(docs, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range pages {
			if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	there, err := os.ReadDir(docs)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range there {
		if pages[f.Name()] == "" {
			t.Errorf("docs/guides/%s belongs to no guide", f.Name())
		}
	}
	for name, want := range pages {
		if got, err := os.ReadFile(filepath.Join(docs, name)); err != nil || string(got) != want {
			t.Errorf("docs/guides/%s is stale (%v): go test ./internal/guide -run TestDocumentation -update", name, err)
		}
	}
}
