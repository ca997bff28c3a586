package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

const (
	ownSchema  = "urn:ietf:params:scim:schemas:extension:own:2.0:User"
	enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// ownAttributes are attributes that a workspace defines, and the schema in which its directory sends two of them.
const ownAttributes = `schemas:
  - {urn: "` + ownSchema + `", name: Own, attributes: [{name: costCentre}, {name: level}, {name: shift}]}
attributes:
  - {name: costCentre, label: Cost centre, type: string}
  - {name: level, type: integer}
  - {name: shift, type: choice, choices: [early, late]}
  - {name: salary, type: number, visible: no}
`

// seenBy is what the host application is told of somebody's attributes, in a text with sorted names.
func (b *browser) seenBy() string {
	b.w.t.Helper()
	res, err := b.Get(b.w.base + "/auth/session")
	b.w.must(err)
	defer res.Body.Close()
	var got struct {
		Member struct{ Attributes map[string]any }
	}
	b.w.must(json.NewDecoder(res.Body).Decode(&got))
	text, _ := json.Marshal(got.Member.Attributes)
	return string(text)
}

// A workspace's own attributes come from Okta's custom schema and SAML statements, and from Entra's; the host application
// sees each change at its next check.
func TestStory_attributes_of_ones_own_reach_the_host_application(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "K28", "K1", "K4", "E1", "E4", "F20", "K6", "K14")
		for _, kind := range []idpsim.Kind{idpsim.Okta, idpsim.Entra} {
			slug := "own-" + string(kind)
			c := w.company(slug, kind, form{preset: "omni", policy: "scim_allowed: yes, reactivation: restore", more: ownAttributes})
			base, token := w.token(slug)
			c.token = token
			w.must(c.idp.Connect(w.ctx(), idpsim.Connection{BaseURL: base, Token: token, Attempts: 1, Extension: ownSchema}))
			settings := c.idp.SAMLSettings()
			settings.Attributes = append(settings.Attributes, idpsim.AttributeStatement{Name: "shift", Value: "user.custom.shift"}, idpsim.AttributeStatement{Name: "cc", Value: `"asserted"`})
			w.must(c.idp.ConfigureSAML(settings))
			c.hire("ann")
			who, department := c.who("ann"), "R&D"
			change := func(a idpsim.Attributes) { t.Helper(); w.must(c.idp.Change(w.ctx(), who, a)); c.cycle() }
			change(idpsim.Attributes{Department: &department, Custom: map[string]string{"costCentre": "4711", "level": "3"}})
			if m := c.member(who); m.Attributes["department"] != department || m.Attributes["costCentre"] != "" {
				t.Fatalf("%s: before any mapping: %v", kind, m.Attributes)
			}
			// A preview before anything is saved; then the mapping reaches those who are there already.
			mapping := []string{"--set", "costCentre=" + ownSchema + ":costCentre", "--set", "level=" + ownSchema + ":rank", "--set", "level=" + ownSchema + ":level", "--set", "locale="}
			var preview struct {
				Lines []struct{ Attribute, Becomes, Source string }
			}
			w.gatehouse(&preview, append([]string{"attribute", "preview", "--workspace", slug, "--directory", "idp", who}, mapping...)...)
			if got := fmt.Sprint(preview.Lines); !strings.Contains(got, "{costCentre 4711 "+ownSchema+":costCentre}") || !strings.Contains(got, "{level 3 "+ownSchema+":level}") {
				t.Errorf("%s: the preview: %s", kind, got)
			}
			if m := c.member(who); m.Attributes["costCentre"] != "" {
				t.Errorf("%s: the preview changed %v", kind, m.Attributes)
			}
			w.gatehouse(nil, append([]string{"attribute", "map", "--workspace", slug, "--directory", "idp"}, mapping...)...)
			w.gatehouse(nil, "attribute", "map", "--workspace", slug, "--connection", "idp", "--set", "shift=shift", "--set", "costCentre=cc")
			w.gatehouse(nil, "member", "edit", "--workspace", slug, who, "--attribute", "salary=1234.5")
			b := c.enter(who)
			want := `{"costCentre":"4711","department":"R\u0026D","level":3}`
			if got := b.seenBy(); got != want {
				t.Errorf("%s: the host application sees %s, want %s", kind, got, want)
			}
			// The claim needs its scope, in the ID token and at userinfo alike.
			a := c.product.ask("scope", "openid attributes")
			g := c.product.mustRedeem(a, c.product.back(a, b.open(a.path)).Get("code"))
			_, info := c.product.userinfo(g.Access)
			if got := fmt.Sprint(g.claims["attributes"], info["attributes"]); got != "map[costCentre:4711 department:R&D level:3] map[costCentre:4711 department:R&D level:3]" {
				t.Errorf("%s: the claim is %s", kind, got)
			}
			if plain := c.product.signIn(b); plain.claims["attributes"] != nil {
				t.Errorf("%s: without the scope there is a claim %v", kind, plain.claims["attributes"])
			}
			// A change is seen at the next check; a value of the wrong kind is left out, and told of.
			change(idpsim.Attributes{Custom: map[string]string{"costCentre": "4712", "level": "high"}})
			if got := b.seenBy(); got != `{"costCentre":"4712","department":"R\u0026D"}` {
				t.Errorf("%s: after the change the host application sees %s", kind, got)
			}
			if _, info := c.product.userinfo(g.Access); fmt.Sprint(info["attributes"]) != "map[costCentre:4712 department:R&D]" {
				t.Errorf("%s: userinfo has %v", kind, info["attributes"])
			}
			e := w.wantEvent(slug, "member.attribute_not_taken", "value_not_taken")
			if len(e.Changes) != 1 || e.Changes[0].Field != "attributes.level" || !strings.Contains(e.Changes[0].To, `expected a whole number, received "high"`) {
				t.Errorf("%s: %+v", kind, e.Changes)
			}
			// What single sign-on says comes with the next sign-in.
			change(idpsim.Attributes{Custom: map[string]string{"shift": "LATE", "level": "4", "costCentre": ""}})
			w.gatehouse(nil, "attribute", "map", "--workspace", slug, "--directory", "idp", "--set", "costCentre=")
			if got := c.enter(who).seenBy(); got != `{"costCentre":"asserted","department":"R\u0026D","level":4,"shift":"late"}` {
				t.Errorf("%s: after a sign-in the host application sees %s", kind, got)
			}
			if m := c.member(who); m.Attributes["salary"] != "1234.5" {
				t.Errorf("%s: written by hand: %v", kind, m.Attributes)
			}
			if _, errOut, code := w.run(nil, "member", "edit", "--workspace", slug, who, "--attribute", "level=9"); code == 0 || !strings.Contains(errOut, "directory idp has the say") {
				t.Errorf("%s: %d %s", kind, code, errOut)
			}
			w.gatehouse(&preview, "attribute", "preview", "--workspace", slug, "--connection", "idp", "--set", "department=cc")
			if got := fmt.Sprint(preview.Lines); !strings.Contains(got, "{department R&D cc}") || !strings.Contains(got, "{shift late shift}") {
				t.Errorf("%s: the preview of a message: %s", kind, got)
			}
		}
	})
}

