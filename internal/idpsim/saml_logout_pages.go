package idpsim

import (
	"context"
	"net/http"
	"net/url"
)

// logoutRoutes mounts single logout and artifacts.
func (p *IdP) logoutRoutes(mux *http.ServeMux, at string, protection *http.CrossOriginProtection) {
	if p.kind.logsOut() {
		mux.HandleFunc("GET "+at+"/saml/slo", func(w http.ResponseWriter, r *http.Request) {
			p.sloDoor(w, r, nil)
		})
		mux.HandleFunc("POST "+at+"/saml/slo", func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				p.refusedPage(w, mistake("%v", err))
				return
			}
			p.sloDoor(w, r, r.PostForm)
		})
		protection.AddInsecureBypassPattern("POST " + at + "/saml/slo")
		mux.HandleFunc("POST "+at+"/saml/sign-out", p.signOutForm)
		mux.HandleFunc("POST "+at+"/saml/logout-fault", func(w http.ResponseWriter, r *http.Request) {
			f := LogoutFault(r.PostFormValue("logout_fault"))
			err := p.SetSAMLLogoutFault(f)
			_ = p.samlOutcome("Next logout", string(f)+".", err) // the page shows it
			http.Redirect(w, r, at+"/saml", http.StatusSeeOther)
		})
	}
	if p.kind.resolvesArtifacts() {
		mux.HandleFunc("POST "+at+"/saml/artifact", p.resolveDoor)
	}
}

// sloDoor takes the application's logout messages.
func (p *IdP) sloDoor(w http.ResponseWriter, r *http.Request, form url.Values) {
	h, err := p.hear(r.URL.RawQuery, form, p.sloURL(origin(r)))
	var out *Carrying
	var said string
	if err == nil {
		out, said, err = p.logoutMessageOfApp(h)
	}
	switch {
	case err != nil:
		p.refusedPage(w, err)
	case out != nil && !out.Silent:
		p.carryOn(w, r, *out)
	default:
		render(w, "signedout.html", struct{ Title, Said string }{p.kind.Title(), said})
	}
}

// signOutForm is somebody's own sign-out at the IdP.
func (p *IdP) signOutForm(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("logout_fault") != "" {
		if err := p.SetSAMLLogoutFault(LogoutFault(r.PostFormValue("logout_fault"))); err != nil {
			p.refusedPage(w, err)
			return
		}
	}
	out, err := p.SAMLSignOut(r.PostFormValue("who"))
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	p.carryOn(w, r, out)
}

// carryOn leads the browser to the application with a logout message: by a page with a form, also for the Redirect binding,
// since browsers hold a redirect against the form that led here.
func (p *IdP) carryOn(w http.ResponseWriter, r *http.Request, out Carrying) {
	if out.Form == nil && r.Method == http.MethodGet {
		http.Redirect(w, r, out.URL, http.StatusFound)
		return
	}
	w.Header().Set("Content-Security-Policy", onwardPolicy)
	w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin")
	render(w, "logout_post.html", struct {
		Carrying
		Title, App string
	}{out, p.kind.Title(), p.SAMLSettings().App})
}

// samlLogoutVerbs are the routes below POST /api/{idp}/saml that log out.
var samlLogoutVerbs = map[string]samlVerb{
	"/logout-fault": func(_ context.Context, p *IdP, _ string, in input) (any, error) {
		var v struct {
			Fault LogoutFault `json:"fault"`
		}
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return v, p.SetSAMLLogoutFault(v.Fault)
	},
	"/sign-out": func(_ context.Context, p *IdP, _ string, in input) (any, error) {
		var v struct {
			Which string `json:"which"`
		}
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return p.SAMLSignOut(v.Which)
	},
	// What the application sent the browser to, by url or as a form: the answer to carry back, or what the application said.
	"/slo": func(_ context.Context, p *IdP, base string, in input) (any, error) {
		var v struct {
			URL          string `json:"url"`
			SAMLRequest  string `json:"saml_request"`
			SAMLResponse string `json:"saml_response"`
			RelayState   string `json:"relay_state"`
		}
		if err := in.into(&v); err != nil {
			return nil, err
		}
		var form url.Values
		query := ""
		if v.URL != "" {
			u, err := url.Parse(v.URL)
			if err != nil {
				return nil, mistake("%v", err)
			}
			query = u.RawQuery
		} else {
			form = url.Values{}
			for name, value := range map[string]string{"SAMLRequest": v.SAMLRequest, "SAMLResponse": v.SAMLResponse, "RelayState": v.RelayState} {
				if value != "" {
					form.Set(name, value)
				}
			}
		}
		h, err := p.hear(query, form, p.sloURL(base))
		if err != nil {
			return nil, err
		}
		out, said, err := p.logoutMessageOfApp(h)
		return struct {
			*Carrying
			Said string `json:"said,omitempty"`
		}{out, said}, err
	},
}
