package scim

import (
	"fmt"
	"strings"
	"testing"
)

const oktaUser = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann.lee@acme.test",
 "name":{"givenName":"Ann","familyName":"Lee"},"emails":[{"primary":true,"value":"ann.lee@acme.test","type":"work"}],
 "displayName":"Ann Lee","locale":"en-US","externalId":"00u1abcd","groups":[],"password":"r4nd0m","active":true,
 "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"77"}}}`

func BenchmarkDecode(b *testing.B) {
	user, body := NewUserType(), []byte(oktaUser)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(user, Lenient, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	user := NewUserType()
	r, _, err := Decode(user, Lenient, []byte(oktaUser))
	if err != nil {
		b.Fatal(err)
	}
	w := renderer{base: "https://x.test/scim/v2", types: []*ResourceType{user}}
	b.ReportAllocs()
	for b.Loop() {
		w.resource(make([]byte, 0, 1024), user, r, Projection{})
	}
}

func BenchmarkParseFilter(b *testing.B) {
	user := NewUserType()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseFilter(user, `userName eq "ann.lee@acme.test"`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPatch(b *testing.B) {
	user := NewUserType()
	r, _, err := Decode(user, Lenient, []byte(oktaUser))
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(patchHead + `[{"op":"Replace","path":"active","value":"False"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		p, err := ParsePatch(user, Lenient, "1", body)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := p.Apply(r); err != nil {
			b.Fatal(err)
		}
	}
}

// The time per member must not grow with their number.
func BenchmarkReplaceMembers(b *testing.B) {
	for _, n := range []int{500, 5_000, 50_000} {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, `,{"value":"%036d","display":"somebody"}`, i)
		}
		body := []byte(patchHead + `[{"op":"replace","path":"members","value":[` + list.String()[1:] + `]}]}`)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			group := NewGroupType()
			for b.Loop() {
				if _, err := ParsePatch(group, Lenient, "1", body); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/member")
		})
	}
}

// What Load costs beside Parse is paid for each resource of a list.
func BenchmarkLoad(b *testing.B) {
	doc := []byte(`{"displayName":"Ann Lee","emails":[{"primary":true,"type":"work","value":"ann@acme.test"}],"name":{"familyName":"Lee","givenName":"Ann"},"` + URNEnterpriseUser + `":{"department":"R","employeeNumber":"7"}}`)
	declared := []byte(strings.TrimSuffix(string(doc), "}") + `,"` + acmeURN + `":{"costCentre":"77","level":3,"remote":true}}`)
	plain, acme := NewUserType(), acmeType()
	for name, load := range map[string]func() (Resource, error){
		"parse":    func() (Resource, error) { return Parse(doc) },
		"plain":    func() (Resource, error) { return plain.Load(doc) },
		"declared": func() (Resource, error) { return acme.Load(declared) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := load(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
