package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// TestStory_provisioning_as_promised tells short stories of what the guides say of provisioning, each in a workspace of its
// own, on one server per database.
func TestStory_provisioning_as_promised(t *testing.T) {
	stories := map[string]func(t *testing.T, w *world){
		"password_is_dropped":                 passwordIsDropped,
		"user_name_is_an_address":             userNameIsAnAddress,
		"email_and_name_are_required":         emailAndNameAreRequired,
		"groups_make_no_accounts":             groupsMakeNoAccounts,
		"addresses_are_joined_in_any_way":     addressesAreJoinedInAnyWay,
		"roles_by_hand_stay":                  rolesByHandStay,
		"scim_waits_for_the_operator":         scimWaitsForTheOperator,
		"idps_test_an_empty_directory":        idpsTestAnEmptyDirectory,
		"nothing_is_deleted":                  nothingIsDeleted,
		"directories_decide_otherwise":        directoriesDecideOtherwise,
		"entra_patches_names_and_departments": entraPatchesNamesAndDepartments,
		"attributes_of_ones_own":              attributesOfOnesOwn,
		"seats_begin_with_the_first_sign_in":  seatsBeginWithTheFirstSignIn,
		"settings_are_for_those_who_may":      settingsAreForThoseWhoMay,
		"the_administrator_decides_how":       theAdministratorDecidesHow,
	}
	story(t, func(t *testing.T, w *world) {
		for name, tell := range stories {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tell(t, w.within(t))
			})
		}
	})
}

func passwordIsDropped(t *testing.T, w *world) {
	shows(t, "K12")
	const secret = "Tr0ub4dor&3-of-the-IdP"
	w.mustApply(workspace("pw", "omni", "scim_allowed: yes"))
	_, token := w.token("pw")
	status, got := w.scim(token, "POST", "/Users", user("ann@pw.test", `,"password":"`+secret+`"`))
	if status != http.StatusCreated || got["password"] != nil {
		t.Errorf("a create with a password: %d %v", status, got)
	}
	if status, got := w.scim(token, "PATCH", "/Users/"+got["id"].(string), patch(`{"op":"replace","path":"password","value":"`+secret+`"}`)); status != http.StatusOK && status != http.StatusNoContent {
		t.Errorf("a password in a PATCH: %d %v", status, got)
	}
	if _, config := w.scim(token, "GET", "/ServiceProviderConfig", ""); config["changePassword"].(map[string]any)["supported"] != false {
		t.Errorf("discovery says of passwords: %v", config["changePassword"])
	}
	res, err := w.newBrowser().PostForm(w.base+"/signin", map[string][]string{"workspace": {"pw"}, "email": {"ann@pw.test"}, "password": {secret}})
	w.must(err)
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
		t.Errorf("the IdP's password is answered %d", res.StatusCode)
	}
	for _, e := range w.events("pw") {
		if strings.Contains(string(e.Payload), secret) {
			t.Errorf("the event %s keeps the password", e.Type)
		}
	}
}

func userNameIsAnAddress(t *testing.T, w *world) {
	shows(t, "K24")
	w.mustApply(workspace("mailname", "omni", "scim_allowed: yes"))
	_, token := w.token("mailname")
	status, got := w.scim(token, "POST", "/Users", user("ann", ""))
	if detail := fmt.Sprint(got["detail"]); status != http.StatusBadRequest || !strings.Contains(detail, "userName") || !strings.Contains(detail, `"ann"`) {
		t.Errorf("a userName that is no address: %d %v", status, got)
	}
	w.create(token, "ann@mailname.test")
}

func emailAndNameAreRequired(t *testing.T, w *world) {
	shows(t, "V16")
	w.mustApply(workspace("required", "omnivoo", "invite_on_create: no"))
	_, token := w.token("required")
	for what, body := range map[string]string{
		"displayName": user("ann@required.test", `,"emails":[{"value":"ann@required.test","primary":true}]`),
		"email":       user("ann", `,"displayName":"Ann Lee"`),
	} {
		status, got := w.scim(token, "POST", "/Users", body)
		if detail := strings.ToLower(fmt.Sprint(got["detail"])); status != http.StatusBadRequest || !strings.Contains(detail, strings.ToLower(what)) {
			t.Errorf("without %s: %d %v", what, status, got)
		}
	}
	if status, got := w.scim(token, "POST", "/Users", user("ann@required.test", `,"displayName":"Ann Lee","emails":[{"value":"ann@required.test","primary":true}]`)); status != http.StatusCreated {
		t.Errorf("with both: %d %v", status, got)
	}
}

