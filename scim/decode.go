package scim

import "strings"

// Decode reads the body of a POST or PUT: canonical names, declared types, password and
// read-only attributes dropped. What was dropped is told in warnings.
//
// What the modes make of the same body is in Tolerances. In lenient mode data under an unknown URN is kept as it is: at most 10 such extensions of at most
// 100 simple values of at most 8 KiB. What is beyond that is dropped.
//
// null, "", [] and {} mean that there is no value. An explicit empty list of a row-level attribute
// stays as such. Extension data counts whether or not "schemas" lists the URN, which Entra does not. An
// attribute that is not in the body has no key in the Resource, "active" and "members" included:
// what a PUT means by that is the Backend's decision.
//
// Errors: 400 invalidSyntax for JSON and "schemas", 400 invalidValue for values and for missing
// required attributes.
func Decode(t *ResourceType, mode Mode, body []byte) (r Resource, warnings []string, err error) {
	o, err := decodeObject(body)
	if err != nil {
		return nil, nil, err
	}
	rd := &reader{t: t, mode: mode}
	r, err = rd.resource(o)
	if err != nil {
		return nil, nil, err
	}
	return r, rd.warnings, nil
}

func (rd *reader) resource(o object) (Resource, error) {
	rd.t.index()
	if err := rd.checkSchemas(o); err != nil {
		return nil, err
	}
	r := make(Resource, len(o)+1)
	for _, f := range o {
		if rd.mode.strict() && isURN(f.name) {
			if err := rd.checkURN(o, f.name); err != nil {
				return nil, err
			}
		}
		if err := rd.attribute(r, f); err != nil {
			return nil, err
		}
	}
	return r, rd.checkRequired(r)
}

// checkURN says in strict mode whether data may stand under a URN.
func (rd *reader) checkURN(o object, urn string) error {
	switch s := rd.t.space(urn); {
	case s == nil:
		return unknownSchema.refused("%s is not a schema of %s.", quote(urn), rd.t.Name)
	case s.ext == "":
		return coreUnderURN.refused("The attributes of %s must not stand under its URN.", rd.t.Name)
	case !namesSchema(o, urn):
		return unlistedSchema.refused("\"schemas\" must contain %s, whose data is in the body.", quote(urn))
	}
	return nil
}

// checkSchemas wants the core URN (RFC 7643 section 3). URNs that are unknown are told and no
// error in lenient mode: Entra lists its own ADSCIM group schema.
func (rd *reader) checkSchemas(o object) error {
	v, _ := o.get("schemas")
	list, isList := v.([]any)
	if v != nil && !isList {
		return bad(TypeInvalidSyntax, "\"schemas\" must be an array that contains %s.", quote(rd.t.Schema.ID))
	}
	if len(list) == 0 {
		return rd.tolerateSchemas(o, "\"schemas\" must be an array that contains %s.", quote(rd.t.Schema.ID))
	}
	found, early := false, false
	for _, e := range list {
		urn, isString := e.(string)
		if !isString {
			return bad(TypeInvalidSyntax, "\"schemas\" must be an array of strings; received %s in it.", describe(e))
		}
		switch s := rd.t.space(urn); {
		case s == nil && rd.mode.strict():
			return unknownSchema.refused("%s is not a schema of %s.", quote(urn), rd.t.Name)
		case s == nil && isEarly(urn):
			early = true
		case s == nil:
			if _, used := o.get(urn); used {
				continue // what becomes of its data is told where that is read
			}
			rd.warn("The schema %s was ignored: it is not known for %s.", quote(urn), rd.t.Name)
		case s.ext == "":
			found = true
		}
	}
	switch {
	case early && !found:
		return rd.tolerateSchemas(o, "\"schemas\" must contain %s; received %s.", quote(rd.t.Schema.ID), describeList(list))
	case !found:
		return bad(TypeInvalidSyntax, "\"schemas\" must contain %s; received %s.", quote(rd.t.Schema.ID), describeList(list))
	}
	return nil
}

// isEarly reports whether a URN is of SCIM 1 and the drafts of SCIM 2, which OneLogin's templates still name.
func isEarly(urn string) bool {
	const early = "urn:scim:schemas:"
	return len(urn) > len(early) && equalFoldASCII(urn[:len(early)], early)
}

