package idpsim

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// samlPageRoutes mounts the pages of people and of the administrator.
func (p *IdP) samlPageRoutes(mux *http.ServeMux, at string) {
	mux.HandleFunc("GET "+at+"/saml", p.samlPage)
	mux.HandleFunc("GET "+at+"/saml/sso", func(w http.ResponseWriter, r *http.Request) {
		req, err := p.redirected(r.URL.RawQuery, p.ssoURL(origin(r)))
		p.signInPage(w, r, req, err)
	})
	mux.HandleFunc("POST "+at+"/saml/sso", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			p.refusedPage(w, mistake("%v", err))
			return
		}
		req, err := p.posted(r.PostForm, p.ssoURL(origin(r)))
		p.signInPage(w, r, req, err)
	})
	mux.HandleFunc("POST "+at+"/saml/sso/as", func(w http.ResponseWriter, r *http.Request) {
		p.choose(w, r, p.packedRequest)
	})
	mux.HandleFunc("POST "+at+"/saml/tile", func(w http.ResponseWriter, r *http.Request) {
		p.choose(w, r, func(*http.Request) (*authnRequest, error) { return nil, nil })
	})
	mux.HandleFunc("GET "+at+"/dashboard/{who}", p.dashboard)
	for path, act := range map[string]func(*http.Request) error{
		"": p.settingsForm, "/import": p.importForm, "/fault": p.faultForm, "/metadata-fault": p.metadataFaultForm, "/assign-all": p.assignForm,
	} {
		mux.HandleFunc("POST "+at+"/saml"+path, func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseForm()
			if err == nil {
				err = act(r)
			}
			if err != nil {
				_ = p.samlOutcome("Not done", "", err) // the page shows it
			}
			http.Redirect(w, r, at+"/saml", http.StatusSeeOther)
		})
	}
}

// settingsForm reads the same keys as a script's object; attributes are lines "name = expression".
func (p *IdP) settingsForm(r *http.Request) error {
	s := p.SAMLSettings()
	for key, to := range map[string]*string{"app": &s.App, "acs_url": &s.ACSURL, "audience": &s.Audience, "relay_state": &s.RelayState,
		"name_id_format": &s.NameIDFormat, "name_id": &s.NameID, "group_filter": &s.GroupFilter, "group_prefix": &s.GroupPrefix,
		"group_value": &s.GroupValue, "sign": &s.Sign, "algorithm": &s.Algorithm, "logout_url": &s.LogoutURL, "logout_answer_url": &s.LogoutAnswerURL,
		"logout_binding": &s.LogoutBinding, "encrypt": &s.Encrypt} {
		if r.PostForm.Has(key) {
			*to = strings.TrimSpace(r.PostForm.Get(key))
		}
	}
	if r.PostForm.Has("attributes") {
		s.Attributes = nil
		for line := range strings.Lines(r.PostForm.Get("attributes")) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			name, value, ok := strings.Cut(line, " = ")
			if !ok {
				return fmt.Errorf("%w: attribute line %q, expected \"name = expression\"", ErrInvalid, line)
			}
			s.Attributes = append(s.Attributes, AttributeStatement{strings.TrimSpace(name), strings.TrimSpace(value)})
		}
	}
	return p.ConfigureSAML(s)
}

func (p *IdP) importForm(r *http.Request) error {
	return p.ImportSAML(r.Context(), strings.TrimSpace(r.PostForm.Get("url")))
}

func (p *IdP) faultForm(r *http.Request) error {
	f := Fault(r.PostForm.Get("fault"))
	if err := p.SetSAMLFault(f); err != nil {
		return err
	}
	return p.samlOutcome("Next response", f.Title()+".", nil)
}

func (p *IdP) metadataFaultForm(r *http.Request) error {
	f := MetadataFault(r.PostForm.Get("metadata_fault"))
	if err := p.SetMetadataFault(f); err != nil {
		return err
	}
	return p.samlOutcome("Metadata", "What is wrong with it: "+string(f)+".", nil)
}

func (p *IdP) assignForm(r *http.Request) error {
	if _, err := p.AssignEverybody(r.Context()); err != nil {
		return err
	}
	return p.samlOutcome("Assign everybody", "Everybody is assigned.", nil)
}

// samlPerson is somebody on a sign-in page or in the list of dashboards.
type samlPerson struct {
	Person
	Barred    string
	Dashboard string
}

type samlView struct {
	SAMLState
	Title    string
	Sections []section
	Entra    bool
	Query    string
	Total    int // people in the IdP
	Matching int // people that the search found
	People   []samlPerson
	Lines    string // attribute statements as the form has them
	Request  shownRequest
	Choices  map[string][]string
	MayLeave bool   // this person has a session that SAML began
	OIDCApp  string // on the tile of OpenID Connect, "" for none
}

// shownRequest is a request as the sign-in page carries it along.
type shownRequest struct{ Packed, RelayState, XML string }

func (p *IdP) samlView(r *http.Request) (samlView, error) {
	state, err := p.samlState(origin(r))
	if err != nil {
		return samlView{}, err
	}
	v := samlView{SAMLState: state, Title: p.kind.Title(), Entra: p.kind.IsEntra(), Sections: p.sections(r.URL.Path),
		Query: strings.TrimSpace(r.URL.Query().Get("q")),
		Choices: map[string][]string{"name_id_format": nameIDChoices, "sign": signChoices, "algorithm": algorithmChoices,
			"group_filter": filterChoices, "group_value": groupChoices, "logout_binding": bindingChoices, "encrypt": encryptChoices}}
	for _, a := range state.Settings.Attributes {
		v.Lines += a.Name + " = " + a.Value + "\n"
	}
	v.People, v.Matching, v.Total = p.found(v.Query)
	return v, nil
}

