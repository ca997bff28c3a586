package provider

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// tokens is the answer of the token endpoint (RFC 6749 section 5.1, Core section 3.1.3.3).
type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int64  `json:"expires_in"` // seconds
	ID        string `json:"id_token,omitempty"`
	Refresh   string `json:"refresh_token,omitempty"`
	Scope     string `json:"scope"`
}

func (d *Door) token(w http.ResponseWriter, r *http.Request) error {
	client, params, err := d.authenticated(r)
	if err != nil {
		return err
	}
	var given grants.Tokens
	switch params["grant_type"] {
	case "authorization_code":
		given, err = d.Grants.Redeem(r.Context(), client, params["code"], params["redirect_uri"], params["code_verifier"])
	case "refresh_token":
		given, err = d.Grants.Refresh(r.Context(), client, params["refresh_token"])
	case "":
		err = errs.Invalid("invalid_request", "Expected the parameter grant_type.")
	default:
		err = &grants.Error{Code: "unsupported_grant_type", Message: "Expected grant_type authorization_code or refresh_token, received " + shown(params["grant_type"]) + "."}
	}
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, tokens{Access: given.Access, Type: "Bearer", ExpiresIn: int64(given.ExpiresIn.Seconds()),
		ID: given.ID, Refresh: given.Refresh, Scope: given.Scope})
}

func (d *Door) introspect(w http.ResponseWriter, r *http.Request) error {
	client, params, err := d.authenticated(r)
	if err != nil {
		return err
	}
	if client.Public {
		return d.refuseClient(r, "public_client") // anybody could ask in its name
	}
	if params["token"] == "" {
		return errs.Invalid("invalid_request", "Expected the parameter token.")
	}
	found, err := d.Grants.Introspect(r.Context(), client, params["token"])
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, found)
}

// revoke answers 200 whether or not there was such a token (RFC 7009 section 2.2).
func (d *Door) revoke(w http.ResponseWriter, r *http.Request) error {
	client, params, err := d.authenticated(r)
	if err != nil {
		return err
	}
	if params["token"] == "" {
		return errs.Invalid("invalid_request", "Expected the parameter token.")
	}
	if err := d.Grants.Revoke(r.Context(), client, params["token"]); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (d *Door) userinfo(w http.ResponseWriter, r *http.Request) error {
	token, err := bearer(r)
	if err != nil {
		return err
	}
	if token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	holder, err := d.Grants.Access(r.Context(), token)
	if errs.Is(err, errs.KindUnauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse", error="invalid_token", error_description="The access token is not valid, or its session has ended."`)
		return web.WriteJSON(w, http.StatusUnauthorized, oauthError{"invalid_token", "The access token is not valid, or its session has ended."})
	}
	if err != nil {
		return err
	}
	claims, err := d.Grants.UserInfo(r.Context(), holder)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, claims)
}

// oauthError is an error answer to an application (RFC 6749 section 5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// failOAuth renders errors as OAuth 2.0 does.
func failOAuth(w http.ResponseWriter, r *http.Request, err error) {
	status, body := http.StatusBadRequest, oauthError{}
	var refused *grants.Error
	if errors.As(err, &refused) {
		body = oauthError{refused.Code, refused.Message}
		if refused.Reason != "" {
			web.Add(r.Context(), "reason", refused.Reason)
		}
		if refused.Code == "invalid_client" {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="gatehouse"`)
		}
	} else {
		f := web.FailureOf(r, err)
		status, body = f.Status, oauthError{f.Code, f.Message}
		if status >= 500 {
			body.Code = "server_error"
			if status == http.StatusServiceUnavailable {
				body.Code = "temporarily_unavailable"
			}
		}
	}
	text, _ := json.Marshal(body) // strings always encode
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
