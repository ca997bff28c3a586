package web

import (
	"net/http"
	"strings"
)

// contentPolicy is the Content-Security-Policy of a page: what is ours and nothing else, no
// inline script or style. formActions are further origins that a form of the page may end up at,
// redirects included, because Chromium holds form-action over the redirects of a submission.
// framedBy are the sites that may show the page in a frame of theirs, which is nobody for almost every page.
func contentPolicy(formActions, framedBy []string) string {
	form := strings.Join(append([]string{"form-action 'self'"}, formActions...), " ")
	frames := "frame-ancestors 'none'"
	if len(framedBy) > 0 {
		frames = strings.Join(append([]string{"frame-ancestors"}, framedBy...), " ")
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		form + "; " + frames + "; base-uri 'none'"
}

// pageHeaders are set on every answer of a page door before its handler runs.
func pageHeaders(h http.Header, https bool) {
	h.Set("Content-Security-Policy", contentPolicy(nil, nil))
	// Not "no-referrer": that makes browsers send "Origin: null" with forms, and then older ones
	// cannot be told from another site.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	common(h)
	if https {
		// One year, and this host only: what runs beside it is the operator's.
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// jsonHeaders are set on every answer of a JSON door before its handler runs.
func jsonHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	common(h)
}

func common(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}
