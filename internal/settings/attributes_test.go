package settings

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// attributed is a file with attributes and tables.
const attributed = `
workspace: acme
attributes:
  - {name: badge, label: Badge number, type: integer, required: yes}
  - {name: shift, type: choice, choices: [early, late], visible: no}
  - {name: title, label: Job, type: string}
directories:
  - name: okta
    attribute_map:
      badge: [employeeNumber, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber']
      shift: 'roles[type eq "shift"].value'
      locale: none
connections:
  - {name: okta, attribute_map: {shift: [shift, "http://schemas.acme.test/claims/shift"]}}
`

func TestAttributes_AreDefinedMappedExportedAndGoWithTheList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(db)
		s.mustApply(t, acme, ApplyOptions{})
		r := s.mustApply(t, attributed, ApplyOptions{})
		for _, want := range []string{"attributes[badge]: added, integer, required, \"Badge number\"", "directories.okta.attribute_map.locale: (none) -> none", "connections.okta.attribute_map.shift: (none) -> shift, http://schemas.acme.test/claims/shift"} {
			if !strings.Contains(strings.Join(r.Changes, "|"), want) {
				t.Errorf("%q is not in %q", want, r.Changes)
			}
		}
		events := s.events(t)
		if r := s.mustApply(t, attributed, ApplyOptions{}); len(r.Changes) > 0 || s.events(t) != events {
			t.Errorf("applied again: %q", r.Changes)
		}
		out, err := s.Export(context.Background(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if f, err := ParseFile(out, "/etc/acme"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		} else if r, err := s.Apply(context.Background(), f, ApplyOptions{Actor: operator}); err != nil || len(r.Changes) > 0 {
			t.Errorf("applied back: %v %q\n%s", err, r.Changes, out)
		}
		view, err := s.Attributes(context.Background(), "acme")
		if err != nil || len(view.Attributes) != 13 || len(view.Tables) < 2 {
			t.Fatalf("%v %+v", err, view)
		}
		if r := s.mustApply(t, "workspace: acme\nattributes: []\ndirectories: [{name: okta, attribute_map: {}}]\nconnections: [{name: okta, attribute_map: {}}]\n", ApplyOptions{}); len(r.Changes) == 0 {
			t.Error("nothing went")
		}
		if cfg := s.mustConfig(t, "acme"); len(cfg.Attributes) != 0 || cfg.Directories[0].Map != nil || cfg.Connections[0].Map != nil {
			t.Errorf("%+v", cfg)
		}
	})
}

func TestAttributes_MistakesAreNamedAndNothingIsKept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(db)
		s.mustApply(t, acme, ApplyOptions{})
		sealed := "schemas: [{urn: 'urn:example:Own:2.0:User', attributes: [{name: pin, mutability: writeOnly}]}]\n"
		for text, want := range map[string]string{
			"attributes: [{name: e-mail}]\n":                                     "attributes[0].name: expected at most 64 letters",
			"attributes: [{name: groups}]\n":                                     "means something else already",
			"attributes: [{name: x, type: choice}]\n":                            "attributes[0].choices: expected the values",
			"attributes: [{name: x}, {name: X}]\n":                               "is given twice",
			"attributes: [{name: x, type: complex}]\n":                           "attributes[0].type",
			"directories: [{name: okta, attribute_map: {x: title}}]\n":           `there is no attribute "x"`,
			"directories: [{name: okta, attribute_map: {title: 'a[b co 1]'}}]\n": "directories[0].attribute_map.title: expected one comparison by eq",
			"directories: [{name: okta, attribute_map: [title]}]\n":              "expected keys and values",
			"attributes: [{name: pin}]\ndirectories: [{name: okta, attribute_map: {pin: 'urn:example:Own:2.0:User:pin'}}]\n" + sealed: "is never returned",
		} {
			f, err := ParseFile([]byte("workspace: acme\n"+text), "/etc/acme")
			if err == nil {
				_, err = s.Apply(context.Background(), f, ApplyOptions{Actor: operator})
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
		}
		if cfg := s.mustConfig(t, "acme"); len(cfg.Attributes)+len(cfg.Schemas) != 0 || cfg.Directories[0].Map != nil {
			t.Errorf("kept: %+v", cfg)
		}
	})
}

func TestAttributes_TheSecondAdministratorIsToldAndAMappedOneStays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := service(db), context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		if _, err := s.DefineAttribute(ctx, "acme", directory.Attribute{Name: "badge", Type: directory.AttributeInteger}, true, operator); err != nil {
			t.Fatal(err)
		}
		code := func(want string, err error) {
			t.Helper()
			if want == "" && err != nil || want != "" && errs.CodeOf(err) != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		_, err := s.DefineAttribute(ctx, "acme", directory.Attribute{Name: "BADGE", Type: directory.AttributeString}, true, operator)
		code("attribute_taken", err)
		_, err = s.DefineAttribute(ctx, "acme", directory.Attribute{Name: "other", Type: directory.AttributeString}, false, operator)
		code("attribute_unknown", err)
		view, err := s.Attributes(ctx, "acme")
		code("", err)
		seen := view.Tables[0].Word
		set := func(seen string) error {
			_, err := s.SetAttributeMap(ctx, "acme", TableOfDirectory, "okta", directory.AttributeMap{"badge": {"employeeNumber"}}, seen, operator)
			return err
		}
		code("", set(seen))
		code("changed_meanwhile", set(seen))
		code("attribute_mapped", s.RemoveAttribute(ctx, "acme", "badge", operator))
		_, err = s.SetAttributeMap(ctx, "acme", TableOfConnection, "nobody", nil, "", operator)
		code("connection_unknown", err)
		_, err = s.SetAttributeMap(ctx, "acme", TableOfDirectory, "okta", nil, "", operator)
		code("", err)
		code("", s.RemoveAttribute(ctx, "acme", "Badge", operator))
		code("attribute_built_in", s.RemoveAttribute(ctx, "acme", "title", operator))
		code("attribute_unknown", s.RemoveAttribute(ctx, "acme", "badge", operator))
	})
}

