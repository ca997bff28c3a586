package acceptance

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// promise is one thing that the guides of a product say of single sign-on, provisioning or members.
type promise struct{ id, says string }

// promises are all of them. F is Omniflow's guide, K is Omni's with Okta, E is Omni's with Entra, V is Omnivoo's.
var promises = []promise{
	{"F1", "who signs in by an IdP has no password of ours"},
	{"F2", "joining, changing role and leaving follow the directory"},
	{"F3", "Okta: SAML, OIDC and SCIM"},
	{"F4", "Entra ID: SAML, OIDC and SCIM"},
	{"F5", "Google Workspace: SAML, OIDC and SCIM"},
	{"F6", "OneLogin: SAML, OIDC and SCIM"},
	{"F7", "JumpCloud: SAML, OIDC and SCIM"},
	{"F8", "generic SAML 2.0, and nothing else with it"},
	{"F9", "generic OIDC, and nothing else with it"},
	{"F10", "a guide to the application that is made at the IdP"},
	{"F11", "a metadata address to copy, from the draft on"},
	{"F12", "the metadata has all that the IdP asks for"},
	{"F13", "email, firstName, lastName and groups, each under a name of one's own"},
	{"F14", "who is not assigned at the IdP does not come in"},
	{"F15", "the IdP's tile leads into the workspace, already signed in"},
	{"F16", "OIDC needs a client id, a secret and an issuer, or its discovery address"},
	{"F17", "one redirect URI for all workspaces"},
	{"F18", "setting OIDC up ends with a test"},
	{"F19", "a person in an assigned group becomes a member with the group's role"},
	{"F20", "a changed attribute changes the member"},
	{"F21", "losing the last mapped group deactivates"},
	{"F22", "coming back restores the member with the same role"},
	{"F23", "a token and a base URL to copy"},
	{"F24", "the base URL is good as every IdP joins it"},
	{"F25", "a test sync before enabling"},
	{"F26", "enabling is a step of its own"},
	{"F27", "groups map to Admin, Supervisor, Agent and Trainee"},
	{"F28", "of several groups the highest role wins"},
	{"F29", "first sign-in and SCIM, in either order, are one person"},
	{"F30", "single sign-on required of everybody"},
	{"F31", "single sign-on required of some domains"},
	{"F32", "one designated administrator may still use a password"},
	{"F33", "nobody requires single sign-on without such an administrator"},
	{"F34", "an account that is not found: not provisioned, or not assigned"},
	{"F35", "a clock that is more than five minutes off is named, and nothing goes round in a circle"},
	{"F36", "why somebody has a role"},
	{"F37", "why some people sign in and others do not"},
	{"F38", "an audit log of every sign-in and SCIM event, with the IdP's payload"},
	{"F39", "roles of one's own"},
	{"F40", "members and teams by hand"},
	{"F41", "an overview of settings and access"},

	{"K1", "SAML for signing in, SCIM for provisioning, further attributes synchronised"},
	{"K2", "people authenticate at Okta by SAML"},
	{"K3", "the administrator decides when and how people are provisioned"},
	{"K4", "display name and department through attribute mappings"},
	{"K5", "assigned people are added by themselves"},
	{"K6", "attributes are updated"},
	{"K7", "deactivating revokes the membership of one organisation, not the person"},
	{"K8", "groups are pushed with their members"},
	{"K9", "reactivating makes a new user with a new id"},
	{"K10", "SCIM provisioning: the account is there before anybody signs in"},
	{"K11", "first-login provisioning: the account begins with the first sign-in, and so the seat"},
	{"K12", "a password that is sent is not taken, and is no error"},
	{"K13", "a pushed group is linked to one that is there"},
	{"K14", "three steps, of which the first alone is enough"},
	{"K15", "the guide says that an administrator of the IdP is needed"},
	{"K16", "a test user before everybody"},
	{"K17", "updates arrive within minutes"},
	{"K18", "provisioned people are Organization Members, and administrators are made by hand for good"},
	{"K19", "SAML comes before SCIM"},
	{"K20", "settings ask for a permission"},
	{"K21", "SCIM is switched on by the operator, its token has a name"},
	{"K22", "Okta's test of credentials passes"},
	{"K23", "create, update and deactivate by Okta"},
	{"K24", "userName is an e-mail address, and said to be where it is not"},
	{"K25", "the guide says how long provisioning takes"},
	{"K26", "groups are found by name and pushed"},
	{"K27", "a pushed group makes no accounts"},
	{"K28", "attributes of one's own are synchronised"},
	{"K29", "the guides as plain text for machines"},

	{"E1", "SAML, SCIM and attributes with Entra"},
	{"E2", "people authenticate at Entra by SAML"},
	{"E3", "the administrator decides when and how people are provisioned"},
	{"E4", "display name and department as Entra patches them"},
	{"E5", "an account at the assignment"},
	{"E6", "an account at the first sign-in"},
	{"E7", "first-login provisioning with and without SCIM"},
	{"E8", "three steps, of which the first alone is enough"},
	{"E9", "the guide says that an administrator of the IdP is needed"},
	{"E10", "a test user before everybody"},
	{"E11", "how old the last word of the IdP is"},
	{"E12", "a guide for when signing in fails"},
	{"E13", "a directory overrides what its workspace does on reactivation and group loss"},

	{"V1", "adding provisions and removing revokes at once"},
	{"V2", "nobody is invited by hand"},
	{"V3", "deactivating ends all sessions at once"},
	{"V4", "a changed name or address reaches the member and breaks no link"},
	{"V5", "one place to manage access"},
	{"V6", "SCIM needs an active, verified connection"},
	{"V7", "SCIM is set up by an owner or an administrator"},
	{"V8", "why it needs single sign-on is said"},
	{"V9", "a token is generated and copied in the settings"},
	{"V10", "a token is shown once"},
	{"V11", "a new token ends the one before at once"},
	{"V12", "one base URL, and the token says whose it is"},
	{"V13", "/Users and /Groups below it"},
	{"V14", "Okta's set-up, step by step"},
	{"V15", "Entra's set-up, step by step, with its test of the connection"},
	{"V16", "e-mail and display name are required"},
	{"V17", "an account comes with one invitation by mail"},
	{"V18", "a changed name or address reaches the profile"},
	{"V19", "unassigning deactivates and ends all sessions"},
	{"V20", "who is out cannot sign in by any way"},
	{"V21", "open tabs and devices are signed out at once"},
	{"V22", "what somebody did stays"},
	{"V23", "coming back finds everything as it was"},
	{"V24", "deprovisioning deletes nothing"},
	{"V25", "a slash at the end of the base URL is no obstacle"},
	{"V26", "the log says that a token was replaced, and when"},
	{"V27", "what happens where single sign-on is no longer active"},
	{"V28", "what was last heard of the IdP"},
	{"V29", "whether the IdP's word about somebody came"},
}