// What is required is refused by name, over SCIM, and hostile values break nothing.
func TestStory_attributes_that_are_required_or_hostile(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "K28", "V16")
		w.mustApply(workspace("need", "omni", "scim_allowed: yes") + strings.Replace(ownAttributes, "level, type: integer", "level, type: integer, required: yes", 1))
		w.gatehouse(nil, "attribute", "map", "--workspace", "need", "--directory", "idp", "--set", "level="+ownSchema+":level", "--set", "costCentre="+enterprise+":costCenter")
		_, token := w.token("need")
		user := func(name, level, more string) string {
			return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `@need.test","` + ownSchema + `":{"level":` + level + `}` + more + `}`
		}
		for level, says := range map[string]string{`"x"`: `expected a whole number, received \"x\"`, `""`: "level is required by this workspace and was not given"} {
			if status, body, err := w.tryScim(token, "POST", "/Users", user("bob", level, "")); err != nil || status != http.StatusBadRequest || !strings.Contains(body, says) || !strings.Contains(body, `"invalidValue"`) {
				t.Errorf("%s: %d %s", level, status, body)
			}
		}
		for i, value := range []string{`"a\u0000b"`, `"` + strings.Repeat("x", 2000) + `"`, `"\r\nSet-Cookie: a=b"`} {
			name := fmt.Sprintf("p%d", i)
			status, body, err := w.tryScim(token, "POST", "/Users", user(name, "7", `,"`+enterprise+`":{"costCenter":`+value+`}`))
			if err != nil || status >= 500 {
				t.Fatalf("%.40s: %d %.300s %v", value, status, body, err)
			}
			if status == http.StatusCreated {
				if m := w.member("need", name+"@need.test"); fmt.Sprint(m.Attributes) != "map[level:7]" {
					t.Errorf("%.40s: %v", value, m.Attributes)
				}
			}
		}
		if status, body, err := w.tryScim(token, "POST", "/Users", user("huge", `"`+strings.Repeat("9", 1<<20)+`"`, "")); err != nil || status < 400 || status >= 500 {
			t.Errorf("a value of one megabyte: %d %.300s %v", status, body, err)
		}
	})
}