// tolerateSchemas takes a body that does not name our schema for what its endpoint holds, where it has what that
// requires: OneLogin's administrators write the body. Anything else is refused with the words given.
func (rd *reader) tolerateSchemas(o object, format string, args ...any) error {
	if rd.mode.strict() {
		return absentSchemas.refused(format, args...)
	}
	for _, a := range rd.t.Schema.Attributes {
		if v, _ := o.get(a.Name); a.Required && !assignedJSON(v) {
			return bad(TypeInvalidSyntax, format, args...)
		}
	}
	rd.warn("The body was read as %s, which its \"schemas\" does not say.", rd.t.Schema.ID)
	return nil
}

func describeList(list []any) string {
	words := make([]string, 0, 3)
	for _, e := range list[:min(len(list), 3)] {
		words = append(words, strings.TrimPrefix(describe(e), "the string "))
	}
	return strings.Join(words, ", ")
}

func (rd *reader) attribute(r Resource, f field) error {
	if isURN(f.name) {
		return rd.extension(r, f)
	}
	return rd.topLevel(r, rd.t.core[lowerASCII(f.name)], f, "")
}

// extension reads the data under a URN. Under the core URN, where some clients put the core
// attributes, they are read as core attributes.
func (rd *reader) extension(r Resource, f field) error {
	s := rd.t.space(f.name)
	if s == nil {
		rd.openExtension(r, f)
		return nil
	}
	if f.value == nil {
		return nil
	}
	o, ok := f.value.(object)
	if !ok {
		return bad(TypeInvalidValue, "%s must be an object; received %s.", quote(s.urn), describe(f.value))
	}
	into := map[string]any(r)
	if s.ext != "" {
		into = make(map[string]any, len(o))
	}
	for _, f := range o {
		if err := rd.topLevel(into, s.attrs[lowerASCII(f.name)], f, s.ext); err != nil {
			return err
		}
	}
	if s.ext != "" && len(into) > 0 {
		r[s.ext] = into
	}
	return nil
}

// topLevel reads one attribute of a schema into its map.
func (rd *reader) topLevel(into map[string]any, a *Attribute, f field, urn string) error {
	switch {
	case a == nil && rd.mode.strict():
		return undefinedAttribute.refused("%s has no attribute %s.", rd.t.Name, quote(AttrPath{URN: urn, Name: f.name}.String()))
	case a == nil:
		rd.warn("%s was dropped: %s has no such attribute.", quote(AttrPath{URN: urn, Name: f.name}.String()), rd.t.Name)
		return nil
	case a.sealed():
		if assignedJSON(f.value) && rd.mode.strict() {
			return unstoredAttribute.refused("%s cannot be set: it is not stored.", quote(a.Name))
		}
		if assignedJSON(f.value) {
			rd.warn("%s was dropped: it is not stored.", quote(a.Name))
		}
		return nil
	case a.Mutability == ReadOnly:
		rd.dropReadOnly(a, f.value)
		return nil
	}
	v, err := rd.value(a, f.value, a.Name)
	if err != nil || v == nil {
		return err
	}
	if _, twice := into[a.Name]; twice {
		return bad(TypeInvalidSyntax, "The attribute %s appears twice, once under its schema's URN.", quote(a.Name))
	}
	into[a.Name] = v
	return nil
}

// dropReadOnly tells of a dropped value. Not worth telling: "schemas", which was checked, and the
// meta that Entra and Okta put on everything, {"resourceType": "User"}.
func (rd *reader) dropReadOnly(a *Attribute, v any) {
	if a.Name == "schemas" || !assignedJSON(v) {
		return
	}
	if o, ok := v.(object); ok && a.Name == "meta" && len(o) == 1 && equalFoldASCII(o[0].name, "resourceType") {
		return
	}
	rd.warn("%s was dropped: it is read-only.", quote(a.Name))
}

func (rd *reader) checkRequired(r Resource) error {
	for _, a := range rd.t.Schema.Attributes {
		if a.Required && r[a.Name] == nil {
			return bad(TypeInvalidValue, "%s is required and must not be empty.", a.Name)
		}
	}
	for _, e := range rd.t.Extensions {
		data := r.Extension(e.Schema.ID)
		if data == nil && !e.Required {
			continue
		}
		for _, a := range e.Schema.Attributes {
			if a.Required && data[a.Name] == nil {
				return bad(TypeInvalidValue, "%s is required and must not be empty.", AttrPath{URN: e.Schema.ID, Name: a.Name})
			}
		}
	}
	return nil
}