func groupsMakeNoAccounts(t *testing.T, w *world) {
	shows(t, "K27", "K8")
	w.mustApply(workspace("pushed", "omni", "scim_allowed: yes"))
	_, token := w.token("pushed")
	ann := w.create(token, "ann@pushed.test")
	before := len(w.people("pushed"))
	group := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Engineering","members":[%s]}`
	status, got := w.scim(token, "POST", "/Groups", fmt.Sprintf(group, `{"value":"5c9d1d0e-0000-4000-8000-000000000000"}`))
	if status != http.StatusBadRequest || !strings.Contains(fmt.Sprint(got["detail"]), "5c9d1d0e-0000-4000-8000-000000000000") {
		t.Errorf("a group with somebody who is not assigned: %d %v", status, got)
	}
	if status, got := w.scim(token, "POST", "/Groups", fmt.Sprintf(group, `{"value":"`+ann+`"}`)); status != http.StatusCreated {
		t.Errorf("a group with somebody who is: %d %v", status, got)
	}
	if m := w.wantMember("pushed", "ann@pushed.test", "active", "Organization Member"); !slices.Equal(m.Groups, []string{"Engineering"}) {
		t.Errorf("groups %v", m.Groups)
	}
	if now := len(w.people("pushed")); now != before {
		t.Errorf("%d people, %d before the groups", now, before)
	}
}

func addressesAreJoinedInAnyWay(t *testing.T, w *world) {
	shows(t, "F24", "V13", "V25")
	w.mustApply(workspace("joined", "default", "invite_on_create: no"))
	_, token := w.token("joined")
	w.create(token, "ann@joined.test")
	for _, path := range []string{"/Users", "/Users/", "//Users", "/users", "//Users//?count=1", "/Users?aadOptscim062020", "/Groups/", "//Groups"} {
		status, got := w.scim(token, "GET", path, "")
		if want := 1.0 - float64(strings.Count(path, "Groups")); status != http.StatusOK || got["totalResults"] != want {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	if status, text, err := w.tryScim(token, "POST", "//Users/", user("bob@joined.test", "")); err != nil || status != http.StatusCreated {
		t.Errorf("a create at //Users/: %d %s %v", status, text, err)
	}
}

func rolesByHandStay(t *testing.T, w *world) {
	shows(t, "K18")
	w.mustApply(workspace("byhand", "omni", "scim_allowed: yes"))
	p := w.seeded(idpsim.Okta, "byhand")
	who := w.somebodyIn(p, "Omniflow-Admins").UserName
	w.wantMember("byhand", who, "active", "Organization Member") // whatever groups say
	w.gatehouse(nil, "member", "set-role", who, "Organization Admin", "--workspace", "byhand")
	title := "Head of IT"
	w.must(p.Change(w.ctx(), who, idpsim.Attributes{Title: &title}))
	w.must(p.RemoveMembers(w.ctx(), "Omniflow-Admins", who))
	w.must(p.AddMembers(w.ctx(), "Omniflow-Agents", who))
	if m := w.wantMember("byhand", who, "active", "Organization Admin"); m.Attributes["title"] != title {
		t.Errorf("the directory's word did not reach them: %v", m.Attributes)
	}
}

func scimWaitsForTheOperator(t *testing.T, w *world) {
	shows(t, "K21")
	w.mustApply(workspace("switched", "omni", ""))
	if _, said, code := w.run(nil, "scim-token", "rotate", "switched", "idp"); code == 0 {
		t.Errorf("a token before the operator allowed it: %s", said)
	}
	w.mustApply(workspace("switched", "omni", "scim_allowed: yes"))
	w.gatehouse(nil, "scim-token", "rotate", "switched", "idp", "--name", "Okta SCIM")
	var list []struct{ Name string }
	w.gatehouse(&list, "scim-token", "list", "switched", "idp")
	if len(list) != 1 || list[0].Name != "Okta SCIM" {
		t.Errorf("the tokens are %+v", list)
	}
}

func idpsTestAnEmptyDirectory(t *testing.T, w *world) {
	shows(t, "K22", "V14", "V15", "F23")
	for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
		slug := "probed-" + string(kind)
		w.mustApply(workspace(slug, "omnivoo", ""))
		p := w.idp(kind, slug)
		w.must(p.TestCredentials(w.ctx()))
		if n := len(w.people(slug)); n != 1 {
			t.Errorf("%s's test of credentials left %d people beside the owner", kind, n-1)
		}
	}
}

func nothingIsDeleted(t *testing.T, w *world) {
	shows(t, "V22", "V23", "V24")
	w.mustApply(workspace("kept", "omnivoo", "invite_on_create: no, required_attributes: [email]"))
	_, token := w.token("kept")
	external := `,"externalId":"00u1","title":"Payroll"`
	status, got := w.scim(token, "POST", "/Users", user("ann@kept.test", external))
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, got)
	}
	id := got["id"].(string)
	first := w.wantMember("kept", "ann@kept.test", "active", "Member")
	w.gatehouse(nil, "member", "set-role", first.ID, "Admin", "--workspace", "kept")
	if status, got := w.scim(token, "DELETE", "/Users/"+id, ""); status != http.StatusNoContent {
		t.Fatalf("delete: %d %v", status, got)
	}
	out := w.wantMember("kept", first.ID, "deactivated", "Admin")
	if out.Attributes["title"] != "Payroll" || out.Email != first.Email {
		t.Errorf("what is kept of them: %+v", out)
	}
	trail := 0
	for _, e := range w.events("kept") {
		if e.Subject.ID == first.ID {
			trail++
		}
	}
	if trail < 3 {
		t.Errorf("%d events are left of them", trail)
	}
	if status, got := w.scim(token, "POST", "/Users", user("ann@kept.test", external)); status != http.StatusCreated || got["id"] == id {
		t.Fatalf("create again: %d %v", status, got)
	}
	if back := w.wantMember("kept", "ann@kept.test", "active", "Admin"); back.ID != first.ID || back.Attributes["title"] != "Payroll" {
		t.Errorf("came back as %+v, was %+v", back, first)
	}
}

