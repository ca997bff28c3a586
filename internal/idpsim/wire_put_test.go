package idpsim

import (
	"context"
	"strings"
	"testing"
)

// This file plays the clients that write complete documents.

// assign, deactivate, reactivate, unassign and remove are acts on a person as the wire tests name them.
func (w *wire) assign(who string) func(context.Context) error {
	return func(ctx context.Context) error { return w.p.Assign(ctx, who) }
}

func (w *wire) deactivate(who string) func(context.Context) error {
	return func(ctx context.Context) error { return w.p.Deactivate(ctx, who) }
}

func (w *wire) reactivate(who string) func(context.Context) error {
	return func(ctx context.Context) error { return w.p.Reactivate(ctx, who) }
}

func (w *wire) unassign(who string) func(context.Context) error {
	return func(ctx context.Context) error { return w.p.Unassign(ctx, who) }
}

func (w *wire) remove(who string) func(context.Context) error {
	return func(ctx context.Context) error { return w.p.Delete(ctx, who) }
}

func (w *wire) person(x Person) {
	w.t.Helper()
	_, err := w.p.AddPerson(w.t.Context(), x)
	must(w.t, err)
}

// annIs is an answer of the application about Ann.
func annIs(active bool) string {
	return `200 {"id":"77","userName":"ann.lee@acme.test","active":` + map[bool]string{true: "true", false: "false"}[active] + `}`
}

const (
	annMade = `201 {"id":"77","userName":"ann.lee@acme.test","active":true}`
	bobMade = `201 {"id":"88","userName":"bob@acme.test","active":true}`
	engMade = `201 {"id":"9c","displayName":"Eng"}`
)

// oneLoginSeenTemplate has the schemas of the document in authentik issue 11249, older than SCIM 2.0.
const oneLoginSeenTemplate = `{"schemas":["urn:scim:schemas:core:2.0","urn:scim:schemas:extension:enterprise:2.0"],` +
	`"userName":"{$parameters.scimusername}","name":{"familyName":"{$user.lastname}","givenName":"{$user.firstname}"}}`

func TestOneLoginSendsItsTemplate(t *testing.T) {
	w := openWire(t, OneLogin, Connection{})
	p := w.p
	w.person(Person{ID: "101", UserName: ann, GivenName: "Ann", FamilyName: "Lee", Phone: "+49 30 1"})
	w.person(Person{ID: "102", UserName: bob, GivenName: "Bob"})
	w.expect(p.TestCredentials, "1_test_configuration: 200 {}", "1_test_users: "+emptyList, "1_test_groups: "+emptyList)
	w.expect(w.assign(ann), "2_pre_check: "+emptyList, "3_create_user: "+annMade)
	w.expect(w.assign(bob), "2_pre_check_second: "+one(`{"id":"88","userName":"bob@acme.test","active":true}`),
		"4_link_user_with_unset_attributes: 200 {}")
	w.expect(w.set(Attributes{Title: text("Lead <R&D>"), Department: text("R&D"), Phone: text("")}), "4_update_user: "+annIs(true))
	w.expect(w.deactivate(ann), "5_suspend_user: "+annIs(false))
	w.expect(w.reactivate(ann), "5_restore_user: "+annIs(true))
	w.expect(w.unassign(ann), "5_suspend_user: "+annIs(false))
	w.expect(w.assign(ann), "5_restore_user: "+annIs(true))
	w.expect(report(p.Sync), "7_import_groups: "+list(2, 2))

	_, err := p.AddGroup(t.Context(), "7", "Eng", ann)
	must(t, err)
	push := func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") }
	w.expect(push, "8_find_group: "+list(1, 1), "8_create_group: "+engMade, "10_replace_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.AddMembers(ctx, "Eng", bob) }, "10_add_member: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Eng", ann) }, "10_remove_member: "+noBody)
	w.expect(func(ctx context.Context) error { return p.ChangeMembers(ctx, "Eng", []string{ann}, []string{bob}) }, "10_change_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Engineering") }, "9_rename_group: "+noBody)
	w.expect(func(ctx context.Context) error { return p.DeleteGroup(ctx, "Engineering") }, "11_delete_group: "+noBody)

	w.connect(Connection{DeleteAction: actionDelete, BaseURL: "http://app.test/scim/v2/?tenant=1",
		Template: `{"userName":"{$parameters.scimusername}","name":{"givenName":"{$user.firstname}","familyName":"{$user.lastname}"},"active":"{$user.status}"}`})
	w.expect(w.set(Attributes{Title: text("")}), "4_update_user_by_own_template: "+annIs(true))
	w.connect(Connection{DeleteAction: actionDelete, BaseURL: "http://app.test/scim/v2/?tenant=1", Template: oneLoginSeenTemplate})
	w.expect(w.set(Attributes{Title: text("Lead")}), "4_update_user_by_seen_template: "+annIs(true))
	w.expect(w.unassign(ann), "6_delete_user: "+noBody)
	w.connect(Connection{DeleteAction: actionNothing})
	w.expect(w.remove(bob))
	w.finish()
}

