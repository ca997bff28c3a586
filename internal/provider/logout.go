package provider

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/signin"
)

// endSession signs out because an application asks for it. With a token of the live session it is
// done at once; without one the person is asked, on our page.
func (d *Door) endSession(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errs.Invalid("invalid_request", "The address cannot be read: its query is not well-formed.")
	}
	params, err := parameters(query)
	if err != nil {
		return err
	}
	if params["id_token_hint"] == "" {
		http.Redirect(w, r, "/signout", http.StatusSeeOther)
		return nil
	}
	h, err := d.Grants.ReadHint(r.Context(), params["id_token_hint"])
	if errs.Is(err, errs.KindInvalid) {
		return errs.Invalid("hint_invalid", "The application that asked to sign you out did not prove who you are, so you are still signed in.").With(err)
	}
	if err != nil {
		return err
	}
	back, err := d.afterLogout(r, h, params)
	if err != nil {
		return err
	}
	live, err := d.SignIn.Check(r.Context(), r)
	switch {
	case errs.Is(err, errs.KindUnauthenticated): // signed out already
	case err != nil:
		return err
	case live.Session.ID != h.Session:
		// The token is of another session than this browser's: the person decides.
		http.Redirect(w, r, "/signout", http.StatusSeeOther)
		return nil
	default:
		leaving, err := d.SignIn.SignOut(r.Context(), live, "signed_out_by_application", back, signin.ClientOf(r))
		if err != nil {
			return err
		}
		if leaving != nil {
			return d.Leave(w, r, leaving) // the IdP's answer leads back
		}
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// afterLogout is where the browser goes afterwards: an address that the hint's application has
// registered, or our sign-in page.
func (d *Door) afterLogout(r *http.Request, h *grants.Hint, params map[string]string) (string, error) {
	if params["client_id"] != "" && params["client_id"] != h.Application {
		return "", errs.Invalid("invalid_request", "The application's client_id is not the one that its id_token_hint was made for.")
	}
	back := params["post_logout_redirect_uri"]
	if back == "" {
		return "/signin?notice=signed_out", nil
	}
	client, err := d.client(r.Context(), r, h.Application)
	if err != nil {
		return "", err
	}
	if !slices.Contains(client.PostLogoutRedirectURIs, back) {
		return "", errs.Invalid("post_logout_redirect_uri_unknown", "%s asked to send you to %s after signing out, which is not one of the addresses that it has registered.",
			client.Name, shown(back))
	}
	if params["state"] != "" {
		back = withQuery(back, url.Values{"state": {params["state"]}})
	}
	return back, nil
}
