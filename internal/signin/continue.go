package signin

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// maxContinue is how long an address may be to which a sign-in leads, in bytes.
const maxContinue = 4096

// ContinuePath reports whether raw may be where a sign-in leads, and returns it as it came. It is
// the only rule for that: an absolute path of ours with an optional query, which is
// /oauth2/authorize or lies below /w/ or /console. Whatever a browser could read as another
// origin is refused: a second slash, a backslash, a scheme, user information, control
// characters, also behind percent signs; and so are dot segments, which would lead elsewhere.
func ContinuePath(raw string) (path string, ok bool) {
	if len(raw) > maxContinue || !strings.HasPrefix(raw, "/") {
		return "", false
	}
	for i := range len(raw) {
		// Everything else stands behind percent signs in an address that a program made.
		if c := raw[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' || c == '<' || c == '>' || c == '"' {
			return "", false
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	for i := range len(u.Path) {
		if c := u.Path[i]; c < ' ' || c == 0x7f || c == '\\' {
			return "", false
		}
	}
	for i, part := range strings.Split(u.Path, "/") {
		if part == "." || part == ".." || part == "" && i == 1 {
			return "", false
		}
	}
	if strings.Contains(u.Path, "//") {
		return "", false
	}
	switch {
	case u.Path == authorizePath, u.Path == "/console", strings.HasPrefix(u.Path, "/console/"), strings.HasPrefix(u.Path, "/w/"):
		return raw, true
	}
	return "", false
}

// authorizePath is where the OIDC provider begins.
const authorizePath = "/oauth2/authorize"

// landing is where a sign-in to a workspace leads: to to where ContinuePath allows it, unless that
// is the page of another workspace, else to the member's own page.
func landing(slug, to string) string {
	to, ok := ContinuePath(to)
	if !ok {
		return workspaceURL(slug)
	}
	if path, _, _ := strings.Cut(to, "?"); strings.HasPrefix(path, "/w/") && path != workspaceURL(slug) && !strings.HasPrefix(path, workspaceURL(slug)+"/") {
		return workspaceURL(slug)
	}
	return to
}

// formActions are the origins, beside ours, that a form may end up at which signs in and leads to to:
// that of the application that asked. Chromium holds a page's form-action over the redirects of
// a submission. An address that the application has not registered is none.
func (s *Service) formActions(ctx context.Context, to string) ([]string, error) {
	to, ok := ContinuePath(to)
	u, err := url.Parse(to)
	if !ok || err != nil || u.Path != authorizePath {
		return nil, nil
	}
	q := u.Query()
	app, err := s.DB.System().Client(ctx, q.Get("client_id"))
	if errs.Is(err, errs.KindNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("find application: %w", err)
	}
	if slices.Contains(app.RedirectURIs, q.Get("redirect_uri")) {
		return originsOf(q.Get("redirect_uri")), nil
	}
	return nil, nil
}

// originsOf returns the web origin of an address as a list for Page.FormActions, nil where it has none.
func originsOf(address string) []string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(u.Host, " ;,'\"") {
		return nil
	}
	return []string{u.Scheme + "://" + u.Host}
}
