package settings

import (
	"context"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// badges is a file with one extension that has something of everything.
const badges = `
workspace: acme
schemas:
  - urn: urn:ietf:params:scim:schemas:extension:acme:2.0:User
    name: Acme
    description: What Acme knows of people.
    attributes:
      - {name: costCentre, description: Who pays, case_exact: yes, returned: always, canonical_values: [A, a]}
      - {name: level, type: integer, required: yes, mutability: immutable}
      - {name: pin, mutability: writeOnly}
      - {name: boss, type: reference, reference_types: [User, external], mutability: readOnly}
      - name: cards
        type: complex
        multi_valued: yes
        returned: request
        sub_attributes:
          - {name: value, type: binary, required: yes}
          - {name: code, returned: never}
  - {urn: "urn:example:Teams:1.0", resource: Group, required: yes, attributes: [{name: room}]}
`

func TestSchemas_AreDefinedExportedAndGoWithTheList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(db)
		s.mustApply(t, acme, ApplyOptions{})
		r := s.mustApply(t, badges, ApplyOptions{})
		if want := "schemas[urn:example:Teams:1.0]: added|schemas[urn:ietf:params:scim:schemas:extension:acme:2.0:User]: added"; strings.Join(r.Changes, "|") != want {
			t.Errorf("changes %q", r.Changes)
		}
		cfg := s.mustConfig(t, "acme")
		if len(cfg.Schemas) != 2 || cfg.Schemas[1].Attributes[2].Returned != "never" || !cfg.Schemas[0].Required || cfg.Schemas[0].Resource != "Group" {
			t.Fatalf("%+v", cfg.Schemas)
		}
		if names := cfg.SealedNames(); strings.Join(names, " ") != "pin code" {
			t.Errorf("sealed are %v", names)
		}
		events := s.events(t)
		if r := s.mustApply(t, badges, ApplyOptions{}); len(r.Changes) > 0 || s.events(t) != events {
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

		// A file without the key leaves them alone; a list is exact.
		if r := s.mustApply(t, "workspace: acme\n", ApplyOptions{Prune: true}); len(r.Changes) > 0 {
			t.Errorf("without the key: %q", r.Changes)
		}
		less := `
workspace: acme
schemas:
  - urn: URN:ietf:params:scim:schemas:extension:ACME:2.0:User
    attributes:
      - {name: level, type: string}
`
		r = s.mustApply(t, less, ApplyOptions{})
		notes := strings.Join(r.Notes, "\n")
		for _, want := range []string{
			"schemas[urn:example:Teams:1.0]: what is stored of it stays stored",
			".attributes.pin: values that are stored of it stay stored and are shown to nobody",
			".attributes.level: stored values that do not fit the new declaration stay stored",
		} {
			if !strings.Contains(notes, want) {
				t.Errorf("no word of %q in\n%s", want, notes)
			}
		}
		if cfg := s.mustConfig(t, "acme"); len(cfg.Schemas) != 1 || cfg.Schemas[0].URN != "URN:ietf:params:scim:schemas:extension:ACME:2.0:User" || len(cfg.Schemas[0].Attributes) != 1 {
			t.Errorf("%+v", cfg.Schemas)
		}
		if last := s.log(t); last[len(last)-1].Type != "workspace.applied" || len(last[len(last)-1].Changes) == 0 {
			t.Errorf("the event is %+v", last[len(last)-1])
		}
		s.mustApply(t, "workspace: acme\nschemas: []\n", ApplyOptions{})
		if cfg := s.mustConfig(t, "acme"); len(cfg.Schemas) != 0 {
			t.Errorf("%+v", cfg.Schemas)
		}
	})
}