func TestPreview_ShowsWhatAMappingWouldGiveAndChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, ctx := service(db), context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, "workspace: acme\nattributes: [{name: badge, type: integer}, {name: shift, type: choice, choices: [early, late]}]\n", ApplyOptions{})
		cfg := s.mustConfig(t, "acme")
		ws, dir, con := cfg.Workspace.ID, cfg.Directories[0], cfg.Connections[0]
		m := directory.Member{ID: keys.ID("mem_", db.Now()), Email: "ada@acme.test", Stage: directory.StageActive, Role: cfg.Roles[1].ID, Directory: dir.ID,
			Attributes: map[string]string{"title": "Boss", "locale": "de"}, CreatedAt: db.Now(), UpdatedAt: db.Now()}
		attempt := store.NewAttemptID(db.Now())
		xml := `<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><saml:Attribute Name=\"shift\"><saml:AttributeValue>noon</saml:AttributeValue></saml:Attribute>` +
			`<saml:Attribute Name=\"dept\"><saml:AttributeValue>R&amp;D</saml:AttributeValue></saml:Attribute><saml:Attribute Name=\"no\"><saml:AttributeValue>12</saml:AttributeValue>`
		if err := db.Write(ctx, ws, func(tx *store.Tx) error {
			tx.InsertMember(&m)
			tx.InsertSCIMUser(&store.SCIMUser{ID: keys.UUID(), Directory: dir.ID, Member: m.ID, UserName: "ada", Active: true, Document: `{"title":"Boss","locale":"de","employeeNo":"x7","level":"7"}`})
			e := audit.Event{ID: keys.ID("evt_", tx.Now()), Type: audit.SignInSucceeded, Actor: operator, Connection: con.ID, Payload: []byte(`{"xml":"` + xml + `"}`)}
			tx.EndAttempt(store.Attempt{ID: attempt, Connection: con.ID, Method: directory.MethodSAML, Outcome: audit.OK, Member: m.ID, Event: e.ID})
			return tx.Record(e)
		}); err != nil {
			t.Fatal(err)
		}
		lines := func(p AttributePreview) string {
			var out []string
			for _, l := range p.Lines {
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s:%s->%s %s %v", l.Attribute, l.Now, l.Becomes, l.Source, l.Dropped)))
			}
			return strings.Join(out, "|")
		}
		events := s.events(t)
		tried := directory.AttributeMap{"badge": {"employeeNo", "level"}, "locale": {}}
		p, err := s.PreviewAttributes(ctx, "acme", PreviewAsk{Kind: TableOfDirectory, Of: "okta", Map: &tried, Who: "ada@acme.test"})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := lines(p), `title:Boss->Boss title []|`; !strings.HasPrefix(got, want) || !strings.Contains(got, `badge:->7 level [{employeeNo x7 expected a whole number, received "x7"}]`) || !strings.Contains(got, "locale:de->") {
			t.Errorf("%s", got)
		}
		tried = directory.AttributeMap{"shift": {"shift"}, "department": {"dept"}, "title": {"dept"}, "badge": {"no"}}
		p, err = s.PreviewAttributes(ctx, "acme", PreviewAsk{Kind: TableOfConnection, Of: con.ID, Map: &tried})
		if err != nil || p.Attempt != attempt || !strings.Contains(p.Note, "too long") {
			t.Fatalf("%v %+v", err, p)
		}
		got := lines(p)
		for _, want := range []string{`title:Boss->Boss dept []`, `department:->R&D dept []`, `badge:->12 no []`, `shift:->  [{shift noon expected one of early, late, received "noon"}]`} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in %s", want, got)
			}
		}
		// Nobody else's person, and no other connection's message.
		for who, want := range map[string]string{"": "who_missing", "root@acme.test": "not_of_directory", "mem_other": "member_unknown"} {
			if _, err := s.PreviewAttributes(ctx, "acme", PreviewAsk{Kind: TableOfDirectory, Of: "okta", Who: who}); errs.CodeOf(err) != want {
				t.Errorf("%q: %v", who, err)
			}
		}
		if _, err := s.PreviewAttributes(ctx, "acme", PreviewAsk{Kind: TableOfConnection, Of: con.ID, Attempt: "att_other"}); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("%v", err)
		}
		if s.events(t) != events || s.mustConfig(t, "acme").Directories[0].Map != nil {
			t.Error("a preview changed something")
		}
	})
}
