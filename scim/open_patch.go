package scim

import "strings"

// open reads an operation on an extension that the type does not know. Whether a path such as
// Acme:2.0:User means that extension or the attribute "User" of another cannot be seen in it: an
// object is the extension's, a simple value the attribute's, and of a removal Apply decides by what
// the resource holds.
func (pr *patchReader) open(q request) error {
	at := q.path.AttrPath.String()
	if isPassword(q.path.Name) {
		pr.warn("%s was dropped: it is not stored.", quote(at))
		return nil
	}
	if q.kind == Remove {
		pr.emit(Remove, q.path, nil)
		return nil
	}
	if !q.given {
		return bad(TypeInvalidValue, "%s of %s needs a value.", q.kind, quote(at))
	}
	certain := q.path.Name != "" && endsInType(q.path.URN)
	if o, ok := q.value.(object); ok && !certain && pr.t.opens(at) {
		return pr.mergeOpen(q.kind, at, o)
	}
	value := q.value
	if list, ok := value.([]any); ok && len(list) == 1 {
		value = list[0]
	}
	v, why := openValue(value)
	switch {
	case why != "":
		return bad(TypeInvalidValue, "%s cannot be set: %s; received %s.", quote(at), why, describe(value))
	case v == nil:
		pr.emit(Remove, q.path, nil)
	case q.path.Name == "":
		return bad(TypeInvalidValue, "%s must be an object; received %s.", quote(at), describe(value))
	default:
		pr.emit(q.kind, q.path, v)
	}
	return nil
}

// mergeOpen expands the bare URN of an open extension into its attributes.
func (pr *patchReader) mergeOpen(kind OpKind, urn string, o object) error {
	for _, f := range o {
		if !isOpenName(f.name) {
			return bad(TypeInvalidPath, "%s is not the name of an attribute.", quote(urn+":"+f.name))
		}
		path := AttrPath{URN: urn, Name: f.name}
		v, why := openValue(f.value)
		switch {
		case isPassword(f.name):
			pr.warn("%s was dropped: it is not stored.", quote(path.String()))
		case why != "":
			return bad(TypeInvalidValue, "%s cannot be set: %s; received %s.", quote(path.String()), why, describe(f.value))
		case v == nil:
			pr.emit(Remove, Path{AttrPath: path}, nil)
		default:
			pr.emit(kind, Path{AttrPath: path}, v)
		}
	}
	return nil
}

// endsInType reports a URN in the form of the standard's, version and resource type last
// (Acme:2.0:User): what follows it is an attribute for certain.
func endsInType(urn string) bool {
	segments := strings.Split(urn, ":")
	return len(segments) > 3 && strings.Trim(segments[len(segments)-2], "0123456789.") == ""
}

// open applies an operation to an extension that the type does not know.
func (ap *applier) open(r Resource, op Op) error {
	path := op.Path.AttrPath
	whole, isExtension := findFold(r, path.String())
	if op.Kind == Remove {
		if isExtension {
			delete(r, whole)
		} else if urn, ok := findFold(r, path.URN); ok && path.Name != "" {
			unsetOpen(r, urn, path.Name)
		}
		return nil
	}
	if isExtension {
		return bad(TypeInvalidValue, "%s must be an object; received %s.", quote(whole), describe(op.Value))
	}
	urn, ok := findFold(r, path.URN)
	if !ok {
		if urn = path.URN; len(ap.t.openURNs(r)) >= maxOpenExtensions {
			return bad(TypeInvalidValue, "%s cannot be added: %d unknown extensions are kept at most.", quote(urn), maxOpenExtensions)
		}
		// Now that there is such an extension, an attribute of the same path is out of reach.
		if i := strings.LastIndexByte(urn, ':'); i > 0 {
			if above, ok := findFold(r, urn[:i]); ok {
				unsetOpen(r, above, urn[i+1:])
			}
		}
	}
	data := r.Extension(urn)
	if data == nil {
		data = map[string]any{}
		r[urn] = data
	}
	name, ok := findFold(data, path.Name)
	if !ok {
		if name = path.Name; len(data) >= maxOpenAttributes {
			return bad(TypeInvalidValue, "%s cannot be added: %d attributes of an unknown extension are kept at most.", quote(path.String()), maxOpenAttributes)
		}
	}
	data[name] = op.Value
	return nil
}

// unsetOpen takes an attribute out of an open extension, and the extension with its last one.
func unsetOpen(r Resource, urn, name string) {
	data := r.Extension(urn)
	if key, ok := findFold(data, name); ok {
		delete(data, key)
		put(r, urn, data)
	}
}