func TestAFileWithAWrongSchema_IsToldWhatWasExpectedAndReceived(t *testing.T) {
	t.Parallel()
	attribute := func(a string) string {
		return "workspace: acme\nschemas: [{urn: 'urn:example:acme:2.0:User', attributes: [" + a + "]}]"
	}
	urn := func(urns ...string) string {
		text := "workspace: acme\nschemas:\n"
		for _, u := range urns {
			text += "  - {urn: '" + u + "', resource: User, attributes: [{name: a}]}\n"
		}
		return text
	}
	many := strings.Repeat("{name: a}, ", maxAttributes) + "{name: b}"
	for text, want := range map[string]string{
		"workspace: acme\nschemas: {}":                                                        `schemas: expected a list, received keys and values`,
		"workspace: acme\nschemas: [{attributes: [{name: a}]}]":                               `schemas[0].urn: expected the URN of the schema`,
		"workspace: acme\nschemas: [{urn: 'urn:example:a:2.0:User'}]":                         `schemas[0].attributes: expected a list of attributes, found none`,
		"workspace: acme\nschemas: [{urn: 'urn:example:a:2.0:User', attributes: []}]":         `schemas[0].attributes: expected one attribute at least, found none`,
		"workspace: acme\nschemas: [{urn: 'urn:example:a:1.0', attributes: [{name: a}]}]":     `schemas[0].resource: expected one of User, Group, found none`,
		"workspace: acme\nschemas: [{urn: 'urn:example:a:2.0:User', attribute: [{name: a}]}]": `schemas[0].attribute: unknown key; did you mean "attributes"?`,
		urn("acme"):                     `schemas[0].urn: expected a URN of at most 200 bytes that ends in a resource type or a version, such as urn:ietf:params:scim:schemas:extension:acme:2.0:User, received "acme"`,
		urn("urn:x"):                    `received "urn:x"`,
		urn("urn:example:é"):            `received "urn:example:é"`,
		urn("urn:example:a b:2.0:User"): `received "urn:example:a b:2.0:User"`,
		urn("urn:ietf:params:scim:schemas:core:2.0:User"):                       `expected a URN of your own, received "urn:ietf:params:scim:schemas:core:2.0:User", which belongs to the standard`,
		urn("URN:IETF:params:scim:schemas:extension:enterprise:2.0:User"):       `which belongs to the standard`,
		urn("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:extra"): `which belongs to the standard`,
		urn("urn:example:a:2.0:User", "URN:example:A:2.0:User"):                 `schemas[1].urn: "URN:example:A:2.0:User" is given twice, first in line 3`,
		urn("urn:example:a:2.0:User", "urn:example:a:2.0"):                      `cannot stand beside each other: one begins with the other`,
		urn("urn:example:0:2.0:User", "urn:example:1:2.0:User", "urn:example:2:2.0:User", "urn:example:3:2.0:User", "urn:example:4:2.0:User", "urn:example:5:2.0:User",
			"urn:example:6:2.0:User", "urn:example:7:2.0:User", "urn:example:8:2.0:User", "urn:example:9:2.0:User", "urn:example:10:2.0:User"): `schemas: expected at most 10 entries, received 11`,
		attribute(`{}`):                              `attributes[0].name: expected the name of the attribute, found none`,
		attribute(`{name: "7a"}`):                    `attributes[0].name: expected at most 64 letters, digits, - and _, a letter first, received "7a"`,
		attribute(`{name: "$ref"}`):                  `received "$ref"`,
		attribute(`{name: "~aside"}`):                `received "~aside"`,
		attribute(`{name: a.b}`):                     `received "a.b"`,
		attribute(`{name: PassWord}`):                `expected a name other than schemas and password, received "PassWord"`,
		attribute(`{name: badge}, {name: Badge}`):    `attributes[1].name: "Badge" is given twice, first in line 2; letter case makes no difference`,
		attribute(many):                              `expected at most 100 entries, received 101`,
		attribute(`{name: a, type: number}`):         `attributes[0].type: expected one of string, boolean, decimal, integer, dateTime, reference, binary, complex, received "number"`,
		attribute(`{name: a, type: datetime}`):       `did you mean "dateTime"?`,
		attribute(`{name: a, mutability: readonly}`): `did you mean "readOnly"?`,
		attribute(`{name: a, returned: sometimes}`):  `expected one of default, always, request, never, received "sometimes"`,
		attribute(`{name: a, uniqueness: server}`):   `attributes[0].uniqueness: expected none, received "server"`,
		attribute(`{name: a, required: perhaps}`):    `attributes[0].required: expected yes or no, received "perhaps"`,
		attribute(`{name: a, type: complex}`):        `attributes[0].sub_attributes: expected a list for the complex attribute "a", found none`,
		attribute(`{name: a, type: complex, sub_attributes: [{name: b, type: complex, sub_attributes: [{name: c}]}]}`): `sub_attributes[0].type: expected a simple type, received "complex"`,
		attribute(`{name: a, type: complex, sub_attributes: [{name: b}, {name: B}]}`):                                  `"B" is given twice`,
		attribute(`{name: a, sub_attributes: [{name: b}]}`):                                                            `expected only with type: complex, received them with string`,
		attribute(`{name: a, type: integer, case_exact: yes}`):                                                         `attributes[0].case_exact: expected only with type: string or reference or binary, received it with integer`,
		attribute(`{name: a, type: boolean, canonical_values: [x]}`):                                                   `attributes[0].canonical_values: expected only with type: string or reference, received it with boolean`,
		attribute(`{name: a, canonical_values: [x, x]}`):                                                               `"x" is listed twice`,
		attribute(`{name: a, reference_types: [User]}`):                                                                `attributes[0].reference_types: expected only with type: reference, received it with string`,
		attribute(`{name: a, mutability: writeOnly, returned: default}`):                                               ``,
		attribute(`{name: a, mutability: writeOnly, returned: always}`):                                                `attributes[0].returned: expected never with mutability: writeOnly, received always`,
		attribute(`{name: a, mutability: readOnly, returned: never}`):                                                  `nobody would write or read it`,
		attribute(`{name: a, mutability: readOnly, required: yes}`):                                                    `no directory could give it`,
		"workspace: acme\nschemas: [{urn: 'urn:example:a:2.0:User', attributes: &x [{name: a}]}]":                      `anchors and aliases are not accepted`,
	} {
		_, err := ParseFile([]byte(text), "")
		switch {
		case want == "" && err != nil:
			t.Errorf("%s\nis refused: %v", text, err)
		case want != "" && (!errs.Is(err, errs.KindInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}
