package saml

// DecodePost decodes the form field SAMLResponse of the POST binding.
func DecodePost(form string, limit int) ([]byte, error) {
	return nil, refuse(ReasonMalformed, "Not written yet.")
}
