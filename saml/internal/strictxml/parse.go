package strictxml

// Parse reads a whole document and returns its root element. The error is a *SyntaxError.
func Parse(raw []byte, limits Limits) (*Element, error) {
	limits = limits.withDefaults()
	return nil, &SyntaxError{Reason: "not written yet"}
}

// blank reports whether s is white space only (XML 1.0, production S).
func blank(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != ' ' && s[i] != '\n' && s[i] != '\t' && s[i] != '\r' {
			return false
		}
	}
	return true
}