// directoriesDecideOtherwise: one directory under the policy of the workspace, and another that overrides it.
func directoriesDecideOtherwise(t *testing.T, w *world) {
	shows(t, "E13", "K9", "F22")
	w.mustApply(strings.Replace(workspace("two", "omniflow", ""), "directories:\n", "directories:\n  - {name: entra, connection: idp, policy: {reactivation: new_identity, group_loss: keep}}\n", 1))
	tokenOf := func(directory string) string {
		var issued struct{ Token string }
		w.gatehouse(&issued, "scim-token", "rotate", "two", directory)
		return issued.Token
	}
	for directory, same := range map[string]bool{"idp": true, "entra": false} {
		token, who := tokenOf(directory), "ann@"+directory+".test"
		id := w.create(token, who)
		first := w.member("two", who)
		for _, active := range []string{"false", "true"} {
			if status, got := w.scim(token, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":`+active+`}`)); status >= 300 {
				t.Fatalf("%s: active %s: %d %v", directory, active, status, got)
			}
		}
		if back := w.member("two", who); back.Status != "active" || (back.ID == first.ID) != same {
			t.Errorf("%s: came back as %s, %s; was %s", directory, back.ID, back.Status, first.ID)
		}
	}
}

func entraPatchesNamesAndDepartments(t *testing.T, w *world) {
	shows(t, "E1", "E4", "K4", "F20")
	for _, kind := range []idpsim.Kind{idpsim.Entra, idpsim.EntraFlag} {
		slug := "dept-" + string(kind)
		w.mustApply(workspace(slug, "omni", "scim_allowed: yes"))
		p := w.seeded(kind, slug)
		who := p.State().People[0].UserName
		name, department, title := "Ann of Finance", "Finance", "Controller"
		w.must(p.Change(w.ctx(), who, idpsim.Attributes{DisplayName: &name, Department: &department, Title: &title}))
		w.cycle(p)
		if m := w.member(slug, who); m.Name != name || m.Attributes["department"] != department || m.Attributes["title"] != title {
			t.Errorf("%s: %+v", kind, m)
		}
	}
}

