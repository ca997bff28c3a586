package provider

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// badClient is the one answer to every failed proof of an application (RFC 6749 section 5.2).
func badClient(reason string) error {
	return &grants.Error{Code: "invalid_client", Message: "The application could not be authenticated.", Reason: reason}
}

// authenticated reads a form of the token endpoint and its like, and finds the application that
// sent it and proved who it is: client_secret_basic, client_secret_post, or none for public ones.
func (d *Door) authenticated(r *http.Request) (*store.Client, map[string]string, error) {
	switch _, err := web.Form(r); {
	case errs.Is(err, errs.KindInvalid):
		return nil, nil, errs.Invalid("invalid_request", "The form could not be read.").With(err)
	case err != nil:
		return nil, nil, err
	}
	// Credentials and tokens in an address end up in logs.
	if r.URL.RawQuery != "" {
		return nil, nil, errs.Invalid("invalid_request", "Expected parameters in the form of the body, received some in the address.")
	}
	params, err := parameters(r.PostForm)
	if err != nil {
		return nil, nil, err
	}
	id, secret := params["client_id"], params["client_secret"]
	if user, password, basic := r.BasicAuth(); basic {
		if secret != "" {
			return nil, nil, errs.Invalid("invalid_request", "Expected one way of client authentication, received two.")
		}
		// Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1).
		name, nameErr := url.QueryUnescape(user)
		word, wordErr := url.QueryUnescape(password)
		if nameErr != nil || wordErr != nil || id != "" && id != name {
			return nil, nil, d.refuseClient(r, "basic_unreadable")
		}
		id, secret = name, word
	} else if r.Header.Get("Authorization") != "" {
		return nil, nil, d.refuseClient(r, "authorization_scheme")
	}
	if id == "" {
		return nil, nil, d.refuseClient(r, "client_id_missing")
	}
	client, err := d.DB.System().Client(r.Context(), id)
	switch {
	case errs.Is(err, errs.KindNotFound):
		return nil, nil, d.refuseClient(r, "client_unknown")
	case err != nil:
		return nil, nil, err
	}
	if !proves(client, secret) {
		return nil, nil, d.refuseClient(r, "secret_wrong")
	}
	return client, params, nil
}

// proves reports whether a secret is the application's. A public application has none, and one
// that comes with it is somebody else.
func proves(c *store.Client, secret string) bool {
	if c.Public {
		return secret == ""
	}
	return c.Secret != "" && subtle.ConstantTimeCompare([]byte(keys.HashToken(secret)), []byte(c.Secret)) == 1
}

func (d *Door) refuseClient(r *http.Request, reason string) error {
	d.stranger(r, "provider."+reason)
	return badClient(reason)
}

// bearer returns the access token of a request (RFC 6750): in the header, or in a form's body.
func bearer(r *http.Request) (string, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", nil
		}
		return strings.TrimSpace(token), nil
	}
	if r.Method != http.MethodPost {
		return "", nil
	}
	if _, err := web.Form(r); err != nil {
		return "", err
	}
	return r.PostForm.Get("access_token"), nil
}
