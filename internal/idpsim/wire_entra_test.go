package idpsim

import (
	"context"
	"testing"
)

// entraPeople adds Ann, and Bob who will be her manager, with what step 3 of the reference sends.
func entraPeople(w *wire) {
	for _, x := range []Person{
		{ID: "b0b-oid", UserName: bob, GivenName: "Bob", FamilyName: "Ray"},
		{ID: "8a1f-oid", UserName: ann, GivenName: "Ann", FamilyName: "Lee", DisplayName: "Ann Lee", Department: "R&D"},
	} {
		_, err := w.p.AddPerson(w.t.Context(), x)
		must(w.t, err)
	}
}

// one is a ListResponse with that one resource.
func one(resource string) string { return `200 {"totalResults":1,"Resources":[` + resource + `]}` }

// entraStory plays the same acts in both dialects; the fixtures of each tell them apart.
func entraStory(t *testing.T, kind Kind) *wire {
	w := openWire(t, kind, Connection{RoleMapping: rolesSingle})
	p := w.p
	cycle := report(p.Sync)
	act := func(op func(context.Context) error) func(context.Context) error { return then(op, cycle) }
	entraPeople(w)
	w.expect(p.TestCredentials, "1_test_users: "+emptyList, "1_test_groups: "+emptyList)

	w.expect(act(func(ctx context.Context) error { return p.Assign(ctx, bob) }),
		"2_match_user_second: "+emptyList, `3_create_user: 201 {"id":"271"}`)
	w.expect(act(then(
		func(ctx context.Context) error { return p.Assign(ctx, ann) },
		func(ctx context.Context) error { return p.SetManager(ctx, ann, bob) },
		func(ctx context.Context) error {
			return p.SetRoles(ctx, ann, []AppRole{{ID: "827f", Value: "agent", DisplayName: "Agent"}})
		})),
		"2_match_user: "+emptyList, `3_create_user_with_manager_and_role: 201 {"id":"77"}`)

	w.expect(act(then(
		func(ctx context.Context) error { return p.SetManager(ctx, ann, "") }, w.set(Attributes{Department: text("")}))),
		"4_clear_department_and_manager: "+noBody)
	w.expect(act(then(
		w.set(Attributes{DisplayName: text("Ann C"), Email: text("new@acme.test"), Phone: text("+49"), PostalCode: text("10115"),
			FamilyName: text("C"), Department: text("Ops")}),
		func(ctx context.Context) error { return p.SetManager(ctx, ann, bob) },
		func(ctx context.Context) error {
			return p.SetRoles(ctx, ann, []AppRole{{ID: "1", Value: "admin", DisplayName: "Admin"}})
		})),
		"4_update_user: "+noBody)
	w.expect(act(w.set(Attributes{Phone: text("+33"), PostalCode: text("75001"), GivenName: text("Anne"), Department: text("Größe <1>")})),
		"4_update_user_replacing: "+noBody)
	w.expect(act(w.set(Attributes{Phone: text(""), Title: text("Lead")})), "4_clear_phone_add_title: "+noBody)

	w.expect(act(func(ctx context.Context) error { return p.Deactivate(ctx, ann) }), "5_disable_user: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.Reactivate(ctx, ann) }), "5_restore_user: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.Unassign(ctx, ann) }), "5_disable_user: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.Assign(ctx, ann) }), "5_restore_user: "+noBody)

	_, err := p.AddGroup(t.Context(), "gid", "Eng", ann)
	must(t, err)
	w.expect(act(func(ctx context.Context) error { return p.PushGroup(ctx, "Eng") }),
		"2_match_group: "+emptyList, `7_create_group: 201 {"id":"9c","members":[]}`, "7_add_members: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.AddMembers(ctx, "Eng", bob) }),
		`7_read_group: 200 {"id":"9c"}`, "7_add_second_member: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.RenameGroup(ctx, "Eng", "Eng2") }),
		`7_read_group: 200 {"id":"9c"}`, "7_rename_group: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.RemoveMembers(ctx, "Eng2", ann, bob) }),
		`7_read_group: 200 {"id":"9c"}`, "7_remove_members: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.AddMembers(ctx, "Eng2", ann) }),
		`7_read_group: 200 {"id":"9c"}`, "7_add_members: "+noBody)

	// A restart matches everybody anew, says active again and adds members twice.
	w.expect(report(p.Restart),
		"2_match_user_second: "+one(`{"id":"271","userName":"bob@acme.test","active":true,"externalId":"b0b-oid","displayName":"Bob Ray",`+
			`"name":{"givenName":"Bob","familyName":"Ray","formatted":"Bob Ray"},"emails":[{"type":"work","value":"bob@acme.test"}]}`),
		"4_reassert_active: "+noBody,
		"2_match_user: "+one(`{"id":"77","userName":"ann.lee@acme.test","active":true,"externalId":"other","displayName":"Ann C",`+
			`"name":{"givenName":"Anne","familyName":"C","formatted":"Anne C"},"title":"Lead","emails":[{"type":"work","value":"new@acme.test"}],`+
			`"addresses":[{"type":"work","postalCode":"75001"}],`+
			`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Größe <1>","manager":{"value":"271"}}}`),
		"4_take_over_user: "+noBody,
		"2_match_group_renamed: "+one(`{"id":"9c","displayName":"eng2"}`), "7_take_over_group: "+noBody, "7_rename_letter_case: "+noBody, "7_add_members: "+noBody)

	w.expect(act(func(ctx context.Context) error { return p.Delete(ctx, ann) }), "6_delete_user: "+noBody)
	w.expect(act(func(ctx context.Context) error { return p.DeleteGroup(ctx, "Eng2") }), "7_delete_group: "+noBody)

	w.connect(Connection{Matching: "externalId", BaseURL: "http://app.test/scim/v2/"})
	w.expect(p.TestCredentials, "1_test_users_by_external_id: "+emptyList, "1_test_groups: "+emptyList)
	_, err = p.AddPerson(t.Context(), Person{ID: "e1", UserName: "eve@acme.test", GivenName: "Eve"})
	must(t, err)
	w.expect(act(func(ctx context.Context) error { return p.Assign(ctx, "e1") }),
		"2_match_user_by_external_id: "+emptyList, `3_create_user_with_one_name: 201 {"id":"e"}`)
	w.connect(Connection{Matching: "email"})
	_, err = p.AddPerson(t.Context(), Person{ID: "f1", UserName: "fay+x@acme.test", GivenName: "Fay"})
	must(t, err)
	w.expect(act(func(ctx context.Context) error { return p.Assign(ctx, "f1") }),
		"2_match_user_by_email: "+emptyList, `3_create_user_with_plus: 201 {"id":"f"}`)
	entraRoleForms(w, act)
	return w
}

