package scim

import (
	"errors"
	"strings"
	"testing"
)

const acmeURN = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"

// acmeType is User with an extension that has one attribute of each kind.
func acmeType() *ResourceType {
	return NewUserType(Extension{Schema: &Schema{ID: acmeURN, Name: "Acme", Attributes: []*Attribute{
		{Name: "costCentre"},
		{Name: "level", Type: Integer},
		{Name: "rate", Type: Decimal},
		{Name: "remote", Type: Boolean},
		{Name: "since", Type: DateTime},
		{Name: "badge", CaseExact: true, Mutability: Immutable},
		{Name: "tags", MultiValued: true, Mutability: Immutable},
		{Name: "rank", Mutability: ReadOnly},
		{Name: "pin", Returned: ReturnedNever, Mutability: WriteOnly, Type: Integer},
		{Name: "note", Returned: ReturnedRequest},
		{Name: "desk", Type: Complex, SubAttributes: []*Attribute{{Name: "room"}, {Name: "floor", Type: Integer, Mutability: Immutable}, {Name: "plan", Mutability: ReadOnly}}},
		{Name: "cards", Type: Complex, MultiValued: true, SubAttributes: []*Attribute{{Name: "value"}, {Name: "type"}, {Name: "code", Returned: ReturnedNever}}},
	}}})
}

func withAcme(data string) string {
	return `{"schemas":["` + URNUser + `"],"userName":"ann","` + acmeURN + `":` + data + `}`
}

func patched(t *testing.T, typ *ResourceType, r Resource, operations string) (Resource, error) {
	t.Helper()
	p, err := ParsePatch(typ, Lenient, "id-1", []byte(`{"schemas":["`+URNPatchOp+`"],"Operations":[`+operations+`]}`))
	if err != nil {
		return nil, err
	}
	next, _, err := p.Apply(r)
	return next, err
}

func wantType(t *testing.T, what string, err error, scimType string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Type != scimType {
		t.Errorf("%s: %v, want %s", what, err, scimType)
	}
}

