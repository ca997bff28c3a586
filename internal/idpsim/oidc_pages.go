package idpsim

import (
	"net/http"
	"strings"
)

// oidcPageRoutes mounts the pages of the administrator, and the tile.
func (p *IdP) oidcPageRoutes(mux *http.ServeMux, at string) {
	mux.HandleFunc("GET "+at+"/oidc", p.oidcPage)
	mux.HandleFunc("POST "+at+"/oidc/tile", func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		to := ""
		if err == nil {
			to, err = p.oidcTileAt(origin(r), r.PostForm.Get("who"))
		}
		if err == nil && r.PostForm.Has("fault") {
			err = p.SetOIDCFault(OIDCFault(r.PostForm.Get("fault")))
		}
		if err != nil {
			p.refusedPage(w, err)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
	for path, act := range map[string]func(*http.Request) error{
		"": p.oidcSettingsForm, "/fault": p.oidcFaultForm,
		"/rotate-key": func(r *http.Request) error { return p.RotateKey(r.PostForm.Get("immediate") != "") },
		"/sign-out": func(r *http.Request) error {
			_, err := p.signOutAt(r.Context(), origin(r), r.PostForm.Get("which"))
			return err
		},
		"/assign-all": p.assignForm,
	} {
		mux.HandleFunc("POST "+at+"/oidc"+path, func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseForm()
			if err == nil {
				err = act(r)
			}
			if err != nil {
				_ = p.oidcOutcome("Not done", "", err) // the page shows it
			}
			http.Redirect(w, r, at+"/oidc", http.StatusSeeOther)
		})
	}
}

// oidcSettingsForm reads the same keys as a script's object; addresses of a list are lines.
func (p *IdP) oidcSettingsForm(r *http.Request) error {
	s := p.OIDCSettings()
	for key, to := range map[string]*string{"app": &s.App, "client_id": &s.ClientID, "client_secret": &s.ClientSecret, "client_auth": &s.ClientAuth, "keys_url": &s.KeysURL,
		"initiate_url": &s.InitiateURL, "target_url": &s.TargetURL, "backchannel_url": &s.BackchannelURL, "frontchannel_url": &s.FrontchannelURL,
		"groups_claim": &s.GroupsClaim, "group_filter": &s.GroupFilter, "group_prefix": &s.GroupPrefix, "group_value": &s.GroupValue,
		"hosted_domain": &s.HostedDomain, "algorithm": &s.Algorithm} {
		if r.PostForm.Has(key) {
			*to = strings.TrimSpace(r.PostForm.Get(key))
		}
	}
	for key, to := range map[string]*[]string{"redirect_uris": &s.RedirectURIs, "post_logout_uris": &s.PostLogoutURIs} {
		if r.PostForm.Has(key) {
			*to = strings.Fields(r.PostForm.Get(key))
		}
	}
	for key, to := range map[string]*bool{"thin": &s.Thin, "mail_verified": &s.MailVerified} {
		if r.PostForm.Has(key) {
			*to = r.PostForm.Get(key) == "yes"
		}
	}
	return p.ConfigureOIDC(s)
}

func (p *IdP) oidcFaultForm(r *http.Request) error {
	f := OIDCFault(r.PostForm.Get("fault"))
	if err := p.SetOIDCFault(f); err != nil {
		return err
	}
	return p.oidcOutcome("Next sign-in", f.Title()+".", nil)
}

type oidcView struct {
	OIDCState
	Title    string
	Sections []section
	Entra    bool
	Query    string
	Total    int // people in the IdP
	Matching int // people that the search found
	People   []samlPerson
	Action   string // of the sign-in page's form
	Request  string // as the sign-in page carries it along
	Choices  map[string][]string
}

func (p *IdP) oidcView(r *http.Request) (oidcView, error) {
	state, err := p.oidcState(origin(r))
	if err != nil {
		return oidcView{}, err
	}
	v := oidcView{OIDCState: state, Title: p.kind.Title(), Entra: p.kind.IsEntra(), Sections: p.sections(r.URL.Path), Query: strings.TrimSpace(r.URL.Query().Get("q")),
		Choices: map[string][]string{"client_auth": clientAuthChoices, "algorithm": oidcAlgorithmChoices, "group_filter": filterChoices, "group_value": groupChoices,
			"thin": {"yes", "no"}, "mail_verified": {"yes", "no"}}}
	v.People, v.Matching, v.Total = p.found(v.Query)
	return v, nil
}

func (p *IdP) oidcPage(w http.ResponseWriter, r *http.Request) {
	v, err := p.oidcView(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	render(w, "oidc.html", v)
}

// onwardPolicy is for pages whose form leads to another site, and from there wherever the application redirects to.
const onwardPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; form-action http: https:; frame-ancestors 'none'; base-uri 'none'"

// authorizePage asks who is signing in. Its search comes back here with the request in a field.
func (p *IdP) authorizePage(w http.ResponseWriter, r *http.Request) {
	query, err := formQuery(r)
	search, searched := "", false
	if q := r.URL.Query(); err == nil && q.Has("request") {
		query, search, searched = q.Get("request"), q.Get("q"), true
	}
	var a *authorization
	if err == nil {
		a, err = p.readAuthorization(query)
	}
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	if a.silent {
		p.lead(w, r, "", a)
		return
	}
	if !searched {
		search = p.hintOf(a.hint)
	}
	v, err := p.oidcView(withQuery(r, search))
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	v.Action, v.Request = r.URL.EscapedPath(), a.query
	w.Header().Set("Content-Security-Policy", onwardPolicy)
	render(w, "oidc_signin.html", v)
}

// chooseOIDC takes the choice of a person, and of a fault where the form has one.
func (p *IdP) chooseOIDC(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	var a *authorization
	if err == nil {
		a, err = p.readAuthorization(r.PostForm.Get("request"))
	}
	if err == nil && r.PostForm.Has("fault") {
		err = p.SetOIDCFault(OIDCFault(r.PostForm.Get("fault")))
	}
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	p.lead(w, r, r.PostForm.Get("who"), a)
}

// lead takes the browser back to the application.
func (p *IdP) lead(w http.ResponseWriter, r *http.Request, who string, a *authorization) {
	out, err := p.grantTo(who, a, origin(r))
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin") // browsers' default: a form has an Origin
	if !out.FormPost {
		http.Redirect(w, r, out.URL(), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Security-Policy", onwardPolicy)
	render(w, "oidc_post.html", struct {
		Answer
		Title, App string
	}{out, p.kind.Title(), a.settings.App})
}
