package strictxml

import "strings"

// xmlDeclaration reads <?xml version="1.0" encoding="UTF-8" standalone="no"?>, of which the last
// two may be missing (XML 1.0 production XMLDecl). A label other than UTF-8 is refused although
// the bytes are UTF-8: another reader would believe it.
func (p *parser) xmlDeclaration() error {
	p.pos = len("<?xml")
	for _, part := range []struct {
		name     string
		required bool
		fits     func(value string) bool
	}{
		{"version", true, func(v string) bool { return v == "1.0" }},
		{"encoding", false, func(v string) bool { return strings.EqualFold(v, "UTF-8") }},
		{"standalone", false, func(v string) bool { return v == "yes" || v == "no" }},
	} {
		before := p.pos
		p.white()
		if p.pos == before || !strings.HasPrefix(p.s[p.pos:], part.name) {
			if part.required {
				return p.refuse("XML declaration without %s", part.name)
			}
			p.pos = before
			continue
		}
		p.pos += len(part.name)
		value, ok := p.declared()
		if !ok || !part.fits(value) {
			return p.refuse("XML declaration with another %s than is read here", part.name)
		}
	}
	p.white()
	if !strings.HasPrefix(p.s[p.pos:], "?>") {
		return p.refuse("XML declaration that does not end as it should")
	}
	p.pos += len("?>")
	return nil
}

// declared reads an equals sign and a quoted value of the XML declaration.
func (p *parser) declared() (string, bool) {
	p.white()
	if p.byteAt(p.pos) != '=' {
		return "", false
	}
	p.pos++
	p.white()
	quote := p.byteAt(p.pos)
	if quote != '"' && quote != '\'' {
		return "", false
	}
	value, _, found := strings.Cut(p.s[p.pos+1:], string(quote))
	if !found {
		return "", false
	}
	p.pos += len(value) + 2
	return value, true
}