// later says why nothing shows a promise yet.
var later = map[string]string{}

// outcomes are what the stories that ran came to: by promise, then by story.
var outcomes = struct {
	sync.Mutex
	of map[string]map[string]bool
}{of: map[string]map[string]bool{}}

// shows says which promises a story shows when it passes.
func shows(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if !slices.ContainsFunc(promises, func(p promise) bool { return p.id == id }) {
			t.Fatalf("there is no promise %q", id)
		}
	}
	name := strings.NewReplacer("/sqlite", "", "/postgres", "").Replace(t.Name())
	t.Cleanup(func() {
		outcomes.Lock()
		defer outcomes.Unlock()
		for _, id := range ids {
			if outcomes.of[id] == nil {
				outcomes.of[id] = map[string]bool{}
			}
			passed, before := outcomes.of[id][name]
			outcomes.of[id][name] = !t.Failed() && (passed || !before)
		}
	})
}

var writePromises = flag.Bool("promises", false, "write docs/promises.md anew, from a run of all stories")

// checkPromises compares docs/promises.md with what a run of all stories has shown, or writes it.
func checkPromises() error {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return nil // some stories only
		}
	}
	page, path := promisesPage(), filepath.Join("..", "docs", "promises.md")
	if *writePromises {
		return os.WriteFile(path, []byte(page), 0o644)
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != page {
		return fmt.Errorf("docs/promises.md is not what the stories show (%w): go test ./acceptance -promises\n%s", err, differing(string(have), page))
	}
	return nil
}

// promisesPage is docs/promises.md.
func promisesPage() string {
	var b strings.Builder
	b.WriteString(`# What the guides of three products promise

One row for each promise of the guides of Omniflow (F), Omni with Okta (K), Omni with Entra (E) and Omnivoo (V). The stories run the real
binary on both databases; the page is written by running them, and ` + "`make test`" + ` fails when it is not what they show.

| promise | story | |
|---|---|---|
`)
	for _, p := range promises {
		stories, result := slices.Sorted(maps.Keys(outcomes.of[p.id])), "pass"
		for _, passed := range outcomes.of[p.id] {
			if !passed {
				result = "FAIL"
			}
		}
		text := "`" + strings.Join(stories, "`, `") + "`"
		if len(stories) == 0 {
			text, result = later[p.id], "later"
			if text == "" {
				text, result = "nothing shows it", "FAIL"
			}
		}
		fmt.Fprintf(&b, "| %s | %s: %s | %s |\n", p.id, p.says, text, result)
	}
	return b.String()
}

// differing is the lines of two pages that differ.
func differing(have, want string) string {
	var b strings.Builder
	old, fresh := strings.Split(have, "\n"), strings.Split(want, "\n")
	for _, l := range old {
		if !slices.Contains(fresh, l) {
			b.WriteString("- " + l + "\n")
		}
	}
	for _, l := range fresh {
		if !slices.Contains(old, l) {
			b.WriteString("+ " + l + "\n")
		}
	}
	return b.String()
}
