package provider

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Limits of what an application may have echoed, in bytes.
const (
	maxState = 2048
	maxNonce = 512
)

// sinceParameter is ours: it marks the return from a sign-in that was to be a fresh one, with the
// second at which it was asked for. Whoever makes it up spares themselves the sign-in page, which
// whoever writes the address of a request can do anyway, by leaving prompt out.
const sinceParameter = "gatehouse_since"

// authorization is a request that names an application and one of its redirect URIs: from then on
// mistakes are told to the application.
type authorization struct {
	client      *store.Client
	redirectURI string
	state       string
	params      map[string]string
}

// mistake is an error answer to an application (RFC 6749 section 4.1.2.1).
type mistake struct{ code, message string }

func (m *mistake) Error() string { return m.message }

func wrong(code, message string) error { return &mistake{code, message} }

// authorize is the authorization endpoint.
func (d *Door) authorize(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errs.Invalid("invalid_request", "The address cannot be read: its query is not well-formed.")
	}
	params, err := parameters(query)
	if err != nil {
		return err
	}
	client, err := d.client(r.Context(), r, params["client_id"])
	if err != nil {
		return err
	}
	a := &authorization{client: client, redirectURI: params["redirect_uri"], state: params["state"], params: params}
	// Byte for byte, before anything is sent there (RFC 9700 section 2.1).
	if !slices.Contains(client.RedirectURIs, a.redirectURI) {
		d.stranger(r, "provider.redirect_uri_unknown")
		return errs.Invalid("redirect_uri_unknown", "%s asked to send you back to %s, which is not one of the addresses that it has registered.",
			client.Name, shown(a.redirectURI))
	}
	err = d.proceed(w, r, a)
	var m *mistake
	if errors.As(err, &m) {
		answer := url.Values{"error": {m.code}, "error_description": {m.message}}
		d.answer(w, r, a, answer)
		return nil
	}
	return err
}

// proceed checks the rest of a request and gives a code, or leads to sign-in.
func (d *Door) proceed(w http.ResponseWriter, r *http.Request, a *authorization) error {
	want, err := a.read()
	if err != nil {
		return err
	}
	live, err := d.SignIn.Check(r.Context(), r)
	if err != nil && !errs.Is(err, errs.KindUnauthenticated) {
		return err
	}
	if err != nil || live.Workspace != a.client.Workspace {
		live = nil // of another workspace is as good as none
	}
	fresh, err := d.needsSignIn(r, a, want, live)
	if err != nil {
		return err
	}
	if live != nil {
		if err := d.SignIn.Renew(w, r, live); err != nil {
			return err
		}
	}
	if live == nil || fresh {
		if want.none {
			return wrong("login_required", "Nobody is signed in to this workspace in this browser.")
		}
		return d.toSignin(w, r, a, fresh)
	}
	code, err := d.Grants.Authorize(r.Context(), live, a.client, grants.AuthorizeRequest{
		RedirectURI: a.redirectURI, Scope: a.params["scope"], Nonce: a.params["nonce"], Challenge: a.params["code_challenge"]})
	var refused *grants.Error
	switch {
	case errors.As(err, &refused):
		return wrong(refused.Code, refused.Message)
	case errs.Is(err, errs.KindUnauthenticated): // ended between the check and now
		return wrong("login_required", "The session has just ended.")
	case err != nil:
		return err
	}
	d.answer(w, r, a, url.Values{"code": {code}})
	return nil
}

// answer sends the browser back to the application, with its state and our name (RFC 9207).
func (d *Door) answer(w http.ResponseWriter, r *http.Request, a *authorization, values url.Values) {
	if a.state != "" && len(a.state) <= maxState {
		values.Set("state", a.state)
	}
	values.Set("iss", d.Issuer)
	http.Redirect(w, r, withQuery(a.redirectURI, values), http.StatusSeeOther)
}

// withQuery adds values to an address that may have a query already.
func withQuery(address string, values url.Values) string {
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + values.Encode()
}

// wanted is how a request wants the sign-in.
type wanted struct {
	none   bool // no page may be shown
	login  bool // people shall prove again who they are
	maxAge time.Duration
	aged   bool // maxAge is set
	since  time.Time
}

var challenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// read checks the parameters of a request whose application and address are known.
func (a *authorization) read() (wanted, error) {
	p := a.params
	var want wanted
	switch {
	case p["request"] != "":
		return want, wrong("request_not_supported", "The parameter request is not supported.")
	case p["request_uri"] != "":
		return want, wrong("request_uri_not_supported", "The parameter request_uri is not supported.")
	case p["response_type"] == "":
		return want, wrong("invalid_request", "Expected the parameter response_type with the value code.")
	case p["response_type"] != "code":
		return want, wrong("unsupported_response_type", "Expected response_type=code, received "+shown(p["response_type"])+".")
	case p["response_mode"] != "" && p["response_mode"] != "query":
		return want, wrong("invalid_request", "Expected response_mode=query, received "+shown(p["response_mode"])+".")
	case !slices.Contains(strings.Fields(p["scope"]), "openid"):
		return want, wrong("invalid_scope", "Expected the scope openid among others.")
	case p["code_challenge"] == "":
		return want, wrong("invalid_request", "Expected PKCE: code_challenge with code_challenge_method=S256.")
	case p["code_challenge_method"] != "S256":
		return want, wrong("invalid_request", "Expected code_challenge_method=S256, received "+shown(p["code_challenge_method"])+".")
	case !challenge.MatchString(p["code_challenge"]):
		return want, wrong("invalid_request", "Expected code_challenge to be the base64url of a SHA-256, 43 characters.")
	case len(a.state) > maxState:
		return want, wrong("invalid_request", "Expected a state of at most 2048 bytes.")
	case len(p["nonce"]) > maxNonce:
		return want, wrong("invalid_request", "Expected a nonce of at most 512 bytes.")
	case !utf8.ValidString(p["nonce"]) || strings.Contains(p["nonce"], "\x00"):
		return want, wrong("invalid_request", "Expected a nonce in UTF-8 without U+0000.")
	}
	return want.read(p)
}

func (want wanted) read(p map[string]string) (wanted, error) {
	for _, word := range strings.Fields(p["prompt"]) {
		switch word {
		case "none":
			want.none = true
		case "login", "select_account":
			want.login = true
		case "consent": // the operator registered the application: nobody is asked
		default:
			return want, wrong("invalid_request", "Expected prompt to be none or login, received "+shown(word)+".")
		}
	}
	if want.none && len(strings.Fields(p["prompt"])) > 1 {
		return want, wrong("invalid_request", "Expected prompt=none alone.")
	}
	if text := p["max_age"]; text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return want, wrong("invalid_request", "Expected max_age in seconds, received "+shown(text)+".")
		}
		want.maxAge, want.aged = time.Duration(seconds)*time.Second, true
	}
	if text := p[sinceParameter]; text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return want, wrong("invalid_request", "Expected "+sinceParameter+" in seconds, received "+shown(text)+".")
		}
		want.since = time.Unix(seconds, 0)
	}
	return want, nil
}

// clockSlack is how much older than asked a proof may look: clocks of IdPs differ from ours.
const clockSlack = 5 * time.Minute

// needsSignIn reports whether a live session is not enough. Back from a sign-in that was to be
// fresh, a proof that still is too old is told to the application and never asked for again: an
// IdP that does not ask would make a loop.
func (d *Door) needsSignIn(r *http.Request, a *authorization, want wanted, live *store.LiveSession) (bool, error) {
	if live == nil {
		return false, nil
	}
	if hint := a.params["id_token_hint"]; hint != "" {
		h, err := d.Grants.ReadHint(r.Context(), hint)
		if errs.Is(err, errs.KindInvalid) {
			return false, wrong("invalid_request", "Expected id_token_hint to be an ID token of this provider.")
		}
		if err != nil {
			return false, err
		}
		if h.Subject != live.Member.ID {
			if !want.since.IsZero() {
				return false, wrong("login_required", "Somebody else signed in than id_token_hint names.")
			}
			return true, nil
		}
	}
	proven := live.AuthenticatedAt
	if !want.since.IsZero() {
		if live.CreatedAt.Before(want.since) || proven.Before(want.since.Add(-clockSlack)) {
			return false, wrong("login_required", "The identity provider did not ask the person to prove again who they are.")
		}
		return false, nil
	}
	return want.login || want.aged && d.DB.Now().Sub(proven) > want.maxAge, nil
}

// kept are the parameters that mean something once somebody has signed in. What else a request holds is
// left behind, so that it does not make the address too long to come back to.
var kept = []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
	"code_challenge", "code_challenge_method", "prompt", "max_age", "id_token_hint", sinceParameter}

// toSignin leads to where people sign in and from where they come back to this request.
func (d *Door) toSignin(w http.ResponseWriter, r *http.Request, a *authorization, fresh bool) error {
	again := url.Values{}
	for _, name := range kept {
		if value := a.params[name]; value != "" {
			again.Set(name, value)
		}
	}
	query := url.Values{"workspace": {a.client.Slug}}
	if fresh {
		query.Set("fresh", "1")
		again.Del("prompt")
		again.Set(sinceParameter, strconv.FormatInt(d.DB.Now().Unix(), 10))
	}
	if hint := a.params["login_hint"]; hint != "" && len(hint) <= 320 {
		query.Set("email", hint)
	}
	back, ok := signin.ContinuePath(authorizePath + "?" + again.Encode())
	if !ok { // people would sign in and never get to the application
		return wrong("invalid_request", "The request is too long to be kept while somebody signs in: expected a shorter state or id_token_hint.")
	}
	query.Set("continue", back)
	http.Redirect(w, r, "/signin?"+query.Encode(), http.StatusSeeOther)
	return nil
}
