package saml

import (
	"encoding/base64"
	"strings"
)

// DecodePost decodes the form field SAMLResponse of the POST binding (Bindings section 3.5.4):
// base64 in its strict form, in which carriage returns, line feeds and spaces may stand anywhere.
// limit bounds the decoded bytes; zero means DefaultMaxBytes. Nothing is inflated: that is the
// Redirect binding's, and guessing has let small forms grow to gigabytes (CVE-2023-28119).
// The error is a *Refusal.
func DecodePost(form string, limit int) ([]byte, error) {
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	// Line breaks after every fourth byte would double it.
	if len(form)/2 > base64.StdEncoding.EncodedLen(limit) {
		return nil, refuse(ReasonTooLarge, "The message is %d bytes long; up to %d are accepted.", len(form)/4*3, limit)
	}
	if strings.Contains(form, " ") {
		form = strings.ReplaceAll(form, " ", "")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(form) // passes over CR and LF itself
	switch {
	case err != nil:
		return nil, refuse(ReasonMalformed, "The message is not base64.")
	case len(raw) == 0:
		return nil, refuse(ReasonMalformed, "The message is empty.")
	case len(raw) > limit:
		return nil, refuse(ReasonTooLarge, "The message is %d bytes long; up to %d are accepted.", len(raw), limit)
	}
	return raw, nil
}
