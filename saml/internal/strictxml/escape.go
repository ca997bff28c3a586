package strictxml

// AppendText appends s as character data, escaped as canonical XML does it (Canonical XML 1.0
// section 2.3): & < > and carriage return.
func AppendText(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		var entity string
		switch s[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '\r':
			entity = "&#xD;"
		default:
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = append(dst, entity...)
		from = i + 1
	}
	return append(dst, s[from:]...)
}

// AppendAttr appends s as an attribute value for double quotes, without the quotes, escaped as
// canonical XML does it: & < " tab, line feed and carriage return.
func AppendAttr(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		var entity string
		switch s[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '"':
			entity = "&quot;"
		case '\t':
			entity = "&#x9;"
		case '\n':
			entity = "&#xA;"
		case '\r':
			entity = "&#xD;"
		default:
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = append(dst, entity...)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
