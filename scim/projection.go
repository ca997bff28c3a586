package scim

import (
	"maps"
	"net/url"
	"strings"
)

// Projection is what an answer will show, from "attributes" and "excludedAttributes" (RFC 7644
// section 3.4.2.5). The zero value shows everything that is returned by default.
type Projection struct {
	t       *ResourceType
	include map[attrKey]subset // nil unless "attributes" was given
	exclude map[attrKey]subset
}

type attrKey struct{ urn, name string }

// subset is which sub-attributes of an attribute were named; nil stands for all of it.
type subset map[string]bool

// NewProjection reads the two parameters, each a list of attribute paths. Giving both is 400
// invalidValue. Names that t does not have are ignored: they select nothing.
func NewProjection(t *ResourceType, attributes, excluded []string) (Projection, error) {
	p := Projection{t: t}
	if len(attributes) > 0 && len(excluded) > 0 {
		return p, bad(TypeInvalidValue, "\"attributes\" and \"excludedAttributes\" exclude each other; give one of them.")
	}
	if len(attributes) > 0 {
		p.include = keysFor(t, attributes)
	}
	if len(excluded) > 0 {
		p.exclude = keysFor(t, excluded)
	}
	return p, nil
}

func keysFor(t *ResourceType, names []string) map[attrKey]subset {
	keys := make(map[attrKey]subset, len(names))
	for _, name := range names {
		name = strings.TrimSpace(name)
		s, why := scope{t: t}.scan(name)
		if rest := name[s.n:]; why != "" || rest != "" && rest[0] != '[' {
			continue
		}
		if s.open {
			keys[openKey(s.path.String())] = nil
			continue
		}
		key := attrKey{s.path.URN, s.path.Name}
		subs, there := keys[key]
		switch {
		case s.sub == nil:
			keys[key] = nil
		case !there:
			keys[key] = subset{s.path.Sub: true}
		case subs != nil:
			subs[s.path.Sub] = true
		}
	}
	return keys
}

// projectionFrom reads the query parameters.
func projectionFrom(t *ResourceType, q url.Values) (Projection, error) {
	return NewProjection(t, splitNames(q["attributes"]), splitNames(q["excludedAttributes"]))
}

// splitNames splits comma lists, not inside brackets: Microsoft's collection asks for
// attributes=emails[type eq "work"], which shows the whole of emails.
func splitNames(params []string) []string {
	var names []string
	for _, p := range params {
		depth := 0
		names = append(names, strings.FieldsFunc(p, func(r rune) bool {
			switch r {
			case '[':
				depth++
			case ']':
				depth--
			}
			return r == ',' && depth <= 0
		})...)
	}
	return names
}

// with returns a projection that shows path as well.
func (p Projection) with(path AttrPath) Projection {
	key := attrKey{path.URN, path.Name}
	switch subs, named := p.include[key]; {
	case p.include == nil:
		p.exclude = maps.Clone(p.exclude)
		delete(p.exclude, key)
	case named && subs == nil: // all of it is shown
	default:
		p.include, subs = maps.Clone(p.include), maps.Clone(subs)
		if subs == nil {
			subs = subset{}
		}
		subs[path.Sub] = true
		if p.include[key] = subs; path.Sub == "" {
			p.include[key] = nil
		}
	}
	return p
}

// Explicit reports whether the client named attributes or excluded some.
func (p Projection) Explicit() bool { return p.include != nil || p.exclude != nil }

// Wants reports whether any part of an attribute will be shown: "members", "groups",
// "URN:manager", or a bare extension URN. A Backend need not load what is not wanted.
func (p Projection) Wants(path string) bool {
	if p.t == nil {
		return true
	}
	s, why := scope{t: p.t}.scan(path)
	if why != "" {
		return false
	}
	if s.open {
		return p.wantsOpen(s.path.String())
	}
	if s.attr == nil {
		return p.wantsExtension(s.path.URN)
	}
	shown, _ := p.shows(s.path.URN, s.attr)
	return shown
}

func (p Projection) wantsExtension(urn string) bool {
	for _, a := range p.t.space(urn).attrs {
		if shown, _ := p.shows(urn, a); shown {
			return true
		}
	}
	return false
}

// shows reports whether a is part of the answer, and which sub-attributes were named: the
// only ones to show under "attributes", the ones to leave out under "excludedAttributes".
func (p Projection) shows(urn string, a *Attribute) (bool, subset) {
	switch {
	case a.sealed():
		return false, nil
	case a.Returned == ReturnedAlways:
		return true, nil
	case p.include != nil:
		if _, all := p.include[attrKey{urn, ""}]; all && urn != "" {
			return true, nil
		}
		subs, named := p.include[attrKey{urn, a.Name}]
		return named, subs
	case a.Returned == ReturnedRequest:
		return false, nil
	}
	if _, all := p.exclude[attrKey{urn, ""}]; all && urn != "" {
		return false, nil
	}
	subs, named := p.exclude[attrKey{urn, a.Name}]
	return !named || subs != nil, subs
}

// showsSub is shows for a sub-attribute, given what shows returned for its parent.
func (p Projection) showsSub(subs subset, sub *Attribute) bool {
	switch {
	case sub.sealed():
		return false
	case sub.Returned == ReturnedAlways:
		return true
	case p.include != nil:
		return subs == nil && sub.Returned != ReturnedRequest || subs[sub.Name]
	case sub.Returned == ReturnedRequest:
		return false
	}
	return !subs[sub.Name]
}

// openKey stands for an open extension, or for an attribute of one: which of them a path means is
// only seen on the resource.
func openKey(path string) attrKey { return attrKey{urn: lowerASCII(path)} }

// showsOpen is shows for an attribute of an open extension.
func (p Projection) showsOpen(urn, name string) bool {
	if !p.Explicit() {
		return true
	}
	_, all := p.named()[openKey(urn)]
	_, one := p.named()[openKey(urn+":"+name)]
	return (all || one) == (p.include != nil)
}

// wantsOpen reports whether any part of an open extension, or its attribute at that path, will be
// shown.
func (p Projection) wantsOpen(path string) bool {
	for key := range p.named() {
		if within(path, key.urn) && key.urn != "" && key.name == "" {
			return p.include != nil
		}
		if p.include != nil && within(key.urn, path) {
			return true
		}
	}
	return p.include == nil
}

// named returns the attributes that the client named, to show or to leave out.
func (p Projection) named() map[attrKey]subset {
	if p.include != nil {
		return p.include
	}
	return p.exclude
}
