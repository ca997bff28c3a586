package idpsim

import (
	"context"
	"strings"
	"testing"
)

// annAtOkta is what the application returns for Ann: more than was sent, to be echoed.
const annAtOkta = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"2f6c","externalId":"00u1abcd","userName":"ann.lee@acme.test",` +
	`"name":{"givenName":"Ann","middleName":"","familyName":"Lee"},"emails":[{"primary":true,"value":"ann.lee@acme.test","type":"work"}],` +
	`"displayName":"Ann Lee","locale":"en-US","active":true,"groups":[],"meta":{"resourceType":"User"}}`

var annOut = strings.Replace(annAtOkta, `"active":true`, `"active":false`, 1)

// oktaPeople adds Ann and Bob with ids as in the reference.
func oktaPeople(w *wire) {
	for _, x := range []Person{
		{ID: "00u1abcd", UserName: ann, GivenName: "Ann", FamilyName: "Lee"},
		{ID: "00u2efgh", UserName: bob, GivenName: "Bob", FamilyName: "Ray", Title: "Agent", Department: "Support", Phone: "+49 30 1"},
	} {
		_, err := w.p.AddPerson(w.t.Context(), x)
		must(w.t, err)
	}
}

// list is a ListResponse with n resources of a total.
func list(total, n int) string {
	items := strings.TrimSuffix(strings.Repeat(`{"id":"x","userName":"x","displayName":"x","active":true},`, n), ",")
	return `200 {"totalResults":` + itoa(total) + `,"itemsPerPage":` + itoa(n) + `,"Resources":[` + items + `]}`
}

func TestOktaCatalogueAppSendsTheNumberedSteps(t *testing.T) {
	w := openWire(t, Okta, Connection{PasswordSync: true, ImportPastEnd: true})
	p := w.p
	oktaPeople(w)
	w.expect(p.TestCredentials, "1_test_users: "+emptyList, "1_test_groups: "+emptyList)
	w.expect(func(ctx context.Context) error { return p.Assign(ctx, ann) },
		"2_pre_check: "+emptyList, "3_create_user: 201 "+annAtOkta)
	w.expect(func(ctx context.Context) error { return p.Assign(ctx, bob) },
		"2_pre_check_second: "+emptyList, `3_create_user_with_title_and_department: 201 {"id":"b0b","active":true}`)
	w.expect(w.set(Attributes{GivenName: text("Anne")}),
		"4_read_user: 200 "+annAtOkta, "4_update_profile: 200 "+annAtOkta)
	w.expect(w.set(Attributes{Department: text("R&D <Größe>"), Title: text("Lead")}),
		"4_read_user: 200 "+annAtOkta, "4_update_profile_department: 200 "+annAtOkta)
	w.expect(func(ctx context.Context) error { return p.SetManager(ctx, ann, bob) },
		"4_read_user: 200 "+annAtOkta, "4_update_profile_manager: 200 "+annAtOkta)
	w.expect(w.set(Attributes{Phone: text("+49")}),
		"4_read_user: 200 "+annAtOkta, "4_update_profile_phone: 200 "+annAtOkta)
	w.expect(w.set(Attributes{Phone: text(""), Title: text("")}),
		"4_read_user: 200 "+strings.Replace(annAtOkta, `"locale"`, `"title":"Lead","phoneNumbers":[{"value":"+49","type":"mobile"},{"value":"+1","type":"work"}],"locale"`, 1),
		"4_update_profile_clearing: 200 "+annAtOkta)
	w.expect(func(ctx context.Context) error { return p.Deactivate(ctx, ann) }, "5_deactivate_user: 200 "+annOut)
	w.expect(func(ctx context.Context) error { return p.Reactivate(ctx, ann) },
		"5_reactivate_user: 200 "+annAtOkta, "4_read_user: 200 "+annAtOkta, "5_update_profile_after_reactivation: 200 "+annAtOkta)
	w.expect(func(ctx context.Context) error { return p.Unassign(ctx, ann) }, "5_deactivate_user: "+noBody)
	w.expect(func(ctx context.Context) error { return p.Assign(ctx, ann) },
		`2_pre_check: 200 {"totalResults":1,"Resources":[`+annOut+`]}`, "5_reactivate_user: "+noBody,
		"4_read_user: 200 "+annAtOkta, "5_update_profile_after_reactivation: 200 "+annAtOkta)
	w.expect(func(ctx context.Context) error { return p.ResetPassword(ctx, ann, "s3cret") }, "6_sync_password: 200 "+annAtOkta)
	w.expect(report(p.Sync), "7_import_users: "+list(102, 100), "7_import_users_second_page: "+list(102, 2),
		"7_import_users_past_end: "+list(102, 0), "7_import_groups: "+list(2, 2), "7_import_groups_past_end: "+list(2, 0))

	_, err := p.AddGroup(t.Context(), "00g1", "Eng", ann, bob)
	must(t, err)
	w.expect(func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") },
		"8_group_name_check: "+emptyList, `8_create_group: 201 {"id":"9c","displayName":"Eng"}`, "10_replace_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Engineering") }, "9_rename_group: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Engineering", bob) },
		"9_rename_group: "+noBody, "10_remove_member: "+noBody)
	w.expect(func(ctx context.Context) error {
		return p.ChangeMembers(ctx, "Engineering", []string{bob}, []string{ann})
	}, "9_rename_group: "+noBody, "10_change_members: "+noBody)
	w.expect(func(ctx context.Context) error { return p.PushNow(ctx, "Engineering") }, "10_push_now: "+noBody)
	w.expect(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Engineering", bob) },
		"9_rename_group: "+noBody, "10_remove_member: "+noBody)
	w.expect(func(ctx context.Context) error { return p.PushNow(ctx, "Engineering") }, "10_push_now_empty: "+noBody)
	w.expect(func(ctx context.Context) error { return p.UnlinkGroup(ctx, "Engineering", false) })
	w.expect(func(ctx context.Context) error { return p.PushGroup(ctx, "Engineering") },
		`8_group_name_check_link: 200 {"totalResults":1,"Resources":[{"id":"9c","displayName":"Engineering"}]}`, "10_push_now_empty: "+noBody)
	w.expect(func(ctx context.Context) error { return p.UnlinkGroup(ctx, "Engineering", false) })
	w.expect(func(ctx context.Context) error { return p.LinkGroup(ctx, "Engineering", "Legacy") },
		`8_refresh_app_groups: 200 {"totalResults":1,"Resources":[{"id":"9c","displayName":"Legacy"}]}`, "9_rename_group: "+noBody, "10_push_now_empty: "+noBody)
	w.expect(func(ctx context.Context) error { return p.UnlinkGroup(ctx, "Engineering", true) }, "11_delete_group: "+noBody)

	w.connect(Connection{RawAuthorization: true, WithoutGroups: true, BaseURL: "http://app.test/scim/v2/"})
	w.expect(p.TestCredentials, "1_test_users_header_auth_trailing_slash: "+emptyList)
	w.finish()
}

func TestOktaCustomAppSendsTheNumberedSteps(t *testing.T) {
	w := openWire(t, OktaCustom, Connection{Extension: "urn:ietf:params:scim:schemas:extension:acme:2.0:User"})
	p := w.p
	oktaPeople(w)
	w.expect(p.TestCredentials, "1_test_users: "+emptyList, "1_test_groups: "+emptyList)
	w.expect(w.set(Attributes{Custom: map[string]string{"costCode": "77", "badge": "b"}}))
	w.expect(func(ctx context.Context) error { return p.Assign(ctx, ann) },
		"2_pre_check: "+emptyList, "3_create_user_with_custom_attributes: 201 "+annAtOkta)
	w.expect(func(ctx context.Context) error { return p.Assign(ctx, bob) },
		`2_pre_check_second: 404 {"status":"404"}`, `3_create_user: 201 {"id":"b0b","active":true}`)
	w.expect(w.set(Attributes{UserName: text("anne@acme.test"), Email: text("anne@acme.test")}),
		"4_read_user: 200 "+annAtOkta, "4_update_profile: 200 "+annAtOkta)
	must(t, p.run(t.Context(), "", func(context.Context) (string, error) {
		_, err := p.changePerson("00u1abcd", func(x *Person) error { x.UserName, x.Email, x.Custom = ann, ann, nil; return nil })
		return "", err
	}))
	w.expect(func(ctx context.Context) error { return p.Deactivate(ctx, ann) },
		"4_read_user: 200 "+annAtOkta, "5_deactivate_user: 200 "+annOut)
	w.expect(func(ctx context.Context) error { return p.Reactivate(ctx, ann) },
		"4_read_user: 200 "+annOut, "5_reactivate_user: 200 "+annAtOkta)
	w.expect(report(p.Sync), "7_import_users: "+list(2, 2), "7_import_groups: "+list(0, 0))

	_, err := p.AddGroup(t.Context(), "00g1", "Eng", ann)
	must(t, err)
	w.expect(func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") },
		"8_group_name_check: "+emptyList, `8_create_group: 201 {"id":"9c","displayName":"Eng"}`, "10_replace_group: 200 {}")
	w.expect(func(ctx context.Context) error { return p.AddMembers(ctx, "Eng", bob) }, "10_replace_group_both: 200 {}")
	w.expect(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Engineering") }, "9_rename_group: 200 {}")
	w.expect(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Engineering", ann, bob) }, "10_replace_group_empty: 200 {}")
	w.expect(func(ctx context.Context) error { return p.UnlinkGroup(ctx, "Engineering", true) }, "11_delete_group: "+noBody)
	w.finish()
}
