package saml

import "github.com/gatehouse-id/gatehouse/saml/internal/strictxml"

// attributes reads every AttributeStatement (Core section 2.7.3). All values share one array.
func (s signed) attributes(d *decryption) ([]Attribute, *Refusal) {
	p, r := readParts(s.assertion)
	if r != nil {
		return nil, r
	}
	attributes, values := 0, 0
	for e := range s.assertion.Descendants() {
		switch {
		case e.Is(nsAssertion, "Attribute"):
			attributes++
		case e.Is(nsAssertion, "AttributeValue"):
			values++
		}
	}
	list, store := make([]Attribute, 0, attributes), make([]string, 0, values)
	for statement := p.statements; statement != nil; statement = statement.Next() {
		if !statement.Is(nsAssertion, "AttributeStatement") {
			continue
		}
		children, r := sequenceOf(statement)
		if r != nil {
			return nil, r
		}
		for children.next != nil {
			element, r := nextAttribute(&children, d)
			if r != nil {
				return nil, r
			}
			attribute, rest, r := readAttribute(element, store)
			if r != nil {
				return nil, r
			}
			list, store = append(list, attribute), rest
		}
	}
	return list, nil
}

// nextAttribute takes the next Attribute, out of its encryption where it is encrypted.
func nextAttribute(children *sequence, d *decryption) (*strictxml.Element, *Refusal) {
	if holder := children.optional(nsAssertion, "EncryptedAttribute"); holder != nil {
		return d.open(holder, "attribute", "Attribute")
	}
	return children.required(nsAssertion, "Attribute")
}

// readAttribute reads one Attribute and appends its values to store. A value that holds
// elements, such as the NameID inside eduPersonTargetedID, is left out: joined, the texts in it could
// become a value that nobody gave.
func readAttribute(e *strictxml.Element, store []string) (Attribute, []string, *Refusal) {
	a := Attribute{Name: attr(e, "Name"), FriendlyName: attr(e, "FriendlyName"), NameFormat: attr(e, "NameFormat")}
	if a.Name == "" {
		return a, store, refuse(ReasonStructure, "There is an Attribute without a Name.")
	}
	children, r := sequenceOf(e)
	if r != nil {
		return a, store, r
	}
	from := len(store)
	for children.next != nil {
		value, r := children.required(nsAssertion, "AttributeValue")
		if r != nil {
			return a, store, r
		}
		if text, err := value.OnlyText(); err == nil {
			store = append(store, text)
		}
	}
	a.Values = store[from:len(store):len(store)]
	return a, store, nil
}
