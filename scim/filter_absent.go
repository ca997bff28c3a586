package scim

// constant is a filter that is the same for every resource of a type. It exists while a filter for several types
// is read for one of them, and never leaves the package.
type constant bool

func (f constant) String() string                   { return string(f.appendTo(nil, false)) }
func (f constant) appendTo(b []byte, _ bool) []byte { return appendPlain(b, bool(f)) }

// parseFilterAcross reads a filter for one type, t. all are the types of a query across types, nil for none: an
// attribute that only others have then holds no value here (RFC 7644 section 3.4.2.1). meta.resourceType, which no
// Backend keeps, is evaluated. matches says that any resource of t can match; f is nil where all do.
func parseFilterAcross(t *ResourceType, all []*ResourceType, mode Mode, text string) (f Filter, matches bool, err error) {
	p := filterParser{text: text, scope: scope{t: t, mode: mode}, depth: maxFilterDepth, terms: maxFilterTerms, others: all}
	if f, err = p.whole(); err != nil {
		return nil, false, err
	}
	f = settle(t, f)
	if c, ok := f.(constant); ok {
		return nil, bool(c), nil
	}
	return f, true, nil
}

// elsewhere returns the type whose attribute comes next, where it is not one of the parser's own type. An open
// extension of the own type gives way to a schema that another type knows.
func (p *filterParser) elsewhere() *ResourceType {
	own, why := p.scope.scan(p.text[p.at:])
	if why == "" && !own.open {
		return nil
	}
	for _, t := range p.others {
		if s, why := (scope{t: t}).scan(p.text[p.at:]); t != p.scope.t && why == "" && !s.open {
			return t
		}
	}
	return nil
}

// absentTerm reads a term on an attribute of another type, with that type's rules, and answers it for a
// resource without a value.
func (p *filterParser) absentTerm(t *ResourceType) (Filter, error) {
	inner := *p
	inner.scope, inner.others = scope{t: t, mode: p.scope.mode}, nil
	f, err := inner.term()
	if err != nil {
		return nil, err
	}
	p.at, p.terms = inner.at, inner.terms
	switch f := f.(type) {
	case Compare:
		return constant(f.Op == NotEqual), nil
	case Not:
		return constant(true), nil // eq null
	}
	return constant(false), nil
}

// settle evaluates what is the same for all resources of t.
func settle(t *ResourceType, f Filter) Filter {
	switch f := f.(type) {
	case And:
		return settleTerms(t, f.Terms, false, func(terms []Filter) Filter { return And{terms} })
	case Or:
		return settleTerms(t, f.Terms, true, func(terms []Filter) Filter { return Or{terms} })
	case Not:
		inner := settle(t, f.Term)
		if c, ok := inner.(constant); ok {
			return !c
		}
		return Not{inner}
	case Present:
		if f.Path == typePath {
			return constant(true)
		}
	case Compare:
		if want, ok := f.Value.(string); ok && f.Path == typePath {
			return constant(matchText(f.Op, t.Name, want, true))
		}
	}
	return f
}

var typePath = AttrPath{Name: "meta", Sub: "resourceType"}

// settleTerms evaluates a list of terms of which one constant decides, true for or, false for and.
func settleTerms(t *ResourceType, terms []Filter, decides constant, list func([]Filter) Filter) Filter {
	var open []Filter
	for _, term := range terms {
		term = settle(t, term)
		if c, ok := term.(constant); !ok {
			open = append(open, term)
		} else if c == decides {
			return decides
		}
	}
	switch len(open) {
	case 0:
		return !decides
	case 1:
		return open[0]
	}
	return list(open)
}
