package strictxml

// AppendCanonical appends the exclusive canonical form of e without comments.
func AppendCanonical(dst []byte, e *Element, inclusivePrefixes []string, omit *Element) []byte {
	return dst
}