func TestADeclaredExtension_TakesValuesOfItsTypesAlone(t *testing.T) {
	typ := acmeType()
	r, _, err := Decode(typ, Lenient, []byte(withAcme(`{"COSTCENTRE":"77","level":3,"rate":1.5,"remote":"True","since":"2026-01-31T09:00:00Z","desk":{"room":"a"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	data := r.Extension(acmeURN)
	if data["costCentre"] != "77" || data["remote"] != true || r.String(acmeURN+":desk.room") != "a" {
		t.Errorf("%v", data)
	}
	for _, wrong := range []string{`{"level":"x"}`, `{"level":1.5}`, `{"rate":true}`, `{"remote":"yes"}`, `{"since":"today"}`, `{"desk":"a"}`, `{"costCentre":7}`, `{"costCentre":["a","b"]}`, `{"desk":{"room":{}}}`} {
		_, _, err := Decode(typ, Lenient, []byte(withAcme(wrong)))
		wantType(t, wrong, err, TypeInvalidValue)
	}
	_, _, err = Decode(typ, Strict, []byte(strings.Replace(withAcme(`{"nope":1}`), `"`+URNUser+`"`, `"`+URNUser+`","`+acmeURN+`"`, 1)))
	wantType(t, "an undeclared attribute in strict mode", err, TypeInvalidSyntax)
	_, _, err = Decode(typ, Strict, []byte(withAcme(`{"level":1}`)))
	wantType(t, "a URN that schemas does not list in strict mode", err, TypeInvalidSyntax)
}

func TestAnImmutableValue_IsSetOnceWhateverTheWay(t *testing.T) {
	typ := acmeType()
	r, err := patched(t, typ, Resource{"userName": "ann"}, `{"op":"add","path":"`+acmeURN+`:badge","value":"a"},{"op":"add","path":"`+acmeURN+`:tags","value":["x"]},{"op":"add","value":{"`+acmeURN+`:desk":{"floor":1,"room":"a"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{
		`{"op":"replace","path":"` + acmeURN + `:badge","value":"A"}`,
		`{"op":"remove","path":"` + acmeURN + `:badge"}`,
		`{"op":"add","path":"` + acmeURN + `:tags","value":"y"}`,
		`{"op":"replace","path":"` + acmeURN + `:tags","value":["x","y"]}`,
		`{"op":"remove","path":"` + acmeURN + `:tags[value eq \"x\"]"}`,
		`{"op":"remove","path":"` + acmeURN + `:tags"}`,
		`{"op":"replace","path":"` + acmeURN + `:desk.floor","value":2}`,
		`{"op":"remove","path":"` + acmeURN + `"}`,
	} {
		before := string(r.AppendJSON(nil))
		_, err := patched(t, typ, r, change)
		wantType(t, change, err, TypeMutability)
		if after := string(r.AppendJSON(nil)); after != before {
			t.Fatalf("%s changed what is stored: %s", change, after)
		}
	}
	if _, err := patched(t, typ, r, `{"op":"add","path":"`+acmeURN+`:tags","value":"x"},{"op":"replace","path":"`+acmeURN+`:badge","value":"a"}`); err != nil {
		t.Errorf("the same values: %v", err)
	}
	for _, put := range []string{`{"badge":"b"}`, `{"tags":["y"]}`, `{"desk":{"floor":2}}`} {
		next, _, err := Decode(typ, Lenient, []byte(withAcme(put)))
		if err == nil {
			_, _, err = ApplyReplace(typ, r, next)
		}
		wantType(t, put, err, TypeMutability)
	}
	next, _, err := ApplyReplace(typ, r, Resource{"userName": "ann"})
	if err != nil || next.String(acmeURN+":badge") != "a" || next.String(acmeURN+":desk.room") != "" || next.Extension(acmeURN)["desk"] == nil {
		t.Errorf("a PUT without them: %v %v", next, err)
	}
}

// B23.
func TestAReadOnlyValue_IsTheServersWhateverTheWay(t *testing.T) {
	typ := acmeType()
	r, warnings, err := Decode(typ, Lenient, []byte(withAcme(`{"rank":"chief","desk":{"plan":"mine","room":"a"}}`)))
	if err != nil || len(warnings) != 2 || strings.Contains(string(r.AppendJSON(nil)), "chief") || strings.Contains(string(r.AppendJSON(nil)), "mine") {
		t.Errorf("%v %v %v", r, warnings, err)
	}
	for _, change := range []string{`{"op":"add","path":"` + acmeURN + `:rank","value":"chief"}`, `{"op":"add","value":{"` + acmeURN + `":{"rank":"chief"}}}`, `{"op":"remove","path":"` + acmeURN + `:desk.plan"}`} {
		_, err := patched(t, typ, r, change)
		wantType(t, change, err, TypeMutability)
	}
	stored := Resource{"userName": "ann", acmeURN: map[string]any{"rank": "chief", "costCentre": "77"}}
	if next, err := patched(t, typ, stored, `{"op":"remove","path":"`+acmeURN+`"}`); err != nil || next.String(acmeURN+":rank") != "chief" || next.String(acmeURN+":costCentre") != "" {
		t.Errorf("removal of the extension: %v %v", next, err)
	}
}

func TestWhatIsNeverReturned_IsStoredAndLeavesByNoWay(t *testing.T) {
	typ := acmeType()
	r, _, err := Decode(typ, Lenient, []byte(withAcme(`{"pin":1234,"cards":[{"value":"v","type":"t","code":"secret-code"}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	doc := typ.Save(r)
	if r, err = typ.Load(doc); err != nil || r.Extension(acmeURN)["pin"] == nil {
		t.Fatalf("stored %s, read %v %v", doc, r, err)
	}
	r["id"] = "id-1"
	for _, attributes := range [][]string{nil, {acmeURN}, {acmeURN + ":pin", acmeURN + ":cards.code"}, {"userName"}} {
		p, _ := NewProjection(typ, attributes, nil)
		if out := string(renderer{types: []*ResourceType{typ}}.resource(nil, typ, r, p)); strings.Contains(out, "1234") || strings.Contains(out, "secret-code") {
			t.Errorf("attributes=%v: %s", attributes, out)
		}
	}
	for _, f := range []string{acmeURN + `:pin eq 1234`, acmeURN + `:cards[code eq "secret-code"]`, acmeURN + `:cards.code pr`} {
		_, err := ParseFilter(typ, f)
		if wantType(t, f, err, TypeSensitive); err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("%v", err)
		}
	}
	if _, err := sortPath(typ, acmeURN+":pin"); err == nil {
		t.Error("it can be sorted by")
	}
	for _, wrong := range []string{
		`{"op":"add","path":"` + acmeURN + `:pin","value":"guess-1"}`, `{"op":"add","path":"` + acmeURN + `:pin","value":["guess-1","x"]}`,
		`{"op":"add","value":{"` + acmeURN + `":{"pin":"guess-1"}}}`, `{"op":"remove","path":"` + acmeURN + `:cards[code eq \"guess-1\"]"}`,
		`{"op":"add","path":"` + acmeURN + `:cards[code eq \"guess-1\"].value","value":"x"}`, `{"op":"add","path":"` + acmeURN + `:cards","value":[{"value":"x","code":{"guess-1":1}}]}`,
	} {
		if _, err := patched(t, typ, r, wrong); err == nil || strings.Contains(err.Error(), "guess-1") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, _, err := Decode(typ, Lenient, []byte(withAcme(`{"pin":"guess-1"}`))); err == nil || strings.Contains(err.Error(), "guess-1") {
		t.Errorf("%v", err)
	}
	// A client sends back what it read, which has no secrets in it.
	next, _, err := ApplyReplace(typ, r, Resource{"userName": "ann"})
	if err != nil || next.Extension(acmeURN)["pin"] == nil {
		t.Errorf("after a PUT of what was read: %v %v", next, err)
	}
	// Under another declaration, or none, it stays unseen.
	open := NewUserType(Extension{Schema: &Schema{ID: acmeURN, Attributes: []*Attribute{{Name: "pin", Type: Integer}, {Name: "cards", MultiValued: true, Type: Complex, SubAttributes: []*Attribute{{Name: "code"}}}}}})
	for _, other := range []*ResourceType{NewUserType(), open} {
		r, err := other.Load(doc)
		if err != nil {
			t.Fatal(err)
		}
		if out := string(renderer{types: []*ResourceType{other}}.resource(nil, other, r, Projection{})); strings.Contains(out, "1234") || strings.Contains(out, "secret-code") {
			t.Errorf("under another declaration: %s", out)
		}
		if again, err := typ.Load(other.Save(r)); err != nil || again.Extension(acmeURN)["pin"] == nil {
			t.Errorf("declared again: %v %v", again, err)
		}
	}
}

func TestLoad_MakesWhatIsStoredFitTheDeclarationAndLosesNothing(t *testing.T) {
	const urn = "urn:acme:2.0:User"
	declare := func(attributes ...*Attribute) *ResourceType {
		return NewUserType(Extension{Schema: &Schema{ID: urn, Attributes: attributes}})
	}
	load := func(typ *ResourceType, doc string) Resource {
		t.Helper()
		r, err := typ.Load([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	shown := func(typ *ResourceType, r Resource) string {
		return string(renderer{types: []*ResourceType{typ}}.resource(nil, typ, r, Projection{}))
	}
	doc := `{"URN:Acme:2.0:User":{"LEVEL":"high","remote":"True","tag":"a","room":"7","gone":"x"},"userName":"ann"}`
	typ := declare(&Attribute{Name: "level", Type: Integer}, &Attribute{Name: "remote", Type: Boolean}, &Attribute{Name: "tag", MultiValued: true}, &Attribute{Name: "room"})
	r := load(typ, doc)
	data := r.Extension(urn)
	if data["remote"] != true || data["room"] != "7" || len(data["tag"].([]any)) != 1 || data["level"] != nil || data["gone"] != nil {
		t.Errorf("read %v", data)
	}
	if out := shown(typ, r); strings.Contains(out, "high") || strings.Contains(out, "gone") || !strings.Contains(out, `"`+urn+`"`) {
		t.Errorf("shown %s", out)
	}
	if f, _ := ParseFilter(typ, urn+`:level pr`); Match(typ, f, r) {
		t.Error("a value that does not fit is found")
	}
	// A PUT, a PATCH of something else and another load leave it where it is.
	next, _, err := ApplyReplace(typ, r, Resource{"userName": "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if next, err = patched(t, typ, load(typ, string(typ.Save(next))), `{"op":"add","path":"title","value":"x"}`); err != nil {
		t.Fatal(err)
	}
	plain := NewUserType()
	if back := load(plain, string(typ.Save(next))); back.Extension(urn)["level"] != "high" || back.Extension(urn)["gone"] != "x" || !strings.Contains(shown(plain, back), `"level":"high"`) {
		t.Errorf("without a declaration: %v", back)
	}
	if back := load(declare(&Attribute{Name: "level"}), string(typ.Save(next))); back.String(urn+":level") != "high" {
		t.Errorf("declared as text: %v", back)
	}
	// A value that is written, and a removal, end it.
	for _, operation := range []string{`{"op":"add","path":"` + urn + `:level","value":3}`, `{"op":"remove","path":"` + urn + `:level"}`, `{"op":"remove","path":"` + urn + `"}`} {
		next, err := patched(t, typ, r, operation)
		if err != nil {
			t.Fatal(err)
		}
		if back := load(plain, string(typ.Save(next))); back.Extension(urn)["level"] == "high" {
			t.Errorf("after %s: %v", operation, back)
		}
	}
	// Objects belong to no unknown extension: they wait for a declaration.
	deep := declare(&Attribute{Name: "desk", Type: Complex, SubAttributes: []*Attribute{{Name: "room"}}})
	stored := string(deep.Save(Resource{"userName": "ann", urn: map[string]any{"desk": map[string]any{"room": "7"}}}))
	unknown := load(plain, stored)
	if strings.Contains(shown(plain, unknown), "desk") {
		t.Errorf("an unknown extension has an object: %v", unknown)
	}
	if back := load(deep, string(plain.Save(unknown))); back.String(urn+":desk.room") != "7" {
		t.Errorf("declared again: %v", back)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"` + acmeURN + `":{"level":"x","pin":1,"desk":{"room":1},"cards":[{"code":"a"},"b"]},"~aside":{"` + acmeURN + `":{"level":1}},"~sealed":{"` + acmeURN + `":{"pin":2}}}`)
	f.Add(`{"~aside":7,"~sealed":{"x":[]}}`)
	typ, plain := acmeType(), NewUserType()
	f.Fuzz(func(t *testing.T, doc string) {
		r, err := typ.Load([]byte(doc))
		if err != nil {
			return
		}
		once := typ.Save(r)
		again, err := typ.Load(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice := typ.Save(again); string(twice) != string(once) {
			t.Fatalf("%s\nis another document when it is read and written: %s", once, twice)
		}
		if _, err := plain.Load(once); err != nil {
			t.Fatal(err)
		}
	})
}