func attributesOfOnesOwn(t *testing.T, w *world) {
	shows(t, "K28", "K1")
	w.mustApply(workspace("own", "omni", "scim_allowed: yes") +
		"schemas:\n  - urn: urn:ietf:params:scim:schemas:extension:own:2.0:User\n    name: Own\n    description: Of our own.\n    attributes:\n      - {name: costCentre, description: Who pays.}\n")
	_, token := w.token("own")
	const urn = "urn:ietf:params:scim:schemas:extension:own:2.0:User"
	status, got := w.scim(token, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","`+urn+`"],"userName":"ann@own.test","`+urn+`":{"costCentre":"4711"}}`)
	if status != http.StatusCreated || fmt.Sprint(got[urn]) != "map[costCentre:4711]" {
		t.Fatalf("create: %d %v", status, got)
	}
	if status, got := w.scim(token, "PATCH", "/Users/"+got["id"].(string), patch(`{"op":"replace","path":"`+urn+`:costCentre","value":"4712"}`)); status != http.StatusOK || fmt.Sprint(got[urn]) != "map[costCentre:4712]" {
		t.Errorf("patch: %d %v", status, got)
	}
}

func seatsBeginWithTheFirstSignIn(t *testing.T, w *world) {
	shows(t, "K11", "E6", "K10", "E5")
	w.mustApply(workspace("seats", "omni", "scim_allowed: yes, provision_on: first_login"))
	_, token := w.token("seats")
	w.create(token, "ann@seats.test")
	w.wantMember("seats", "ann@seats.test", "pending", "Organization Member")
	w.mustApply(workspace("account", "omni", "scim_allowed: yes, provision_on: scim"))
	_, token = w.token("account")
	w.create(token, "ann@account.test")
	w.wantMember("account", "ann@account.test", "active", "Organization Member")
}

func settingsAreForThoseWhoMay(t *testing.T, w *world) {
	shows(t, "K20", "V7")
	w.mustApply(workspace("may", "omnivoo", "required_attributes: [email], invite_on_create: no"))
	_, token := w.token("may")
	for _, name := range []string{"ann@may.test", "bob@may.test"} {
		w.create(token, name)
	}
	w.gatehouse(nil, "member", "set-role", "ann@may.test", "Admin", "--workspace", "may")
	for who, want := range map[string]int{"root@may.test": 200, "ann@may.test": 200, "bob@may.test": 403} {
		b := w.signIn("may", who)
		for _, page := range []string{"/console/may/sso", "/console/may/roles", "/console/may/events"} {
			if got := b.open(page).status; got != want {
				t.Errorf("%s for %s: %d, want %d", page, who, got, want)
			}
		}
	}
}

// theAdministratorDecidesHow: the three ways to provision, changed on a living workspace; who is here stays.
func theAdministratorDecidesHow(t *testing.T, w *world) {
	shows(t, "K3", "E3")
	for i, mode := range []string{"scim", "first_login", "both"} {
		w.mustApply(workspace("how", "omni", "scim_allowed: yes, provision_on: "+mode))
		_, token := w.token("how")
		who := fmt.Sprintf("p%d@how.test", i)
		w.create(token, who)
		want := "active"
		if mode == "first_login" {
			want = "pending"
		}
		w.wantMember("how", who, want, "Organization Member")
	}
	w.wantMember("how", "p0@how.test", "active", "Organization Member")
	w.wantMember("how", "p1@how.test", "pending", "Organization Member")
}

// V12: the address of provisioning may be another host's than the one of the product.
func TestStory_scim_has_a_host_of_its_own(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "V12")
		w.mustApply(workspace("acme", "omnivoo", ""))
		w.mustApply(workspace("globex", "omnivoo", ""))
		here, mine := w.token("acme")
		there, theirs := w.token("globex")
		if here != "https://api.omnivoo.test/scim/v2" || there != here {
			t.Errorf("the base URLs are %s and %s", here, there)
		}
		_, got := w.scim(mine, "POST", "/Users", user("ann@acme.test", `,"displayName":"Ann","emails":[{"value":"ann@acme.test"}]`))
		if status, seen := w.scim(theirs, "GET", "/Users", ""); status != http.StatusOK || seen["totalResults"] != 0.0 {
			t.Errorf("the neighbour sees %v", seen)
		}
		if location := fmt.Sprint(got["meta"].(map[string]any)["location"]); !strings.HasPrefix(location, here+"/Users/") {
			t.Errorf("the location is %s", location)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "gatehouse.sock")); w.database == "" && err != nil {
			t.Error(err)
		}
	}, "--scim-public-url", "https://api.omnivoo.test")
}