// found are the people of a sign-in page whom a search finds, the first of them, and how many there are.
func (p *IdP) found(query string) (shown []samlPerson, matching, total int) {
	people := p.State().People
	for _, x := range people {
		if !matches(x, query) {
			continue
		}
		matching++
		if len(shown) < shownPeople {
			shown = append(shown, samlPerson{x, barred(x), "/" + string(p.kind) + "/dashboard/" + url.PathEscape(x.ID)})
		}
	}
	return shown, matching, len(people)
}

func (p *IdP) samlPage(w http.ResponseWriter, r *http.Request) {
	v, err := p.samlView(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	render(w, "saml.html", v)
}

// signInPage asks who is signing in.
func (p *IdP) signInPage(w http.ResponseWriter, r *http.Request, req *authnRequest, err error) {
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	v, err := p.samlView(r)
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	v.Request = shownRequest{req.packed, req.relayState, req.xml}
	render(w, "signin.html", v)
}

// choose takes the choice of a person, and of a fault where the form has one, and shows the page
// that posts the response.
func (p *IdP) choose(w http.ResponseWriter, r *http.Request, read func(*http.Request) (*authnRequest, error)) {
	if err := r.ParseForm(); err != nil {
		p.refusedPage(w, mistake("%v", err))
		return
	}
	req, err := read(r)
	if err == nil && r.PostForm.Has("fault") {
		err = p.SetSAMLFault(Fault(r.PostForm.Get("fault")))
	}
	var out Posting
	if err == nil {
		out, err = p.respond(r.PostForm.Get("who"), req)
	}
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	// The form goes to another site, and from there wherever the application redirects to, which
	// browsers hold against form-action too.
	w.Header().Set("Content-Security-Policy", onwardPolicy)
	w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin") // browsers' default: the form has an Origin
	render(w, "post.html", struct {
		Posting
		Title, App string
	}{out, p.kind.Title(), p.SAMLSettings().App})
}

// dashboard is somebody's page of applications at the IdP.
func (p *IdP) dashboard(w http.ResponseWriter, r *http.Request) {
	x, err := p.person(r.PathValue("who"))
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	if x.Deleted || !x.Active {
		p.refusedPage(w, fmt.Errorf("%w: %s is %s", ErrDenied, x.UserName, barred(x)))
		return
	}
	v, err := p.samlView(r)
	if err != nil {
		p.refusedPage(w, err)
		return
	}
	v.People = []samlPerson{{Person: x, Barred: barred(x)}}
	v.MayLeave = p.kind.logsOut() && slices.ContainsFunc(v.Sessions, func(s SAMLSession) bool { return s.person == x.ID })
	if v.MayLeave { // the browser goes on to the application
		w.Header().Set("Content-Security-Policy", onwardPolicy)
	}
	if s, err := p.oidcReady(); err == nil && s.InitiateURL != "" {
		v.OIDCApp = s.App
	}
	if v.OIDCApp != "" { // the tile leads to the application
		w.Header().Set("Content-Security-Policy", onwardPolicy)
	}
	render(w, "dashboard.html", v)
}

// refusedPage says why the IdP does not answer.
func (p *IdP) refusedPage(w http.ResponseWriter, err error) {
	v := struct{ IdP, Kind, Heading, Hint, Message string }{p.kind.Title(), string(p.kind), "This cannot be answered", "", sentence(err)}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrDenied):
		status, v.Heading, v.Hint = http.StatusForbidden, "No access", "People sign in here only while they are active and assigned to the application."
	case errors.Is(err, ErrUnknown):
		status, v.Heading = http.StatusNotFound, "Nobody of that name"
	case errors.Is(err, ErrNotConnected):
		status, v.Heading = http.StatusConflict, "The application is not set up yet"
	case errors.Is(err, errRequest):
		status, v.Heading, v.Hint = http.StatusBadRequest, "The application's request is wrong", "This IdP reads requests more strictly than its vendor, so that mistakes show here."
	case errors.Is(err, ErrInvalid):
		status = http.StatusBadRequest
	}
	renderWith(w, status, "refused.html", v)
}

// sentence is an error for people: the kind, which the heading tells, is left out.
func sentence(err error) string {
	text := err.Error()
	for _, kind := range []error{ErrDenied, errRequest, ErrInvalid, ErrNotConnected} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
	}
	if errors.Is(err, ErrDenied) {
		return text + "." // it begins with a user name
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

// prettyXML puts each element on a line of its own. It is for reading: white space is added.
func prettyXML(document string) string {
	var b strings.Builder
	depth := 0
	for i, piece := range strings.Split(document, "><") {
		if i > 0 {
			b.WriteString(">\n")
			piece = "<" + piece
		}
		if strings.HasPrefix(piece, "</") {
			depth--
		}
		b.WriteString(strings.Repeat("  ", max(depth, 0)) + piece)
		closed := strings.Contains(piece, "</") || strings.HasSuffix(piece, "/") || strings.HasPrefix(piece, "<?") || strings.HasPrefix(piece, "<!")
		if !closed {
			depth++
		}
	}
	return b.String()
}

// choice is one select of the settings form.
func choice(name, current string, choices map[string][]string) any {
	return struct {
		Name, Current string
		Values        []string
	}{name, current, choices[name]}
}

// initial is the letter on somebody's picture or on a tile.
func initial(name string) string {
	for _, r := range name {
		return string(unicode.ToUpper(r))
	}
	return "?"
}