// entraRoleForms plays step 9, the three mappings of app roles, and step 11, a custom extension.
func entraRoleForms(w *wire, act func(func(context.Context) error) func(context.Context) error) {
	p := w.p
	roles := func(who string, values ...string) func(context.Context) error {
		var list []AppRole
		for _, v := range values {
			list = append(list, AppRole{ID: "827f-" + v, Value: "Doc-" + v, DisplayName: "Doc " + v})
		}
		return func(ctx context.Context) error { return p.SetRoles(ctx, who, list) }
	}
	for _, mapping := range []string{rolesComplex, rolesAssertive} {
		w.connect(Connection{RoleMapping: mapping})
		name := mapping + "@acme.test"
		_, err := p.AddPerson(w.t.Context(), Person{ID: mapping, UserName: name})
		must(w.t, err)
		must(w.t, roles(name, "Reader")(w.t.Context()))
		w.expect(act(func(ctx context.Context) error { return p.Assign(ctx, name) }),
			"2_match_user_"+mapping+": "+emptyList, "9_create_user_roles_"+mapping+`: 201 {"id":"r-`+mapping+`"}`)
		w.expect(act(roles(name, "Reader", "Admin")), "9_update_roles_"+mapping+": "+noBody)
	}
	w.connect(Connection{Extension: "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"})
	_, err := p.AddPerson(w.t.Context(), Person{ID: "g1", UserName: "gus@acme.test", Custom: map[string]string{"badge": "b", "costCode": "77"}})
	must(w.t, err)
	w.expect(act(func(ctx context.Context) error { return p.Assign(ctx, "g1") }),
		"2_match_user_custom: "+emptyList, `11_create_user_custom_extension: 201 {"id":"g"}`)
	w.expect(act(func(ctx context.Context) error {
		return p.Change(ctx, "g1", Attributes{Custom: map[string]string{"costCode": "78"}})
	}), "11_update_custom_extension: "+noBody)
}

func TestEntraSendsTheNumberedStepsInItsDefaultDialect(t *testing.T) {
	entraStory(t, Entra).finish()
}

func TestEntraSendsTheNumberedStepsWithTheComplianceFlag(t *testing.T) {
	entraStory(t, EntraFlag).finish()
}
