package scim

// member turns an operation on a row-level attribute into a MemberOp. Elements are selected by
// their value alone; display, type and $ref belong to the server.
func (pr *patchReader) member(q request) error {
	if q.path.Filter != nil {
		return pr.selectedMember(q)
	}
	if q.at.sub != nil {
		return bad(TypeInvalidPath, "%s cannot be changed by itself; use %s with a list, or %s[value eq \"...\"].", quote(q.path.String()), q.path.Name, q.path.Name)
	}
	at := q.path.Name
	switch {
	case q.kind == Remove && q.value == nil:
		pr.out.Members = append(pr.out.Members, MemberOp{Kind: MemberReplace})
		return nil
	case q.kind != Remove && !q.given:
		return bad(TypeInvalidValue, "%s of %s needs a value.", q.kind, at)
	case q.value == nil && q.keyed:
		return nil // "members": null beside other keys says nothing
	case q.value == nil:
		return bad(TypeInvalidValue, "%s of %s needs a list; received null. An empty list empties it.", q.kind, at)
	}
	if q.kind == Remove && pr.mode.strict() {
		return removeValues.refused("A remove takes no value; select what is to go by a path such as %s[value eq \"...\"].", at)
	}
	ids, err := pr.rowIDs(q.at.attr, q.value, at)
	if err != nil {
		return err
	}
	if len(ids) == 0 && q.kind != Replace {
		return nil
	}
	pr.out.Members = append(pr.out.Members, MemberOp{MemberKind(q.kind), ids})
	return nil
}

// selectedMember reads members[value eq "id"], and several ids joined by "or".
func (pr *patchReader) selectedMember(q request) error {
	ids, ok := valueTerms(q.path.Filter, nil)
	if !ok {
		return bad(TypeInvalidPath, "%s can only be selected by value, as in %s[value eq \"...\"].", q.path.Name, q.path.Name)
	}
	if len(ids) > 1 && pr.mode.strict() {
		return severalMatches.refused("%s selects several values; one operation changes one.", quote(q.path.String()))
	}
	if q.at.sub != nil {
		if name := q.at.sub.Name; name == "display" {
			if pr.mode.strict() {
				return memberDisplay.refused("%s is read-only.", quote(q.path.Name+"."+name))
			}
			pr.warn("%s was ignored: it belongs to the server.", quote(q.path.String()))
			return nil
		}
		return bad(TypeMutability, "%s is immutable.", quote(q.path.Name+"."+q.at.sub.Name))
	}
	kind := MemberRemove
	if q.kind != Remove {
		kind = MemberAdd
		if err := pr.sameMember(q, ids); err != nil {
			return err
		}
	}
	pr.out.Members = append(pr.out.Members, MemberOp{kind, ids})
	return nil
}

// sameMember refuses a value that says another id than the filter that selects it.
func (pr *patchReader) sameMember(q request, ids []string) error {
	if !assignedJSON(q.value) {
		return nil
	}
	if o, ok := q.value.(object); ok {
		if _, names := o.get("value"); !names {
			return nil
		}
	}
	got, err := pr.rowIDs(q.at.attr, q.value, q.path.Name)
	if err != nil {
		return err
	}
	if len(ids) != 1 || len(got) != 1 || got[0] != ids[0] {
		return bad(TypeMutability, "The value of %s is immutable and differs from the path.", q.path.Name)
	}
	return nil
}

// valueTerms collects the ids of value eq "a" or value eq "b" and so on.
func valueTerms(f Filter, ids []string) ([]string, bool) {
	switch f := f.(type) {
	case Compare:
		id, ok := f.Value.(string)
		return append(ids, id), ok && f.Path.Name == "value" && f.Op == EqualTo && id != ""
	case Or:
		ok := true
		for _, term := range f.Terms {
			if ids, ok = valueTerms(term, ids); !ok {
				return nil, false
			}
		}
		return ids, true
	}
	return nil, false
}