func TestJumpCloudSendsItsActivationAndPuts(t *testing.T) {
	w := openWire(t, JumpCloud, Connection{})
	p := w.p
	w.person(Person{ID: "5f0a", UserName: ann, GivenName: "Ann", FamilyName: "Lee", Department: "R&D", Phone: "+49 30 1"})
	w.person(Person{ID: "5f0b", UserName: bob, GivenName: "Bob", FamilyName: "Ray"})
	for range 2 {
		w.expect(p.TestCredentials, `1_create_test_user: 201 {"id":"t1"}`, "1_update_test_user: 200 {}",
			`1_create_test_group: 201 {"id":"t2"}`, "1_delete_test_group: "+noBody, "1_delete_test_user: "+noBody)
	}
	w.expect(p.TestCredentials, `1_create_test_user: 201 {"id":"t1"}`, "1_update_test_user: 200 {}",
		`1_create_test_group: 201 {"id":"t2"}`, "1_delete_test_group: "+noBody, `1_delete_test_user: 501 {}`, "1_deactivate_test_user: 200 {}")
	w.expect(w.assign(ann), "2_pre_check: "+emptyList, "3_create_user: "+annMade)
	w.expect(w.assign(bob), "2_pre_check_second: "+one(`{"id":"88","userName":"bob@acme.test","active":false}`), "5_restore_linked_user: 200 {}")
	w.expect(w.set(Attributes{Title: text("Lead <R&D>"), Phone: text("")}), "4_update_user: "+annIs(true))
	w.expect(w.deactivate(ann), "5_suspend_user: "+annIs(false))
	w.expect(w.reactivate(ann), "5_restore_user: "+annIs(true))
	w.expect(report(p.Sync), "7_import_users: "+list(101, 100), "7_import_users_second_page: "+list(101, 1))

	_, err := p.AddGroup(t.Context(), "9", "Eng", ann)
	must(t, err)
	w.expect(func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") },
		"8_find_group: "+emptyList, "8_create_group: "+engMade, "10_add_member: "+noBody)
	w.expect(func(ctx context.Context) error { return p.ChangeMembers(ctx, "Eng", []string{bob}, []string{ann}) }, "10_change_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.AddMembers(ctx, "Eng", ann) }, "10_add_member: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Eng", ann, bob) }, "10_remove_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Engineering") }, "9_rename_group: "+noBody)
	w.expect(func(ctx context.Context) error { return p.DeleteGroup(ctx, "Engineering") }, "11_delete_group: "+noBody)
	w.expect(w.remove(ann), "6_delete_user: "+noBody)
	w.connect(Connection{TestAddress: "someone@globex.test", SuspendAction: actionNothing})
	w.expect(p.TestCredentials, `1_create_test_user_elsewhere: 201 {"id":"t1"}`, "1_update_test_user_elsewhere: 200 {}",
		`1_create_test_group: 201 {"id":"t2"}`, "1_delete_test_group: "+noBody, "1_delete_test_user: "+noBody)
	w.expect(w.deactivate(bob))
	w.finish()
}

// schemasAnswer is the list of schemas of the fake application, and of the enterprise extension.
var schemasAnswer = `200 {"totalResults":2,"Resources":[` + fakeSchema + `,{"id":"` + enterpriseSchema + `","attributes":[` +
	`{"name":"department","type":"string","multiValued":false,"mutability":"readWrite"}]}]}`

func TestGoogleSendsWhatTheSchemaAllows(t *testing.T) {
	w := openWire(t, Google, Connection{})
	p := w.p
	w.person(Person{ID: "1001", UserName: ann, GivenName: "Ann", FamilyName: "Lee", Department: "R&D", Title: "Lead", Phone: "+49 30 1"})
	w.person(Person{ID: "1002", UserName: "bob+x@acme.test", GivenName: "Bob"})
	w.expect(p.TestCredentials, "1_read_schemas: "+schemasAnswer, "1_test_users: "+emptyList)
	w.expect(w.assign(ann), "2_pre_check: "+emptyList, "3_create_user: "+annMade)
	w.expect(w.assign("1002"), "2_pre_check_with_plus: "+emptyList, `3_create_user_with_plus: 201 {"id":"88","userName":"bob+x@acme.test"}`)
	w.expect(w.set(Attributes{Title: text("")}), "4_update_user: "+annIs(true))
	w.expect(w.deactivate(ann), "5_suspend_user: "+annIs(false))
	w.expect(w.reactivate(ann), "5_restore_user: "+annIs(true))
	w.expect(w.remove(ann), "6_delete_user: "+noBody)
	w.expect(report(p.Sync))

	w.person(Person{ID: "1001", UserName: ann, GivenName: "Ann", FamilyName: "Lee", Title: "Lead", Department: "R&D"})
	w.connect(Connection{NestCore: true, SuspendAction: actionNothing, DeleteAction: actionSuspend,
		Mapping: map[string]string{"title": "nickName", "displayName": ""}})
	w.expect(w.assign(ann), "2_pre_check: "+emptyList, "1_read_schemas: "+schemasAnswer, "3_create_user_nested: "+annMade)
	w.expect(w.deactivate(ann))
	w.expect(w.remove(ann), "5_suspend_user_nested: "+annIs(false))
	w.finish()
}

func TestPingOneSendsTheAdministratorsFilter(t *testing.T) {
	w := openWire(t, PingOne, Connection{})
	p := w.p
	w.person(Person{ID: "a1", UserName: ann, GivenName: "Ann", FamilyName: "Lee", Department: "R&D", Phone: "+49 30 1"})
	w.person(Person{ID: "b1", UserName: bob, GivenName: "Bob"})
	w.expect(p.TestCredentials, "1_test_users: "+emptyList)
	w.expect(w.assign(ann), "2_pre_check: "+emptyList, "3_create_user: "+annMade)
	w.expect(w.set(Attributes{Title: text("Lead"), Department: text("")}), "4_update_user: "+annIs(true))
	w.expect(w.unassign(ann), "5_suspend_user: "+annIs(false))
	w.expect(w.assign(ann), "5_restore_user: "+annIs(true))
	w.connect(Connection{UserFilter: `userName eq "%s" or (active eq true and emails[type eq "work" and value eq "%s"])`,
		CreateInactive: true, DeleteAction: actionDelete})
	must(t, p.Deactivate(t.Context(), bob)) // nobody knows him yet
	w.expect(w.assign(bob), "2_pre_check_by_own_filter: "+emptyList, "3_create_inactive_user: "+strings.Replace(bobMade, "true", "false", 1))
	w.expect(w.reactivate(bob), "5_restore_second_user: 200 {}")

	_, err := p.AddGroup(t.Context(), "9", "Eng", ann)
	must(t, err)
	w.expect(func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") },
		"8_find_group: "+one(`{"id":"9c","displayName":"eng"}`), "10_replace_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.AddMembers(ctx, "Eng", bob) }, "10_replace_members_both: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Engineering") }, "9_rename_group: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Engineering", ann, bob) }, "10_replace_members_empty: "+noBody)
	w.expect(func(ctx context.Context) error { return p.DeleteGroup(ctx, "Engineering") }, "11_delete_group: "+noBody)
	w.expect(w.unassign(ann), "6_delete_user: "+noBody)
	w.finish()
}

func TestCyberArkReadsBeforeItWrites(t *testing.T) {
	w := openWire(t, CyberArk, Connection{})
	p := w.p
	w.person(Person{ID: "a1", UserName: ann, GivenName: "Ann", FamilyName: "Lee", Department: "R&D"})
	w.person(Person{ID: "b1", UserName: bob, GivenName: "Bob"})
	w.expect(p.TestCredentials, "1_read_configuration: 200 {}", "1_read_user_type: 200 {}", "1_read_group_type: 200 {}",
		"1_read_user_schema: 200 {}", "1_read_group_schema: 200 {}", "1_test_users: "+emptyList, "1_test_groups: "+emptyList)
	w.expect(w.assign(ann), "2_pre_check: "+emptyList, "3_create_user: "+annMade)
	w.expect(w.assign(bob), "2_pre_check_second: "+emptyList, "3_create_second_user: "+bobMade)
	w.expect(w.set(Attributes{Title: text("Lead")}), "4_read_user: "+annIs(true), "4_update_user: "+annIs(true))
	w.expect(w.deactivate(ann), "4_read_user: "+annIs(true), "5_suspend_user: "+annIs(false))
	w.expect(w.reactivate(ann), "4_read_user: "+annIs(false), "5_restore_user: "+annIs(true))
	w.expect(report(p.Sync), "7_import_groups: "+list(2, 2))

	_, err := p.AddGroup(t.Context(), "9", "Eng", ann)
	must(t, err)
	w.expect(func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") },
		"8_find_group: "+emptyList, "8_create_group: "+engMade, "10_read_group: 200 {}", "10_add_member: "+noBody)
	w.expect(func(ctx context.Context) error { return p.ChangeMembers(ctx, "Eng", []string{bob}, []string{ann}) },
		"10_read_group: 200 {}", "10_change_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Engineering") }, "10_read_group: 200 {}", "9_rename_group: "+noBody)
	w.expect(func(ctx context.Context) error { return p.DeleteGroup(ctx, "Engineering") }, "11_delete_group: "+noBody)
	w.expect(w.remove(ann), "4_read_user: "+annIs(true), "5_suspend_user: "+annIs(false))
	w.finish()
}
